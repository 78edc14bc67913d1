// A rack in which guests of one host share a function that their host's software drives: virtio drivers
// without a guest on the vhost-user sockets, a native client with a function of its own, and the wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "audit/audit.h"
#include "machine/grants.h"
#include "machine/live_view.h"
#include "machine/plan_audit.h"
#include "machine/rack_fixture.h"
#include "vhost/fixture.h"

namespace ladon::machine {
namespace {

using ::testing::IsEmpty;

constexpr pcie::Domain kCh1{1};
constexpr const char* kSharedRack = R"(
name: shared
nics:
  - {name: nic0, vfs: 2, wire: {kind: peer, address: 10.30.0.1/24}}
hosts:
  - {name: mh, role: management, memory: 1GiB}
  - name: ch1
    role: compute
    memory: 4GiB
    vms:
      - {name: own, memory: 64MiB, network: {nic: nic0, min_tx_rate: 100, mac: "52:54:00:00:00:01"}}
      - {name: one, memory: 64MiB, network: {nic: nic0, mac: "52:54:00:00:00:0a"}}
      - {name: two, memory: 64MiB, network: {nic: nic0, mac: "52:54:00:00:00:0b"}}
)";
const MacAddress kOwn{{0x52, 0x54, 0, 0, 0, 0x01}};
const std::array kShared{MacAddress{{0x52, 0x54, 0, 0, 0, 0x0a}}, MacAddress{{0x52, 0x54, 0, 0, 0, 0x0b}}};
constexpr std::size_t kOne = 0, kTwo = 1;

client::Frame frame(const MacAddress& to, const MacAddress& from, std::uint32_t seed = 1,
                    std::size_t payload = 500) {
  return client::make_frame({.destination = to, .source = from, .payload = payload, .seed = seed});
}

// Who has 10.30.0.1? RFC 826.
client::Frame arp_request(const MacAddress& from) {
  client::Frame made(60);
  const std::array<std::uint8_t, 14> head{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 8, 6};
  const std::array<std::uint8_t, 8> kind{0, 1, 8, 0, 6, 4, 0, 1};
  const std::array<std::uint8_t, 4> asker{10, 30, 0, 77}, asked{10, 30, 0, 1};
  std::ranges::copy(std::as_bytes(std::span(head)), made.begin());
  std::ranges::copy(std::as_bytes(std::span(from.bytes)), made.begin() + 6);
  std::ranges::copy(std::as_bytes(std::span(kind)), made.begin() + 14);
  std::ranges::copy(std::as_bytes(std::span(from.bytes)), made.begin() + 22);
  std::ranges::copy(std::as_bytes(std::span(asker)), made.begin() + 28);
  std::ranges::copy(std::as_bytes(std::span(asked)), made.begin() + 38);
  return made;
}

class SharedRack : public ::testing::Test {
 protected:
  SharedRack() {
    EXPECT_TRUE(rack.wait_assigned()) << rack.management_error();
    EXPECT_TRUE(comes([&] { return function().up; })) << "the host's software starts its function";
  }

