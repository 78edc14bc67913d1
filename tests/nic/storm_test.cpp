// A guest gone mad: any value in any register, rings and memory full of garbage. The device neither crashes
// nor hangs nor touches memory that it was not granted, and the neighbours do not notice.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "nic/packet_memory.h"
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

// A descriptor that looks right at first sight.
std::uint64_t any_word(std::minstd_rand& random, bool high) {
  if (random() % 8 == 0) return std::uint64_t{random()} << 33 ^ random();
  if (!high) return FunctionMemory::kBase + random() % (2 << 20);
  std::uint32_t command =
      desc::kTxExtension | desc::kTxInsertFcs | desc::kTxReportStatus |
      static_cast<std::uint32_t>(random() % 4 == 0 ? desc::kTxTypeContext : desc::kTxTypeData) |
      (random() % 3 == 0 ? 0 : desc::kTxEndOfPacket) | static_cast<std::uint32_t>(random() % 3000);
  if (random() % 4 == 0) command |= desc::kTxSegment;
  if (random() % 4 == 0) command |= desc::kTxVlanInsert;
  if (command & desc::kTxTypeContext & ~desc::kTxTypeData) command |= desc::kTucmdTcp | desc::kTucmdIpv4;
  return std::uint64_t{random() & 0xFFFF'03FF} << 32 | command;
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
      case 0: {  // a run of descriptors where a ring may be
        const std::size_t at = random() % 64 * 4096;
        for (std::size_t i = 0; i < 64; ++i) {
          store_le(memory.data() + at + i * 16, any_word(random, false));
          store_le(memory.data() + at + i * 16 + 8, any_word(random, true));
        }
        break;
      }
      case 1: {  // frames for the neighbours in what may be a buffer
        const auto frame = client::make_frame(from_to(0, static_cast<std::uint16_t>(1 + random() % 2)));
        std::ranges::copy(frame, memory.begin() + static_cast<std::ptrdiff_t>(random() % (1 << 20)));
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
      default: {
        const std::uint32_t at = any_register(random);
        rig.registers(0).write32(at, any_value(random));
        (void)rig.registers(0).read32(at);
      }
    }
    if (step % 50 == 49) {
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
