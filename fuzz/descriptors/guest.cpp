#include "descriptors/guest.h"

#include <algorithm>

#include "client/frames.h"
#include "spec/descriptor.h"
#include "spec/ixgbevf.h"
#include "spec/pf.h"

namespace ladon::fuzz::descriptors {

namespace ixgbevf = spec::ixgbevf;
namespace descriptor = spec::descriptor;

namespace {

constexpr std::uint16_t kGuest = 0, kLeft = 1, kRight = 2;
constexpr std::uint16_t kRing = 32;
constexpr std::size_t kMemory = std::size_t{160} * 1024;

nic::testing::RigOptions options() {
  nic::testing::RigOptions made;
  made.vfs = made.nic.vfs = Watch::kVfs;
  made.memory_bytes = kMemory;
  made.driver.tx_size = made.driver.rx.size = kRing;
  return made;
}

std::uint32_t control_of(std::uint16_t vf) {
  return spec::pf::kVf + vf * spec::pf::kVfStride + spec::pf::kVfControl;
}
std::uint32_t status_of(std::uint16_t vf) {
  return spec::pf::kVf + vf * spec::pf::kVfStride + spec::pf::kVfStatus;
}

}  // namespace

Guest::Guest(Input& input) : input_(input), rig_(options()) {
  rig_.wire().discard = true;
  for (const std::uint16_t vf : {kLeft, kRight}) fill_with_secret(rig_.memory(vf).bytes);
  for (std::uint16_t vf = 0; vf < Watch::kVfs; ++vf)
    require(rig_.driver(vf).probe() && rig_.driver(vf).open());
  rig_.nic().set_tap(&watch_);
  if (input_.flag()) rig_.port(kGuest).defer_to(&rig_.nic());
}

void Guest::act() {
  using Action = void (Guest::*)();
  static constexpr auto kActions = std::to_array<Action>(
      {&Guest::write_register, &Guest::read_register, &Guest::put_data, &Guest::put_context,
       &Guest::put_receive, &Guest::ring_doorbell, &Guest::write_tail, &Guest::poke_memory, &Guest::poll,
       &Guest::complete, &Guest::advance, &Guest::configure, &Guest::send_frame, &Guest::wire_receives,
       &Guest::manage, &Guest::reopen, &Guest::neighbours_talk});
  (this->*input_.of(kActions))();
}

// ---- operands

std::uint32_t Guest::queue_base() {
  const std::uint8_t which = input_.u8();
  return ((which & 2) != 0 ? ixgbevf::kRx : ixgbevf::kTx) + (which & 1) * ixgbevf::kQueueStride;
}

// A register of a queue by number, or any offset after 0xFF.
std::uint32_t Guest::register_offset() {
  static constexpr auto kQueueRegisters =
      std::to_array<std::uint32_t>({ixgbevf::kBaseLow, ixgbevf::kBaseHigh, ixgbevf::kLength, ixgbevf::kDca,
                                    ixgbevf::kHead, ixgbevf::kSrrctl, ixgbevf::kTail, ixgbevf::kQueueControl,
                                    ixgbevf::kHeadWriteBackLow, ixgbevf::kRscControl});
  const std::uint8_t which = input_.u8();
  if (which == 0xFF) return input_.u16() & (ixgbevf::kBarSize - 4);
  return queue_base() + kQueueRegisters[which % kQueueRegisters.size()];
}

// An address in the guest's memory, at its end, or anywhere.
std::uint64_t Guest::address() {
  constexpr std::uint64_t base = nic::testing::FunctionMemory::kBase;
  const std::uint8_t kind = input_.u8();
  if (kind == 0xFF) return input_.u64();
  if (kind >= 0xF0) return base + kMemory - input_.u16() % 4096;
  return base + (std::uint64_t{kind} << 16 | input_.u16()) % kMemory;
}

// ---- actions of the guest

void Guest::write_register() {
  const bool msix = input_.u8() == 0xFF;
  const std::uint32_t offset = register_offset();
  rig_.function(kGuest).register_write(msix ? ixgbevf::kMsixBar : ixgbevf::kRegisterBar, offset, 4,
                                       input_.u32());
}

void Guest::read_register() {
  static_cast<void>(rig_.function(kGuest).register_read(ixgbevf::kRegisterBar, register_offset(), 4));
}

void Guest::put_data() {
  const std::uint64_t at = address();
  const std::uint64_t command = input_.u32(), rest = input_.u32();
  rig_.driver(kGuest).tx().put_raw(at, rest << 32 | command);
}

void Guest::put_context() {
  const std::uint64_t lengths = input_.u32(), type = input_.u16(), segment = input_.u32();
  rig_.driver(kGuest).tx().put_raw(
      lengths, segment << 32 | type | descriptor::kTxTypeContext | descriptor::kTxExtension);
}

void Guest::put_receive() {
  const auto index = static_cast<std::uint32_t>(input_.below(kRing));
  const std::uint64_t packet = address();
  rig_.driver(kGuest).rx().put_raw(index, packet, address());
}

void Guest::ring_doorbell() {
  rig_.driver(kGuest).tx().ring_doorbell();
}

void Guest::write_tail() {
  const std::uint32_t base = queue_base();
  rig_.registers(kGuest).write32(base + ixgbevf::kTail, static_cast<std::uint32_t>(input_.below(2 * kRing)));
}

void Guest::poke_memory() {
  const Bytes memory = rig_.memory(kGuest).bytes;
  const std::size_t high = input_.u8();
  const std::size_t at = (high << 16 | input_.u16()) % (memory.size() - 64);
  const auto bytes = std::as_bytes(input_.bytes(input_.below(65)));
  std::ranges::copy(bytes, memory.begin() + static_cast<std::ptrdiff_t>(at));
}

void Guest::configure() {
  pcie::Function& function = rig_.function(kGuest);
  const std::uint8_t which = input_.u8();
  if (which == 0) return client::enable_function(function);
  if (which == 1) {
    if (const auto express = client::find_capability(function, spec::pci::kCapExpress))
      function.config_write(static_cast<std::uint16_t>(*express + spec::pci::kExpressDeviceControl), 2,
                            spec::pci::kDeviceControlFlr);
    return;
  }
  const std::uint16_t offset = input_.u16() & 0xFFC;
  function.config_write(offset, 4, input_.u32());
}

// The driver starts over, as after a fault; what it cannot get it does without.
void Guest::reopen() {
  client::enable_function(rig_.function(kGuest));
  if (rig_.driver(kGuest).probe()) static_cast<void>(rig_.driver(kGuest).open());
}

// A frame as a well-behaved driver sends it, to a neighbour or to all.
void Guest::send_frame() {
  const std::uint8_t form = input_.u8();
  client::FrameSpec spec{.source = client::PfResponder::mac_of(kGuest)};
  spec.destination = (form & 1) != 0 ? client::PfResponder::mac_of(kRight)
                                     : MacAddress{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
  spec.carries = (form & 2) != 0 ? client::Carries::tcp : client::Carries::udp;
  spec.ipv6 = (form & 4) != 0;
  spec.payload = input_.u16() % 9001;
  client::TxOffload offload;
  offload.l4_checksum = offload.ip_checksum = (form & 8) != 0;
  offload.segment = (form & 16) != 0;
  offload.ipv4 = !spec.ipv6;
  offload.network_length = spec.ipv6 ? 40 : 20;
  offload.transport_length = 20;
  offload.segment_size = input_.u16();
  if ((form & 32) != 0) offload.vlan = input_.u16();
  static_cast<void>(rig_.driver(kGuest).tx().send(client::make_frame(spec), offload));
  rig_.driver(kGuest).tx().reclaim();
}

// ---- what happens meanwhile

// Work in one turn is bounded: a packet may become many frames, but no more than its bytes allow.
void Guest::poll() {
  constexpr std::size_t kMostSegments = 0x10000 / 32;
  const std::size_t budget = 1 + input_.u8();
  const std::uint64_t before = watch_.passed;
  rig_.nic().poll(budget);
  // Each frame may be seen leaving and arriving at each function.
  require(watch_.passed - before <= (budget + 64) * kMostSegments * (2 + Watch::kVfs));
  rig_.software().poll();
}

void Guest::complete() {
  for (std::size_t count = 1 + input_.below(40); count > 0; --count) rig_.port(kGuest).complete();
}

void Guest::advance() {
  rig_.clock().advance(std::chrono::microseconds(1 + input_.u16() * 2));
}

void Guest::wire_receives() {
  const auto view = std::as_bytes(input_.bytes(input_.below(201)));
  rig_.wire().arriving.emplace_back(view.begin(), view.end());
}

// What the software or the tables do.
void Guest::manage() {
  const std::uint8_t which = input_.u8();
  switch (which & 3) {
    case 0:
      rig_.pf_registers().write32(control_of(kGuest), input_.u8());
      break;
    case 1:
      rig_.pf_registers().write32(control_of(kGuest),
                                  spec::pf::kVfEnable | spec::pf::kVfLink | spec::pf::kVfSpoofCheck);
      break;
    case 2:
      rig_.port(kGuest).revoke((which & 4) != 0);
      break;
    default:
      rig_.settle();
  }
}

void Guest::neighbours_talk() {
  (void)send(kLeft, kRight, input_.u8());
}

bool Guest::send(std::uint16_t from, std::uint16_t to, std::uint32_t seed) {
  client::FrameSpec spec{.destination = client::PfResponder::mac_of(to),
                         .source = client::PfResponder::mac_of(from)};
  spec.payload = 500;
  spec.seed = seed;
  rig_.driver(from).tx().reclaim();
  return rig_.driver(from).tx().send(client::make_frame(spec));
}

// ---- the end

// Whatever is under way ends: nothing may wait for ever.
void Guest::finish() {
  for (int i = 0; i < 10'000; ++i) {
    const bool more = rig_.nic().poll();
    const bool completed = rig_.port(kGuest).complete();
    if (!rig_.software().poll() && !more && !completed) return;
    rig_.clock().advance(std::chrono::milliseconds(1));
  }
  require(false);
}

void Guest::check() {
  rig_.port(kGuest).revoke(false);
  finish();
  check_neighbours();
  check_counters();
  require(!holds_secret(rig_.memory(kGuest).bytes));
  rig_.pf_registers().write32(control_of(kGuest), 0);
  finish();
  require((rig_.pf_registers().read32(status_of(kGuest)) & spec::pf::kVfQuiesced) != 0);
  rig_.pf_registers().write32(control_of(kGuest), spec::pf::kVfScrub);
  finish();
  require((rig_.pf_registers().read32(status_of(kGuest)) & spec::pf::kVfScrubbed) != 0);
  check_neighbours();
}

void Guest::check_neighbours() {
  client::RxRing& right = rig_.driver(kRight).rx();
  while (right.receive()) {
  }
  finish();
  while (right.receive()) {
  }
  require(send(kLeft, kRight, 77));
  finish();
  client::FrameSpec spec{.destination = client::PfResponder::mac_of(kRight),
                         .source = client::PfResponder::mac_of(kLeft)};
  spec.payload = 500;
  spec.seed = 77;
  const auto received = right.receive();
  require(received.has_value() && received->bytes == client::make_frame(spec));
  require(right.canaries_hold() && rig_.driver(kLeft).rx().canaries_hold());
  require(rig_.nic().faults(kLeft).total() == 0 && rig_.nic().faults(kRight).total() == 0);
}

// What was meant for a neighbour has arrived or was counted; all that left a neighbour was its own.
void Guest::check_counters() {
  using nic::VfDrop;
  for (const std::uint16_t vf : {kLeft, kRight}) {
    const auto& statistics = rig_.nic().statistics(vf);
    require(statistics.sent_packets == watch_.seen[vf].sent_packets);
    require(statistics.received_packets == watch_.seen[vf].received_packets);
    const auto& drops = rig_.nic().drops(vf);
    std::uint64_t lost = 0;
    for (const VfDrop why : {VfDrop::rx_disabled, VfDrop::rx_no_descriptor, VfDrop::rx_too_long,
                             VfDrop::rx_vlan, VfDrop::rx_no_memory, VfDrop::rx_refused})
      lost += drops[why];
    require(statistics.received_packets + lost == watch_.meant[vf]);
    require(drops.total() == lost);
  }
}

}  // namespace ladon::fuzz::descriptors