  Machine& machine() { return rack.machine(); }
  // The engine runs on this thread; the host's software needs it now and then, and is given time.
  template <class Done>
  bool comes(Done done) {
    return rack.run_until(done);
  }
  // Asked on a thread of its own, for the software may wait for the engine.
  template <class Ask>
  auto ask(Ask what) {
    auto answer = std::async(std::launch::async, what);
    while (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
      machine().run_once(std::chrono::milliseconds(1));
    return answer.get();
  }
  SharedFunctionReport function() {
    return ask([&] { return machine().software(kCh1)->report().at(0); });
  }
  bool set_limits(const std::string& guest, const SharedLimits& limits) {
    return ask([&] { return machine().software(kCh1)->set_limits(guest, limits); });
  }

  std::unique_ptr<vhost::Guest> virtio(std::size_t index) {
    auto made = std::make_unique<vhost::Guest>(
        machine().shared_guests()[index].socket,
        [this] {
          for (int i = 0; i < 10; ++i) machine().run_once(std::chrono::milliseconds(1));
        },
        client::VirtioNetOptions{.features = vhost::kAllFeatures});
    EXPECT_TRUE(made->start());
    made->fill();
    EXPECT_TRUE(comes([&] { return function().guests[index].up; }));
    return made;
  }
  std::optional<client::Frame> receive(vhost::Guest& guest) {
    std::optional<client::VirtioNet::Received> got;
    (void)comes([&] { return (got = guest.net.receive()).has_value(); });
    guest.fill();
    return got ? std::optional(got->bytes) : std::nullopt;
  }
  std::optional<client::Frame> receive(ClientGuest& guest) {
    std::optional<client::ReceivedFrame> got;
    (void)comes([&] { return (got = guest.driver.rx().receive()).has_value(); });
    return got ? std::optional(got->bytes) : std::nullopt;
  }
  void expect_clean() {
    const auto view = observe({.rack = machine().rack(), .journal = rack.journal(), .look = [this] {
                                 for (int i = 0; i < 10; ++i)
                                   machine().run_once(std::chrono::milliseconds(1));
                                 return look_at(machine());
                               }});
    ASSERT_TRUE(view) << view.error();
    const auto report = audit::audit(*view->tables, view->grants);
    for (const auto& found : report.findings)
      ADD_FAILURE() << initiator_name(machine().rack(), found.who) << " reaches " << std::hex
                    << found.targets.first << " to " << found.targets.last;
    for (const auto& missing : report.unreachable)
      ADD_FAILURE() << initiator_name(machine().rack(), missing.who) << " does not reach " << std::hex
                    << missing.targets.first << " to " << missing.targets.last;
  }
  // A native client's second-level tables are QEMU's, and the rack has none.
  std::unique_ptr<ClientGuest> own_guest() {
    auto made = rack.client(0);
    (void)machine().fabric().unmap_vm(kCh1, pcie::Vm{0}, Range<Gpa>::everything());
    return made;
  }

  RunningRack rack{kSharedRack};
};

TEST_F(SharedRack, EverybodyReachesEverybodyAndTheWire) {
  auto own = own_guest();
  auto one = virtio(kOne), two = virtio(kTwo);
  const auto expect_pass = [&](auto& from, auto& to, const client::Frame& bytes) {
    if constexpr (requires { from.driver; })
      EXPECT_TRUE(from.driver.tx().send(bytes));
    else
      EXPECT_TRUE(from.send(bytes));
    EXPECT_EQ(receive(to), bytes);
  };
  expect_pass(*one, *two, frame(kShared[kTwo], kShared[kOne]));
  expect_pass(*two, *one, frame(kShared[kOne], kShared[kTwo]));
  expect_pass(*one, *own, frame(kOwn, kShared[kOne]));
  expect_pass(*own, *two, frame(kShared[kTwo], kOwn));
  // The wire's other end answers.
  ASSERT_TRUE(one->send(arp_request(kShared[kOne])));
  EXPECT_TRUE(receive(*two)) << "a broadcast is for everybody";
  EXPECT_TRUE(receive(*own));
  const auto answer = receive(*one);
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)[21], std::byte{2}) << "an ARP reply";
  const auto report = function();
  EXPECT_EQ(report.starts, 1u);
  EXPECT_EQ(report.guests[kOne].traffic.sent_frames, 3u);
  EXPECT_EQ(report.guests[kOne].traffic.received_frames, 2u);
  EXPECT_EQ(machine().fabric().refusals().total(), 0u);
}

TEST_F(SharedRack, TheFunctionReachesNothingButItsRings) {
  expect_clean();
  auto one = virtio(kOne);
  auto own = own_guest();
  ASSERT_TRUE(one->send(frame(kOwn, kShared[kOne])));
  EXPECT_TRUE(receive(*own));
  expect_clean();
  const auto memory = machine().part(kCh1)->slot(1)->memory().granted();
  ASSERT_EQ(memory.size(), 1u);
  EXPECT_EQ(memory[0].length, machine().rack().hosts[1].software[0].memory);
}

