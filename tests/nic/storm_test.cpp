// A guest gone mad: any value in any register, rings and memory full of garbage. The device neither crashes
// nor hangs nor touches memory that it was not granted, and the neighbours do not notice.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "nic/station.h"

namespace ladon::nic::testing {
namespace {

namespace reg = spec::ixgbevf;
namespace desc = spec::descriptor;

// Registers that a guest can do most harm with, and some anywhere.
std::uint32_t any_register(std::minstd_rand& random) {
  static constexpr std::array kLively{reg::kRx + reg::kTail,
                                      reg::kTx + reg::kTail,
                                      reg::kRx + reg::kHead,
                                      reg::kTx + reg::kHead,
                                      reg::kRx + reg::kLength,
                                      reg::kTx + reg::kLength,
                                      reg::kRx + reg::kSrrctl,
                                      reg::kRx + reg::kQueueControl,
                                      reg::kTx + reg::kQueueControl,
                                      reg::kTx + reg::kBaseLow,
                                      reg::kRx + reg::kBaseLow,
                                      reg::kMrqc,
                                      reg::kEims,
                                      reg::kEitr,
                                      reg::kMailbox};
  const auto choice = random() % (kLively.size() + 2);
  const std::uint32_t queue = random() % 2 * reg::kQueueStride;
  if (choice < kLively.size()) return kLively[choice] + (kLively[choice] >= reg::kRx ? queue : 0);
  return random() % (reg::kBarSize / 4) * 4;
}

std::uint32_t any_value(std::minstd_rand& random) {
  switch (random() % 6) {
    case 0:
      return 0;
    case 1:
      return ~0u;
    case 2:
      return random() % 512;
    case 3:
      return reg::kQueueEnable | (random() % 2 != 0 ? reg::kRxLengthEnable | random() % 0x4000 : 0);
    case 4:
      return static_cast<std::uint32_t>(FunctionMemory::kBase) + random() % 64 * 4096;
    default:
      return static_cast<std::uint32_t>(random()) ^ static_cast<std::uint32_t>(random()) << 8;
  }
}

// Frames that a descriptor may point at: behind rings and buffers of the driver.
constexpr std::uint64_t kFrames = std::uint64_t{3} << 19, kFrameSlots = 16, kFrameSlot = 4096;

// A descriptor that looks right at first sight.
std::pair<std::uint64_t, std::uint64_t> any_descriptor(std::minstd_rand& random) {
  const auto chance = [&](std::uint32_t one_in) { return random() % one_in == 0; };
  if (chance(200)) return {std::uint64_t{random()} << 33, std::uint64_t{random()} << 33 ^ random()};
  std::uint64_t address = FunctionMemory::kBase + kFrames + random() % kFrameSlots * kFrameSlot;
  if (chance(200)) address = FunctionMemory::kBase + random() % (3 << 20);  // perhaps beyond the end
  if (chance(6)) {
    const std::uint64_t lengths =
        14u << desc::kContextMacLengthShift | 20u | std::uint64_t{random() % 16} << 16;
    const std::uint64_t command = desc::kTxExtension | desc::kTxTypeContext | desc::kTucmdIpv4 |
                                  (chance(2) ? desc::kTucmdTcp : desc::kTucmdUdp);
    const std::uint64_t segment = (chance(2) ? 20u : 8u) << desc::kContextL4LengthShift |
                                  (random() % (chance(4) ? 65536 : 1500)) << desc::kContextMssShift |
                                  random() % 2 << desc::kTxContextIndexShift;
    return {lengths, segment << 32 | command};
  }
  std::uint64_t command = desc::kTxExtension | desc::kTxTypeData | desc::kTxReportStatus |
                          (chance(10) ? random() % 65536 : 60 + random() % 1500);
  if (!chance(50)) command |= desc::kTxInsertFcs;
  if (!chance(4)) command |= desc::kTxEndOfPacket;
  if (chance(12)) command |= desc::kTxSegment;
  if (chance(12)) command |= desc::kTxVlanInsert;
  const std::uint64_t options = (chance(6) ? random() & 0x300 : 0) | random() % 2
                                                                         << desc::kTxContextIndexShift;
  return {address, options << 32 | command};
}

// Descriptors from the tail on, and the tail behind them.
void send_garbage(Rig& rig, std::minstd_rand& random) {
  const Bytes ring = rig.driver(0).tx().memory();
  const auto size = static_cast<std::uint32_t>(ring.size() / desc::kSize);
  std::uint32_t tail = rig.registers(0).read32(reg::kTx + reg::kTail) % size;
  for (auto count = 1 + random() % 80; count > 0; --count) {
    const auto [low, high] = any_descriptor(random);
    store_le(ring.data() + tail * desc::kSize, low);
    store_le(ring.data() + tail * desc::kSize + 8, high);
    tail = (tail + 1) % size;
  }
  rig.registers(0).write32(reg::kTx + reg::kTail, tail);
}

RC_GTEST_PROP(Storm, NobodyElseNotices, ()) {
  RigOptions options;
  options.vfs = 3;
  options.memory_bytes = std::size_t{2} << 20;
  Rig rig(options);
  for (std::uint16_t vf = 0; vf < 3; ++vf) {
    RC_ASSERT(rig.driver(vf).probe().has_value());
    RC_ASSERT(rig.driver(vf).open().has_value());
  }
  std::minstd_rand random(*rc::gen::arbitrary<std::uint32_t>());
  const Bytes memory = rig.memory(0).bytes;
  std::uint64_t neighbours = 0;
  for (int step = 0; step < 500; ++step) {
    switch (random() % 8) {
      case 0:
        send_garbage(rig, random);
        break;
      case 1: {
        client::FrameSpec spec = from_to(0, static_cast<std::uint16_t>(1 + random() % 2));
        spec.carries = random() % 2 == 0 ? client::Carries::tcp : client::Carries::udp;
        spec.payload = 1400;
        client::Frame frame = client::make_frame(spec);
        for (auto flips = random() % 3; flips > 0; --flips)
          frame[random() % frame.size()] ^= static_cast<std::byte>(random());
        std::ranges::copy(frame, memory.begin() + static_cast<std::ptrdiff_t>(
                                                      kFrames + random() % kFrameSlots * kFrameSlot));
        break;
      }
      case 2: {
        const client::Frame frame = client::make_frame(from_to(1, 0));
        rig.driver(1).tx().reclaim();
        (void)rig.driver(1).tx().send(frame);
        break;
      }
      case 3:
        rig.nic().poll(random() % 64);
        rig.clock().advance(Duration(random() % 100'000));
        break;
      case 4:
        if (random() % 4 == 0) {
          rig.clock().advance(std::chrono::seconds(2));
          (void)(rig.driver(0).probe() && rig.driver(0).open());
        }
        break;
      case 5: {
        const std::uint32_t at = any_register(random);
        rig.registers(0).write32(at, any_value(random));
        (void)rig.registers(0).read32(at);
        break;
      }
      default:
        while (rig.driver(2).rx().receive()) {
        }
        rig.nic().poll();
    }
    if (step % 50 == 49) {
      // What the guest has sent already may fill the ring: that is a flood, and another test's.
      rig.settle();
      while (rig.driver(2).rx().receive()) {
      }
      const client::Frame frame = client::make_frame(from_to(1, 2));
      rig.driver(1).tx().reclaim();
      RC_ASSERT(rig.driver(1).tx().send(frame));
      rig.settle();
      bool found = false;
      while (const auto received = rig.driver(2).rx().receive()) found |= received->bytes == frame;
      RC_ASSERT(found);
      ++neighbours;
    }
  }
  RC_ASSERT(neighbours == 10u);
  rig.settle();
  // Whatever it was that the guest did, resetting the function undoes it.
  rig.clock().advance(std::chrono::seconds(10));
  while (rig.driver(1).rx().receive()) {
  }
  RC_ASSERT(rig.driver(0).probe().has_value());
  RC_ASSERT(rig.driver(0).open().has_value());
  const client::Frame frame = client::make_frame(from_to(0, 1));
  RC_ASSERT(rig.driver(0).tx().send(frame));
  rig.settle();
  const auto received = rig.driver(1).rx().receive();
  RC_ASSERT(received.has_value());
  RC_ASSERT(received->bytes == frame);
  for (std::uint16_t vf = 0; vf < 3; ++vf) RC_ASSERT(rig.nic().packet_memory().held(vf) == 0u);
  RC_ASSERT(rig.nic().faults(1).total() + rig.nic().faults(2).total() == 0u);
  RC_ASSERT(rig.driver(1).rx().canaries_hold());
  RC_ASSERT(rig.driver(2).rx().canaries_hold());
}

}  // namespace
}  // namespace ladon::nic::testing
