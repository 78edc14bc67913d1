// Register accesses allocate nothing: counted with the program's own operator new.
#include "fakes/count_allocations.h"
#include "fixture.h"

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
    const std::size_t before = fakes::allocations;
    turn();
    EXPECT_EQ(fakes::allocations, before) << "round " << round;
    ASSERT_EQ(::recv(client.fd(), replies.data(), replies.size(), 0), 3 * 16 + 3 * 16 + 4 + 256);
  }
  EXPECT_EQ(device.reads, 40u);
  EXPECT_EQ(device.writes, 80u);
}

}  // namespace
}  // namespace ladon::vfio
