// A NIC's physical function as far as its driver can tell, with mailboxes that a test fills and reads.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "fakes/fake_host.h"
#include "spec/ixgbevf.h"
#include "spec/pci.h"
#include "spec/pf.h"

namespace ladon::fakes {

class FakeNic {
 public:
  static constexpr std::uint32_t kPool = 4 << 20;  // bytes of packet memory
  using Level = std::array<std::uint32_t, spec::pf::kLevelSize / 4>;

  explicit FakeNic(std::uint16_t vfs = 8) : vfs_(vfs), taken(vfs), memory(vfs), levels(vfs) {
    registers[spec::pf::kMemoryPool] = kPool;
    for (auto& level : levels)
      level[word(spec::pf::kLevelMemory)] = level[word(spec::pf::kLevelMemoryMost)] = kPool / vfs;
  }
  static constexpr std::size_t word(std::uint32_t offset) { return offset / 4; }

  std::function<void()> interrupt;

  static pcie::ConfigSpace pf_space(std::uint16_t vfs = 8) {
    auto space = pcie::ConfigSpace::endpoint(
        {.vendor = spec::pci::kLadonVendor, .device = spec::pci::kNicPfDevice, .class_code = 0x020000});
    space.add_bar(0, pcie::BarKind::memory64, spec::pf::kBarSize);
    space.add_express(pcie::PortType::endpoint, true);
    space.add_ari();
    space.add_sriov({.total_vfs = vfs,
                     .first_offset = 128,
                     .stride = 2,
                     .vf_device = spec::pci::kX550VfDevice,
                     .vf_bar_sizes = {0x4000, 0, 0, 0x4000, 0, 0}});
    return space;
  }
  void connect(FakeFunction& f) {
    for (std::uint16_t i = 0; i < vfs_; ++i) {
      auto vf = pcie::ConfigSpace::virtual_function({.class_code = 0x020000});
      vf.add_express(pcie::PortType::endpoint, true);
      vf.add_msix({.vectors = 3, .table_bar = 3, .table_offset = 0, .pba_bar = 3, .pba_offset = 0x2000});
      f.vfs.push_back(vf);
    }
    f.read = [this](int vf, unsigned bar, std::uint64_t offset) -> std::uint64_t {
      return vf < 0 ? read(offset) : vf_registers[{vf, bar, offset}];
    };
    f.write = [this](int vf, unsigned bar, std::uint64_t offset, std::uint64_t value) {
      if (vf < 0)
        write(offset, static_cast<std::uint32_t>(value));
      else
        vf_registers[{vf, bar, offset}] = static_cast<std::uint32_t>(value);
    };
    f.reset = [this, &f](int vf) {
      if (vf < 0) return;
      f.vfs[static_cast<std::size_t>(vf)].reset();
      set_bit(spec::pf::kFlrPending, static_cast<unsigned>(vf), true);
      history.push_back("flr " + std::to_string(vf));
      if (interrupt) interrupt();
    };
  }

  // ---- the VF's side
  void send(std::uint16_t vf, std::vector<std::uint32_t> words) {
    for (std::size_t i = 0; i < words.size(); ++i) taken[vf][i] = memory[vf][i] = words[i];
    set_bit(spec::pf::kMailboxPending, vf, true);
    if (interrupt) interrupt();
  }
  [[nodiscard]] std::uint32_t vf_reg(std::uint16_t vf, std::uint32_t offset) const {
    const auto found = registers.find(spec::pf::kVf + vf * spec::pf::kVfStride + offset);
    return found == registers.end() ? 0 : found->second;
  }
  [[nodiscard]] bool enabled(std::uint16_t vf) const {
    return (vf_reg(vf, spec::pf::kVfControl) & spec::pf::kVfEnable) != 0;
  }
  [[nodiscard]] std::uint64_t mac(std::uint16_t vf) const {
    return vf_reg(vf, spec::pf::kVfMacLow) |
           static_cast<std::uint64_t>(vf_reg(vf, spec::pf::kVfMacHigh) & 0xFFFF) << 32;
  }
  void set_bit(std::uint32_t reg, unsigned vf, bool on) {
    auto& word = registers[reg + vf / 32 * 4];
    word = on ? word | 1u << vf % 32 : word & ~(1u << vf % 32);
  }

  std::uint16_t vfs_;
  std::map<std::uint64_t, std::uint32_t> registers;
  std::map<std::tuple<int, unsigned, std::uint64_t>, std::uint32_t> vf_registers;
  std::vector<std::array<std::uint32_t, 16>> taken, memory;
  std::vector<Level> levels;   // as the window shows them
  bool refuse_levels = false;  // whatever they are
  std::uint32_t levels_applied = 0, levels_refused = 0;
  std::vector<std::string> history;  // "enable 3", "disable 3", "flr 3", "scrub 3", in order
  std::vector<std::uint32_t> multicast, vlans;
  int replies = 0, resets_told = 0;
  bool acknowledges = true;  // VFs have read what they were sent
  bool never_quiesces = false;

