// What a function does wrong stops its own queue, is told to the software, and concerns nobody else; and what
// resets and scrubs leave behind.
#include "nic/station.h"
#include "spec/descriptor.h"

namespace ladon::nic::testing {
namespace {

namespace reg = spec::ixgbevf;
namespace pf = spec::pf;
namespace desc = spec::descriptor;

class Faults : public Station {
 protected:
  static RigOptions three() {
    RigOptions options;
    options.vfs = 3;
    return options;
  }
  Faults() : Station(three()) {}

  // VF 0 has been caught; the others go on; a reset brings it back.
  void expect_caught(VfFault fault) {
    EXPECT_GE(rig.nic().faults(0)[fault], 1u) << name(fault);
    EXPECT_EQ(pf_read(vf_register(0, pf::kVfFault)), static_cast<std::uint32_t>(fault));
    EXPECT_EQ(pf_read(pf::kFaultPending), 1u);
    EXPECT_TRUE(passes(1, 2));
    EXPECT_TRUE(passes(2, 1));
    EXPECT_EQ(rig.nic().faults(1).total() + rig.nic().faults(2).total(), 0u);
    pf_write(pf::kFaultPending, 1);
    ASSERT_TRUE(up(0));
    EXPECT_TRUE(passes(0, 1));
    EXPECT_TRUE(passes(1, 0));
  }
  void put(std::uint64_t address, std::uint32_t command, std::uint32_t options = 0) {
    rig.driver(0).tx().put_raw(address, std::uint64_t{options} << 32 | command);
  }
  void ring() {
    rig.driver(0).tx().ring_doorbell();
    rig.settle();
  }
  static constexpr std::uint32_t kData = desc::kTxExtension | desc::kTxTypeData | desc::kTxInsertFcs |
                                         desc::kTxEndOfPacket | desc::kTxReportStatus;
  static constexpr std::uint64_t kMemory = FunctionMemory::kBase;
};

TEST_F(Faults, LegacyDescriptor) {
  put(kMemory, 64 | desc::kTxEndOfPacket | desc::kTxReportStatus);
  ring();
  expect_caught(VfFault::legacy_descriptor);
}

TEST_F(Faults, UnknownDescriptor) {
  put(kMemory, (kData & ~desc::kTxTypeMask) | 0x0070'0000 | 64);
  ring();
  expect_caught(VfFault::unknown_descriptor);
}

TEST_F(Faults, PacketsBeforeAMalformedOneStillLeave) {
  const client::Frame frame = client::make_frame(from_to(0, 1));
  ASSERT_TRUE(rig.driver(0).tx().send(frame, {}, true));
  put(kMemory, 64);
  ring();
  const auto received = receive(1);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->bytes, frame);
  expect_caught(VfFault::legacy_descriptor);
}

TEST_F(Faults, TooShortAndTooLong) {
  put(kMemory, kData | 13);
  ring();
  expect_caught(VfFault::bad_packet_length);
  put(kMemory, kData | 0xFFFF);
  ring();
  expect_caught(VfFault::bad_packet_length);
}

// Segments and tags must not make frames that are longer than the device's buffers.
TEST_F(Faults, SegmentsLongerThanAnyFrame) {
  client::FrameSpec spec = from_to(0, 9);
  spec.carries = client::Carries::tcp;
  spec.payload = 40'000;
  client::TxOffload offload;
  offload.l4_checksum = offload.segment = true;
  offload.transport_length = 20;
  offload.segment_size = 0xFFFF;
  send(0, client::make_frame(spec), offload);
  EXPECT_TRUE(rig.wire().sent.empty());
  expect_caught(VfFault::bad_packet_length);
  spec.payload = 9732 - 54;
  offload = {};
  offload.vlan = std::uint16_t{0};
  send(0, client::make_frame(spec), offload);
  EXPECT_TRUE(rig.wire().sent.empty());
  expect_caught(VfFault::bad_packet_length);
  spec.payload = 9728 - 54;
  send(0, client::make_frame(spec), offload);
  ASSERT_EQ(rig.wire().sent.size(), 1u);
  EXPECT_EQ(rig.wire().sent.front().size(), 9732u);
}

TEST_F(Faults, APacketThatNeverEnds) {
  for (int i = 0; i < 70; ++i) put(kMemory, (kData & ~desc::kTxEndOfPacket) | 1);
  ring();
  expect_caught(VfFault::too_many_descriptors);
}

TEST_F(Faults, OffloadsThatContradict) {
  put(kMemory, kData | desc::kTxSegment | 64, 5u << desc::kTxContextIndexShift);  // no such context
  ring();
  expect_caught(VfFault::bad_offload);
  put(kMemory, kData | desc::kTxSegment | 64);  // context 0 was never given
  ring();
  expect_caught(VfFault::bad_offload);
}

TEST_F(Faults, ATailOutsideTheRing) {
  vf_write(0, reg::kTx + reg::kTail, 4000);
  rig.settle();
  expect_caught(VfFault::tx_ring_malformed);
}

TEST_F(Faults, PayloadThatTheTablesRefuse) {
  put(0xDEAD'0000'0000, kData | 64);
  ring();
  expect_caught(VfFault::tx_data_refused);
  put(~std::uint64_t{0} - 8, kData | 64);  // the address wraps
  ring();
  expect_caught(VfFault::tx_data_refused);
}

TEST_F(Faults, RingsThatTheTablesRefuse) {
  const auto restart = [&](std::uint32_t queue) {
    vf_write(0, queue + reg::kQueueControl, 0);
    vf_write(0, queue + reg::kBaseHigh, 0xDEAD);
    vf_write(0, queue + reg::kQueueControl, reg::kQueueEnable);
  };
  restart(reg::kTx);
  vf_write(0, reg::kTx + reg::kTail, 8);
  rig.settle();
  expect_caught(VfFault::tx_descriptor_refused);
  restart(reg::kRx);
  vf_write(0, reg::kRx + reg::kTail, 8);
  EXPECT_FALSE(passes(1, 0));
  expect_caught(VfFault::rx_descriptor_refused);
}

TEST_F(Faults, AReceiveBufferThatTheTablesRefuse) {
  store_le(rig.driver(0).rx().memory().data(), std::uint64_t{0xDEAD'0000'0000});
  EXPECT_FALSE(passes(1, 0));
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::rx_refused], 1u);
  expect_caught(VfFault::rx_buffer_refused);
}

