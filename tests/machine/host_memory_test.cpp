#include "machine/host_memory.h"

#include <gtest/gtest.h>

#include <array>

#include "machine/synthetic_guest.h"

namespace ladon::machine {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

Range<BusAddr> range(std::uint64_t first, std::uint64_t length) {
  return Range<BusAddr>::of(BusAddr(first), length).value();
}

class HostMemoryTest : public ::testing::Test {
 protected:
  HostMemory memory{range(0, 4 * kMiB), range(64 * kMiB, 64 * kMiB)};

  static FileDescriptor file(std::uint64_t bytes) { return sealed_memory(bytes).value(); }
};

TEST_F(HostMemoryTest, OneOwnersFileHasOneAddress) {
  const auto fd = file(8 * kMiB);
  const auto low = memory.pin({.fd = fd.get(), .file_offset = 0, .length = kMiB, .owner = 1});
  const auto high = memory.pin({.fd = fd.get(), .file_offset = 4 * kMiB, .length = kMiB, .owner = 1});
  ASSERT_TRUE(low && high);
  EXPECT_TRUE(low->fresh);
  EXPECT_FALSE(high->fresh);
  EXPECT_EQ(high->pinned.at.minus(low->pinned.at), 4 * kMiB);
}

TEST_F(HostMemoryTest, AnotherOwnerOfTheSameFileIsPlacedApart) {
  const auto fd = file(8 * kMiB);
  const auto one = memory.pin({.fd = fd.get(), .length = kMiB, .owner = 1});
  const auto other = memory.pin({.fd = fd.get(), .length = kMiB, .owner = 2});
  ASSERT_TRUE(one && other);
  EXPECT_FALSE(one->range.overlaps(other->range));
}

TEST_F(HostMemoryTest, AReservedPlaceIsItsOwnersAlone) {
  HostMemory reserving(range(0, 4 * kMiB), range(64 * kMiB, 64 * kMiB),
                       {{1, range(72 * kMiB, 16 * kMiB)}, {2, range(66 * kMiB, 2 * kMiB)}});
  const auto large = file(16 * kMiB), other_large = file(16 * kMiB), small = file(2 * kMiB);
  const auto other = reserving.pin({.fd = other_large.get(), .length = kMiB, .owner = 2});
  const auto owner = reserving.pin({.fd = large.get(), .file_offset = 2 * kMiB, .length = kMiB, .owner = 1});
  const auto second = reserving.pin({.fd = small.get(), .length = kMiB, .owner = 1});
  ASSERT_TRUE(other && owner && second);
  EXPECT_EQ(other->range, range(88 * kMiB, 16 * kMiB));  // the first gap that is nobody's
  EXPECT_EQ(owner->range, range(72 * kMiB, 16 * kMiB));
  EXPECT_EQ(owner->pinned.at, BusAddr(74 * kMiB));
  EXPECT_EQ(second->range, range(64 * kMiB, 2 * kMiB));
}

TEST_F(HostMemoryTest, BytesAreThereUntilDropped) {
  const auto fd = file(2 * kMiB);
  const auto pin = memory.pin({.fd = fd.get(), .length = 2 * kMiB});
  ASSERT_TRUE(pin);
  std::array<std::byte, 4> bytes{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  ASSERT_TRUE(memory.write(pin->pinned.at, bytes));
  const auto leaving = memory.unpin(pin->pinned.pin);
  ASSERT_TRUE(leaving.range);
  std::array<std::byte, 4> read{};
  EXPECT_TRUE(memory.read(pin->pinned.at, read));
  EXPECT_EQ(read, bytes);
  memory.drop(*leaving.range);
  EXPECT_FALSE(memory.read(pin->pinned.at, read));
  EXPECT_FALSE(memory.unpin(pin->pinned.pin).known);
}

TEST_F(HostMemoryTest, FixedPlacesDoNotOverlap) {
  const auto fd = file(2 * kMiB);
  EXPECT_TRUE(memory.pin({.fd = fd.get(), .length = kMiB, .at = BusAddr(64 * kMiB)}));
  const auto again = memory.pin({.fd = fd.get(), .length = kMiB, .at = BusAddr(64 * kMiB + 4096)});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), host::Error::overlap);
  EXPECT_FALSE(memory.pin({.fd = fd.get(), .length = kMiB, .at = BusAddr(0)}));  // the host's own
}

TEST_F(HostMemoryTest, MoreThanThereIsIsRefused) {
  const auto large = file(65 * kMiB);
  EXPECT_FALSE(memory.pin({.fd = large.get(), .length = kMiB}));
  const auto fd = file(2 * kMiB);
  EXPECT_FALSE(memory.pin({.fd = fd.get(), .length = 3 * kMiB}));
  EXPECT_FALSE(memory.pin({.fd = fd.get(), .file_offset = kMiB, .length = 2 * kMiB}));
  EXPECT_FALSE(memory.pin({.fd = fd.get(), .length = 0}));
  EXPECT_FALSE(memory.pin({.fd = -1, .length = kMiB}));
}

TEST_F(HostMemoryTest, LargeEmptyFilesDoNotUseUpTheAddressSpace) {
  std::uint64_t taken = 0;
  for (std::uint64_t i = 0; i < 8; ++i) {
    const auto fd = file(40 * kMiB);
    if (memory.pin({.fd = fd.get(), .length = 4096, .at = BusAddr(64 * kMiB + i * 4096)})) ++taken;
  }
  EXPECT_GE(taken, 1u);
  EXPECT_LE(taken, 3u);
}

}  // namespace
}  // namespace ladon::machine
