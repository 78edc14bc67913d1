// A guest that does what it likes with its virtual function: registers, rings, descriptors, mailbox, resets,
// DMA that completes late, never, or is refused half-way. Whatever it does, the device survives, its
// neighbours' frames still pass unharmed, and the management software can quiesce and scrub the function.
#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstdlib>

#include "client/frames.h"
#include "nic/rig.h"
#include "spec/descriptor.h"
#include "spec/ixgbevf.h"
#include "spec/pf.h"

namespace {

using namespace ladon;
namespace ixgbevf = spec::ixgbevf;
namespace descriptor = spec::descriptor;

constexpr std::uint16_t kGuest = 0, kLeft = 1, kRight = 2, kVfs = 3;
constexpr std::uint16_t kRing = 32;
constexpr std::size_t kMemory = std::size_t{256} * 1024;
constexpr int kMostActions = 400;

void require(bool holds) {
  if (!holds) std::abort();
}

nic::testing::RigOptions options() {
  nic::testing::RigOptions made;
  made.vfs = made.nic.vfs = kVfs;
  made.memory_bytes = kMemory;
  made.driver.tx_size = made.driver.rx.size = kRing;
  return made;
}

class Guest {
 public:
  explicit Guest(FuzzedDataProvider& data) : data_(data), rig_(options()) {
    rig_.wire().discard = true;
    for (std::uint16_t vf = 0; vf < kVfs; ++vf) {
      require(rig_.driver(vf).probe().has_value());
      require(rig_.driver(vf).open().has_value());
    }
    if (data_.ConsumeBool()) rig_.port(kGuest).defer_to(&rig_.nic());
  }

  void act() {
    using Action = void (Guest::*)();
    static constexpr std::array<Action, 17> kActions{
        &Guest::write_register, &Guest::read_register, &Guest::put_data,      &Guest::put_data,
        &Guest::put_context,    &Guest::put_receive,   &Guest::write_tail,    &Guest::write_tail,
        &Guest::poke_memory,    &Guest::poll,          &Guest::complete,      &Guest::advance,
        &Guest::configure,      &Guest::send_frame,    &Guest::wire_receives, &Guest::manage,
        &Guest::reopen};
    (this->*kActions[data_.ConsumeIntegralInRange<std::size_t>(0, kActions.size() - 1)])();
  }

  // The neighbours' frames pass, and nothing of the guest's is left once it is scrubbed.
  void check() {
    rig_.port(kGuest).revoke(false);
    finish();
    check_neighbours();
    const std::uint32_t block = spec::pf::kVf + kGuest * spec::pf::kVfStride;
    rig_.pf_registers().write32(block + spec::pf::kVfControl, 0);
    finish();
    require((rig_.pf_registers().read32(block + spec::pf::kVfStatus) & spec::pf::kVfQuiesced) != 0);
    rig_.pf_registers().write32(block + spec::pf::kVfControl, spec::pf::kVfScrub);
    finish();
    require((rig_.pf_registers().read32(block + spec::pf::kVfStatus) & spec::pf::kVfScrubbed) != 0);
    check_neighbours();
  }

 private:
  std::uint32_t queue() { return data_.ConsumeIntegralInRange<std::uint32_t>(0, ixgbevf::kQueues - 1); }

  std::uint32_t register_offset() {
    static constexpr std::array<std::uint32_t, 12> kQueueRegisters{
        ixgbevf::kBaseLow,      ixgbevf::kBaseHigh,         ixgbevf::kLength, ixgbevf::kDca,
        ixgbevf::kHead,         ixgbevf::kSrrctl,           ixgbevf::kTail,   ixgbevf::kQueueControl,
        ixgbevf::kQueueControl, ixgbevf::kHeadWriteBackLow, ixgbevf::kTail,   ixgbevf::kRscControl};
    switch (data_.ConsumeIntegralInRange(0, 2)) {
      case 0:
        return (data_.ConsumeBool() ? ixgbevf::kRx : ixgbevf::kTx) + queue() * ixgbevf::kQueueStride +
               data_.PickValueInArray(kQueueRegisters);
      case 1:
        return data_.ConsumeIntegralInRange<std::uint32_t>(0, 0x400 / 4) * 4;
      default:
        return data_.ConsumeIntegralInRange<std::uint32_t>(0, ixgbevf::kBarSize / 4 - 1) * 4;
    }
  }

