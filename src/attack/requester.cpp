// R1 to R5, D10, D12: who a request says it comes from. Silicon that lies emits them; the switch, the NTBs
// and the IOMMUs are what is left.
#include <fmt/format.h>

#include <array>

#include "attack/attack.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::attack {
namespace {

namespace ntb = spec::ntb;
namespace pci = spec::pci;

constexpr std::array<std::byte, 4> kWord = {std::byte{0xE5}, std::byte{0x0D}, std::byte{0xDC},
                                            std::byte{0xBA}};
// The processors of a compute host, on the NTB's bus (device 1).
constexpr unsigned kProcessorProxy = 1;

// Writes and reads as `request` says; whether the target has noticed.
bool reaches(Scene& scene, const Canary& target, const Request& request) {
  std::array<std::byte, 64> bytes{};
  const bool read = scene.bed.emit_read(scene.self().nic, request, bytes) && target.is_in(bytes);
  (void)scene.bed.emit_write(scene.self().nic, request, kWord);
  scene.run(2);
  return read || !target.untouched();
}

Verdict other_port(Scene& scene) {
  if (!scene.parts.stranger) return skipped("the rack has no second compute host");
  const Guest& victim = scene.guest(*scene.parts.stranger);
  scene.mark_registers(*scene.parts.stranger);
  const pcie::Bdf cpu(scene.ntb_of(victim.host)->bdf.bus(), kProcessorProxy, 0);
  (void)scene.bed.emit_write(scene.self().nic,
                             {.rid = cpu, .address = Iova(victim.registers.bits() + Scene::kMarkedRegister)},
                             kWord);
  scene.run(2);
  return judge(!scene.marks_hold(*scene.parts.stranger),
               "a NIC wrote another VF's registers as that VF's host",
               "the other VF's registers are as they were");
}

Verdict sibling_identity(Scene& scene) {
  if (!scene.parts.sibling || !scene.parts.stranger)
    return skipped("the rack has no sibling or no other host");
  const Guest& sibling = scene.guest(*scene.parts.sibling);
  if (sibling.nic != scene.self().nic) return skipped("the host's two VMs have VFs of two NICs");
  const Canary own = scene.canary_of(*scene.parts.sibling);
  const bool as_sibling =
      reaches(scene, own, {.rid = sibling.rid.bdf, .address = Iova(sibling.memory - own.size())});
  const Canary far = scene.canary_of(*scene.parts.stranger);
  const std::uint64_t base = scene.ntb_of(scene.self().host)->dma.bits();
  const std::uint64_t target =
      scene.ntb_of(scene.guest(*scene.parts.stranger).host)->dma.bits() + far.at().bits();
  if (target < base) return skipped("no host's window lies above the attacker's");
  const bool beyond = reaches(scene, far, {.rid = sibling.rid.bdf, .address = Iova(target - base)});
  return judge(
      beyond, "under a sibling's requester ID a VF reached another host",
      fmt::format("bounded by what the sibling may reach; the sibling's own memory, which the NIC is "
                  "trusted with, was {}reached",
                  as_sibling ? "" : "not "));
}

Verdict other_functions(Scene& scene) {
  const Canary target = scene.canary_at(pcie::kManagementDomain);
  const Nic& nic = scene.bed.nics()[scene.self().nic];
  bool reached = false;
  for (const pcie::Bdf rid :
       {nic.pf.bdf, pcie::Bdf(0), nic.pf.later(1).bdf, scene.ntb_of(scene.self().host)->bdf.bdf})
    reached |= reaches(scene, target, {.rid = rid, .address = Iova(target.at().bits())});
  return judge(reached, "the management host's memory was reached under a requester ID without a domain",
               "no ID but its own means anything");
}

Verdict after_release(Scene& scene) {
  const Canary target = scene.canary_at(scene.self().host);
  const pcie::Sbdf rid = scene.self().rid;
  if (!scene.bed.move_vf(scene.me(), std::nullopt)) return skipped("the VF cannot be taken away");
  // Nobody's VF has no bus mastering: hardware that emits all the same.
  auto& management = scene.host(pcie::kManagementDomain);
  (void)management.config_write(rid, pci::kCommand, 2, pci::kCommandMemory | pci::kCommandBusMaster);
  const std::uint64_t window = scene.ntb_of(scene.self().host)->dma.bits();
  return judge(reaches(scene, target, {.rid = rid.bdf, .address = Iova(window + target.at().bits())}),
               "a VF that was taken away still reaches its last host", "the entry went with the VF");
}

std::optional<std::uint16_t> spare_vf(Scene& scene) {
  const std::uint16_t vfs = scene.bed.nics()[scene.self().nic].vfs;
  for (std::uint16_t vf = 0; vf < vfs; ++vf)
    if (std::ranges::none_of(scene.bed.guests(), [&](const Guest& guest) {
          return guest.nic == scene.self().nic && guest.vf == vf;
        }))
      return vf;
  return std::nullopt;
}

Verdict exhausted_table(Scene& scene) {
  const auto vf = spare_vf(scene);
  if (!vf) return skipped("the NIC has no VF left");
  std::uint8_t slot = 0;
  for (const Guest& guest : scene.bed.guests())
    if (guest.host == scene.self().host) slot = std::max(slot, static_cast<std::uint8_t>(guest.slot + 1));
  const bool lent = scene.bed.lend_vf(scene.self().nic, *vf, scene.self().host, slot);
  const pcie::Sbdf rid = scene.bed.nics()[scene.self().nic].vf_bdf(*vf);
  auto& management = scene.host(pcie::kManagementDomain);
  (void)management.config_write(rid, pci::kCommand, 2, pci::kCommandMemory | pci::kCommandBusMaster);
  const Canary target = scene.canary_at(scene.self().host);
  const std::uint64_t window = scene.ntb_of(scene.self().host)->dma.bits();
  const bool reached = reaches(scene, target, {.rid = rid.bdf, .address = Iova(window + target.at().bits())});
  Verdict verdict = judge(lent || reached, "one VF more than the look-up table has entries got through",
                          "the plan was refused, and the VF has no entry");
  return verdict;
}

// The management software gives two VFs one proxy: the second would inherit what was granted to the first.
Verdict shared_proxy(Scene& scene) {
  if (!scene.parts.sibling) return skipped("no host of this rack has two VMs");
  const Guest& sibling = scene.guest(*scene.parts.sibling);
  const Canary target = scene.canary_of(*scene.parts.sibling);
  auto& management = scene.host(pcie::kManagementDomain);
  const BusAddr control = scene.ntb_of(scene.self().host)->control;
  const auto entry = [&](std::uint32_t field) {
    return BusAddr(control.bits() + ntb::kLutOutbound + scene.self().slot * ntb::kLutStride + field);
  };
  (void)management.store32(entry(ntb::kLutEntry), 0);
  (void)management.store32(entry(ntb::kLutProxy), sibling.proxy.devfn());
  (void)management.store32(entry(ntb::kLutEntry), ntb::kLutValid | scene.self().rid.bdf.bits);
  Verdict verdict = judge(
      reaches(scene, target, {.rid = scene.self().rid.bdf, .address = Iova(sibling.memory - target.size())}),
      "a VF passed for another VM's", "the NTB does not take the entry");
  return verdict;
}

Verdict translated(Scene& scene) {
  const Canary target = scene.canary_at(pcie::kManagementDomain);
  return judge(reaches(scene, target, {.rid = scene.self().rid.bdf, .address = target.at()}),
               "a request that calls itself translated reached the management host's memory",
               "translated requests do not pass");
}

Verdict with_pasid(Scene& scene) {
  const Canary target = scene.canary_at(pcie::kManagementDomain);
  const Nic& nic = scene.bed.nics()[scene.self().nic];
  bool reached = false;
  for (const pcie::Bdf rid : {scene.self().rid.bdf, nic.pf.bdf})
    for (const std::uint32_t pasid : {0u, 1u, 0xFFFFFu})
      reached |= reaches(scene, target, {.rid = rid, .address = Iova(target.at().bits()), .pasid = pasid});
  return judge(reached, "a PASID that nobody granted was taken", "no PASID is taken");
}

using enum Defence;
constexpr Control kWindow{{mh_iommu, ntb_lut, ch_iommu}};
constexpr std::array kAttacks = {
    Attack{"D10",
           "a request that is marked as translated",
           Party::vf,
           {{mh_iommu}, Mutant::no_translation_blocking},
           translated},
    Attack{"D12", "a request with a PASID", Party::vf, {{mh_iommu}}, with_pasid},
    Attack{"R1a",
           "the requester ID of another port's device",
           Party::vf,
           {{}, Mutant::no_source_validation},
           other_port},
    Attack{"R1b", "a sibling's requester ID", Party::vf, kWindow, sibling_identity},
    Attack{"R2",
           "requester IDs of PF, processor, phantom function, NTB",
           Party::vf,
           {{mh_iommu}},
           other_functions},
    Attack{"R3", "a VF that was taken away", Party::vf, kWindow, after_release},
    Attack{.id = "R4",
           .title = "one VF more than the look-up table holds",
           .by = Party::vf,
           .control = kWindow,
           .perform = exhausted_table,
           .one_entry_short = true},
    Attack{"R5", "two VFs behind one proxy", Party::mh, {{}, Mutant::unchecked_ntb}, shared_proxy},
};

}  // namespace

std::span<const Attack> requester_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
