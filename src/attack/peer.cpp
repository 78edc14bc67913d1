// P1, P2, P4: requests from device to device, past the root complex.
#include <fmt/format.h>

#include <array>

#include "attack/attack.h"
#include "spec/ixgbevf.h"
#include "spec/pci.h"
#include "spec/pf.h"

namespace ladon::attack {
namespace {

namespace pf = spec::pf;

constexpr std::uint32_t kWord = 0x0000'0040;

std::optional<std::size_t> other_guest(const Scene& scene) {
  return scene.parts.stranger ? scene.parts.stranger : scene.parts.sibling;
}

Verdict write_vf_registers(Scene& scene) {
  const auto victim = other_guest(scene);
  if (!victim) return skipped("the rack has no other guest");
  scene.mark_registers(*victim);
  scene.write_by_dma(scene.me(), Iova(scene.guest(*victim).registers.bits() + Scene::kMarkedRegister), kWord);
  return judge(!scene.marks_hold(*victim), "another VF's registers were written",
               "the other VF's registers are as they were");
}

Verdict read_vf_registers(Scene& scene) {
  const auto victim = other_guest(scene);
  if (!victim) return skipped("the rack has no other guest");
  scene.mark_registers(*victim);
  const Frame seen =
      scene.read_by_dma(scene.me(), Iova(scene.guest(*victim).registers.bits() + Scene::kMarkedRegister), 64);
  return judge(seen.size() == 64 && load_le<std::uint32_t>(seen.data()) == Scene::kMark,
               "another VF's registers were read", "no register was read");
}

// The longest frame that a VF may receive: the management host's to say.
Verdict write_pf_registers(Scene& scene) {
  const auto victim = other_guest(scene);
  if (!victim) return skipped("the rack has no other guest");
  const Guest& other = scene.guest(*victim);
  const BusAddr limit(scene.bed.nics()[other.nic].registers.bits() + pf::kVf + other.vf * pf::kVfStride +
                      pf::kVfMaxFrame);
  auto& management = scene.host(pcie::kManagementDomain);
  const auto before = management.load32(limit);
  scene.write_by_dma(scene.me(), Iova(limit.bits()), kWord);
  return judge(management.load32(limit) != before, "the PF's registers were written",
               "the PF's registers are as they were");
}

Verdict own_interrupt_table(Scene& scene) {
  auto& host = scene.host(scene.self().host);
  const BusAddr entry(scene.self().host_msix.bits() + 16);
  const auto before = host.load32(entry);
  scene.write_by_dma(scene.me(), Iova(scene.self().msix.bits() + 16), kWord);
  scene.write_by_dma(scene.me(), Iova(scene.self().registers.bits() + Scene::kMarkedRegister), Scene::kMark);
  return judge(host.load32(entry) != before || scene.marks_hold(scene.me()),
               "the VF wrote its own registers and interrupt table by DMA", "its own BARs are no target");
}

// A device that the management host never gave to anybody uses a host's window.
Verdict hidden_device(Scene& scene) {
  const Canary target = scene.canary_at(scene.self().host);
  const std::uint64_t at = scene.ntb_of(scene.self().host)->dma.bits() + target.at().bits();
  const Request request{.rid = scene.bed.nics()[scene.self().nic].pf.bdf, .address = Iova(at)};
  std::array<std::byte, 64> bytes{};
  const bool read = scene.bed.emit_read(scene.self().nic, request, bytes) && target.is_in(bytes);
  (void)scene.bed.emit_write(scene.self().nic, request, std::as_bytes(std::span(&kWord, 1)));
  return judge(read || !target.untouched(), "a device that nobody was given used a host's window",
               "the window is shut to it");
}

using enum Defence;
constexpr std::array kAttacks = {
    Attack{"P1a", "write to another VF's registers", Party::vf, {{acs}}, write_vf_registers},
    Attack{"P1b", "write to the PF's registers", Party::vf, {{acs}}, write_pf_registers},
    Attack{"P1c", "read of another VF's registers", Party::vf, {{acs}}, read_vf_registers},
    Attack{"P2", "DMA to its own registers and interrupt table", Party::vf, {{acs}}, own_interrupt_table},
    Attack{"P4",
           "a device that nobody was given uses a window",
           Party::vf,
           {{mh_iommu, ntb_lut, ch_iommu}},
           hidden_device},
};

}  // namespace

std::span<const Attack> peer_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
