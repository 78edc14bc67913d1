// L1, L2: what an owner leaves behind in a VF, and what it can still do to the next one. D6, L4: memory that
// is not the guest's any more.
#include <fmt/format.h>

#include <array>
#include <vector>

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

using Registers = std::vector<std::uint32_t>;  // all of BAR 0, by offset / 4

Registers read_all(client::Mmio& registers) {
  Registers all;
  for (std::uint32_t offset = 0; offset < regs::kBarSize; offset += 4)
    all.push_back(registers.read32(offset));
  return all;
}

// Every register that keeps what is written to it has something of the owner's; nothing is started.
void fill_registers(client::Mmio& registers) {
  for (std::uint32_t offset = regs::kEicr; offset < regs::kBarSize; offset += 4) {
    const bool acts = offset == regs::kEics || offset == regs::kMailbox;
    if (!acts) registers.write32(offset, (kSecret | (offset / 4 & 0xFF)) & ~regs::kQueueEnable);
  }
}

// Interrupt messages of the last owner in the VF's MSI-X table, as its host sees it.
std::string left_messages(Scene& scene) {
  auto& host = scene.host(scene.self().host);
  constexpr std::uint32_t kEntry = 16, kControl = 12;
  std::string found;
  for (std::uint32_t at = 0; at < regs::kVectors * kEntry; at += 4)
    if (at % kEntry != kControl && host.load32(BusAddr(scene.self().host_msix.bits() + at)).value_or(0) != 0)
      found += fmt::format(" MSI-X {:#x}", at);
  return found;
}

Verdict leftovers(Scene& scene) {
  client::Mmio& registers = scene.bed.registers(scene.me());
  scene.refresh(scene.me());
  if (!scene.driver(scene.me()).open()) return skipped("its driver does not open");
  const Registers fresh = read_all(registers);
  for (int i = 0; i < 3; ++i)  // counters
    (void)scene.driver(scene.me()).tx().send(scene.frame_to(Scene::outside(), scene.self().mac, 100));
  scene.run();
  fill_registers(registers);
  const Registers left = read_all(registers);
  if (!finished(scene, scene.bed.detach(scene.me()))) return skipped("its host does not let go of the guest");
  std::string found = left_messages(scene);
  if (!scene.bed.attach(scene.me())) return skipped("the next guest does not get the VF");
  scene.bed.settle();
  // The next owner, before its driver has reset anything.
  const Registers next = read_all(registers);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < next.size(); ++i) {
    if (4 * i == regs::kFreeTimer || left[i] == fresh[i] || left[i] == 0) continue;
    ++changed;
    if (next[i] == left[i]) found += fmt::format(" {:#x}", 4 * i);
  }
  return judge(!found.empty(), "the next owner read the last one's registers:" + found,
               fmt::format("of {} registers that the owner had changed the next one reads none", changed));
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
    const Request request{.rid = scene.self().rid.bdf, .address = Iova(scene.extra().bits() + 64 * late)};
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
           "what an owner left in registers, vectors, mailbox, counters",
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
