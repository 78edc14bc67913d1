// Sizes and places of BARs, bridge windows, virtual functions.
#include <algorithm>
#include <tuple>

#include "host/enumerator.h"
#include "spec/pci.h"

namespace ladon::host::detail {

namespace pci = spec::pci;

namespace {

constexpr std::uint64_t kWindowUnit =
    1 << 20;  // granularity of bridge windows (PCI-to-PCI Bridge 1.2, 3.2.5.8)
constexpr std::uint16_t kVfBarsAt = pci::kSriovVfBar0;

constexpr std::uint16_t at(unsigned base, unsigned offset) {
  return static_cast<std::uint16_t>(base + offset);
}

// A 64-bit BAR with side effects must not lie in a prefetchable window; below 4 GiB there is another.
bool is_wide(const Bar& bar) {
  return bar.wide && bar.prefetchable;
}

// Bytes that a function's BAR takes together with those of its VFs.
struct Piece {
  Bar* bar = nullptr;
  std::uint64_t count = 1;  // VF BARs: one behind the other
  unsigned index = 0;
};

std::vector<Piece> pieces(PciFunction& function, bool wide) {
  std::vector<Piece> all;
  for (unsigned i = 0; i < 6; ++i)
    if (Bar& bar = function.bars[i]; bar.size != 0 && is_wide(bar) == wide) all.push_back({&bar, 1, i});
  if (function.sriov)
    for (unsigned i = 0; i < 6; ++i)
      if (Bar& bar = function.sriov->bars[i]; bar.size != 0 && is_wide(bar) == wide)
        all.push_back({&bar, function.sriov->vfs, i});
  return all;
}

}  // namespace

// Cursor and limit; what is fixed in it is gone around; what each bridge spans is noted.
struct Enumerator::Space {
  std::uint64_t next = 0;
  Range<BusAddr> all = Range<BusAddr>::everything();
  bool wide = false;
  EnumerationProblem full{};
  std::vector<Range<BusAddr>> taken;
  std::vector<std::optional<Range<BusAddr>>> span;  // by function index

