// Service levels as the management software programs them: in the PF's registers.
#include <gmock/gmock.h>

#include "nic/station.h"

namespace ladon::nic::testing {
namespace {

namespace pf = spec::pf;
namespace ixgbevf = spec::ixgbevf;
using qos::LevelError;

class LevelRegisters : public Station {
 protected:
  std::uint32_t field(std::uint32_t offset) { return pf_read(pf::kLevel + offset); }
  void set(std::uint32_t offset, std::uint32_t value) { pf_write(pf::kLevel + offset, value); }
  LevelError command(std::uint32_t value) {
    set(pf::kLevelCommand, value);
    return static_cast<LevelError>(field(pf::kLevelResult));
  }
};

TEST_F(LevelRegisters, ALevelIsReadChangedAndApplied) {
  EXPECT_EQ(command(pf::kLevelLoad | 1), LevelError::none);
  EXPECT_EQ(field(pf::kLevelReceiveTurns), 1u << 16);
  EXPECT_EQ(field(pf::kLevelMemory), rig.nic().level(1).memory.guaranteed);
  set(pf::kLevelReceive + pf::kRateGuaranteed, 100'000);
  set(pf::kLevelReceive + pf::kRateMost, 300'000);
  set(pf::kLevelReceive + pf::kRateBurst, 20'000);
  set(pf::kLevelReceivePackets + pf::kRateMost, 50'000);
  set(pf::kLevelReceiveCost + pf::kRateMost, 7'000'000);
  set(pf::kLevelTransmit + pf::kRateMost, 400'000);
  set(pf::kLevelTransmitTurns, 30u << 16 | 5);
  EXPECT_EQ(rig.nic().level(1).receive, qos::RateRange{});
  EXPECT_EQ(command(pf::kLevelApply | 1), LevelError::none);
  const qos::ServiceLevel& level = rig.nic().level(1);
  EXPECT_EQ(level.receive, (qos::RateRange{.guaranteed = 100'000'000, .most = 300'000'000, .burst = 20'000}));
  EXPECT_EQ(level.receive_packets.most, 50'000u);
  EXPECT_EQ(level.receive_cost.most, 7'000'000u);
  EXPECT_EQ(level.transmit.most, 400'000'000u);
  EXPECT_EQ(level.transmit_turns, (qos::Turns{.priority = 5, .weight = 30}));
  EXPECT_EQ(command(pf::kLevelLoad | 0), LevelError::none);
  EXPECT_EQ(field(pf::kLevelTransmit + pf::kRateMost), 0u);
  EXPECT_EQ(command(pf::kLevelLoad | 1), LevelError::none);
  EXPECT_EQ(field(pf::kLevelTransmit + pf::kRateMost), 400'000u);
}

TEST_F(LevelRegisters, ARefusalSaysWhatIsShort) {
  command(pf::kLevelLoad | 0);
  set(pf::kLevelTransmit + pf::kRateGuaranteed, 12'000'000);
  EXPECT_EQ(command(pf::kLevelApply | 0), LevelError::transmit_rate_short);
  EXPECT_EQ(field(pf::kLevelWanted), 12'000'000u);
  EXPECT_EQ(field(pf::kLevelLeft), 10'000'000u);
  EXPECT_EQ(rig.nic().level(0).transmit.guaranteed, 0u);
  EXPECT_EQ(command(pf::kLevelApply | 8), LevelError::no_such_function);
  command(pf::kLevelLoad | 0);
  set(pf::kLevelMemory, pf_read(pf::kMemoryPool));
  set(pf::kLevelMemoryMost, pf_read(pf::kMemoryPool));
  EXPECT_EQ(command(pf::kLevelApply | 0), LevelError::memory_short);
  EXPECT_EQ(field(pf::kLevelLeft), pf_read(pf::kMemoryPool) / 8);
}

TEST_F(LevelRegisters, PartitionsMoveBetweenFunctions) {
  EXPECT_EQ(pf_read(pf::kMemoryFree), 0u);
  command(pf::kLevelLoad | 1);
  const std::uint32_t share = field(pf::kLevelMemory);
  set(pf::kLevelMemory, 0);
  set(pf::kLevelMemoryMost, 0);
  EXPECT_EQ(command(pf::kLevelApply | 1), LevelError::none);
  EXPECT_EQ(pf_read(pf::kMemoryFree), share);
  EXPECT_FALSE(rig.nic().link_up(1));
  EXPECT_FALSE(passes(0, 1));
  command(pf::kLevelLoad | 0);
  set(pf::kLevelMemory, 2 * share);
  set(pf::kLevelMemoryMost, 2 * share);
  EXPECT_EQ(command(pf::kLevelApply | 0), LevelError::none);
  EXPECT_EQ(pf_read(pf::kMemoryFree), 0u);
}

TEST_F(LevelRegisters, APartOfAGuaranteeMayBeLent) {
  command(pf::kLevelLoad | 0);
  EXPECT_EQ(field(pf::kLevelMemoryLendable), 0u);
  const std::uint32_t share = field(pf::kLevelMemory);
  set(pf::kLevelMemoryLendable, share - 1000);
  EXPECT_EQ(command(pf::kLevelApply | 0), LevelError::memory_reserve_below_frame);
  EXPECT_EQ(field(pf::kLevelWanted), 1000u);
  set(pf::kLevelMemoryLendable, share + 1);
  EXPECT_EQ(command(pf::kLevelApply | 0), LevelError::memory_lend_above_guarantee);
  set(pf::kLevelMemoryLendable, share - 10'000);
  EXPECT_EQ(command(pf::kLevelApply | 0), LevelError::none);
  EXPECT_EQ(rig.nic().level(0).memory.lendable, share - 10'000);
  EXPECT_EQ(rig.nic().packet_memory().free(), share - 10'000);
  EXPECT_EQ(pf_read(pf::kMemoryFree), 0u);
}

TEST_F(LevelRegisters, TheCapacityIsSetUnlessMoreIsPromised) {
  pf_write(pf::kCapacityTransmit, 1'000'000);
  EXPECT_EQ(pf_read(pf::kCapacityTransmit), 1'000'000u);
  EXPECT_EQ(pf_read(pf::kCapacityReceive), 0u);
  command(pf::kLevelLoad | 0);
  set(pf::kLevelTransmit + pf::kRateGuaranteed, 600'000);
  EXPECT_EQ(command(pf::kLevelApply | 0), LevelError::none);
  pf_write(pf::kCapacityTransmit, 500'000);
  EXPECT_EQ(pf_read(pf::kCapacityTransmit), 1'000'000u);
}

TEST_F(LevelRegisters, RefusalsAreCountedByReason) {
  command(pf::kLevelLoad | 0);
  set(pf::kLevelReceivePackets + pf::kRateMost, 1);
  set(pf::kLevelReceivePackets + pf::kRateBurst, 2);
  ASSERT_EQ(command(pf::kLevelApply | 0), LevelError::none);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(send(1, client::make_frame(from_to(1, 0))));
  EXPECT_EQ(pf_read(vf_register(0, pf::kVfRefusedRate)), 3u);
  EXPECT_EQ(pf_read(vf_register(0, pf::kVfRefusedMemory)), 0u);
  EXPECT_EQ(pf_read(vf_register(0, pf::kVfMemoryHeld)), 0u);
}

class PageTable : public Station {
 protected:
  static std::uint32_t entry(std::uint16_t vf, std::uint32_t word) {
    return pf::kPageTables + vf * pf::kPageTableStride + 4 * word;
  }
  // Whether the extent is valid afterwards.
  bool give(std::uint16_t vf, std::uint32_t extent, std::uint32_t first, std::uint32_t count) {
    pf_write(entry(vf, 2 * extent), first);
    pf_write(entry(vf, 2 * extent + 1), ixgbevf::kPageValid | count);
    return (pf_read(entry(vf, 2 * extent + 1)) & ixgbevf::kPageValid) != 0;
  }
  std::uint32_t seen(std::uint16_t vf, std::uint32_t word) {
    return vf_read(vf, ixgbevf::kPageTable + 4 * word);
  }
};

TEST_F(PageTable, ItsOwnerReadsItAndCannotWriteIt) {
  ASSERT_TRUE(give(1, 3, 256, 64));
  EXPECT_EQ(seen(1, 6), 256u);
  EXPECT_EQ(seen(1, 7), ixgbevf::kPageValid | 64u);
  EXPECT_EQ(seen(0, 6), 0u);
  vf_write(1, ixgbevf::kPageTable + 4 * 6, 0);
  vf_write(1, ixgbevf::kPageTable + 4 * 7, 0);
  EXPECT_EQ(seen(1, 6), 256u);
  EXPECT_EQ(seen(1, 7), ixgbevf::kPageValid | 64u);
  EXPECT_EQ(rig.nic().drops(1)[VfDrop::page_table_write], 2u);
  EXPECT_TRUE(passes(0, 1));
}

TEST_F(PageTable, APageIsNeverInTwoTables) {
  const std::uint32_t pages = pf_read(pf::kMemoryPool) / ixgbevf::kPageBytes;
  EXPECT_TRUE(give(0, 0, 100, 50));
  EXPECT_FALSE(give(1, 0, 149, 1));
  EXPECT_FALSE(give(1, 0, 50, 51));
  EXPECT_FALSE(give(0, 1, 120, 10));
  EXPECT_TRUE(give(1, 0, 150, 50));
  EXPECT_FALSE(give(1, 1, pages - 1, 2));
  EXPECT_FALSE(give(1, 1, 0xFFFF'FFFF, 0x7FFF'FFFF));
  EXPECT_FALSE(give(1, 1, 300, 0));
  EXPECT_TRUE(give(1, 1, pages - 1, 1));
  // A valid extent is taken away before it moves.
  pf_write(entry(0, 0), 0);
  EXPECT_EQ(pf_read(entry(0, 0)), 100u);
}

TEST_F(PageTable, AScrubEmptiesIt) {
  ASSERT_TRUE(give(0, 0, 100, 50));
  pf_write(vf_register(0, pf::kVfControl), pf::kVfScrub);
  EXPECT_EQ(seen(0, 1), 0u);
  EXPECT_TRUE(give(1, 0, 100, 50));
}

}  // namespace
}  // namespace ladon::nic::testing
