// The device behind ports that complete late and in any order, as in simulated time.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "nic/station.h"

namespace ladon::nic::testing {
namespace {

namespace reg = spec::ixgbevf;
namespace pf = spec::pf;
using pcie::DmaStatus;

// Plain memory behind a port of which nothing can be reached directly; accesses complete when the test says
// so, in the order that the test chooses. Writes of one requester stay in order among themselves (PCIe 6.0,
// 2.4.1), reads do not.
class LatePort final : public pcie::DmaPort {
 public:
  explicit LatePort(client::GuestMemory memory) : memory_(memory) {}

  void complete(std::size_t choice, pcie::DmaClient& client) {
    choice %= pending_.size();
    while (pending_[choice].write && choice > 0 && earlier_write(choice)) --choice;
    const Access access = pending_[choice];
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(choice));
    client.dma_completed(access.tag, move(access));
  }
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }
  DmaStatus send_msi(Iova, std::uint32_t) override { return DmaStatus::done; }
  bool late = false, revoked = false;
  // A write to this address is one to somebody's register.
  std::optional<Iova> doorbell;
  std::function<void()> ring;

 protected:
  DmaStatus issue_read(Iova from, Bytes into, pcie::DmaTag tag) override {
    return issue({.at = from, .into = into, .from = {}, .tag = tag});
  }
  DmaStatus issue_write(Iova to, ConstBytes from, pcie::DmaTag tag) override {
    if (to == doorbell) {
      ring();
      return DmaStatus::done;
    }
    return issue({.at = to, .into = {}, .from = from, .tag = tag, .write = true});
  }

 private:
  struct Access {
    Iova at;
    Bytes into;
    ConstBytes from;
    pcie::DmaTag tag{};
    bool write = false;
  };
  [[nodiscard]] bool earlier_write(std::size_t before) const {
    for (std::size_t i = 0; i < before; ++i)
      if (pending_[i].write) return true;
    return false;
  }
  DmaStatus issue(const Access& access) {
    if (!late) return move(access);
    pending_.push_back(access);
    return DmaStatus::pending;
  }
  DmaStatus move(const Access& access) {
    const std::size_t length = access.write ? access.from.size() : access.into.size();
    const auto offset = access.at.minus(memory_.base);
    if (revoked || !offset || *offset + length > memory_.bytes.size()) return DmaStatus::refused;
    std::byte* const memory = memory_.bytes.data() + *offset;
    if (access.write)
      std::memcpy(memory, access.from.data(), length);
    else
      std::memcpy(access.into.data(), memory, length);
    return DmaStatus::done;
  }

  client::GuestMemory memory_;
  std::vector<Access> pending_;
};

// Two drivers over late ports.
class Bench {
 public:
  Bench() {
    std::vector<pcie::DmaPort*> all;
    for (auto& memory : memories) ports.push_back(std::make_unique<LatePort>(memory.memory()));
    for (auto& port : ports) all.push_back(port.get());
    nic = std::make_unique<Nic>(NicOptions{.vfs = 2}, clock, wire, all);
    pcie::Function& physical = *nic->function(0);
    client::enable_function(physical);
    (void)client::enable_vfs(physical, 2);
    pf_registers = std::make_unique<client::FunctionMmio>(physical);
    software = std::make_unique<client::PfResponder>(*pf_registers, client::PfOptions{});
    software->bring_up();
    for (std::uint16_t vf = 0; vf < 2; ++vf) {
      pcie::Function& function = *nic->function(static_cast<std::uint16_t>(kFirstVfOffset + kVfStride * vf));
      client::enable_function(function);
      registers.push_back(std::make_unique<client::FunctionMmio>(function, [this] { settle(); }));
      drivers.push_back(std::make_unique<client::VfDriver>(*registers.back(), memories[vf + 1u].memory(),
                                                           client::VfOptions{}));
      start(vf);
    }
    for (auto& port : ports) port->late = true;
  }

  void start(std::uint16_t vf) {
    if (!drivers[vf]->probe() || !drivers[vf]->open()) throw std::runtime_error("the driver did not start");
  }
  [[nodiscard]] std::size_t pending() const {
    std::size_t sum = 0;
    for (const auto& port : ports) sum += port->pending();
    return sum;
  }
  bool complete_one(std::minstd_rand& random) {
    const std::size_t all = pending();
    if (all == 0) return false;
    std::size_t choice = random() % all;
    for (auto& port : ports) {
      if (choice < port->pending()) {
        port->complete(choice, *nic);
        break;
      }
      choice -= port->pending();
    }
    return true;
  }
  void settle() {
    for (int i = 0; i < 100'000; ++i) {
      const bool more = nic->poll(), answered = software->poll();
      if (!complete_one(random_) && !more && !answered && !nic->has_work()) return;
    }
    throw std::runtime_error("the device never comes to rest");
  }
  bool passes(std::uint16_t from, std::uint16_t to) {
    const client::Frame frame = client::make_frame(from_to(from, to));
    drivers[from]->tx().reclaim();
    if (!drivers[from]->tx().send(frame)) return false;
    settle();
    const auto received = drivers[to]->rx().receive();
    return received && received->bytes == frame;
  }