 private:
  [[nodiscard]] std::uint32_t register_at(std::uint64_t offset) const {
    const auto found = registers.find(offset);
    return found == registers.end() ? 0 : found->second;
  }
  std::uint64_t read(std::uint64_t offset) {
    namespace pf = spec::pf;
    if (offset == pf::kId) return pf::kMagic;
    if (offset >= pf::kLevel && offset < pf::kLevel + pf::kLevelSize) return register_at(offset);
    if (offset < pf::kVf || offset >= pf::kFilters) return register_at(offset);
    const auto vf = static_cast<std::uint16_t>((offset - pf::kVf) / pf::kVfStride);
    const auto within = static_cast<std::uint32_t>((offset - pf::kVf) % pf::kVfStride);
    if (within == pf::kVfStatus)
      return (enabled(vf) || never_quiesces ? 0 : pf::kVfQuiesced) | pf::kVfScrubbed;
    if (within == pf::kVfMailboxControl) {
      const bool request = (registers[pf::kMailboxPending + vf / 32 * 4u] >> vf % 32 & 1) != 0;
      return (request ? pf::kMailboxRequest : 0) | (acknowledges ? pf::kMailboxVfAck : 0);
    }
    if (within >= pf::kVfMailboxMemory && within < pf::kVfMailboxMemory + 64)
      return taken[vf][(within - pf::kVfMailboxMemory) / 4];
    return register_at(offset);
  }
  // Of a resource, as all VFs but one are promised it.
  [[nodiscard]] std::uint64_t promised(std::uint32_t field, std::uint16_t but) const {
    std::uint64_t sum = 0;
    for (std::uint16_t vf = 0; vf < vfs_; ++vf) sum += vf == but ? 0 : levels[vf][word(field)];
    return sum;
  }
  // What the device guarantees it must have; the rest is believed.
  void level_command(std::uint32_t value) {
    namespace pf = spec::pf;
    const auto vf = static_cast<std::uint16_t>(value & 0x3F);
    const auto at = [&](std::uint32_t field) -> std::uint32_t& { return registers[pf::kLevel + field]; };
    if ((value & pf::kLevelLoad) != 0)
      for (std::uint32_t i = 4; i < levels[vf].size(); ++i) at(4 * i) = levels[vf][i];
    if ((value & pf::kLevelApply) == 0) return;
    const auto fits = [&](std::uint32_t field, std::uint32_t capacity, std::uint64_t otherwise) {
      const std::uint64_t all = registers[capacity] != 0 ? registers[capacity] : otherwise;
      return promised(field, vf) + at(field) <= all;
    };
    const bool refused = refuse_levels || !fits(pf::kLevelReceive, pf::kCapacityReceive, 10'000'000) ||
                         !fits(pf::kLevelTransmit, pf::kCapacityTransmit, 10'000'000) ||
                         !fits(pf::kLevelMemory, pf::kMemoryPool, 0) ||
                         at(pf::kLevelMemoryMost) < at(pf::kLevelMemory);
    at(pf::kLevelResult) = refused ? 1 : 0;
    ++(refused ? levels_refused : levels_applied);
    for (std::uint32_t i = 4; !refused && i < levels[vf].size(); ++i) levels[vf][i] = at(4 * i);
  }
  void write_capacity(std::uint64_t offset, std::uint32_t value) {
    const auto field =
        offset == spec::pf::kCapacityReceive ? spec::pf::kLevelReceive : spec::pf::kLevelTransmit;
    if (promised(field, vfs_) <= (value != 0 ? value : 10'000'000)) registers[offset] = value;
  }
  void write(std::uint64_t offset, std::uint32_t value) {
    namespace pf = spec::pf;
    if (offset >= pf::kLevel && offset < pf::kLevel + pf::kLevelSize) {
      registers[offset] = value;
      if (offset == pf::kLevel + pf::kLevelCommand) level_command(value);
      return;
    }
    if (offset == pf::kCapacityReceive || offset == pf::kCapacityTransmit)
      return write_capacity(offset, value);
    if (offset == pf::kCause || (offset >= pf::kFlrPending && offset < pf::kFaultPending + 8)) {
      registers[offset] &= ~value;
      return;
    }
    if (offset < pf::kVf || offset >= pf::kFilters) {
      registers[offset] = value;
      return;
    }
    write_vf(static_cast<std::uint16_t>((offset - pf::kVf) / pf::kVfStride),
             static_cast<std::uint32_t>((offset - pf::kVf) % pf::kVfStride), offset, value);
  }
  // Takes all of the level but the partition, and the page table.
  void scrub(std::uint16_t vf) {
    namespace pf = spec::pf;
    Level kept{};
    for (const std::uint32_t field : {pf::kLevelMemory, pf::kLevelMemoryMost})
      kept[word(field)] = levels[vf][word(field)];
    levels[vf] = kept;
    for (std::uint32_t at = 0; at < pf::kPageTableStride; at += 4)
      registers[pf::kPageTables + vf * pf::kPageTableStride + at] = 0;
  }
  void write_vf(std::uint16_t vf, std::uint32_t within, std::uint64_t offset, std::uint32_t value) {
    namespace pf = spec::pf;
    if (within == pf::kVfControl) {
      const bool was = enabled(vf);
      if ((value & pf::kVfScrub) != 0) history.push_back("scrub " + std::to_string(vf)), value = 0, scrub(vf);
      registers[offset] = value;
      if (was != enabled(vf)) history.push_back((was ? "disable " : "enable ") + std::to_string(vf));
    } else if (within == pf::kVfMailboxControl) {
      if ((value & pf::kMailboxAck) != 0) set_bit(pf::kMailboxPending, vf, false);
      if ((value & pf::kMailboxSend) != 0) ++replies;
      if ((value & pf::kMailboxResetDone) != 0) ++resets_told;
    } else if (within >= pf::kVfMailboxMemory && within < pf::kVfMailboxMemory + 64) {
      memory[vf][(within - pf::kVfMailboxMemory) / 4] = value;
    } else if (within == pf::kVfMulticast) {
      if ((value >> 31) != 0)
        multicast.clear();
      else
        multicast.push_back(value);
    } else if (within == pf::kVfVlanFilter) {
      vlans.push_back(value);
    } else {
      registers[offset] = value;
    }
  }
};

}  // namespace ladon::fakes
