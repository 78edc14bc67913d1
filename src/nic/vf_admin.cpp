#include "nic/vf_admin.h"

#include <algorithm>

#include "base/register_map.h"
#include "spec/pf.h"

namespace ladon::nic {

namespace reg = spec::pf;

struct VfAdmin::Map {
  using A = VfAdmin;
  static constexpr auto kTable = make_register_map<A, reg::kVfStride>(std::to_array<Register<A>>({
      {reg::kVfControl, 1, 4, "VF_CONTROL", &A::read_control, &A::write_control},
      {reg::kVfStatus, 1, 4, "VF_STATUS", &A::read_status},
      {reg::kVfMacLow, 1, 4, "VF_MAC_LOW", &A::read_mac_low, &A::write_mac_low},
      {reg::kVfMacHigh, 1, 4, "VF_MAC_HIGH", &A::read_mac_high, &A::write_mac_high},
      {reg::kVfVlan, 1, 4, "VF_VLAN", &A::read_vlan, &A::write_vlan},
      {reg::kVfVlanFilter, 1, 4, "VF_VLAN_FILTER", nullptr, &A::write_vlan_filter},
      {reg::kVfMaxFrame, 1, 4, "VF_MAX_FRAME", &A::read_max_frame, &A::write_max_frame},
      {reg::kVfReceiveMode, 1, 4, "VF_RECEIVE_MODE", &A::read_receive_mode, &A::write_receive_mode},
      {reg::kVfFault, 1, 4, "VF_FAULT", &A::read_fault},
      {reg::kVfMailboxControl, 1, 4, "VF_MAILBOX_CONTROL", &A::read_mailbox_control,
       &A::write_mailbox_control},
      {reg::kVfMulticast, 1, 4, "VF_MULTICAST", nullptr, &A::write_multicast},
      {reg::kVfMailboxMemory, reg::kMailboxWords, 4, "VF_MAILBOX_MEMORY", &A::read_mailbox_word,
       &A::write_mailbox_word},
      {reg::kVfReceivedPackets, 1, 4, "VF_RECEIVED_PACKETS", &A::read_received_packets},
      {reg::kVfReceivedBytes, 2, 4, "VF_RECEIVED_BYTES", &A::read_received_bytes},
      {reg::kVfSentPackets, 1, 4, "VF_SENT_PACKETS", &A::read_sent_packets},
      {reg::kVfSentBytes, 2, 4, "VF_SENT_BYTES", &A::read_sent_bytes},
      {reg::kVfDropped, 1, 4, "VF_DROPPED", &A::read_dropped},
      {reg::kVfSpoofed, 1, 4, "VF_SPOOFED", &A::read_spoofed},
      {reg::kVfDmaFaults, 1, 4, "VF_DMA_FAULTS", &A::read_dma_faults},
      {reg::kVfRefusedRate, 1, 4, "VF_REFUSED_RATE", &A::read_refused_rate},
      {reg::kVfRefusedMemory, 1, 4, "VF_REFUSED_MEMORY", &A::read_refused_memory},
      {reg::kVfMemoryHeld, 1, 4, "VF_MEMORY_HELD", &A::read_memory_held},
      {reg::kVfMemoryLent, 1, 4, "VF_MEMORY_LENT", &A::read_memory_lent},
      {reg::kVfMemoryPending, 1, 4, "VF_MEMORY_PENDING", &A::read_memory_pending},
      {reg::kVfMemoryCalls, 1, 4, "VF_MEMORY_CALLS", &A::read_memory_calls},
      {reg::kVfRefusedCalled, 1, 4, "VF_REFUSED_CALLED", &A::read_refused_called},
      {reg::kVfCoalesced, 1, 4, "VF_COALESCED", &A::read_coalesced},
      {reg::kVfReceivedWhole, 1, 4, "VF_RECEIVED_WHOLE", &A::read_received_whole},
      {reg::kVfCounterClear, 1, 4, "VF_COUNTER_CLEAR", nullptr, &A::write_counter_clear},
  }));
};

std::uint32_t VfAdmin::read(std::uint32_t offset) {
  return Map::kTable.read(*this, offset);
}
void VfAdmin::write(std::uint32_t offset, std::uint32_t value) {
  Map::kTable.write(*this, offset, value);
}

template <class Change>
void VfAdmin::change(Change apply) {
  VfPolicy policy = vf_.policy();
  apply(policy);
  vf_.set_policy(policy);
}

// ---- policy

std::uint32_t VfAdmin::read_control(std::uint32_t) {
  return vf_.policy().control;
}
void VfAdmin::write_control(std::uint32_t, std::uint32_t value) {
  if ((value & reg::kVfScrub) != 0) return vf_.scrub();
  constexpr std::uint32_t kKept = reg::kVfEnable | reg::kVfLink | reg::kVfSpoofCheck | reg::kVfTrust |
                                  reg::kVfLinkForced | reg::kVfBackpressure | reg::kVfCoalesce |
                                  reg::kVfUnsegmented;
  change([&](VfPolicy& policy) { policy.control = value & kKept; });
}

std::uint32_t VfAdmin::read_status(std::uint32_t) {
  const bool quiesced = !vf_.policy().has(reg::kVfEnable) && vf_.quiet();
  return (quiesced ? reg::kVfQuiesced : 0) | (vf_.rings_on() ? reg::kVfRingsOn : 0) |
         (vf_.scrubbed() ? reg::kVfScrubbed : 0);
}

std::uint32_t VfAdmin::read_mac_low(std::uint32_t) {
  return static_cast<std::uint32_t>(vf_.policy().mac.bits());
}
void VfAdmin::write_mac_low(std::uint32_t, std::uint32_t value) {
  change([&](VfPolicy& policy) {
    policy.mac = MacAddress::from_bits((policy.mac.bits() & ~std::uint64_t{0xFFFF'FFFF}) | value);
  });
}
std::uint32_t VfAdmin::read_mac_high(std::uint32_t) {
  return static_cast<std::uint32_t>(vf_.policy().mac.bits() >> 32) | (vf_.policy().mac_valid ? 1u << 31 : 0);
}
void VfAdmin::write_mac_high(std::uint32_t, std::uint32_t value) {
  change([&](VfPolicy& policy) {
    policy.mac =
        MacAddress::from_bits((policy.mac.bits() & 0xFFFF'FFFF) | std::uint64_t{value & 0xFFFF} << 32);
    policy.mac_valid = (value >> 31) != 0;
  });
}

std::uint32_t VfAdmin::read_vlan(std::uint32_t) {
  return vf_.policy().vlan;
}
void VfAdmin::write_vlan(std::uint32_t, std::uint32_t value) {
  change([&](VfPolicy& policy) { policy.vlan = value & (1u << 31 | 0xFFF); });
}
void VfAdmin::write_vlan_filter(std::uint32_t, std::uint32_t value) {
  change([&](VfPolicy& policy) {
    if ((value >> 31) != 0) policy.member_vlans.reset();
    policy.member_vlans.set(value & 0xFFF, (value >> 30 & 1) != 0);
  });
}

std::uint32_t VfAdmin::read_max_frame(std::uint32_t) {
  return vf_.policy().max_frame;
}
void VfAdmin::write_max_frame(std::uint32_t, std::uint32_t value) {
  change([&](VfPolicy& policy) { policy.max_frame = std::min(value, kMaxFrame); });
}

std::uint32_t VfAdmin::read_receive_mode(std::uint32_t) {
  return vf_.policy().receive_mode;
}
void VfAdmin::write_receive_mode(std::uint32_t, std::uint32_t value) {
  change([&](VfPolicy& policy) { policy.receive_mode = value & 0xF; });
}
void VfAdmin::write_multicast(std::uint32_t, std::uint32_t value) {
  Switch& fabric = engine_.fabric();
  if ((value >> 31) != 0)
    fabric.clear_multicast(vf_.index());
  else
    fabric.add_multicast(vf_.index(), static_cast<std::uint16_t>(value & 0xFFF));
}

// ---- mailbox

std::uint32_t VfAdmin::read_mailbox_control(std::uint32_t) {
  return (vf_.mailbox().request_pending() ? reg::kMailboxRequest : 0) |
         (vf_.mailbox().vf_acknowledged() ? reg::kMailboxVfAck : 0);
}

void VfAdmin::write_mailbox_control(std::uint32_t, std::uint32_t value) {
  Mailbox& mailbox = vf_.mailbox();
  if ((value & reg::kMailboxAck) != 0) {
    mailbox.acknowledge();
    engine_.events().mailbox_done(vf_.index());
  }
  if ((value & reg::kMailboxSend) != 0) mailbox.send();
  if ((value & reg::kMailboxResetDone) != 0) mailbox.reset_done();
  if ((value & (reg::kMailboxAck | reg::kMailboxSend | reg::kMailboxResetDone)) != 0) vf_.mailbox_news();
}

std::uint32_t VfAdmin::read_mailbox_word(std::uint32_t i) {
  return vf_.mailbox().request_word(i);
}
void VfAdmin::write_mailbox_word(std::uint32_t i, std::uint32_t value) {
  vf_.mailbox().set_word(i, value);
}

// ---- what has happened

std::uint32_t VfAdmin::read_fault(std::uint32_t) {
  return static_cast<std::uint32_t>(vf_.first_fault());
}

std::uint32_t VfAdmin::read_received_packets(std::uint32_t) {
  return static_cast<std::uint32_t>(vf_.statistics().received_packets);
}
std::uint32_t VfAdmin::read_received_bytes(std::uint32_t half) {
  return static_cast<std::uint32_t>(vf_.statistics().received_bytes >> (32 * half));
}
std::uint32_t VfAdmin::read_sent_packets(std::uint32_t) {
  return static_cast<std::uint32_t>(vf_.statistics().sent_packets);
}
std::uint32_t VfAdmin::read_sent_bytes(std::uint32_t half) {
  return static_cast<std::uint32_t>(vf_.statistics().sent_bytes >> (32 * half));
}
std::uint32_t VfAdmin::read_dropped(std::uint32_t) {
  return static_cast<std::uint32_t>(vf_.drops().total());
}
std::uint32_t VfAdmin::read_spoofed(std::uint32_t) {
  return static_cast<std::uint32_t>(vf_.drops()[VfDrop::tx_spoofed]);
}
std::uint32_t VfAdmin::read_dma_faults(std::uint32_t) {
  std::uint64_t refused = 0;
  for (auto fault = VfFault::tx_descriptor_refused; fault <= VfFault::interrupt_refused;
       fault = static_cast<VfFault>(static_cast<int>(fault) + 1))
    refused += vf_.faults()[fault];
  return static_cast<std::uint32_t>(refused);
}
std::uint32_t VfAdmin::read_refused_rate(std::uint32_t) {
  const auto& drops = vf_.drops();
  return static_cast<std::uint32_t>(drops[VfDrop::rx_over_rate] + drops[VfDrop::rx_over_packet_rate] +
                                    drops[VfDrop::rx_over_cost]);
}
std::uint32_t VfAdmin::read_refused_memory(std::uint32_t) {
  const auto& drops = vf_.drops();
  return static_cast<std::uint32_t>(drops[VfDrop::rx_no_memory] + drops[VfDrop::rx_memory_called]);
}
std::uint32_t VfAdmin::read_memory_held(std::uint32_t) {
  return static_cast<std::uint32_t>(engine_.services().memory().held(vf_.index()));
}
std::uint32_t VfAdmin::read_memory_lent(std::uint32_t) {
  return static_cast<std::uint32_t>(engine_.services().memory().lent(vf_.index()));
}
std::uint32_t VfAdmin::read_memory_pending(std::uint32_t) {
  return static_cast<std::uint32_t>(engine_.services().memory().pending(vf_.index()));
}
std::uint32_t VfAdmin::read_memory_calls(std::uint32_t) {
  return static_cast<std::uint32_t>(engine_.services().memory().calls(vf_.index()));
}
std::uint32_t VfAdmin::read_refused_called(std::uint32_t) {
  return static_cast<std::uint32_t>(vf_.drops()[VfDrop::rx_memory_called]);
}
std::uint32_t VfAdmin::read_coalesced(std::uint32_t) {
  return static_cast<std::uint32_t>(vf_.statistics().coalesced_packets);
}
std::uint32_t VfAdmin::read_received_whole(std::uint32_t) {
  return static_cast<std::uint32_t>(vf_.statistics().whole_packets);
}
void VfAdmin::write_counter_clear(std::uint32_t, std::uint32_t) {
  vf_.clear_counters();
}

}  // namespace ladon::nic
