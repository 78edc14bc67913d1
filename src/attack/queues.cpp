// Q1, Q5, Q7, Q8: what a VF may use up or bring to a halt. S2: frames in another's name.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "attack/attack.h"
#include "spec/ixgbevf.h"
#include "spec/pf.h"

namespace ladon::attack {
namespace {

namespace regs = spec::ixgbevf;
namespace pf = spec::pf;

std::optional<std::size_t> other_guest(const Scene& scene) {
  return scene.parts.sibling ? scene.parts.sibling : scene.parts.stranger;
}

bool wire_saw(Scene& scene, const Frame& wanted) {
  const auto seen = scene.seen_by_wire();
  return std::ranges::find(seen, wanted) != seen.end();
}

// It takes no frames; whoever sends to it must not have to wait.
Verdict no_buffers(Scene& scene) {
  const auto sender = scene.parts.peer;
  if (!sender) return skipped("no other guest has a VF of this NIC");
  const std::array one = {scene.own(scene.me(), RawRings::kBuffer).base};
  scene.rings(scene.me()).receive_into(one);
  auto& tx = scene.driver(*sender).tx();
  for (int i = 0; i < 6; ++i) (void)tx.send(scene.frame_to(scene.self().mac, scene.guest(*sender).mac, 200));
  const Frame probe = scene.frame_to(Scene::outside(), scene.guest(*sender).mac, 333);
  (void)tx.send(probe);
  scene.run(12);
  return judge(!wire_saw(scene, probe), "a neighbour's queue waits for a VF that takes no frames",
               "its frames are dropped, the neighbour's next one went out");
}

constexpr MacAddress kPauseGroup{{0x01, 0x80, 0xC2, 0x00, 0x00, 0x01}};

Frame pause_frame(const Scene& scene, const MacAddress& from) {
  Frame frame = scene.frame_to(kPauseGroup, from, 64);
  store_be(&frame[12], std::uint16_t{0x8808});  // MAC control (IEEE 802.3, 31)
  store_be(&frame[14], std::uint16_t{0x0001});  // pause
  store_be(&frame[16], std::uint16_t{0xFFFF});
  return frame;
}

Verdict pause_frames(Scene& scene) {
  const Frame frame = pause_frame(scene, scene.self().mac);
  (void)scene.driver(scene.me()).tx().send(frame);
  scene.run();
  return judge(wire_saw(scene, frame), "a pause frame of a VF left the port", "no pause frame left the port");
}

// From outside, to a guest that listens to that group: it would learn what the port is told, and answer.
Verdict pause_from_wire(Scene& scene) {
  const std::size_t listener = scene.me();
  if (!scene.driver(listener).set_multicast(std::array{kPauseGroup}) ||
      !scene.driver(listener).set_receive_mode(client::ReceiveMode::multicast))
    return skipped("nobody may listen to groups");
  const Frame frame = pause_frame(scene, Scene::outside());
  scene.bed.inject(scene.self().nic, frame);
  scene.run();
  bool seen = false;
  while (const auto got = scene.driver(listener).rx().receive())
    seen |= std::ranges::equal(got->bytes, frame);
  return judge(seen, "a pause frame from the wire reached a guest", "no pause frame passed the port");
}

Verdict all_filters(Scene& scene) {
  auto& mailbox = scene.driver(scene.me()).mailbox();
  for (std::uint32_t i = 1; i <= pf::kFilterCount; ++i) {
    const std::array<std::uint32_t, 3> message = {regs::kMessageSetMacVlan | std::min(i, 200u) << 16,
                                                  0x02u | i << 8, i};
    (void)mailbox.request(message);
    if (i % 100 == 0) scene.bed.tick();
  }
  auto& management = scene.host(pcie::kManagementDomain);
  std::uint32_t taken = 0;
  for (std::uint32_t i = 0; i < pf::kFilterCount; ++i) {
    const auto owner = management.load32(BusAddr(scene.bed.nics()[scene.self().nic].registers.bits() +
                                                 pf::kFilters + i * pf::kFilterStride + pf::kFilterVf));
    taken += owner == (scene.self().vf | 1u << 31) ? 1 : 0;
  }
  return judge(taken == pf::kFilterCount, "one VF has all address filters of the NIC",
               fmt::format("it has {} of {} address filters", taken, pf::kFilterCount));
}

// A storm of refused accesses must not hide a neighbour's.
Verdict fault_storm(Scene& scene) {
  const auto other = other_guest(scene);
  if (!other) return skipped("the rack has no other guest");
  const Guest& neighbour = scene.guest(*other);
  constexpr Iova kNowhere{std::uint64_t{1} << 52};
  std::array<std::byte, 4> word{};
  // A neighbour's one mistake: whether some log names it.
  const auto mistake = [&] {
    const std::size_t before = scene.bed.logged(neighbour.name);
    (void)scene.bed.emit_write(neighbour.nic, {.rid = neighbour.rid.bdf, .address = kNowhere}, word);
    scene.bed.turn();
    return scene.bed.logged(neighbour.name) != before;
  };
  if (!mistake()) return judge(false, "", "what a neighbour does is in no log, storm or not");
  for (int i = 0; i < 600; ++i)
    (void)scene.bed.emit_write(scene.self().nic, {.rid = scene.self().rid.bdf, .address = kNowhere}, word);
  return judge(!mistake(), "a neighbour's fault is missing from the log",
               "the neighbour's fault is in the log");
}

Verdict spoofed_source(Scene& scene) {
  const auto other = other_guest(scene);
  if (!other) return skipped("nobody else's address to send under");
  const Frame frame = scene.frame_to(Scene::outside(), scene.guest(*other).mac, 100);
  (void)scene.driver(scene.me()).tx().send(frame);
  scene.run();
  return judge(wire_saw(scene, frame), "the wire saw a frame under another guest's address",
               "no such frame left the NIC");
}

constexpr std::array kAttacks = {
    Attack{
        "Q1", "a VF that takes no frames, flooded", Party::vf, {{}, Mutant::wait_for_receivers}, no_buffers},
    Attack{"Q5a", "pause frames", Party::vf, {{}, Mutant::pass_reserved}, pause_frames},
    Attack{"Q5b", "pause frames from outside", Party::wire, {{}, Mutant::pass_reserved}, pause_from_wire},
    Attack{"Q7", "all address filters", Party::vf, {{}, Mutant::trust_everyone}, all_filters},
    Attack{"Q8", "a storm of faults", Party::vf, {{}, Mutant::no_fault_limit}, fault_storm},
    Attack{"S2",
           "a frame under another guest's address",
           Party::vf,
           {{}, Mutant::no_spoof_check},
           spoofed_source},
};

}  // namespace

std::span<const Attack> queue_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