  ManualClock clock;
  BenchWire wire;
  std::array<FunctionMemory, 3> memories{FunctionMemory(4096), FunctionMemory(4 << 20),
                                         FunctionMemory(4 << 20)};
  std::vector<std::unique_ptr<LatePort>> ports;
  std::unique_ptr<Nic> nic;
  std::unique_ptr<client::FunctionMmio> pf_registers;
  std::unique_ptr<client::PfResponder> software;
  std::vector<std::unique_ptr<client::FunctionMmio>> registers;
  std::vector<std::unique_ptr<client::VfDriver>> drivers;

 private:
  std::minstd_rand random_{1};
};

TEST(SplitPhase, AFramePassesStageByStage) {
  Bench bench;
  ASSERT_TRUE(bench.drivers[0]->tx().send(client::make_frame(from_to(0, 1))));
  bench.nic->poll();
  EXPECT_EQ(bench.ports[1]->pending(), 1u) << "descriptors";
  EXPECT_FALSE(bench.nic->poll());
  bench.ports[1]->complete(0, *bench.nic);
  bench.nic->poll();
  EXPECT_EQ(bench.ports[1]->pending(), 1u) << "payload";
  bench.ports[1]->complete(0, *bench.nic);
  bench.nic->poll();
  EXPECT_EQ(bench.ports[2]->pending(), 1u) << "the receiver's descriptors";
  bench.ports[2]->complete(0, *bench.nic);
  bench.nic->poll();
  EXPECT_EQ(bench.ports[2]->pending(), 1u) << "the receiver's buffer";
  EXPECT_FALSE(bench.drivers[1]->rx().receive());
  bench.settle();
  EXPECT_TRUE(bench.drivers[1]->rx().receive());
  bench.drivers[0]->tx().reclaim();
  EXPECT_TRUE(bench.drivers[0]->tx().idle());
}

RC_GTEST_PROP(SplitPhaseProperty, WhateverTheOrderFramesArriveWholeAndInOrder, ()) {
  Bench bench;
  std::minstd_rand random(*rc::gen::arbitrary<std::uint32_t>());
  std::deque<client::Frame> expected;
  for (std::uint32_t step = 0; step < 400; ++step) {
    const auto choice = random() % 8;
    if (choice < 3) {
      client::FrameSpec spec = from_to(0, 1);
      spec.seed = spec.sequence = step;
      spec.payload = 18 + random() % 4000;
      const client::Frame frame = client::make_frame(spec);
      bench.drivers[0]->tx().reclaim();
      if (frame.size() <= 1514 && bench.drivers[0]->tx().send(frame, {}, random() % 2 == 0))
        expected.push_back(frame);
    } else if (choice == 3) {
      bench.nic->poll(1 + random() % 64);
    } else if (choice < 7) {
      bench.complete_one(random);
    } else if (const auto received = bench.drivers[1]->rx().receive()) {
      RC_ASSERT(!expected.empty());
      RC_ASSERT(received->bytes == expected.front());
      expected.pop_front();
    }
  }
  bench.drivers[0]->tx().ring_doorbell();
  bench.settle();
  while (const auto received = bench.drivers[1]->rx().receive()) {
    RC_ASSERT(!expected.empty());
    RC_ASSERT(received->bytes == expected.front());
    expected.pop_front();
  }
  RC_ASSERT(expected.empty());
  bench.drivers[0]->tx().reclaim();
  RC_ASSERT(bench.drivers[0]->tx().idle());
  RC_ASSERT(bench.drivers[1]->rx().canaries_hold());
  RC_ASSERT(bench.nic->drops(1).total() == 0u);
}

