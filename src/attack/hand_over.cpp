// D7, D8, L3: accesses that are under way while something is taken away, and a guest that changes its memory
// while the device works on it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "attack/attack.h"

namespace ladon::attack {
namespace {

constexpr std::size_t kFrames = 12;

// Frames for the attacker whose writes are under way and have not landed.
std::size_t start_writes(Scene& scene, std::uint64_t buffers) {
  scene.refresh(scene.me());
  std::array<Iova, kFrames> at;
  for (std::size_t i = 0; i < at.size(); ++i) at[i] = Iova(buffers + i * 4096);
  scene.rings(scene.me()).receive_into(at);
  scene.bed.hold(scene.me(), true);
  const Frame frame = scene.frame_to(scene.self().mac, Scene::outside(), 800);
  for (std::size_t i = 0; i < kFrames; ++i) scene.bed.inject(scene.self().nic, frame);
  // Descriptors first: what they ask for is then under way.
  std::size_t descriptors = 0;
  for (int i = 0; i < 4 && descriptors == 0; ++i) {
    scene.bed.turn();
    descriptors = scene.bed.land();
  }
  scene.bed.turn();
  return descriptors;
}

Verdict unmap_in_flight(Scene& scene) {
  if (scene.bed.give_memory(scene.me(), scene.extra(), Scene::kExtra, pcie::kReadWrite).empty())
    return skipped("no memory to give");
  const auto place = scene.bed.place_of(scene.me(), scene.extra());
  if (start_writes(scene, scene.extra().bits()) == 0) return skipped("no access could be held");
  const auto done = scene.bed.take_memory(scene.me(), scene.extra(), Scene::kExtra);
  for (int i = 0; i < 600 && !*done; ++i) scene.bed.turn();
  if (!*done || !place) return skipped("the memory is not taken back");
  const auto next = scene.bed.place(scene.self().host, Scene::kExtra, place);
  if (!next) return skipped("the host does not use that memory again");
  const Canary target(next->at, next->bytes, 92);
  scene.bed.hold(scene.me(), false);
  const std::size_t late = scene.bed.land();
  scene.run(2);
  return judge(!target.untouched(), fmt::format("{} late accesses, in the next owner's memory", late),
               "the unmap was answered when nothing was under way");
}

constexpr std::uint32_t kReads = 8, kReadBytes = 128;

// A frame of the attacker's whose payload is being read from `buffers`.
bool start_reads(Scene& scene, std::uint64_t buffers) {
  scene.refresh(scene.me());
  const Frame header = scene.frame_to(Scene::outside(), scene.self().mac, 0);
  const client::GuestMemory own = scene.own(scene.me(), header.size());
  std::ranges::copy(header, own.bytes.begin());
  std::vector<client::TxPiece> pieces = {{own.base, static_cast<std::uint16_t>(header.size())}};
  for (std::uint32_t i = 0; i < kReads; ++i) pieces.push_back({Iova(buffers + i * 4096), kReadBytes});
  scene.bed.hold(scene.me(), true);
  scene.rings(scene.me()).transmit(pieces);
  std::size_t descriptors = 0;
  for (int i = 0; i < 4 && descriptors == 0; ++i) {
    scene.bed.turn();
    descriptors = scene.bed.land();
  }
  scene.bed.turn();
  return descriptors != 0;
}

Verdict unmap_in_flight_of_reads(Scene& scene) {
  if (scene.bed.give_memory(scene.me(), scene.extra(), Scene::kExtra, pcie::kReadWrite).empty())
    return skipped("no memory to give");
  const auto place = scene.bed.place_of(scene.me(), scene.extra());
  if (!start_reads(scene, scene.extra().bits())) return skipped("no access could be held");
  const auto done = scene.bed.take_memory(scene.me(), scene.extra(), Scene::kExtra);
  for (int i = 0; i < 600 && !*done; ++i) scene.bed.turn();
  if (!*done || !place) return skipped("the memory is not taken back");
  const auto next = scene.bed.place(scene.self().host, Scene::kExtra, place);
  if (!next) return skipped("the host does not use that memory again");
  const Canary target(next->at, next->bytes, 94);
  scene.bed.hold(scene.me(), false);
  (void)scene.bed.land();
  scene.run(4);
  const auto sent = scene.seen_by_wire();
  const bool leaked = std::ranges::any_of(sent, [&](const Frame& frame) { return target.is_in(frame); });
  return judge(leaked, "a late read has sent the next owner's memory",
               "the unmap was answered when nothing was under way");
}

Verdict killed_in_flight(Scene& scene) {
  const auto place = scene.bed.place_of(scene.me(), Gpa(0));
  const std::uint64_t buffers = scene.self().memory / 2;
  if (!place || start_writes(scene, buffers) == 0) return skipped("no access could be held");
  std::optional<Placed> next;
  std::optional<Canary> target;
  // The host gives the memory to the next one as soon as it is free.
  scene.each_turn([&] {
    if (next) return;
    next = scene.bed.place(scene.self().host, scene.self().memory, place);
    if (next) target.emplace(next->at, next->bytes.subspan(buffers, kFrames * 4096), 93);
  });
  const auto gone = scene.bed.detach(scene.me());
  for (int i = 0; i < 600 && !*gone; ++i) {
    scene.bed.step();
    if (next) {
      scene.bed.hold(scene.me(), false);
      (void)scene.bed.land();
    }
  }
  scene.each_turn({});
  if (!target) return skipped("the host does not use that memory again");
  return judge(!target->untouched(), "late writes of a dead VM landed in the next owner's memory",
               "the memory was free when nothing was under way");
}

// The frame is looked at under its own address, and changed before it is written to its receiver.
Verdict changed_after_check(Scene& scene) {
  const auto receiver = scene.parts.peer;
  if (!receiver) return skipped("no other guest has a VF of this NIC");
  scene.refresh(scene.me());
  const client::GuestMemory buffer = scene.own(scene.me(), 1024);
  const MacAddress to = scene.guest(*receiver).mac;
  const Frame honest = scene.frame_to(to, scene.self().mac, 900);
  const Frame forged = scene.frame_to(to, Scene::outside(), 900);
  std::ranges::copy(honest, buffer.bytes.begin());
  scene.leave_out(*receiver);
  unsigned reads = 0;
  bool changed = false;
  // Another processor of the guest: when descriptor and headers are read, and the receiver is written.
  scene.bed.meanwhile(scene.me(), [&](Testbed::Access access) {
    reads += access.own && !access.write ? 1 : 0;
    const bool checked = reads >= 3 || (reads == 2 && !access.own && access.write);
    if (checked && !std::exchange(changed, true)) std::ranges::copy(forged, buffer.bytes.begin());
  });
  scene.rings(scene.me()).transmit(std::array{client::TxPiece{buffer.base, 900}});
  scene.run();
  scene.bed.meanwhile(scene.me(), {});
  if (!changed) return skipped("nobody was written to while the frame was under way");
  bool seen = false;
  while (const auto got = scene.driver(*receiver).rx().receive())
    seen |= got->bytes.size() == forged.size() &&
            std::equal(forged.begin(), forged.begin() + 14, got->bytes.begin());
  return judge(seen, "a frame was checked under one address and delivered under another",
               "what was checked is what was delivered");
}

constexpr std::array kAttacks = {
    Attack{"D7a",
           "an unmap while writes are under way",
           Party::vf,
           {{}, Mutant::no_drain},
           unmap_in_flight,
           true},
    Attack{"D7b",
           "an unmap while reads are under way",
           Party::vf,
           {{}, Mutant::no_drain},
           unmap_in_flight_of_reads,
           true},
    Attack{"D8",
           "a frame that changes after it was checked",
           Party::vf,
           {{}, Mutant::no_snapshot},
           changed_after_check,
           true},
    Attack{"L3",
           "a VM that is killed while writes are under way",
           Party::vf,
           {{}, Mutant::no_quiesce},
           killed_in_flight,
           true},
};

}  // namespace

std::span<const Attack> hand_over_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
