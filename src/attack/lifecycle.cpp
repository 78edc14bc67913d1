// L1, L2: what an owner leaves behind in a VF, and what it can still do to the next one. D6, L4: memory that
// is not the guest's any more.
#include <fmt/format.h>

#include <array>

#include "attack/attack.h"
#include "spec/ixgbevf.h"

namespace ladon::attack {
namespace {

namespace regs = spec::ixgbevf;

constexpr std::uint32_t kWord = 0xBADC0DE5, kSecret = 0x5EC2'E700;

bool finished(Scene& scene, const std::shared_ptr<const bool>& done) {
  for (int i = 0; i < 600 && !*done; ++i) scene.run(1);
  return *done;
}

Verdict leftovers(Scene& scene) {
  client::Mmio& registers = scene.bed.registers(scene.me());
  for (std::uint32_t i = 0; i < 10; ++i) registers.write32(regs::kRssKey + 4 * i, kSecret | i);
  for (std::uint32_t i = 0; i < 16; ++i) registers.write32(regs::kReta + 4 * i, 0x0100'0100);
  for (std::uint32_t i = 0; i < regs::kMailboxWords; ++i)
    registers.write32(regs::kMailboxMemory + 4 * i, kSecret | 0x40 | i);
  registers.write32(regs::kTx + regs::kBaseLow, kSecret);
  if (!finished(scene, scene.bed.detach(scene.me()))) return skipped("its host does not let go of the guest");
  if (!scene.bed.attach(scene.me())) return skipped("the next guest does not get the VF");
  scene.bed.settle();
  // The next owner, before its driver has reset anything.
  std::string found;
  for (std::uint32_t offset = 0; offset < regs::kBarSize; offset += 4)
    if (const std::uint32_t value = registers.read32(offset); (value & 0xFFFF'FF00) == kSecret)
      found += fmt::format(" {:#x}", offset);
  for (const std::uint32_t counter : {regs::kGoodPacketsSent, regs::kGoodPacketsReceived})
    if (registers.read32(counter) != 0) found += fmt::format(" {:#x}", counter);
  return judge(!found.empty(), "the next owner read the last one's registers:" + found,
               "the next owner reads nothing of the last one");
}

// The VF goes to another host; the old one still resets it.
Verdict late_reset(Scene& scene) {
  if (!scene.parts.stranger) return skipped("the rack has no second compute host");
  const pcie::Domain there = scene.guest(*scene.parts.stranger).host;
  std::uint8_t slot = 0;
  for (const Guest& guest : scene.bed.guests())
    if (guest.host == there) slot = std::max(slot, static_cast<std::uint8_t>(guest.slot + 1));
  if (!scene.bed.move_vf(scene.me(), there, slot)) return skipped("the VF cannot be moved");
  const BusAddr registers(scene.ntb_of(there)->link_registers.bits() +
                          slot * std::uint64_t{regs::kBarSize + regs::kMsixBarSize});
  auto& next = scene.host(there);
  const BusAddr mark(registers.bits() + Scene::kMarkedRegister);
  (void)next.store32(mark, Scene::kMark);
  if (next.load32(mark) != Scene::kMark) return skipped("the new host does not reach the VF");
  (void)scene.host(scene.self().host).store32(scene.self().host_registers, regs::kControlReset);
  scene.bed.turn();
  const bool reset = next.load32(mark) != Scene::kMark;
  (void)scene.bed.move_vf(scene.me(), scene.self().host, scene.self().slot);
  return judge(reset, "the old owner has reset the next owner's VF", "the old owner's reset goes nowhere");
}

// Its page goes back to the host, which gives it to somebody else: the VF writes there all the same.
Verdict freed_page(Scene& scene, std::string_view what) {
  if (scene.bed.give_memory(scene.me(), scene.extra(), Scene::kExtra, pcie::kReadWrite).empty())
    return skipped("no memory to give");
  const auto place = scene.bed.place_of(scene.me(), scene.extra());
  scene.write_by_dma(scene.me(), Iova(scene.extra().bits()), kWord);
  if (!place || !finished(scene, scene.bed.take_memory(scene.me(), scene.extra(), Scene::kExtra)))
    return skipped("the memory is not taken back");
  const auto next = scene.bed.place(scene.self().host, Scene::kExtra, place);
  if (!next) return skipped("the host does not use that memory again");
  const Canary target(next->at, next->bytes.first(4096), 91);
  unsigned late = 0;
  constexpr std::array kDelays = {Duration(0),       Duration(1000),      Duration(10'000),
                                  Duration(100'000), Duration(1'000'000), Duration(10'000'000)};
  Duration since{}, open{};
  for (const Duration at : kDelays) {
    scene.bed.advance(at - since);
    since = at;
    std::array<std::byte, 4> word;
    store_le(word.data(), kWord + ++late);
    const Request request{.rid = scene.self().rid, .address = Iova(scene.extra().bits() + 64 * late)};
    if (scene.bed.emit_write(scene.self().nic, request, word)) open = at;
  }
  return judge(!target.untouched(),
               fmt::format("{}: writes landed in the next owner's memory, still after {} us", what,
                           std::chrono::duration_cast<std::chrono::microseconds>(open).count()),
               "no write at 0, 1, 10, 100, 1000 or 10000 us");
}

Verdict after_unmap(Scene& scene) {
  return freed_page(scene, "stale IOTLB entry");
}
Verdict still_mapped(Scene& scene) {
  return freed_page(scene, "freed while mapped");
}

using enum Defence;
constexpr std::array kAttacks = {
    Attack{"D6",
           "DMA from 0 to 10 ms after an unmap",
           Party::vf,
           {{}, Mutant::deferred_invalidation},
           after_unmap},
    Attack{"L1",
           "what an owner left in registers, mailbox, counters",
           Party::vf,
           {{}, Mutant::no_scrub},
           leftovers},
    Attack{"L2",
           "a reset that comes when the VF has another owner",
           Party::ch,
           {{mh_iommu}, Mutant::stale_windows},
           late_reset},
    Attack{
        "L4", "memory given back while a ring still has it", Party::vf, {{}, Mutant::no_unmap}, still_mapped},
};

}  // namespace

std::span<const Attack> lifecycle_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