  void note(std::size_t index, const Range<BusAddr>& range) {
    auto& s = span[index];
    s = s ? Range<BusAddr>::between(std::min(s->first(), range.first()), std::max(s->last(), range.last()))
          : range;
  }
  // The first free place at or after the cursor; nullopt if there is none.
  std::optional<Range<BusAddr>> find(std::uint64_t length, std::uint64_t alignment) const {
    std::uint64_t start = next;
    for (std::size_t tries = 0; tries <= taken.size(); ++tries) {
      if (start > ~std::uint64_t{0} - alignment) return std::nullopt;
      start = (start + alignment - 1) & ~(alignment - 1);
      const auto range = Range<BusAddr>::of(BusAddr(start), length);
      if (!range || !all.contains(*range)) return std::nullopt;
      const auto clash = std::ranges::find_if(taken, [&](const auto& t) { return t.overlaps(*range); });
      if (clash == taken.end()) return range;
      if (clash->last().bits() == ~std::uint64_t{0}) return std::nullopt;
      start = clash->last().bits() + 1;
    }
    return std::nullopt;
  }
};

std::expected<std::vector<PciFunction>, EnumerationError> Enumerator::run() {
  for (std::uint16_t s = 0; s < description_.segments; ++s) scan_segment(pcie::HostSegment{s});
  size_bars();
  Space low{.next = description_.mmio32.first().bits(),
            .all = description_.mmio32,
            .wide = false,
            .full = EnumerationProblem::no_space32,
            .taken = {},
            .span = std::vector<std::optional<Range<BusAddr>>>(functions_.size())};
  Space high = low;
  high.next = description_.mmio64.first().bits();
  high.all = description_.mmio64;
  high.wide = true;
  high.full = EnumerationProblem::no_space64;

  place(low, std::nullopt);
  program_windows(low, false);
  // So far only 32-bit BARs decode: 64-bit ones are still zero, and no bridge leads there.
  set_command(pci::kCommandMemory);
  ask_for_wanted_bases();
  set_command(0);
  for (const WantedBase& wanted : fixed_)
    if (const auto range = Range<BusAddr>::of(wanted.base, functions_[wanted.function].bars[wanted.bar].size))
      high.taken.push_back(*range);
  place(high, std::nullopt);
  program_windows(high, true);
  set_command(pci::kCommandMemory | pci::kCommandBusMaster);
  enable_vfs();
  if (error_) return std::unexpected(*error_);
  return std::move(functions_);
}

void Enumerator::size_bars() {
  for (auto& function : functions_) {
    if (failed()) return;
    function.bars = size_at(function.bdf, pci::kBar0, function.bridge ? 2 : 6);
    if (function.sriov)
      function.sriov->bars = size_at(function.bdf, at(function.sriov->capability, kVfBarsAt), 6);
  }
}

std::array<Bar, 6> Enumerator::size_at(pcie::Sbdf bdf, std::uint16_t first, unsigned count) {
  std::array<Bar, 6> bars{};
  for (unsigned i = 0; i < count && !failed(); ++i) {
    const auto offset = at(first, 4 * i);
    const auto upper = at(offset, 4);
    write(bdf, offset, 4, 0xFFFF'FFFF);
    const std::uint32_t low = read(bdf, offset, 4);
    if (low == 0 || (low & 1) != 0) {  // absent, or I/O space, which nothing here uses
      write(bdf, offset, 4, 0);
      continue;
    }
    Bar bar{.wide = (low & 6) == 4, .prefetchable = (low & 8) != 0, .base = BusAddr(0)};
    std::uint64_t mask = 0xFFFF'FFFF'0000'0000 | (low & ~std::uint32_t{0xF});
    if (bar.wide && i + 1 < count) {
      write(bdf, upper, 4, 0xFFFF'FFFF);
      mask = static_cast<std::uint64_t>(read(bdf, upper, 4)) << 32 | (mask & 0xFFFF'FFFF);
      write(bdf, upper, 4, 0);
    }
    bar.size = ~mask + 1;
    write(bdf, offset, 4, 0);
    bars[i] = bar;
    if (bar.wide) ++i;
  }
  return bars;
}

void Enumerator::place(Space& space, std::optional<std::size_t> parent) {
  for (std::size_t i = 0; i < functions_.size() && !failed(); ++i) {
    if (functions_[i].parent != parent) continue;
    place_own(space, i);
    if (!functions_[i].bridge) continue;
    // What lies behind a bridge gets units of its own, so that windows do not overlap.
    space.next = (space.next + kWindowUnit - 1) & ~(kWindowUnit - 1);
    place(space, i);
    space.next = (space.next + kWindowUnit - 1) & ~(kWindowUnit - 1);
    // BARs that lie where they must are in the root port's window too: the next root port's is above them.
    if (!parent && space.span[i]) space.next = std::max(space.next, space.span[i]->last().bits() + 1);
  }
}

void Enumerator::place_own(Space& space, std::size_t index) {
  auto& function = functions_[index];
  auto all = pieces(function, space.wide);
  // Largest first, so that nothing is lost to alignment; a total order, so that it is always the same.
  std::ranges::sort(all, [](const Piece& a, const Piece& b) {
    return std::tuple(b.bar->size, a.count, a.index) < std::tuple(a.bar->size, b.count, b.index);
  });
  for (const Piece& piece : all) {
    const bool is_fixed = piece.bar->base != BusAddr(0);
    const std::uint64_t length = piece.bar->size * piece.count;
    const auto range =
        is_fixed ? Range<BusAddr>::of(piece.bar->base, length) : space.find(length, piece.bar->size);
    if (!range || !space.all.contains(*range))
      return fail(space.full, function.bdf,
                  "BAR " + std::to_string(piece.index) + " of " + std::to_string(length) +
                      " bytes does not fit the host's " + (space.wide ? "64-bit" : "32-bit") + " range");
    piece.bar->base = range->first();
    if (!is_fixed) space.next = range->last().bits() + 1;
    for (auto up = function.parent; up; up = functions_[*up].parent) space.note(*up, *range);
  }
  write_bars(function, space.wide);
}

void Enumerator::write_bars(const PciFunction& function, bool wide) {
  const auto write_all = [&](const std::array<Bar, 6>& bars, std::uint16_t first) {
    for (unsigned i = 0; i < 6; ++i) {
      if (bars[i].size == 0 || is_wide(bars[i]) != wide) continue;
      write(function.bdf, at(first, 4 * i), 4, static_cast<std::uint32_t>(bars[i].base.bits()));
      if (bars[i].wide)
        write(function.bdf, at(first, 4 * i + 4), 4, static_cast<std::uint32_t>(bars[i].base.bits() >> 32));
    }
  };
  write_all(function.bars, pci::kBar0);
  if (function.sriov) write_all(function.sriov->bars, at(function.sriov->capability, kVfBarsAt));
}

void Enumerator::ask_for_wanted_bases() {
  if (!policy_.wanted_bases || failed()) return;
  const auto all = policy_.wanted_bases(host_, functions_);
  if (!all) return fail(EnumerationProblem::host_error, pcie::Sbdf(), "a function's registers do not answer");
  for (const WantedBase& wanted : *all) {
    functions_[wanted.function].bars[wanted.bar].base = wanted.base;
    fixed_.push_back(wanted);
  }
}

void Enumerator::program_windows(Space& space, bool prefetchable) {
  constexpr std::uint64_t kUnitMask = ~(kWindowUnit - 1);
  for (std::size_t i = 0; i < functions_.size() && !failed(); ++i) {
    auto& span = space.span[i];
    const auto& bridge = functions_[i];
    if (!bridge.bridge) continue;
    std::uint64_t base = 0xFFF0'0000, limit = 0;  // closed: base above limit
    if (span) {
      base = span->first().bits() & kUnitMask;
      limit = span->last().bits() | ~kUnitMask;
      span = Range<BusAddr>::between(BusAddr(base), BusAddr(limit));
    }
    const std::uint32_t both =
        static_cast<std::uint32_t>(base >> 16 & 0xFFF0) | static_cast<std::uint32_t>(limit & 0xFFF0'0000);
    write(bridge.bdf, prefetchable ? pci::kPrefetchableBase : pci::kMemoryBase, 4, both);
    if (!prefetchable) continue;
    write(bridge.bdf, pci::kPrefetchableBaseUpper, 4, static_cast<std::uint32_t>(base >> 32));
    write(bridge.bdf, pci::kPrefetchableLimitUpper, 4, static_cast<std::uint32_t>(limit >> 32));
  }
  for (std::size_t i = 0; i < functions_.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (space.span[i] && space.span[j] && functions_[i].parent == functions_[j].parent &&
          space.span[i]->overlaps(*space.span[j]))
        return fail(EnumerationProblem::windows_overlap, functions_[i].bdf,
                    "its window would overlap that of " + pcie::to_string(functions_[j].bdf));
}

void Enumerator::set_command(std::uint16_t bits) {
  for (const auto& function : functions_) write(function.bdf, pci::kCommand, 2, bits);
}

void Enumerator::enable_vfs() {
  for (const auto& function : functions_) {
    if (failed() || !function.sriov) continue;
    const auto control = at(function.sriov->capability, pci::kSriovControl);
    const std::uint32_t kept = read(function.bdf, control, 2);
    write(function.bdf, control, 2, kept | pci::kSriovControlVfEnable | pci::kSriovControlVfMemory);
  }
}

}  // namespace ladon::host::detail