TEST_F(Faults, AStoppedQueueStaysStoppedUntilReset) {
  put(kMemory, 64);
  ring();
  vf_write(0, reg::kTx + reg::kQueueControl, 0);
  vf_write(0, reg::kTx + reg::kQueueControl, reg::kQueueEnable);
  EXPECT_FALSE(passes(0, 1));
  EXPECT_TRUE(passes(1, 0));
  expect_caught(VfFault::legacy_descriptor);
}

TEST_F(Faults, AMessageThatTheTablesRefuse) {
  client::set_vector(rig.function(0), reg::kMsixBar, 0, 0xFEE0'0000, 0x40);
  rig.port(0).revoke(true);
  vf_write(0, reg::kEims, 1);
  vf_write(0, reg::kEics, 1);
  rig.port(0).revoke(false);
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::interrupt_refused], 1u);
  expect_caught(VfFault::interrupt_refused);
}

// ---- quiesce, reset, scrub

TEST_F(Faults, AQuiescedFunctionMovesNothing) {
  const std::uint32_t control = vf_register(0, pf::kVfControl), status = vf_register(0, pf::kVfStatus);
  EXPECT_EQ(pf_read(status) & (pf::kVfQuiesced | pf::kVfRingsOn), pf::kVfRingsOn);
  pf_write(control, pf_read(control) & ~pf::kVfEnable);
  EXPECT_EQ(pf_read(status) & (pf::kVfQuiesced | pf::kVfRingsOn), pf::kVfQuiesced);
  EXPECT_FALSE(passes(0, 1));
  EXPECT_FALSE(passes(1, 0));
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::rx_disabled], 1u);
  EXPECT_TRUE(passes(1, 2));
  pf_write(control, pf_read(control) | pf::kVfEnable);
  rig.settle();
  EXPECT_TRUE(receive(1)) << "what was in the ring leaves now";
  EXPECT_TRUE(passes(1, 0));
}

TEST_F(Faults, WithoutBusMasteringNothingMoves) {
  const auto command = rig.function(0).config_read(spec::pci::kCommand, 2);
  rig.function(0).config_write(spec::pci::kCommand, 2,
                               command & ~std::uint32_t{spec::pci::kCommandBusMaster});
  EXPECT_FALSE(passes(0, 1));
  EXPECT_FALSE(passes(1, 0));
  rig.function(0).config_write(spec::pci::kCommand, 2, command);
  rig.settle();
  EXPECT_TRUE(receive(1));
}

TEST_F(Faults, AResetIsToldAndForgetsTheGuestsState) {
  vf_write(0, reg::kRssKey, 0x1234);
  vf_write(0, reg::kMailboxMemory + 8, 0x5678);
  pf_write(pf::kFlrPending, ~0u);
  rig.software().silence(true);
  vf_write(0, reg::kControl, reg::kControlReset);
  EXPECT_EQ(pf_read(pf::kFlrPending), 1u);
  EXPECT_EQ(vf_read(0, reg::kRssKey), 0u);
  EXPECT_EQ(vf_read(0, reg::kMailboxMemory + 8), 0u);
  EXPECT_EQ(vf_read(0, reg::kTx + reg::kQueueControl), 0u);
  EXPECT_EQ(vf_read(0, reg::kEims), 0u);
  EXPECT_EQ(rig.nic().mac(0), mac_of(0));  // the software's
  EXPECT_TRUE(passes(1, 2));
}

