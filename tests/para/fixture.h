// A host with a switch: stock virtio guests on sockets at one side, and at the other a whole NIC whose first
// function is the uplink's. All on one thread and one clock, which moves when a test says so.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "nic/rig.h"
#include "para/mux.h"
#include "para/vf_uplink.h"
#include "para/vhost_guest.h"
#include "test_policer.h"
#include "vhost/fixture.h"

namespace ladon::para {

namespace virtio = spec::virtio;
using vhost::kAllFeatures;

inline const MacAddress kOutside{{0x02, 0xEE, 0, 0, 0, 1}};

[[nodiscard]] inline MacAddress guest_mac(unsigned index) {
  return {{0x52, 0x54, 0, 0, 1, static_cast<std::uint8_t>(index)}};
}
[[nodiscard]] inline client::FrameSpec from_to(const MacAddress& source, const MacAddress& destination) {
  client::FrameSpec spec;
  spec.source = source;
  spec.destination = destination;
  return spec;
}

// As a driver leaves a frame to the device.
struct Unfinished {
  client::Frame frame;
  client::VirtioNetHeader header;
};
[[nodiscard]] inline Unfinished unfinished(client::FrameSpec spec, std::uint16_t segment_size = 0) {
  spec.transport_checksum = false;
  const auto at = client::layout_of(spec);
  Unfinished made{
      client::make_frame(spec),
      {.flags = virtio::kHeaderNeedsChecksum,
       .checksum_start = static_cast<std::uint16_t>(at.transport),
       .checksum_offset = static_cast<std::uint16_t>(spec.carries == client::Carries::tcp ? 16 : 6)}};
  if (segment_size == 0) return made;
  made.header.gso_type = spec.ipv6 ? virtio::kGsoTcp6 : virtio::kGsoTcp4;
  made.header.gso_size = segment_size;
  made.header.header_length = static_cast<std::uint16_t>(at.payload);
  return made;
}

struct HostSetup {
  Mux::Options mux = {};
  std::uint16_t tx_size = 256;
  VfUplink::Options uplink = {};
  vhost::Backend::Options backend = {};
};

class HostTest : public testing::Test {
 protected:
  explicit HostTest(const HostSetup& from = {})
      : setup(from),
        rig({.pf = {.spoof_check = true, .trust = true}, .driver = {.tx_size = from.tx_size}}),
        loop(rig.clock()),
        uplink(rig.driver(0), rig.clock(), from.uplink),
        mux(uplink, rig.clock(), from.mux) {}
  ~HostTest() override { guests.clear(); }

  // One guest with its driver up.
  struct Guest {
    Port* port = nullptr;
    std::unique_ptr<VhostGuest> served;
    std::unique_ptr<vhost::Guest> vm;
  };
  Guest& add_guest(PortOptions options = {},
                   client::VirtioNetOptions net = {.features = kAllFeatures, .tx_buffer = 70'000}) {
    const auto index = static_cast<unsigned>(guests.size());
    if (options.mac.is_zero()) options.mac = guest_mac(index);
    const auto port = mux.attach(options);
    if (!port) throw std::runtime_error(std::string(name(port.error())));
    stations.push_back({options.mac, options.vlan});
    guests.push_back(std::make_unique<Guest>());
    Guest& guest = *guests.back();
    guest.port = *port;
    auto served = VhostGuest::listen(path_of(index), loop, **port, setup.backend);
    EXPECT_TRUE(served) << served.error();
    guest.served = std::move(*served);
    boot(index, net);
    return guest;
  }
  void boot(unsigned index, client::VirtioNetOptions net = {.features = kAllFeatures, .tx_buffer = 70'000}) {
    Guest& guest = *guests[index];
    guest.vm = std::make_unique<vhost::Guest>(
        path_of(index), [this] { loop.run_once(Duration::zero()); }, net, true, 32U << 20);
    ASSERT_TRUE(guest.vm->start());
    guest.vm->fill();
    turn(3);
    ASSERT_TRUE(guest.port->up());
  }
  // Guests, and the uplink.
  void start(unsigned count) {
    for (unsigned i = 0; i < count; ++i) add_guest();
    ASSERT_TRUE(uplink.start(stations));
  }

  void turn(int times = 1) {
    for (int i = 0; i < times; ++i) {
      loop.run_once(Duration::zero());
      for (int j = 0; j < 1000 && mux.poll(); ++j) {
      }
      if (device_runs) rig.settle();
    }
  }
  void send(unsigned from, const client::Frame& frame, const client::VirtioNetHeader& header = {}) {
    ASSERT_TRUE(guests[from]->vm->send(frame, header));
    turn(3);
  }
  void send(unsigned from, const Unfinished& made) { send(from, made.frame, made.header); }
  void arrive(const client::Frame& frame) {
    rig.wire().arriving.push_back(frame);
    rig.settle();
    turn(2);
  }
  [[nodiscard]] auto receive(unsigned guest) {
    auto frame = guests[guest]->vm->net.receive();
    guests[guest]->vm->fill();
    return frame;
  }
  [[nodiscard]] const PortTraffic& traffic(unsigned guest) const { return guests[guest]->port->traffic(); }
  [[nodiscard]] std::filesystem::path path_of(unsigned index) const {
    return folder / ("vm" + std::to_string(index)).c_str();
  }
  // The function still works: neither fault nor silence.
  void expect_uplink_works(unsigned guest) {
    EXPECT_EQ(rig.nic().faults(0).total(), 0u);
    rig.wire().sent.clear();
    const auto frame = client::make_frame(from_to(guests[guest]->port->options().mac, kOutside));
    send(guest, frame);
    EXPECT_THAT(rig.wire().sent, testing::ElementsAre(frame));
  }

  HostSetup setup;
  fakes::ScratchFolder folder;
  nic::testing::Rig rig;
  EpollLoop loop;
  VfUplink uplink;
  Mux mux;
  std::vector<VfUplink::Station> stations;
  std::vector<std::unique_ptr<Guest>> guests;
  bool device_runs = true;
};

}  // namespace ladon::para
