// para_host SOCKET...: serves a virtio-net guest on each socket, 52:54:00:30:00:01 the first, and switches
// them onto one virtual function of a NIC at whose wire the in-process peer answers at 10.30.0.99; until
// SIGTERM or SIGINT, then says as JSON what has passed and what was dropped.
#include <fmt/format.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <vector>

#include "base/event_loop.h"
#include "base/ipv4.h"
#include "base/time.h"
#include "nic/rig.h"
#include "para/mux.h"
#include "para/vf_uplink.h"
#include "para/vhost_guest.h"
#include "port/peer_wire.h"

namespace {

using namespace ladon;

std::atomic<bool> ended = false;

MacAddress mac_of(int guest) {
  return {{0x52, 0x54, 0, 0x30, 0, static_cast<std::uint8_t>(guest)}};
}

template <class... Reasons>
std::string reasons_of(const Counters<Reasons>&... counters) {
  std::string all;
  const auto add = [&all](auto reason, std::uint64_t count) {
    all += fmt::format("{}\"{}\": {}", all.empty() ? "" : ", ", name(reason), count);
  };
  (counters.each(add), ...);
  return all;
}

class Host {
 public:
  Host(char** sockets, int count)
      : rig_({.vfs = 1, .pf = {.trust = true}}),
        loop_(clock_),
        uplink_(rig_.driver(0), clock_, {}),
        mux_(uplink_, clock_, {}),
        peer_({.mac = {{2, 0, 0, 0, 0, 0x99}}, .address = parse_ipv4_interface("10.30.0.99/24").value()}) {
    std::vector<para::VfUplink::Station> stations;
    for (int i = 0; i < count; ++i) {
      para::Port* const port = mux_.attach({.mac = mac_of(i + 1)}).value();
      guests_.push_back(para::VhostGuest::listen(sockets[i], loop_, *port, {}).value());
      stations.push_back({mac_of(i + 1)});
    }
    if (!uplink_.start(stations)) throw std::runtime_error("the function could not start");
  }

  void turn() {
    loop_.run_once(busy_ ? Duration::zero() : Duration(std::chrono::milliseconds(1)));
    rig_.clock().set(clock_.now());
    busy_ = mux_.poll();
    rig_.settle();
    busy_ |= pass_to_peer();
    busy_ |= pass_to_nic();
  }

  void report() {
    fmt::print("[");
    for (const auto& guest : guests_) {
      const para::PortTraffic& traffic = guest->port().traffic();
      fmt::print(
          "{{\"sent_frames\": {}, \"sent_bytes\": {}, \"received_frames\": {}, \"dropped\": {{{}}}}}, ",
          traffic.sent_frames, traffic.sent_bytes, traffic.received_frames,
          reasons_of(traffic.send_drops, traffic.receive_drops));
    }
    const para::VfUplink::Traffic& out = uplink_.traffic();
    fmt::print(
        "{{\"sent_frames\": {}, \"sent_segments\": {}, \"received_frames\": {}, \"dropped\": {{{}}}}}]\n",
        out.sent_frames, out.sent_segments, out.received_frames,
        reasons_of(mux_.arrival_drops(), rig_.nic().faults(0), rig_.nic().drops(0)));
  }

 private:
  bool pass_to_peer() {
    auto& sent = rig_.wire().sent;
    if (sent.empty()) return false;
    for (const auto& frame : sent) static_cast<void>(peer_.send(frame));
    sent.clear();
    return true;
  }
  bool pass_to_nic() {
    std::array<std::byte, port::kMaxFrame> frame;
    bool any = false;
    while (const std::size_t length = peer_.receive(frame)) {
      rig_.wire().arriving.emplace_back(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(length));
      any = true;
    }
    return any;
  }

  const SteadyClock clock_;
  nic::testing::Rig rig_;
  EpollLoop loop_;
  para::VfUplink uplink_;
  para::Mux mux_;
  port::InProcessPeer peer_;
  std::vector<std::unique_ptr<para::VhostGuest>> guests_;
  bool busy_ = false;
};

int run(char** sockets, int count) {
  Host host(sockets, count);
  fmt::print(stderr, "ready\n");
  while (!ended) host.turn();
  host.report();
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: para_host SOCKET...\n");
    return 2;
  }
  for (const int number : {SIGTERM, SIGINT}) ::signal(number, [](int) { ended = true; });
  try {
    return run(arguments + 1, count - 1);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