TEST_F(Faults, AFunctionLevelResetClearsConfigurationToo) {
  const auto express = client::find_capability(rig.function(0), spec::pci::kCapExpress).value();
  client::set_vector(rig.function(0), reg::kMsixBar, 0, 0xFEE0'0000, 0x40);
  pf_write(pf::kFlrPending, ~0u);
  rig.function(0).config_write(static_cast<std::uint16_t>(express + spec::pci::kExpressDeviceControl), 2,
                               spec::pci::kDeviceControlFlr);
  EXPECT_FALSE(rig.function(0).bus_master());
  EXPECT_EQ(rig.function(0).register_read(reg::kMsixBar, 8, 4), 0u);
  EXPECT_EQ(pf_read(pf::kFlrPending), 1u);
  client::enable_function(rig.function(0));
  ASSERT_TRUE(up(0));
  EXPECT_TRUE(passes(0, 1));
}

TEST_F(Faults, AScrubLeavesNothingOfTheOwner) {
  ASSERT_TRUE(rig.driver(0).set_receive_mode(client::ReceiveMode::multicast).has_value());
  vf_write(0, reg::kRssKey, 0x1234);
  vf_write(0, reg::kReta, 0x1234);
  vf_write(0, reg::kPsrType, 0x1234);
  ASSERT_TRUE(passes(0, 1));
  client::set_vector(rig.function(0), reg::kMsixBar, 0, 0xFEE0'0000, 0x40);
  pf_write(vf_register(0, pf::kVfControl), 0);
  EXPECT_FALSE(passes(1, 0));
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::rx_disabled], 1u);
  pf_write(vf_register(0, pf::kVfControl), pf::kVfScrub);
  EXPECT_EQ(pf_read(vf_register(0, pf::kVfStatus)), pf::kVfQuiesced | pf::kVfScrubbed);
  for (std::uint32_t offset = 0; offset < reg::kBarSize; offset += 4)
    EXPECT_TRUE(offset == reg::kFreeTimer || vf_read(0, offset) == 0) << std::hex << offset;
  for (std::uint64_t at = 0; at < 48; at += 4)
    EXPECT_EQ(rig.function(0).register_read(reg::kMsixBar, at, 4), at % 16 == 12 ? 1u : 0u);
  EXPECT_EQ(rig.nic().statistics(0).sent_packets, 0u);
  EXPECT_EQ(rig.nic().drops(0).total(), 0u);
  EXPECT_EQ(rig.nic().former_drops(0)[VfDrop::rx_disabled], 1u);  // the management's, not the next owner's
  EXPECT_TRUE(rig.nic().mac(0).is_zero());
  // The address is nobody's now: its frames leave on the wire.
  EXPECT_FALSE(passes(1, 0));
  EXPECT_EQ(rig.wire().sent.size(), 1u);
}

// Its former owner may still have its registers mapped.
TEST_F(Faults, BetweenScrubAndEnablingRegistersTakeNoWrites) {
  pf_write(vf_register(0, pf::kVfControl), pf::kVfScrub);
  vf_write(0, reg::kRssKey, 0x1234'5678);
  EXPECT_EQ(vf_read(0, reg::kRssKey), 0u);
  EXPECT_NE(pf_read(vf_register(0, pf::kVfStatus)) & pf::kVfScrubbed, 0u);
  pf_write(vf_register(0, pf::kVfControl), pf::kVfEnable);
  vf_write(0, reg::kRssKey, 0x1234'5678);
  EXPECT_EQ(vf_read(0, reg::kRssKey), 0x1234'5678u);
}

TEST_F(Faults, TakingVirtualFunctionsAwayScrubsThem) {
  pcie::Function& physical = *rig.nic().function(0);
  const auto sriov = client::find_extended_capability(physical, spec::pci::kExtSriov).value();
  physical.config_write(static_cast<std::uint16_t>(sriov + spec::pci::kSriovControl), 2, 0);
  ASSERT_TRUE(client::enable_vfs(physical, 3));
  EXPECT_NE(pf_read(vf_register(0, pf::kVfStatus)) & pf::kVfScrubbed, 0u);
  EXPECT_TRUE(rig.nic().mac(0).is_zero());
}

}  // namespace
}  // namespace ladon::nic::testing