  // An address in the guest's memory, at its edges, or anywhere.
  std::uint64_t address() {
    constexpr std::uint64_t base = nic::testing::FunctionMemory::kBase;
    switch (data_.ConsumeIntegralInRange(0, 3)) {
      case 0:
        return data_.ConsumeIntegral<std::uint64_t>();
      case 1:
        return base + kMemory - data_.ConsumeIntegralInRange<std::uint64_t>(0, 4096);
      default:
        return base + data_.ConsumeIntegralInRange<std::uint64_t>(0, kMemory - 1);
    }
  }

  void write_register() {
    const std::uint8_t bar =
        data_.ConsumeProbability<float>() < 0.9F ? ixgbevf::kRegisterBar : ixgbevf::kMsixBar;
    const std::uint32_t offset = register_offset();
    rig_.function(kGuest).register_write(bar, offset, 4, data_.ConsumeIntegral<std::uint32_t>());
  }

  void read_register() {
    static_cast<void>(rig_.function(kGuest).register_read(ixgbevf::kRegisterBar, register_offset(), 4));
  }

  void put_data() {
    static constexpr std::array<std::uint32_t, 4> kTypes{descriptor::kTxTypeData, descriptor::kTxTypeData,
                                                         descriptor::kTxTypeContext, 0x0070'0000};
    std::uint32_t command = data_.PickValueInArray(kTypes) | data_.ConsumeIntegral<std::uint16_t>();
    if (data_.ConsumeProbability<float>() < 0.95F)
      command |= descriptor::kTxExtension | descriptor::kTxInsertFcs;
    if (data_.ConsumeBool()) command |= descriptor::kTxEndOfPacket | descriptor::kTxReportStatus;
    if (data_.ConsumeBool()) command |= descriptor::kTxSegment;
    if (data_.ConsumeBool()) command |= descriptor::kTxVlanInsert;
    if (data_.ConsumeBool()) command &= 0xFFFF'00FF;  // a length that a frame may have
    const std::uint64_t options = data_.ConsumeIntegral<std::uint32_t>();
    rig_.driver(kGuest).tx().put_raw(address(), options << 32 | command);
  }

  void put_context() {
    const std::uint64_t lengths = data_.ConsumeBool() ? data_.ConsumeIntegral<std::uint32_t>()
                                                      : 20u | 14u << descriptor::kContextMacLengthShift;
    const std::uint32_t type =
        descriptor::kTxTypeContext | descriptor::kTxExtension |
        (data_.ConsumeIntegral<std::uint32_t>() & (descriptor::kTucmdIpv4 | descriptor::kTucmdL4Mask));
    const std::uint64_t segment = data_.ConsumeIntegral<std::uint32_t>();
    rig_.driver(kGuest).tx().put_raw(lengths, segment << 32 | type);
  }

  void put_receive() {
    const auto index = data_.ConsumeIntegralInRange<std::uint32_t>(0, kRing - 1);
    rig_.driver(kGuest).rx().put_raw(index, address(), address());
  }

  void write_tail() {
    if (data_.ConsumeBool()) {
      rig_.driver(kGuest).tx().ring_doorbell();
      return;
    }
    const std::uint32_t base =
        (data_.ConsumeBool() ? ixgbevf::kRx : ixgbevf::kTx) + queue() * ixgbevf::kQueueStride;
    rig_.registers(kGuest).write32(base + ixgbevf::kTail,
                                   data_.ConsumeIntegralInRange<std::uint32_t>(0, 2 * kRing));
  }

  void poke_memory() {
    const Bytes memory = rig_.memory(kGuest).bytes;
    const auto at = data_.ConsumeIntegralInRange<std::size_t>(0, memory.size() - 64);
    data_.ConsumeData(&memory[at], 64);
  }

  void poll() {
    rig_.nic().poll(data_.ConsumeIntegralInRange<std::size_t>(1, 300));
    rig_.software().poll();
  }

  void complete() {
    for (auto count = data_.ConsumeIntegralInRange(1, 40); count > 0; --count) rig_.port(kGuest).complete();
  }

  void advance() {
    rig_.clock().advance(std::chrono::microseconds(data_.ConsumeIntegralInRange(1, 100'000)));
  }

  void configure() {
    pcie::Function& function = rig_.function(kGuest);
    switch (data_.ConsumeIntegralInRange(0, 3)) {
      case 0:
        client::enable_function(function);
        break;
      case 1:
        if (const auto express = client::find_capability(function, spec::pci::kCapExpress))
          function.config_write(static_cast<std::uint16_t>(*express + spec::pci::kExpressDeviceControl), 2,
                                spec::pci::kDeviceControlFlr);
        break;
      default:
        function.config_write(data_.ConsumeIntegralInRange<std::uint16_t>(0, 1023) * 4, 4,
                              data_.ConsumeIntegral<std::uint32_t>());
    }
  }

  // The driver starts over, as after a fault; what it cannot get it does without.
  void reopen() {
    client::enable_function(rig_.function(kGuest));
    if (rig_.driver(kGuest).probe()) static_cast<void>(rig_.driver(kGuest).open());
  }

  // A frame as a well-behaved driver sends it, to a neighbour or to all.
  void send_frame() {
    client::FrameSpec spec{.source = client::PfResponder::mac_of(kGuest)};
    spec.destination = data_.ConsumeBool() ? client::PfResponder::mac_of(kRight)
                                           : MacAddress{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
    spec.carries = data_.ConsumeBool() ? client::Carries::tcp : client::Carries::udp;
    spec.payload = data_.ConsumeIntegralInRange<std::size_t>(0, 9000);
    client::TxOffload offload;
    offload.l4_checksum = offload.ip_checksum = data_.ConsumeBool();
    offload.segment = data_.ConsumeBool();
    offload.transport_length = 20;
    offload.segment_size = data_.ConsumeIntegral<std::uint16_t>();
    static_cast<void>(rig_.driver(kGuest).tx().send(client::make_frame(spec), offload));
    rig_.driver(kGuest).tx().reclaim();
  }

  void wire_receives() {
    const auto length = data_.ConsumeIntegralInRange<std::size_t>(0, 200);
    const std::vector<std::uint8_t> bytes = data_.ConsumeBytes<std::uint8_t>(length);
    const auto view = std::as_bytes(std::span(bytes));
    rig_.wire().arriving.emplace_back(view.begin(), view.end());
  }

  // What the software or the tables do meanwhile.
  void manage() {
    const std::uint32_t control = spec::pf::kVf + kGuest * spec::pf::kVfStride + spec::pf::kVfControl;
    switch (data_.ConsumeIntegralInRange(0, 3)) {
      case 0:
        rig_.pf_registers().write32(control, data_.ConsumeIntegral<std::uint8_t>());
        break;
      case 1:
        rig_.pf_registers().write32(control,
                                    spec::pf::kVfEnable | spec::pf::kVfLink | spec::pf::kVfSpoofCheck);
        break;
      case 2:
        rig_.port(kGuest).revoke(data_.ConsumeBool());
        break;
      default:
        rig_.settle();
    }
  }

  void finish() {
    for (int i = 0; i < 10'000; ++i) {
      const bool more = rig_.nic().poll();
      const bool completed = rig_.port(kGuest).complete();
      if (!rig_.software().poll() && !more && !completed) return;
      rig_.clock().advance(std::chrono::milliseconds(1));  // nothing may wait for ever
    }
  }

  void check_neighbours() {
    client::RxRing& right = rig_.driver(kRight).rx();
    while (right.receive()) {
    }
    finish();
    while (right.receive()) {
    }
    client::FrameSpec spec{.destination = client::PfResponder::mac_of(kRight),
                           .source = client::PfResponder::mac_of(kLeft)};
    spec.payload = 500;
    spec.seed = 77;
    const client::Frame frame = client::make_frame(spec);
    rig_.driver(kLeft).tx().reclaim();
    require(rig_.driver(kLeft).tx().send(frame));
    finish();
    const auto received = right.receive();
    require(received.has_value() && received->bytes == frame);
    require(right.canaries_hold() && rig_.driver(kLeft).rx().canaries_hold());
    require(rig_.nic().faults(kLeft).total() == 0 && rig_.nic().faults(kRight).total() == 0);
  }

  FuzzedDataProvider& data_;
  nic::testing::Rig rig_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t length) {
  FuzzedDataProvider data(bytes, length);
  Guest guest(data);
  for (int i = 0; i < kMostActions && data.remaining_bytes() > 0; ++i) guest.act();
  guest.check();
  return 0;
}
