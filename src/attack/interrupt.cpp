// I1 to I5, I7: interrupts that a VF has no right to.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "attack/attack.h"
#include "spec/ixgbevf.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::attack {
namespace {

namespace regs = spec::ixgbevf;
namespace pci = spec::pci;

constexpr std::uint64_t kEntry = 16;  // bytes of an MSI-X table entry
// VT-d 5.1.2.2: handle in [19:5], remappable format in [4].
constexpr std::uint64_t remappable(std::uint32_t handle) {
  return std::uint64_t{handle} << 5 | 1u << 4;
}
constexpr std::uint32_t kHandles = 12;
// INIT, NMI and SMI as delivery modes (Intel SDM 3A, 11.11), an exception, a system call's vector.
constexpr std::array<std::uint32_t, 6> kForged = {0x0500, 0x0400, 0x0200, 0x0011, 0x0080, 0x0021};

// What an entry of its VF's MSI-X table holds, as its host reads it.
struct Entry {
  std::uint64_t address = 0;
  std::uint32_t data = 0;
};
Entry entry_of(Scene& scene, std::uint16_t vector) {
  host::BlockingHost& host = scene.host(scene.self().host);
  const BusAddr at(scene.self().host_msix.bits() + kEntry * vector);
  const auto word = [&](std::uint64_t offset) {
    return host.load32(BusAddr(at.bits() + offset)).value_or(0);
  };
  return {std::uint64_t{word(4)} << 32 | word(0), word(8)};
}
// The MiB through which its VF raises interrupts of its own host.
std::uint64_t message_window(Scene& scene) {
  return entry_of(scene, 0).address & ~std::uint64_t{pci::kInterruptLength - 1};
}

template <class IsOne>
bool arrived(const Scene& scene, IsOne is_one) {
  return std::ranges::any_of(scene.interrupts(), is_one);
}
bool is_vector_of(Scene& scene, std::size_t guest, std::uint32_t vector) {
  for (std::uint16_t v = 0; v < regs::kVectors; ++v)
    if (scene.bed.vector(guest, v) == vector) return true;
  return false;
}

Verdict forge_at_management(Scene& scene) {
  const auto is_one = [&](const Interrupt& one) {
    return one.host == pcie::kManagementDomain && one.source == scene.self().rid;
  };
  for (const std::uint32_t data : kForged) scene.write_by_dma(scene.me(), Iova(pci::kInterruptBase), data);
  return judge(arrived(scene, is_one), "the management host took an interrupt that a VF made up",
               "the management host took none");
}

Verdict handles_at_management(Scene& scene) {
  const auto is_one = [&](const Interrupt& one) {
    return one.host == pcie::kManagementDomain && one.source == scene.self().rid;
  };
  for (std::uint32_t handle = 0; handle < kHandles && !arrived(scene, is_one); ++handle)
    scene.write_by_dma(scene.me(), Iova(pci::kInterruptBase + remappable(handle)), 0u);
  return judge(arrived(scene, is_one), "a VF raised an interrupt of the management host's own devices",
               "no handle of the management host works for it");
}

Verdict through_ntb(Scene& scene) {
  if (!scene.parts.stranger) return skipped("the rack has no second compute host");
  const pcie::Domain there = scene.guest(*scene.parts.stranger).host;
  const std::uint64_t window = scene.ntb_of(there)->msi.bits();
  // Not a vector that anybody there has.
  constexpr std::uint32_t kForeign = 0x80;
  const auto is_one = [&](const Interrupt& one) { return one.host == there && one.vector == kForeign; };
  scene.write_by_dma(scene.me(), Iova(window), kForeign);
  for (std::uint32_t handle = 0; handle < 4; ++handle)
    scene.write_by_dma(scene.me(), Iova(window + remappable(handle)), 0u);
  return judge(arrived(scene, is_one), "another host took an interrupt of this VF",
               "the other host took none");
}

Verdict handle_of_sibling(Scene& scene) {
  if (!scene.parts.sibling) return skipped("no host of this rack has two VMs");
  const std::uint64_t window = message_window(scene);
  const auto is_one = [&](const Interrupt& one) {
    return one.host == scene.self().host && one.source == scene.self().proxy &&
           is_vector_of(scene, *scene.parts.sibling, one.vector);
  };
  for (std::uint32_t handle = 0; handle < kHandles; ++handle)
    scene.write_by_dma(scene.me(), Iova(window + remappable(handle)), 0u);
  for (std::uint16_t v = 0; v < regs::kVectors; ++v)
    scene.write_by_dma(scene.me(), Iova(window), scene.bed.vector(*scene.parts.sibling, v));
  return judge(arrived(scene, is_one), "the VF raised an interrupt of another VM",
               "no vector of the other VM came from it");
}

Verdict malformed(Scene& scene) {
  const std::uint64_t window = message_window(scene);
  const auto is_one = [&](const Interrupt& one) {
    return one.host == scene.self().host && one.source == scene.self().proxy &&
           !is_vector_of(scene, scene.me(), one.vector);
  };
  constexpr std::uint64_t kSubhandle = 1u << 3;
  const std::array<std::byte, 8> eight{};
  scene.write_by_dma(scene.me(), Iova(window), eight);
  scene.write_by_dma(scene.me(), Iova(window + remappable(0)), ConstBytes(eight).first(2));
  scene.write_by_dma(scene.me(), Iova(window + remappable(0)), 0xFFFF'0000u);
  scene.write_by_dma(scene.me(), Iova((window + remappable(0)) | kSubhandle), 0xFFFFu);
  for (const std::uint32_t data : kForged) scene.write_by_dma(scene.me(), Iova(window), data);
  return judge(arrived(scene, is_one), "its host took an interrupt that it never gave out",
               "its host took nothing but what it gave out");
}

Verdict table_by_guest(Scene& scene) {
  const Entry before = entry_of(scene, 1);
  const std::array<std::uint32_t, 4> words = {static_cast<std::uint32_t>(pci::kInterruptBase), 0, 0x80, 0};
  for (std::size_t i = 0; i < words.size(); ++i)
    scene.bed.write_region(scene.me(), regs::kMsixBar, kEntry + 4 * i,
                           std::as_bytes(std::span(&words[i], 1)));
  scene.run();
  const Entry after = entry_of(scene, 1);
  return judge(after.address != before.address || after.data != before.data,
               "the VF's interrupt table holds what the guest wrote", "the table is as its host wrote it");
}

// A compromised host has the table; its VF then emits whatever message stands there.
Verdict table_by_host(Scene& scene) {
  host::BlockingHost& host = scene.host(scene.self().host);
  const BusAddr table = scene.self().host_msix;
  (void)host.store32(table, static_cast<std::uint32_t>(pci::kInterruptBase));
  (void)host.store32(BusAddr(table.bits() + 4), 0);
  (void)host.store32(BusAddr(table.bits() + 8), 0x80);
  (void)host.store32(BusAddr(table.bits() + 12), 0);
  client::Mmio& registers = scene.bed.registers(scene.me());
  registers.write32(regs::kEims, 1);
  registers.write32(regs::kEics, 1);
  scene.run();
  const auto is_one = [&](const Interrupt& one) {
    return one.host == pcie::kManagementDomain && one.source == scene.self().rid;
  };
  return judge(arrived(scene, is_one), "the management host took an interrupt that a compute host made up",
               "the management host took none");
}

Verdict after_detach(Scene& scene) {
  const Entry entry = entry_of(scene, 0);
  const std::uint32_t vector = scene.bed.vector(scene.me(), 0);
  const auto gone = scene.bed.detach(scene.me());
  for (int i = 0; i < 200 && !*gone; ++i) scene.run(1);
  if (!*gone) return skipped("its host does not let go of the guest");
  const std::size_t before = scene.interrupts().size();
  std::array<std::byte, 4> data;
  store_le(data.data(), entry.data);
  (void)scene.bed.emit_write(scene.self().nic, {.rid = scene.self().rid.bdf, .address = Iova(entry.address)},
                             data);
  scene.run();
  const auto since = scene.interrupts().subspan(before);
  const bool came = std::ranges::any_of(
      since, [&](const Interrupt& one) { return one.host == scene.self().host && one.vector == vector; });
  return judge(came, "a vector of a guest that is gone was raised", "the vector is dead");
}

using enum Defence;
constexpr Control kRemapping{{interrupt_remapping}};
constexpr std::array kAttacks = {
    Attack{"I1a", "made-up interrupts to the management host by DMA", Party::vf, kRemapping,
           forge_at_management},
    Attack{"I1b",
           "handles of the management host's devices by DMA",
           Party::vf,
           {{mh_iommu}},
           handles_at_management},
    Attack{"I2",
           "made-up interrupts to another host through its NTB",
           Party::vf,
           {{acs, ntb_lut, interrupt_remapping}},
           through_ntb},
    Attack{"I3", "handles and vectors of another VM", Party::vf, kRemapping, handle_of_sibling},
    Attack{"I4", "malformed interrupt messages", Party::vf, kRemapping, malformed},
    Attack{"I5a", "raw writes to the MSI-X table", Party::vm, {{}, Mutant::raw_msix_table}, table_by_guest},
    Attack{"I5b", "the management host's interrupts by a VF's MSI-X table", Party::ch, kRemapping,
           table_by_host},
    Attack{"I7", "the vector of a guest that is gone", Party::vf, kRemapping, after_detach},
};

}  // namespace

std::span<const Attack> interrupt_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
