// Registers, interrupts and mailbox, as drivers test and use them.
#include "nic/station.h"

namespace ladon::nic::testing {
namespace {

namespace reg = spec::ixgbevf;
namespace pf = spec::pf;
using namespace std::chrono_literals;

class Registers : public Station {
 protected:
  Registers() {
    // Vectors 0 to 2 unmasked, each with its own data.
    for (std::uint16_t vector = 0; vector < reg::kVectors; ++vector)
      client::set_vector(rig.function(0), reg::kMsixBar, vector, 0xFEE0'0000, 0x40u + vector);
  }
  // The data of all messages since the last call.
  std::vector<std::uint32_t> messages() {
    std::vector<std::uint32_t> data;
    for (const auto& message : rig.port(0).messages()) data.push_back(message.data);
    rig.port(0).clear_messages();
    return data;
  }
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What `ethtool -t` does (ixgbevf, reg_test_vf): patterns, and what must come back of them.
TEST_F(Registers, TheDriversSelfTestPasses) {
  struct Case {
    std::uint32_t offset, mask, write;
  };
  rig.driver(0).close();
  ASSERT_TRUE(rig.driver(0).reset());
  for (const std::uint32_t queue : {0u, 1u}) {
    const std::uint32_t rx = reg::kRx + queue * reg::kQueueStride, tx = reg::kTx + queue * reg::kQueueStride;
    vf_write(0, rx + reg::kQueueControl, reg::kQueueEnable);
    for (const auto& [offset, mask, write] :
         {Case{rx + reg::kBaseLow, 0xFFFF'FF80, 0xFFFF'FF80},
          Case{rx + reg::kBaseHigh, 0xFFFF'FFFF, 0xFFFF'FFFF},
          Case{rx + reg::kLength, 0x000F'FF80, 0x000F'FFFF}, Case{rx + reg::kTail, 0xFFFF, 0xFFFF},
          Case{tx + reg::kBaseLow, 0xFFFF'FF80, 0xFFFF'FFFF},
          Case{tx + reg::kBaseHigh, 0xFFFF'FFFF, 0xFFFF'FFFF},
          Case{tx + reg::kLength, 0x000F'FF80, 0x000F'FF80}}) {
      const std::uint32_t before = vf_read(0, offset);
      for (const std::uint32_t pattern : {0x5A5A'5A5Au, 0xA5A5'A5A5u, 0u, 0xFFFF'FFFFu}) {
        vf_write(0, offset, pattern & write);
        EXPECT_EQ(vf_read(0, offset), pattern & write & mask) << std::hex << offset;
        send(1, client::make_frame(from_to(1, 0)));  // for a ring that is not really there
      }
      vf_write(0, offset, before);
    }
    vf_write(0, rx + reg::kQueueControl, 0);
  }
  EXPECT_EQ(rig.nic().faults(0).total(), 0u);
  ASSERT_TRUE(up(0));
  EXPECT_TRUE(passes(1, 0));
}

TEST_F(Registers, QueuesReadBackAsEnabledAndDisabled) {
  for (const std::uint32_t queue : {reg::kRx, reg::kTx}) {
    EXPECT_NE(vf_read(0, queue + reg::kQueueControl) & reg::kQueueEnable, 0u);
    vf_write(0, queue + reg::kQueueControl, reg::kSwFlush);
    EXPECT_EQ(vf_read(0, queue + reg::kQueueControl) & reg::kQueueEnable, 0u);
  }
  EXPECT_EQ(vf_read(0, reg::kTx + reg::kQueueControl) & reg::kSwFlush, 0u);
}

TEST_F(Registers, NothingIsWhereNoRegisterIs) {
  for (const std::uint32_t offset : {0x04u, 0x14u, 0x3FCu, 0x1FFCu, 0x3FFCu}) {
    vf_write(0, offset, 0xFFFF'FFFF);
    EXPECT_EQ(vf_read(0, offset), 0u);
  }
  rig.function(0).register_write(0, reg::kRx + reg::kBaseHigh, 2, 0xFFFF);  // too narrow: refused
  EXPECT_NE(vf_read(0, reg::kRx + reg::kBaseHigh) & 0xFFFF, 0xFFFFu);
  rig.function(0).register_write(0, reg::kTx + reg::kBaseLow, 8, 0x1234'5678'9ABC'DE80);
  EXPECT_EQ(rig.function(0).register_read(0, reg::kTx + reg::kBaseLow, 8), 0x1234'5678'9ABC'DE80u);
}

TEST_F(Registers, LinkNeedsPolicyCarrierAndAPartition) {
  const auto up = [&] { return (vf_read(0, reg::kLinks) & reg::kLinkUp) != 0; };
  EXPECT_TRUE(up());
  EXPECT_EQ(vf_read(0, reg::kLinks) & reg::kLinkSpeed10G, reg::kLinkSpeed10G);
  rig.wire().up = false;
  rig.nic().poll();
  EXPECT_FALSE(up());
  EXPECT_EQ(pf_read(pf::kStatus), 0u);
  const std::uint32_t control = vf_register(0, pf::kVfControl);
  pf_write(control, pf_read(control) | pf::kVfLinkForced);
  EXPECT_TRUE(up());
  EXPECT_TRUE(passes(1, 0));
  ASSERT_FALSE(rig.nic().set_level(0, {}));
  EXPECT_FALSE(up());
  EXPECT_FALSE(passes(1, 0));
  EXPECT_FALSE(passes(0, 1));
}

TEST_F(Registers, CausesAreReadOnceAndSetByHand) {
  rig.driver(0).mask_interrupts();
  vf_write(0, reg::kEics, 5);
  EXPECT_EQ(vf_read(0, reg::kEicr), 5u);
  EXPECT_EQ(vf_read(0, reg::kEicr), 0u);
  EXPECT_THAT(messages(), IsEmpty());
  vf_write(0, reg::kEims, 7);
  vf_write(0, reg::kEics, 1);
  EXPECT_THAT(messages(), ElementsAre(0x40));
}

TEST_F(Registers, AMaskedCauseIsSignalledWhenItIsUnmasked) {
  rig.driver(0).mask_interrupts();
  vf_write(0, reg::kEics, 2);
  EXPECT_THAT(messages(), IsEmpty());
  vf_write(0, reg::kEims, 2);
  EXPECT_THAT(messages(), ElementsAre(0x41));
}

TEST_F(Registers, AutomaticMaskingHoldsUntilRearmed) {
  vf_write(0, reg::kEimc, 7);
  vf_write(0, reg::kEiac, 7);
  vf_write(0, reg::kEiam, 7);
  vf_write(0, reg::kEims, 1);
  vf_write(0, reg::kEics, 1);
  vf_write(0, reg::kEics, 1);
  EXPECT_THAT(messages(), ElementsAre(0x40));
  EXPECT_EQ(vf_read(0, reg::kEims), 0u);
  vf_write(0, reg::kEims, 1);  // the second cause has waited
  EXPECT_THAT(messages(), ElementsAre(0x40));
}

TEST_F(Registers, ModerationKeepsItsInterval) {
  vf_write(0, reg::kEiam, 0);
  vf_write(0, reg::kEiac, 7);
  vf_write(0, reg::kEims, 7);
  vf_write(0, reg::kEitr, 50u << 3);  // 50 * 2.048 us
  vf_write(0, reg::kEics, 1);
  EXPECT_THAT(messages(), ElementsAre(0x40));
  rig.clock().advance(100us);
  vf_write(0, reg::kEics, 1);
  rig.nic().poll();
  EXPECT_THAT(messages(), IsEmpty());
  ASSERT_TRUE(rig.nic().next_deadline());
  EXPECT_EQ(*rig.nic().next_deadline() - rig.clock().now(), 2400ns);
  rig.clock().advance(2399ns);
  rig.nic().poll();
  EXPECT_THAT(messages(), IsEmpty());
  rig.clock().advance(1ns);
  rig.nic().poll();
  EXPECT_THAT(messages(), ElementsAre(0x40));
  EXPECT_FALSE(rig.nic().next_deadline());
}

TEST_F(Registers, WritingTheIntervalRestartsItUnlessTold) {
  vf_write(0, reg::kEiac, 7);
  vf_write(0, reg::kEiam, 0);
  vf_write(0, reg::kEims, 7);
  vf_write(0, reg::kEitr, 500u << 3);
  vf_write(0, reg::kEics, 1);
  vf_write(0, reg::kEitr, 500u << 3 | 1u << 31);
  vf_write(0, reg::kEics, 1);
  EXPECT_EQ(messages().size(), 1u);
  vf_write(0, reg::kEitr, 500u << 3);
  rig.nic().poll();
  EXPECT_EQ(messages().size(), 1u);
}

TEST_F(Registers, ARequestIsReadAsItWasSent) {
  rig.software().silence(true);
  vf_write(0, reg::kMailboxMemory, 0x1111);
  vf_write(0, reg::kMailbox, reg::kMailboxReq);
  vf_write(0, reg::kMailboxMemory, 0x2222);  // too late
  EXPECT_EQ(pf_read(pf::kMailboxPending), 1u);
  EXPECT_NE(pf_read(pf::kCause) & pf::kCauseMailbox, 0u);
  EXPECT_EQ(pf_read(vf_register(0, pf::kVfMailboxMemory)), 0x1111u);
  vf_write(0, reg::kMailbox, reg::kMailboxReq);
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::mailbox_busy], 1u);
  pf_write(vf_register(0, pf::kVfMailboxMemory), 0x3333);
  pf_write(vf_register(0, pf::kVfMailboxControl), pf::kMailboxAck | pf::kMailboxSend);
  EXPECT_EQ(pf_read(pf::kMailboxPending), 0u);
  EXPECT_EQ(vf_read(0, reg::kMailboxMemory), 0x3333u);
  EXPECT_EQ(vf_read(0, reg::kMailbox) & (reg::kMailboxPfAck | reg::kMailboxPfSts),
            reg::kMailboxPfAck | reg::kMailboxPfSts);
  EXPECT_EQ(vf_read(0, reg::kMailbox) & (reg::kMailboxPfAck | reg::kMailboxPfSts), 0u);
  vf_write(0, reg::kMailbox, reg::kMailboxAck);
  EXPECT_NE(pf_read(vf_register(0, pf::kVfMailboxControl)) & pf::kMailboxVfAck, 0u);
}

TEST_F(Registers, AFloodOfRequestsIsAFaultAndPasses) {
  for (int i = 0; i < 2000; ++i) {
    vf_write(0, reg::kMailbox, reg::kMailboxReq);
    pf_write(vf_register(0, pf::kVfMailboxControl), pf::kMailboxAck);
  }
  EXPECT_GT(rig.nic().drops(0)[VfDrop::mailbox_flood], 1000u);
  EXPECT_EQ(pf_read(vf_register(0, pf::kVfFault)), static_cast<std::uint32_t>(VfFault::mailbox_flood));
  EXPECT_EQ(pf_read(pf::kFaultPending), 1u);
  pf_write(pf::kFaultPending, 1);
  EXPECT_EQ(pf_read(vf_register(0, pf::kVfFault)), 0u);
  rig.clock().advance(10s);
  EXPECT_TRUE(up(0));
  EXPECT_TRUE(passes(0, 1));
}

TEST_F(Registers, ResetDoneIsSeenOnce) {
  pf_write(vf_register(0, pf::kVfMailboxControl), pf::kMailboxResetDone);
  EXPECT_NE(vf_read(0, reg::kMailbox) & reg::kMailboxRstd, 0u);
  EXPECT_EQ(vf_read(0, reg::kMailbox) & reg::kMailboxRstd, 0u);
}

TEST_F(Registers, CountersFollowTheFrames) {
  ASSERT_TRUE(passes(0, 1));
  ASSERT_TRUE(passes(0, 1));
  EXPECT_EQ(vf_read(0, reg::kGoodPacketsSent), 2u);
  EXPECT_EQ(vf_read(1, reg::kGoodPacketsReceived), 2u);
  EXPECT_EQ(vf_read(1, reg::kGoodOctetsReceivedLow), 2u * 64);  // with check sequence
  EXPECT_EQ(pf_read(vf_register(1, pf::kVfReceivedBytes)), 2u * 60);
  pf_write(vf_register(1, pf::kVfCounterClear), 1);
  EXPECT_EQ(vf_read(1, reg::kGoodPacketsReceived), 0u);
}

TEST_F(Registers, ThePfIsInterruptedOnceForNews) {
  client::set_vector(*rig.nic().function(0), 2, 0, 0xFEE0'0000, 0x99);
  pf_write(pf::kMask, pf::kCauseMailbox);
  rig.software().silence(true);
  vf_write(0, reg::kMailbox, reg::kMailboxReq);
  vf_write(1, reg::kMailbox, reg::kMailboxReq);
  EXPECT_EQ(pf_read(pf::kMailboxPending), 3u);
  const std::size_t told = rig.pf_port().messages().size();
  EXPECT_GE(told, 1u);
  for (int i = 0; i < 100; ++i) vf_write(0, reg::kMailbox, reg::kMailboxReq);
  EXPECT_EQ(rig.pf_port().messages().size(), told);
}

}  // namespace
}  // namespace ladon::nic::testing
