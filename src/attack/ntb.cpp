// N1 to N3, L6: a compute host that turns against its NTB, windows that should not be, a link that goes down.
#include "spec/ntb.h"

#include <fmt/format.h>

#include <array>

#include "attack/attack.h"

namespace ladon::attack {
namespace {

namespace ntb = spec::ntb;

// A place in the register BAR that no window of a VF uses.
constexpr std::uint64_t kFree = 2 << 20;
constexpr std::uint64_t kWindow = 0x1'0000;

struct WindowSetting {
  std::uint32_t bank = ntb::kInbound, index = 0;
  std::uint64_t offset = 0, length = 0;
  BusAddr to;
};

// As the management host's driver does it, at whatever control BAR.
void open_window(host::BlockingHost& host, BusAddr control, const WindowSetting& window) {
  const std::uint64_t at = control.bits() + window.bank + window.index * ntb::kWindowStride;
  const auto set = [&](std::uint32_t low, std::uint64_t value) {
    (void)host.store32(BusAddr(at + low), static_cast<std::uint32_t>(value));
    (void)host.store32(BusAddr(at + low + 4), static_cast<std::uint32_t>(value >> 32));
  };
  (void)host.store32(BusAddr(at + ntb::kWindowControl), 0);
  set(ntb::kWindowOffsetLow, window.offset);
  set(ntb::kWindowLengthLow, window.length);
  set(ntb::kWindowTranslationLow, window.to.bits());
  (void)host.store32(BusAddr(at + ntb::kWindowControl),
                     ntb::kWindowEnable | ntb::kWindowRead | ntb::kWindowWrite |
                         std::uint32_t{ntb::kRegisterBar} << ntb::kWindowBarShift);
}

// The attacker's host opens a window of its own to `to`, at an index that is free.
BusAddr point_at(Scene& scene, BusAddr to) {
  const Ntb& own = *scene.ntb_of(scene.self().host);
  open_window(scene.host(scene.self().host), own.link_control,
              {.index = 15, .offset = kFree, .length = kWindow, .to = to.align_down(4096)});
  return BusAddr(own.link_registers.bits() + kFree + to.bits() % 4096);
}

Verdict own_window(Scene& scene) {
  if (!scene.parts.stranger) return skipped("the rack has no second compute host");
  scene.mark_registers(*scene.parts.stranger);
  auto& host = scene.host(scene.self().host);
  const BusAddr at =
      point_at(scene, BusAddr(scene.guest(*scene.parts.stranger).registers.bits() + Scene::kMarkedRegister));
  const bool read = host.load32(at) == Scene::kMark;
  (void)host.store32(at, 0xBADC0DE5);
  const bool written = !scene.marks_hold(*scene.parts.stranger);
  return judge(read || written, "a compute host has reached another host's VF",
               "the NTB takes no translation from its link side");
}

Verdict scratchpads_of_others(Scene& scene) {
  if (!scene.parts.stranger) return skipped("the rack has no second compute host");
  const Ntb& other = *scene.ntb_of(scene.guest(*scene.parts.stranger).host);
  const BusAddr pad(other.control.bits() + ntb::kScratchpads + 4 * 13);
  auto& management = scene.host(pcie::kManagementDomain);
  const auto before = management.load32(pad);
  const BusAddr at = point_at(scene, pad);
  (void)scene.host(scene.self().host).store32(at, 0xBADC0DE5);
  return judge(management.load32(pad) != before, "a compute host wrote into the words of another pair",
               "the other pair's words are as they were");
}

Verdict lay_over(Scene& scene) {
  if (!scene.parts.sibling) return skipped("no host of this rack has two VMs");
  scene.mark_registers(*scene.parts.sibling);
  const Ntb& own = *scene.ntb_of(scene.self().host);
  constexpr std::uint64_t kPage = Scene::kMarkedRegister & ~0xFFFu;
  open_window(scene.host(pcie::kManagementDomain), own.control,
              {.index = 14,
               .offset = scene.self().host_registers.bits() - own.link_registers.bits() + kPage,
               .length = 4096,
               .to = BusAddr(scene.guest(*scene.parts.sibling).registers.bits() + kPage)});
  scene.bed.registers(scene.me()).write32(Scene::kMarkedRegister, 0xBADC0DE5);
  return judge(!scene.marks_hold(*scene.parts.sibling), "a store to a VF's registers arrived at another VF",
               "a window over another is not enabled");
}

Verdict link_down(Scene& scene) {
  const Canary target = scene.canary_of(scene.me());
  auto& management = scene.host(pcie::kManagementDomain);
  const BusAddr link(scene.ntb_of(scene.self().host)->control.bits() + ntb::kLink);
  (void)management.store32(link, 0);
  const std::uint64_t at = scene.self().memory - target.size();
  std::array<std::byte, 64> bytes{};
  const Request request{.rid = scene.self().rid.bdf, .address = Iova(at)};
  const bool read = scene.bed.emit_read(scene.self().nic, request, bytes);
  (void)scene.bed.emit_write(scene.self().nic, request, bytes);
  const std::uint32_t gone = scene.bed.registers(scene.me()).read32(0);
  (void)management.store32(link, 1);  // its host's neighbours are behind the same link
  return judge(read || !target.untouched(), "bytes moved over a link that is down",
               fmt::format("nothing moved, and registers read {:#x}", gone));
}

using enum Defence;
constexpr std::array kAttacks = {
    Attack{"N1",
           "a compute host opens a window of its own",
           Party::ch,
           {{mh_iommu}, Mutant::link_side_programs},
           own_window},
    Attack{"N2", "a window over another", Party::mh, {{}, Mutant::unchecked_ntb}, lay_over},
    Attack{"N3",
           "scratchpads of another pair of hosts",
           Party::ch,
           {{mh_iommu}, Mutant::link_side_programs},
           scratchpads_of_others},
    Attack{"L6", "DMA over a link that was taken down", Party::vf, {{}, Mutant::link_stays_up}, link_down},
};

}  // namespace

std::span<const Attack> ntb_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
