// Register accesses allocate nothing: counted with the program's own operator new.
#include <cstdlib>
#include <new>

#include "fixture.h"

namespace {
std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace ladon::vfio {
namespace {

TEST_F(ServerTest, RegisterAccessesAllocateNothing) {
  VfioClient client = attach();
  Message accesses;
  for (const Message& message :
       {read_message(0, 8, 4), write_message(0, 8, Message(4)), write_message(0, 8, Message(8), kNoReplyFlag),
        write_multi_message({{0, 0, 4, 1}, {8, 0, 8, 2}}, kNoReplyFlag), read_message(kConfigRegion, 0, 256)})
    accesses.insert(accesses.end(), message.begin(), message.end());
  std::array<std::byte, 1024> replies;
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(client.send_some(accesses), accesses.size());
    const std::size_t before = allocations;
    turn();
    EXPECT_EQ(allocations, before) << "round " << round;
    ASSERT_EQ(::recv(client.fd(), replies.data(), replies.size(), 0), 3 * 16 + 3 * 16 + 4 + 256);
  }
  EXPECT_EQ(device.reads, 40u);
  EXPECT_EQ(device.writes, 80u);
}

}  // namespace
}  // namespace ladon::vfio
