// E1 to E3: stores of a VM's processor to what its second-level page tables do not have.
#include <array>

#include "attack/attack.h"
#include "spec/ntb.h"

namespace ladon::attack {
namespace {

constexpr std::uint32_t kWord = 0xBADC0DE5;

Verdict sibling_memory(Scene& scene) {
  if (!scene.parts.sibling) return skipped("no host of this rack has two VMs");
  const Canary target = scene.canary_of(*scene.parts.sibling);
  (void)scene.bed.store(scene.me(), Gpa(target.at().bits()), kWord);
  return judge(!target.untouched(), "a VM wrote another's memory", "the other VM's memory is as it was");
}

Verdict sibling_registers(Scene& scene) {
  if (!scene.parts.sibling) return skipped("no host of this rack has two VMs");
  scene.mark_registers(*scene.parts.sibling);
  (void)scene.bed.store(scene.me(),
                        Gpa(scene.guest(*scene.parts.sibling).host_registers.bits() + Scene::kMarkedRegister),
                        kWord);
  scene.run(1);
  return judge(!scene.marks_hold(*scene.parts.sibling), "a VM wrote the registers of another's VF",
               "the other VF's registers are as they were");
}

Verdict host_scratchpads(Scene& scene) {
  const BusAddr pad(scene.ntb_of(scene.self().host)->link_control.bits() + spec::ntb::kScratchpads + 4 * 29);
  auto& host = scene.host(scene.self().host);
  const auto before = host.load32(pad);
  (void)scene.bed.store(scene.me(), Gpa(pad.bits()), kWord);
  return judge(host.load32(pad) != before, "a VM spoke to the management host in its host's name",
               "the host's NTB is as it was");
}

using enum Defence;
constexpr std::array kAttacks = {
    Attack{"E1", "store into another VM's memory", Party::vm, {{ept}}, sibling_memory},
    Attack{"E2", "store to the registers of another VM's VF", Party::vm, {{ept}}, sibling_registers},
    Attack{"E3", "store to its host's NTB", Party::vm, {{ept}}, host_scratchpads},
};

}  // namespace

std::span<const Attack> processor_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