TEST(SplitPhase, SegmentsOfALongPacketAllArrive) {
  Bench bench;
  client::FrameSpec spec = from_to(0, 1);
  spec.carries = client::Carries::tcp;
  spec.payload = 60'000;
  spec.transport_checksum = false;
  client::Frame frame = client::make_frame(spec);
  store_be(&frame[14 + 2], std::uint16_t{0});
  store_be(&frame[14 + 10], std::uint16_t{0});
  store_be(&frame[34 + 16], client::plain_pseudo_header(frame, 14, 6, 0));
  client::TxOffload offload;
  offload.ip_checksum = offload.l4_checksum = offload.segment = true;
  offload.transport_length = 20;
  offload.segment_size = 1000;
  ASSERT_TRUE(bench.drivers[0]->tx().send(frame, offload));
  bench.settle();
  std::size_t segments = 0, bytes = 0;
  while (const auto received = bench.drivers[1]->rx().receive()) {
    EXPECT_TRUE(client::checksums_hold(received->bytes));
    bytes += received->bytes.size() - 54;
    ++segments;
  }
  EXPECT_EQ(segments, 60u);
  EXPECT_EQ(bytes, 60'000u);
}

TEST(SplitPhase, FramesFromTheWireWaitForBuffers) {
  Bench bench;
  std::vector<client::Frame> sent;
  for (std::uint32_t i = 0; i < 200; ++i) {
    client::FrameSpec spec = from_to(1, 0);
    spec.seed = i;
    spec.payload = 500;
    sent.push_back(client::make_frame(spec));
    bench.wire.arriving.push_back(sent.back());
  }
  bench.settle();
  for (const auto& frame : sent) {
    const auto received = bench.drivers[0]->rx().receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->bytes, frame);
  }
}

// Frames that land in the device's own registers, as they may where nothing forbids it.
TEST(SplitPhase, ADeviceThatResetsItselfByDma) {
  Bench bench;
  for (auto& port : bench.ports) port->late = false;
  for (const std::uint16_t victim : {std::uint16_t{0}, std::uint16_t{1}}) {
    bench.ports[2]->doorbell = Iova(0xD00B'0000);
    bench.ports[2]->ring = [&] { bench.registers[victim]->write32(reg::kControl, reg::kControlReset); };
    store_le(bench.drivers[1]->rx().memory().data() + 40 * 16, std::uint64_t{0xD00B'0000});
    for (int i = 0; i < 48; ++i)  // descriptors are fetched 32 at a time
      ASSERT_TRUE(bench.drivers[0]->tx().send(client::make_frame(from_to(0, 1)), {}, i != 47));
    bench.settle();
    EXPECT_EQ(bench.registers[victim]->read32(reg::kTx + reg::kQueueControl), 0u);
    EXPECT_EQ(bench.nic->packet_memory().held(1), 0u);
    bench.ports[2]->doorbell.reset();
    bench.start(0);
    bench.start(1);
    EXPECT_TRUE(bench.passes(0, 1));
  }
}

// At every point of a transfer: revoke, reset or quiesce; what is late must do no harm, and the function
// comes back.
RC_GTEST_PROP(SplitPhaseProperty, InterruptionsAtAnyPointAreSurvived, ()) {
  Bench bench;
  std::minstd_rand random(*rc::gen::arbitrary<std::uint32_t>());
  const auto victim = static_cast<std::uint16_t>(random() % 2);
  for (int i = 0; i < 40; ++i)
    (void)bench.drivers[0]->tx().send(client::make_frame(from_to(0, 1)), {}, i != 39);
  for (auto steps = random() % 60; steps > 0; --steps) {
    bench.nic->poll();
    bench.complete_one(random);
  }
  const std::uint32_t control = vf_register(victim, pf::kVfControl);
  const std::uint32_t status = vf_register(victim, pf::kVfStatus);
  switch (random() % 4) {
    case 0:
      bench.registers[victim]->write32(reg::kControl, reg::kControlReset);
      break;
    case 1:
      bench.ports[victim + 1u]->revoked = true;
      break;
    case 2:
      bench.pf_registers->write32(control, bench.pf_registers->read32(control) & ~pf::kVfEnable);
      RC_ASSERT(((bench.pf_registers->read32(status) & pf::kVfQuiesced) == 0) ==
                (bench.ports[victim + 1u]->pending() != 0 || (victim == 0 && bench.pending() != 0)));
      break;
    default:
      bench.pf_registers->write32(control, pf::kVfScrub);
      bench.settle();
      RC_ASSERT((bench.pf_registers->read32(status) & pf::kVfScrubbed) != 0);
      break;
  }
  bench.settle();
  RC_ASSERT(bench.nic->packet_memory().held(0) == 0u);
  RC_ASSERT(bench.nic->packet_memory().held(1) == 0u);
  bench.ports[victim + 1u]->revoked = false;
  bench.software->bring_up();
  for (std::uint16_t vf = 0; vf < 2; ++vf) {
    client::enable_function(
        *bench.nic->function(static_cast<std::uint16_t>(kFirstVfOffset + kVfStride * vf)));
    bench.start(vf);
  }
  RC_ASSERT(bench.passes(0, 1));
  RC_ASSERT(bench.passes(1, 0));
}

}  // namespace
}  // namespace ladon::nic::testing
