// mode: mriov - the window covers the first bytes of a guest's memory only, and a driver copies through a
// buffer there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/frames.h"
#include "machine/bounce.h"
#include "machine/plan_audit.h"
#include "machine/rack_build.h"
#include "machine/rack_fixture.h"

namespace ladon::machine {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kMiB = 1 << 20, kWindow = 4 * kMiB;
constexpr std::size_t kBounced = 0, kWhole = 1;
constexpr Iova kFar(32 * kMiB);  // in the guest's memory, and far beyond the window

constexpr const char* kRack = R"(name: bounce
nics:
  - {name: nic0, vfs: 4}
hosts:
  - {name: mh, role: management}
  - name: ch1
    role: compute
    mode: mriov
    ntb: {dma_window: 4MiB, bars: 32}
    vms: [{name: vm-a, memory: 64MiB, vf: {nic: nic0, index: 1}}]
  - name: ch2
    role: compute
    kind: bare
    guest: {name: whole, memory: 64MiB, vf: {nic: nic0, index: 2}}
)";

class Bounce : public ::testing::Test {
 protected:
  Bounce() : rack(kRack) {
    EXPECT_TRUE(rack.wait_assigned()) << rack.management_error();
    bounced = rack.client(kBounced, {}, kWindow);
    whole = rack.client(kWhole);
  }
  // A frame from one to the other, in the memory of `in` at kFar.
  std::vector<std::byte> place(ClientGuest& in, ClientGuest& from, ClientGuest& to, std::size_t payload) {
    auto bytes =
        client::make_frame({.destination = to.driver.mac(), .source = from.driver.mac(), .payload = payload});
    std::ranges::copy(bytes, in.all().subspan(kFar.bits()).begin());
    return bytes;
  }
  RunningRack rack;
  std::unique_ptr<ClientGuest> bounced, whole;
};

TEST_F(Bounce, TrafficRunsThroughTheWindow) {
  BounceDriver driver(bounced->driver, bounced->all(), 8);
  for (std::size_t round = 0; round < 40; ++round) {  // more than there are slots
    const auto sent = place(*bounced, *bounced, *whole, 100 + 30 * round);
    ASSERT_TRUE(driver.send(kFar, static_cast<std::uint32_t>(sent.size()))) << round;
    std::optional<client::ReceivedFrame> got;
    ASSERT_TRUE(rack.run_until([&] { return (got = whole->driver.rx().receive()).has_value(); }));
    EXPECT_EQ(got->bytes, sent);

    const auto back = place(*whole, *whole, *bounced, 100 + 30 * round);
    ASSERT_TRUE(whole->driver.tx().send(back));
    std::optional<std::uint32_t> length;
    const Iova to(48 * kMiB);
    ASSERT_TRUE(rack.run_until([&] { return (length = driver.receive(to)).has_value(); }));
    const auto there = bounced->all().subspan(to.bits(), *length);
    EXPECT_TRUE(std::ranges::equal(there, back));
  }
  driver.reclaim();
  EXPECT_EQ(driver.pool().room(), 8u);
  EXPECT_EQ(rack.machine().fabric().refusals().total(), 0u);
}

TEST_F(Bounce, WhatIsNotCopiedIsNotRead) {
  const auto sent = place(*bounced, *bounced, *whole, 600);
  const client::TxPiece direct{kFar, static_cast<std::uint32_t>(sent.size())};
  ASSERT_TRUE(bounced->driver.tx().send(std::span(&direct, 1)));
  Machine& machine = rack.machine();
  ASSERT_TRUE(rack.run_until([&] { return machine.fabric().refusals().total() > 0; }));
  for (int i = 0; i < 20; ++i) machine.run_once(std::chrono::milliseconds(1));
  EXPECT_FALSE(whole->driver.rx().receive());
}

TEST_F(Bounce, NothingIsWrittenBesideTheWindow) {
  auto far = bounced->all().subspan(kFar.bits(), 4096);
  std::ranges::fill(far, std::byte{0xC5});
  for (std::uint32_t i = 0; i < bounced->driver.rx().size(); ++i)
    bounced->driver.rx().put_raw(i, kFar.bits(), 0);
  const auto sent = place(*whole, *whole, *bounced, 600);
  ASSERT_TRUE(whole->driver.tx().send(sent));
  Machine& machine = rack.machine();
  ASSERT_TRUE(rack.run_until([&] { return machine.fabric().refusals().total() > 0; }));
  EXPECT_TRUE(std::ranges::all_of(far, [](std::byte b) { return b == std::byte{0xC5}; }));
}

// The same frame without a copy, where the bridge maps all of the guest's memory.
TEST_F(Bounce, TheWholeWindowNeedsNoCopy) {
  const auto sent = place(*whole, *whole, *bounced, 600);
  const client::TxPiece direct{kFar, static_cast<std::uint32_t>(sent.size())};
  ASSERT_TRUE(whole->driver.tx().send(std::span(&direct, 1)));
  std::optional<client::ReceivedFrame> got;
  ASSERT_TRUE(rack.run_until([&] { return (got = bounced->driver.rx().receive()).has_value(); }));
  EXPECT_EQ(got->bytes, sent);
}

// Window and IOMMU domain both end where the file says, and the audit finds exactly that.
TEST(BounceAudit, AVfIsGrantedTheWindowAndReachesIt) {
  const auto rack = parse_rack(kRack, "x.yaml");
  ASSERT_TRUE(rack) << to_string(rack.error()[0]);
  EXPECT_EQ(intent_of(*rack).hosts[0].dma_span, kWindow);
  const auto made = audit_plan(*rack);
  ASSERT_TRUE(made) << made.error();
  EXPECT_THAT(made->report.findings, IsEmpty());
  EXPECT_THAT(made->report.unreachable, IsEmpty());
  const auto vf = std::ranges::find_if(made->grants, [](const audit::Grant& grant) {
    const auto* function = std::get_if<fabric::FunctionId>(&grant.to);
    return function != nullptr && !function->is_ntb && grant.space.kind == audit::Kind::memory &&
           grant.space.domain == pcie::Domain{1};
  });
  ASSERT_NE(vf, made->grants.end());
  EXPECT_EQ(vf->targets.last - vf->targets.first + 1, kWindow);
}

TEST(BounceFile, TheWindowIsSmallUnlessTheFileSaysOtherwise) {
  std::string text = kRack;
  text.erase(text.find("    ntb: {dma"), 38);
  const auto rack = parse_rack(text, "x.yaml");
  ASSERT_TRUE(rack) << to_string(rack.error()[0]);
  EXPECT_EQ(rack->hosts[1].ntb.dma_window, 16 * kMiB);
  EXPECT_EQ(rack->hosts[2].ntb.dma_window, std::uint64_t{64} << 30);
}

}  // namespace
}  // namespace ladon::machine
