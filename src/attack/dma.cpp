// D1 to D5, D13: a VF's DMA to where it has no grant. N4: what whole-memory windows make reachable.
#include <fmt/format.h>

#include <array>

#include "attack/attack.h"
#include "spec/ixgbevf.h"

namespace ladon::attack {
namespace {

constexpr std::uint32_t kWord = 0xBADC0DE5;

// Reads and writes the target; `address` is what the VF emits.
Verdict reach(Scene& scene, const Canary& target, Iova address, std::string_view what) {
  scene.write_by_dma(scene.me(), address, kWord);
  const bool written = !target.untouched();
  const Frame read = scene.read_by_dma(scene.me(), address, 512);
  const bool leaked = target.is_in(read);
  return judge(written || leaked,
               fmt::format("{} was {}", what,
                           written && leaked ? "read and written"
                           : written         ? "written"
                                             : "read"),
               fmt::format("no byte of {} moved", what));
}

Verdict outside_grant(Scene& scene) {
  const Canary target = scene.canary_at(scene.self().host);
  return reach(scene, target, Iova(target.at().bits()), "its host's memory");
}

Verdict sibling_memory(Scene& scene) {
  if (!scene.parts.sibling) return skipped("no host of this rack has two VMs");
  const Canary target = scene.canary_of(*scene.parts.sibling);
  return reach(scene, target, Iova(target.at().bits()), "the other VM's memory");
}

// Where a stranger's memory appears in the management host's domain.
std::uint64_t in_window(Scene& scene, const Canary& target) {
  return scene.ntb_of(scene.guest(*scene.parts.stranger).host)->dma.bits() + target.at().bits();
}

Verdict stranger_by_window(Scene& scene) {
  if (!scene.parts.stranger) return skipped("the rack has no second compute host");
  const Canary target = scene.canary_of(*scene.parts.stranger);
  return reach(scene, target, Iova(in_window(scene, target)), "the other host's memory");
}

Verdict stranger_by_offset(Scene& scene) {
  if (!scene.parts.stranger) return skipped("the rack has no second compute host");
  const std::uint64_t own_base = scene.ntb_of(scene.self().host)->dma.bits();
  const Canary target = scene.canary_of(*scene.parts.stranger);
  if (in_window(scene, target) < own_base) return skipped("no host's window lies above the attacker's");
  return reach(scene, target, Iova(in_window(scene, target) - own_base), "the other host's memory");
}

// 4 KiB is the grain of an IOMMU: a buffer that is half a page must not open the other half.
Verdict rest_of_page(Scene& scene) {
  constexpr std::uint64_t kHalf = 0x800;
  auto& bridge = scene.host(scene.self().host);
  const Canary target = scene.canary_at(scene.self().host);
  // Its host's driver grants the VF the second half of the page, in a space of the driver's own.
  const auto space = bridge.create_domain();
  if (!space) return skipped("its host gives no I/O space");
  (void)bridge.detach(scene.self().proxy);
  const Iova buffer(scene.extra().bits() + kHalf);
  const auto mapped =
      bridge.map(*space, buffer, BusAddr(target.at().bits() + kHalf), kHalf, pcie::kReadWrite);
  (void)bridge.attach(*space, scene.self().proxy);
  std::array<std::byte, Canary::kSecret> first{};
  const bool read = scene.bed.emit_read(
      scene.self().nic, {.rid = scene.self().rid.bdf, .address = Iova(buffer.bits() - kHalf)}, first);
  (void)bridge.detach(scene.self().proxy);
  (void)bridge.destroy_domain(*space);
  Verdict verdict = judge(read && target.is_in(first), "the half of the page that was not granted was read",
                          mapped ? "the other half of the page stayed closed" : "half a page is not mapped");
  if (!mapped) {
    verdict.by =
        fmt::format("{}/iommu/map: {}", scene.bed.hosts()[static_cast<std::size_t>(scene.self().host)],
                    name(mapped.error()));
    verdict.attributed_to = scene.bed.hosts()[static_cast<std::size_t>(scene.self().host)];
  }
  return verdict;
}

Verdict write_read_only(Scene& scene) {
  const Bytes bytes = scene.bed.give_memory(scene.me(), scene.extra(), Scene::kExtra, pcie::kReadOnly);
  if (bytes.empty()) return skipped("no memory for a buffer");
  const Canary target(BusAddr(0), bytes.first(4096), 77);
  scene.write_by_dma(scene.me(), Iova(scene.extra().bits() + 64), kWord);
  return judge(!target.untouched(), "a transmit buffer was written", "the read-only page is as it was");
}

Verdict read_write_only(Scene& scene) {
  const Bytes bytes = scene.bed.give_memory(scene.me(), scene.extra(), Scene::kExtra, pcie::kWriteOnly);
  if (bytes.empty()) return skipped("no memory for a buffer");
  const Canary target(BusAddr(0), bytes.first(4096), 78);
  return judge(target.is_in(scene.read_by_dma(scene.me(), Iova(scene.extra().bits()), 256)),
               "a receive buffer was read", "the write-only page was not read");
}

// The last bytes of the VM's memory and on, over the end; and around the end of the address space.
Verdict over_the_end(Scene& scene) {
  const Canary target = scene.canary_at(scene.self().host);
  const std::uint64_t end = scene.self().memory;
  // What follows is the canary, if its host has put it right behind the VM's memory; else its own address is
  // what an unchecked end reaches.
  for (const std::uint64_t at : {end - 32, ~std::uint64_t{0} - 31, target.at().bits() - 32})
    scene.write_by_dma(scene.me(), Iova(at), std::vector<std::byte>(400, std::byte{0xEE}));
  return judge(!target.untouched(), "a write went over the end of the grant",
               "nothing was written past the end");
}

// The host lends its whole memory through one window; eight pages somewhere in it are not the VM's.
Verdict whole_memory(Scene& scene) {
  std::vector<Canary> targets;
  for (int i = 0; i < 8; ++i) targets.push_back(scene.canary_at(scene.self().host));
  std::size_t bytes = 0;
  for (const Canary& target : targets)
    if (target.is_in(scene.read_by_dma(scene.me(), Iova(target.at().bits()), 1024))) bytes += 1024;
  return judge(bytes != 0, fmt::format("{} bytes of the host's memory were read", bytes),
               "0 bytes reached besides the VM's own");
}

using enum Defence;
constexpr std::array kAttacks = {
    Attack{"D1", "DMA to its host's memory", Party::vf, {{ch_iommu}}, outside_grant},
    Attack{"D2", "DMA to another VM of the same host", Party::vf, {{ch_iommu}}, sibling_memory},
    Attack{
        "D3a", "DMA into another host's window", Party::vf, {{acs, ntb_lut, ch_iommu}}, stranger_by_window},
    Attack{"D3b",
           "DMA so far past its own window that it is in another's",
           Party::vf,
           {{mh_iommu, ntb_lut, ch_iommu}},
           stranger_by_offset},
    Attack{"D4",
           "the rest of a page of which half was granted",
           Party::vf,
           {{}, Mutant::whole_pages},
           rest_of_page},
    Attack{"D5a", "write to a transmit buffer", Party::vf, {{ch_iommu}}, write_read_only},
    Attack{"D5b", "read of a receive buffer", Party::vf, {{ch_iommu}}, read_write_only},
    Attack{"D13", "a length that goes over the end of the grant", Party::vf, {{ch_iommu}}, over_the_end},
    Attack{"N4", "sweep of the whole-memory window", Party::vf, {{ch_iommu}}, whole_memory},
};

}  // namespace

std::span<const Attack> dma_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