TEST(SharedPlan, IsAuditedClean) {
  const auto rack = parse_rack(kSharedRack, "test.yaml");
  ASSERT_TRUE(rack);
  const auto audited = audit_plan(*rack, {});
  ASSERT_TRUE(audited) << audited.error();
  EXPECT_THAT(audited->report.findings, IsEmpty());
  EXPECT_THAT(audited->report.unreachable, IsEmpty());
}

TEST_F(SharedRack, LimitsChangeWhileFramesMove) {
  auto one = virtio(kOne), two = virtio(kTwo);
  const auto bytes = frame(kShared[kTwo], kShared[kOne]);
  ASSERT_TRUE(one->send(bytes));
  EXPECT_TRUE(receive(*two));
  // A burst of one frame, and then one in hours.
  ASSERT_TRUE(set_limits("two", {.receive = {.rate = 1, .burst = bytes.size()}}));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(one->send(bytes));
  EXPECT_TRUE(receive(*two));
  EXPECT_TRUE(comes(
      [&] { return function().guests[kTwo].traffic.receive_drops[para::ReceiveDrop::over_limit] == 2; }));
  EXPECT_EQ(function().guests[kTwo].limits.receive.rate, 1u);
  // A sender's limit leaves its frames where they are, until it goes.
  ASSERT_TRUE(set_limits("two", {}));
  ASSERT_TRUE(set_limits("one", {.transmit = {.rate = 1, .burst = bytes.size()}}));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(one->send(bytes));
  EXPECT_TRUE(receive(*two));
  EXPECT_TRUE(comes([&] { return function().guests[kOne].traffic.waits_for_limit > 0; }));
  EXPECT_EQ(function().guests[kTwo].traffic.received_frames, 3u);
  ASSERT_TRUE(set_limits("one", {}));
  EXPECT_TRUE(receive(*two));
  EXPECT_TRUE(receive(*two));
  EXPECT_FALSE(set_limits("nobody", {}));
}

TEST_F(SharedRack, TheManagementProgramMayGoAndComeAgain) {
  auto one = virtio(kOne);
  auto own = own_guest();
  const auto both_ways = [&] {
    ASSERT_TRUE(one->send(frame(kOwn, kShared[kOne])));
    EXPECT_TRUE(receive(*own));
    ASSERT_TRUE(own->driver.tx().send(frame(kShared[kOne], kOwn)));
    EXPECT_TRUE(receive(*one));
  };
  both_ways();
  rack.stop_management();
  both_ways();
  auto two = virtio(kTwo);  // a guest that comes meanwhile
  ASSERT_TRUE(two->send(frame(kShared[kOne], kShared[kTwo])));
  EXPECT_TRUE(receive(*one));
  rack.start_management();
  ASSERT_TRUE(comes([&] { return machine().managed(); }));
  both_ways();
  // As often as the driver's watchdog looks meanwhile, it finds nothing to start again for.
  for (int i = 0; i < 1000; ++i) machine().run_once(std::chrono::milliseconds(1));
  EXPECT_EQ(function().starts, 1u);
  both_ways();
  expect_clean();
}

TEST_F(SharedRack, AFunctionThatIsResetStartsAgain) {
  auto one = virtio(kOne);
  auto own = own_guest();
  // As the management host resets it after a violation.
  machine().part(kCh1)->slot(1)->reset();
  EXPECT_TRUE(comes([&] {
    const auto now = function();
    return now.starts == 2 && now.up;
  }));
  ASSERT_TRUE(one->send(frame(kOwn, kShared[kOne])));
  EXPECT_TRUE(receive(*own));
}

TEST_F(SharedRack, AGuestThatIsGoneIsNotMissed) {
  auto one = virtio(kOne), two = virtio(kTwo);
  one.reset();
  EXPECT_TRUE(comes([&] { return !function().guests[kOne].connected; }));
  ASSERT_TRUE(two->send(frame(kShared[kOne], kShared[kTwo])));
  EXPECT_TRUE(comes(
      [&] { return function().guests[kOne].traffic.receive_drops[para::ReceiveDrop::not_connected] == 1; }));
  one = virtio(kOne);
  ASSERT_TRUE(two->send(frame(kShared[kOne], kShared[kTwo])));
  EXPECT_TRUE(receive(*one));
}

}  // namespace
}  // namespace ladon::machine
