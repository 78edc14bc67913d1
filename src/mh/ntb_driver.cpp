#include "mh/ntb_driver.h"

#include <array>

#include "spec/ntb.h"

namespace ladon::mh {

namespace ntb = spec::ntb;

namespace {

std::uint32_t low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}
std::uint32_t high(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}

std::uint32_t control_of(const Window& window) {
  std::uint32_t bits = ntb::kWindowEnable | std::uint32_t{window.bar} << ntb::kWindowBarShift;
  if (window.access.allows(pcie::Access::read)) bits |= ntb::kWindowRead;
  if (window.access.allows(pcie::Access::write)) bits |= ntb::kWindowWrite;
  return bits;
}

pcie::AccessSet access_of(std::uint32_t control) {
  const unsigned read = (control & ntb::kWindowRead) != 0 ? 1 : 0;
  const unsigned write = (control & ntb::kWindowWrite) != 0 ? 2 : 0;
  return {static_cast<std::uint8_t>(read | write)};
}

std::string_view reason(std::uint32_t error) {
  constexpr std::array<std::string_view, 7> kNames{
      "no reason given",         "no such BAR", "unaligned", "empty", "outside the BAR",
      "overlaps another window", "wraps"};
  return error < kNames.size() ? kNames[error] : "unknown reason";
}

}  // namespace

// The control BAR is 64 KiB and was placed by enumeration: no sum here wraps.
BusAddr NtbDriver::window_at(Direction direction, std::uint16_t index) const {
  const std::uint32_t bank = direction == Direction::outbound ? ntb::kOutbound : ntb::kInbound;
  return BusAddr(ntb_.control.bits() + bank + index * ntb::kWindowStride);
}
BusAddr NtbDriver::lut_at(Direction direction, std::uint16_t index) const {
  const std::uint32_t bank = direction == Direction::outbound ? ntb::kLutOutbound : ntb::kLutInbound;
  return BusAddr(ntb_.control.bits() + bank + index * ntb::kLutStride);
}

std::expected<std::uint32_t, DriverError> NtbDriver::load(BusAddr at) {
  const auto value = host_.load32(at);
  if (!value)
    return std::unexpected(DriverError{"NTB " + pcie::to_string(ntb_.bdf) +
                                       ": a register does not answer: " + std::string(name(value.error()))});
  return *value;
}
Done NtbDriver::store(BusAddr at, std::uint32_t value) {
  if (const auto done = host_.store32(at, value); !done)
    return std::unexpected(
        DriverError{"NTB " + pcie::to_string(ntb_.bdf) +
                    ": a register does not take a value: " + std::string(name(done.error()))});
  return {};
}

std::expected<std::optional<Window>, DriverError> NtbDriver::window(Direction direction,
                                                                    std::uint16_t index) {
  const BusAddr at = window_at(direction, index);
  std::array<std::uint32_t, 7> words{};
  for (std::uint32_t i = 0; i < words.size(); ++i) {
    const auto value = load(BusAddr(at.bits() + 4 * i));
    if (!value) return std::unexpected(value.error());
    words[i] = *value;
  }
  if ((words[0] & ntb::kWindowEnable) == 0) return std::nullopt;
  const auto wide = [&](std::size_t i) { return words[i] | static_cast<std::uint64_t>(words[i + 1]) << 32; };
  return Window{static_cast<std::uint8_t>(words[0] >> ntb::kWindowBarShift & 7), wide(1), wide(3),
                BusAddr(wide(5)), access_of(words[0])};
}

Done NtbDriver::open_window(Direction direction, std::uint16_t index, const Window& window) {
  const auto now = this->window(direction, index);
  if (!now) return std::unexpected(now.error());
  if (*now == window) return {};
  if (*now)
    if (auto closed = close_window(direction, index); !closed) return closed;
  const BusAddr at = window_at(direction, index);
  // The enable bit comes last, when everything that it opens is in place.
  const std::pair<std::uint32_t, std::uint32_t> writes[] = {
      {ntb::kWindowOffsetLow, low(window.offset)},
      {ntb::kWindowOffsetHigh, high(window.offset)},
      {ntb::kWindowLengthLow, low(window.length)},
      {ntb::kWindowLengthHigh, high(window.length)},
      {ntb::kWindowTranslationLow, low(window.to.bits())},
      {ntb::kWindowTranslationHigh, high(window.to.bits())},
      {ntb::kWindowControl, control_of(window)}};
  for (const auto& [offset, value] : writes)
    if (auto stored = store(BusAddr(at.bits() + offset), value); !stored) return stored;
  const auto control = load(at);
  if (!control) return std::unexpected(control.error());
  if ((*control & ntb::kWindowEnable) != 0) return {};
  const auto error = load(BusAddr(ntb_.control.bits() + ntb::kError));
  return std::unexpected(DriverError{"NTB " + pcie::to_string(ntb_.bdf) + ": window " +
                                     std::to_string(index) +
                                     " was refused: " + std::string(reason(error.value_or(0)))});
}

Done NtbDriver::close_window(Direction direction, std::uint16_t index) {
  return store(window_at(direction, index), 0);
}

std::expected<std::optional<LutEntry>, DriverError> NtbDriver::lut(Direction direction, std::uint16_t index) {
  const BusAddr at = lut_at(direction, index);
  const auto entry = load(at);
  const auto proxy = load(BusAddr(at.bits() + ntb::kLutProxy));
  if (!entry) return std::unexpected(entry.error());
  if (!proxy) return std::unexpected(proxy.error());
  if ((*entry & ntb::kLutValid) == 0) return std::nullopt;
  return LutEntry{pcie::Bdf(static_cast<std::uint16_t>(*entry)), static_cast<std::uint8_t>(*proxy)};
}

Done NtbDriver::set_lut(Direction direction, std::uint16_t index, const LutEntry& entry) {
  const auto now = lut(direction, index);
  if (!now) return std::unexpected(now.error());
  if (*now == entry) return {};
  if (*now)
    if (auto cleared = clear_lut(direction, index); !cleared) return cleared;
  const BusAddr at = lut_at(direction, index);
  if (auto stored = store(BusAddr(at.bits() + ntb::kLutProxy), entry.proxy); !stored) return stored;
  if (auto stored = store(at, ntb::kLutValid | entry.rid.bits); !stored) return stored;
  const auto after = lut(direction, index);
  if (!after) return std::unexpected(after.error());
  if (*after == entry) return {};
  return std::unexpected(DriverError{"NTB " + pcie::to_string(ntb_.bdf) + ": look-up entry " +
                                     std::to_string(index) + " was refused"});
}

Done NtbDriver::clear_lut(Direction direction, std::uint16_t index) {
  return store(lut_at(direction, index), 0);
}

Done NtbDriver::set_link(bool up) {
  return store(BusAddr(ntb_.control.bits() + ntb::kLink), up ? 1 : 0);
}

}  // namespace ladon::mh
