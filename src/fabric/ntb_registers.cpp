// The NTB's register block: one table a side, and what reading and writing each register does.
#include <algorithm>
#include <bit>

#include "fabric/ntb.h"

namespace ladon::fabric {

namespace ntb = spec::ntb;
using ntb::Error;

namespace {

using R = Register<NtbFunction>;
using F = NtbFunction;

template <int Direction, std::uint32_t Base>
constexpr auto window_registers() {
  constexpr auto at = [](std::uint32_t offset, std::string_view name) {
    return R{.offset = Base + offset, .count = ntb::kMaxWindows, .stride = ntb::kWindowStride, .name = name};
  };
  std::array registers{at(ntb::kWindowControl, "WINDOW_CONTROL"),
                       at(ntb::kWindowOffsetLow, "WINDOW_OFFSET_LOW"),
                       at(ntb::kWindowOffsetHigh, "WINDOW_OFFSET_HIGH"),
                       at(ntb::kWindowLengthLow, "WINDOW_LENGTH_LOW"),
                       at(ntb::kWindowLengthHigh, "WINDOW_LENGTH_HIGH"),
                       at(ntb::kWindowTranslationLow, "WINDOW_TRANSLATION_LOW"),
                       at(ntb::kWindowTranslationHigh, "WINDOW_TRANSLATION_HIGH")};
  const auto set = [&](std::size_t i, auto read, auto write) {
    registers[i].read = read;
    registers[i].write = write;
  };
  set(0, &F::read_window_control<Direction>, &F::write_window_control<Direction>);
  set(1, &F::read_window_field<Direction, 0, 0>, &F::write_window_field<Direction, 0, 0>);
  set(2, &F::read_window_field<Direction, 0, 1>, &F::write_window_field<Direction, 0, 1>);
  set(3, &F::read_window_field<Direction, 1, 0>, &F::write_window_field<Direction, 1, 0>);
  set(4, &F::read_window_field<Direction, 1, 1>, &F::write_window_field<Direction, 1, 1>);
  set(5, &F::read_window_field<Direction, 2, 0>, &F::write_window_field<Direction, 2, 0>);
  set(6, &F::read_window_field<Direction, 2, 1>, &F::write_window_field<Direction, 2, 1>);
  return registers;
}

template <int Direction, std::uint32_t Base>
constexpr auto lut_registers() {
  return std::array{R{.offset = Base + ntb::kLutEntry,
                      .count = ntb::kMaxLut,
                      .stride = ntb::kLutStride,
                      .name = "LUT_ENTRY",
                      .read = &F::read_lut_entry<Direction>,
                      .write = &F::write_lut_entry<Direction>},
                    R{.offset = Base + ntb::kLutProxy,
                      .count = ntb::kMaxLut,
                      .stride = ntb::kLutStride,
                      .name = "LUT_PROXY",
                      .read = &F::read_lut_proxy<Direction>,
                      .write = &F::write_lut_proxy<Direction>}};
}

// What both sides have.
constexpr auto kShared = std::to_array<R>({
    {.offset = ntb::kId, .name = "ID", .read = &F::read_id},
    {.offset = ntb::kVersion, .name = "VERSION", .read = &F::read_version},
    {.offset = ntb::kSide, .name = "SIDE", .read = &F::read_side},
    {.offset = ntb::kPeer, .name = "PEER", .read = &F::read_peer},
    {.offset = ntb::kScratchpads,
     .count = ntb::kScratchpadCount,
     .name = "SCRATCHPAD",
     .read = &F::read_scratchpad,
     .write = &F::write_scratchpad},
    {.offset = ntb::kDoorbellPeer, .name = "DOORBELL_PEER", .write = &F::write_doorbell_peer},
    {.offset = ntb::kDoorbellStatus,
     .name = "DOORBELL_STATUS",
     .read = &F::read_doorbell_status,
     .write = &F::write_doorbell_status},
    {.offset = ntb::kDoorbellMask,
     .name = "DOORBELL_MASK",
     .read = &F::read_doorbell_mask,
     .write = &F::write_doorbell_mask},
    {.offset = ntb::kMessagesRefused, .name = "MESSAGES_REFUSED", .read = &F::read_messages_refused},
    {.offset = ntb::kMsixTable,
     .count = ntb::kVectors * 4,
     .name = "MSIX_TABLE",
     .read = &F::read_msix_table,
     .write = &F::write_msix_table},
    {.offset = ntb::kMsixPending, .count = 2, .name = "MSIX_PENDING", .read = &F::read_msix_pending},
});

constexpr auto kLinkOnly = std::to_array<R>({{.offset = ntb::kLink, .name = "LINK", .read = &F::read_link}});

constexpr auto kManagementOnly = std::to_array<R>({
    {.offset = ntb::kShape, .name = "SHAPE", .read = &F::read_shape},
    {.offset = ntb::kLimits, .name = "LIMITS", .read = &F::read_limits},
    {.offset = ntb::kLink, .name = "LINK", .read = &F::read_link, .write = &F::write_link},
    {.offset = ntb::kError, .name = "ERROR", .read = &F::read_error, .write = &F::write_error},
    {.offset = ntb::kLutMisses, .name = "LUT_MISSES", .read = &F::read_lut_misses},
    {.offset = ntb::kWindowMisses, .name = "WINDOW_MISSES", .read = &F::read_window_misses},
    {.offset = ntb::kRefusedWrites, .name = "REFUSED_WRITES", .read = &F::read_refused_writes},
});

template <std::size_t... Sizes>
constexpr auto joined(const std::array<R, Sizes>&... parts) {
  std::array<R, (Sizes + ...)> all{};
  std::size_t at = 0;
  const auto append = [&](const auto& part) {
    for (const R& r : part) all[at++] = r;
  };
  (append(parts), ...);
  return all;
}

constexpr auto kLinkRegisters =
    make_register_map<NtbFunction, ntb::kControlBarSize>(joined(kShared, kLinkOnly));
constexpr auto kManagementRegisters = make_register_map<NtbFunction, ntb::kControlBarSize>(joined(
    kShared, kManagementOnly, window_registers<0, ntb::kOutbound>(), window_registers<1, ntb::kInbound>(),
    lut_registers<0, ntb::kLutOutbound>(), lut_registers<1, ntb::kLutInbound>()));

constexpr std::uint32_t half_of(std::uint64_t value, int half) {
  return static_cast<std::uint32_t>(value >> (32 * half));
}

}  // namespace

bool NtbFunction::has_all_registers() const {
  return side_ == NtbSideName::management || ntb_.options_.mutations.link_side_programs;
}

std::uint64_t NtbFunction::register_read(std::uint8_t bar, std::uint64_t offset, unsigned width) {
  // The other BARs are windows: an access that resolve() leads to registers never has them.
  if (bar != ntb::kControlBar) return ~std::uint64_t{0} >> (64 - 8 * width);
  return split_read(offset, width, [&](std::uint64_t at) {
    return has_all_registers() ? kManagementRegisters.read(*this, at) : kLinkRegisters.read(*this, at);
  });
}

void NtbFunction::register_write(std::uint8_t bar, std::uint64_t offset, unsigned width,
                                 std::uint64_t value) {
  if (bar != ntb::kControlBar) return;
  const bool whole = split_write(offset, width, value, [&](std::uint64_t at, std::uint32_t word) {
    const RegisterAccess done = has_all_registers() ? kManagementRegisters.write(*this, at, word)
                                                    : kLinkRegisters.write(*this, at, word);
    if (done != RegisterAccess::done) ntb_.refuse_write();
  });
  if (!whole) ntb_.refuse_write();
}

std::uint32_t NtbFunction::read_shape(std::uint32_t) {
  return static_cast<std::uint32_t>(ntb_.windows_[0].size()) |
         static_cast<std::uint32_t>(ntb_.luts_[0].size()) << 8 |
         static_cast<std::uint32_t>(std::countr_zero(ntb_.options_.register_window)) << 24;
}

std::uint32_t NtbFunction::read_limits(std::uint32_t) {
  const NtbOptions& options = ntb_.options_;
  return static_cast<std::uint32_t>(std::countr_zero(options.granule)) |
         (options.size_aligned ? ntb::kLimitSizeAligned : 0) | (options.whole_bar ? ntb::kLimitWholeBar : 0) |
         (options.requester_table ? 0 : ntb::kLimitNoTable) | (options.by_device ? ntb::kLimitByDevice : 0);
}

std::uint32_t NtbFunction::read_peer(std::uint32_t) {
  return side_ == NtbSideName::management ? ntb_.index_ + 1u : 0u;
}

std::uint32_t NtbFunction::read_link(std::uint32_t) {
  return ntb_.link_up_ ? 1 : 0;
}

void NtbFunction::write_link(std::uint32_t, std::uint32_t value) {
  const bool up = (value & 1) != 0;
  if (up == ntb_.link_up_) return;
  ntb_.link_up_ = up;
  ntb_.changed();
}

std::uint32_t NtbFunction::read_error(std::uint32_t) {
  return static_cast<std::uint32_t>(ntb_.error_);
}

void NtbFunction::write_error(std::uint32_t, std::uint32_t) {
  ntb_.error_ = Error::none;
}

std::uint32_t NtbFunction::read_scratchpad(std::uint32_t index) {
  return ntb_.scratchpads_[index];
}

void NtbFunction::write_scratchpad(std::uint32_t index, std::uint32_t value) {
  ntb_.scratchpads_[index] = value;
}

std::uint32_t NtbFunction::read_lut_misses(std::uint32_t) {
  return ntb_.lut_misses_;
}
std::uint32_t NtbFunction::read_window_misses(std::uint32_t) {
  return ntb_.window_misses_;
}
std::uint32_t NtbFunction::read_refused_writes(std::uint32_t) {
  return ntb_.refused_writes_;
}

template <int Direction>
std::uint32_t NtbFunction::read_window_control(std::uint32_t index) {
  const auto& windows = ntb_.windows_[Direction];
  return index < windows.size() ? windows[index].control : 0;
}

// Enabling checks the window; an enabled window can only be disabled.
template <int Direction>
void NtbFunction::write_window_control(std::uint32_t index, std::uint32_t value) {
  constexpr std::uint32_t kKnown =
      ntb::kWindowEnable | ntb::kWindowRead | ntb::kWindowWrite | 7u << ntb::kWindowBarShift;
  auto& windows = ntb_.windows_[Direction];
  if (index >= windows.size()) return ntb_.refuse_write();
  auto& window = windows[index];
  const std::uint32_t wanted = value & kKnown;
  const bool was_enabled = window.enabled();
  if ((wanted & ntb::kWindowEnable) == 0) {
    window.control = wanted;
    if (was_enabled) ntb_.changed();
    return;
  }
  if (was_enabled) {
    if (wanted != window.control) ntb_.refuse_write();
    return;
  }
  if (const Error error = ntb_.check(Direction, index, wanted); error != Error::none) {
    ntb_.error_ = error;
    window.control = wanted & ~ntb::kWindowEnable;
    return ntb_.refuse_write();
  }
  window.control = wanted;
  ntb_.changed();
}

template <int Direction, int Field, int Half>
std::uint32_t NtbFunction::read_window_field(std::uint32_t index) {
  const auto& windows = ntb_.windows_[Direction];
  return index < windows.size() ? half_of(windows[index].fields[Field], Half) : 0;
}

template <int Direction, int Field, int Half>
void NtbFunction::write_window_field(std::uint32_t index, std::uint32_t value) {
  auto& windows = ntb_.windows_[Direction];
  if (index >= windows.size() || windows[index].enabled()) return ntb_.refuse_write();
  std::uint64_t& field = windows[index].fields[Field];
  const std::uint64_t kept = field & (std::uint64_t{0xFFFF'FFFF} << (32 * (1 - Half)));
  field = kept | static_cast<std::uint64_t>(value) << (32 * Half);
}

template <int Direction>
std::uint32_t NtbFunction::read_lut_entry(std::uint32_t index) {
  const auto& lut = ntb_.luts_[Direction];
  return index < lut.size() ? lut[index].entry : 0;
}

// One requester has one proxy and one proxy one requester, or a completion could not find its way back and
// one device would inherit what was granted to another.
template <int Direction>
void NtbFunction::write_lut_entry(std::uint32_t index, std::uint32_t value) {
  auto& lut = ntb_.luts_[Direction];
  if (index >= lut.size()) return ntb_.refuse_write();
  auto& entry = lut[index];
  const std::uint32_t wanted = value & (ntb::kLutValid | 0xFFFF);
  const bool was_valid = entry.valid();
  if ((wanted & ntb::kLutValid) == 0) {
    entry.entry = wanted;
    if (was_valid) ntb_.changed();
    return;
  }
  if (was_valid) {
    if (wanted != entry.entry) ntb_.refuse_write();
    return;
  }
  const bool taken =
      !ntb_.options_.mutations.unchecked && std::any_of(lut.begin(), lut.end(), [&](const auto& other) {
        return other.valid() && (other.entry == wanted || other.proxy == entry.proxy);
      });
  if (taken) {
    ntb_.error_ = Error::duplicate;
    return ntb_.refuse_write();
  }
  entry.entry = wanted;
  ntb_.changed();
}

template <int Direction>
std::uint32_t NtbFunction::read_lut_proxy(std::uint32_t index) {
  const auto& lut = ntb_.luts_[Direction];
  return index < lut.size() ? lut[index].proxy : 0;
}

template <int Direction>
void NtbFunction::write_lut_proxy(std::uint32_t index, std::uint32_t value) {
  auto& lut = ntb_.luts_[Direction];
  if (index >= lut.size() || lut[index].valid()) return ntb_.refuse_write();
  lut[index].proxy = static_cast<std::uint8_t>(value);
}

}  // namespace ladon::fabric
