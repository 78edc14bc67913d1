// A register block as one declarative table: offset, how many, stride, name, and what a read and a write do.
// The table is checked when it is built - in a constexpr context, at compile time: registers are aligned,
// inside the block and never overlap. Dispatch is one array look-up.
//
//   constexpr auto kRegisters = make_register_map<Timer, 0x100>(std::to_array<Register<Timer>>({
//       {.offset = 0x00, .name = "CTRL", .read = &Timer::read_ctrl, .write = &Timer::write_ctrl},
//       {.offset = 0x40, .count = 8, .stride = 4, .name = "MATCH", .read = &Timer::read_match},   //
//       read-only
//   }));
//   kRegisters.read(timer, offset)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

namespace ladon {

template <class Device>
struct Register {
  std::uint32_t offset = 0;  // of the first, in bytes
  std::uint32_t count = 1;
  std::uint32_t stride = 4;  // bytes from one to the next
  std::string_view name;
  // Null: reads as zero. `index` counts from 0 to count - 1.
  std::uint32_t (Device::*read)(std::uint32_t index) = nullptr;
  // Null: read-only, a write changes nothing.
  void (Device::*write)(std::uint32_t index, std::uint32_t value) = nullptr;
};

enum class RegisterAccess { done, no_register, read_only };

// `Size` is the block's length in bytes; registers are 32 bits wide.
template <class Device, std::size_t N, std::size_t Size>
class RegisterMap {
 public:
  explicit consteval RegisterMap(const std::array<Register<Device>, N>& registers) : registers_(registers) {
    static_assert(N < 0xFFFF && Size % 4 == 0);
    for (std::size_t entry = 0; entry < N; ++entry) {
      const auto& r = registers_[entry];
      if (r.offset % 4 != 0 || r.stride % 4 != 0 || r.count == 0)
        throw std::logic_error("unaligned register");
      for (std::uint32_t i = 0; i < r.count; ++i) {
        const std::size_t word = (r.offset + i * r.stride) / 4;
        if (word >= Size / 4) throw std::logic_error("register outside the block");
        if (slots_[word].entry != 0) throw std::logic_error("registers overlap");
        slots_[word] = {static_cast<std::uint16_t>(entry + 1), static_cast<std::uint16_t>(i)};
      }
    }
  }

  // `offset` is any multiple of 4; all-zero where no register is.
  [[nodiscard]] std::uint32_t read(Device& device, std::uint64_t offset) const {
    const Slot slot = at(offset);
    if (slot.entry == 0) return 0;
    const auto& r = registers_[slot.entry - 1u];
    return r.read == nullptr ? 0 : (device.*r.read)(slot.index);
  }

  RegisterAccess write(Device& device, std::uint64_t offset, std::uint32_t value) const {
    const Slot slot = at(offset);
    if (slot.entry == 0) return RegisterAccess::no_register;
    const auto& r = registers_[slot.entry - 1u];
    if (r.write == nullptr) return RegisterAccess::read_only;
    (device.*r.write)(slot.index, value);
    return RegisterAccess::done;
  }

  // The register at `offset`, empty if there is none: for logs and traces.
  [[nodiscard]] std::string_view name(std::uint64_t offset) const {
    const Slot slot = at(offset);
    return slot.entry == 0 ? std::string_view{} : registers_[slot.entry - 1u].name;
  }

 private:
  struct Slot {
    std::uint16_t entry = 0;  // 1-based; 0: no register
    std::uint16_t index = 0;
  };
  [[nodiscard]] constexpr Slot at(std::uint64_t offset) const {
    return offset < Size ? slots_[offset / 4] : Slot{};
  }

  std::array<Register<Device>, N> registers_;
  std::array<Slot, Size / 4> slots_{};
};

template <class Device, std::size_t Size, std::size_t N>
consteval RegisterMap<Device, N, Size> make_register_map(const std::array<Register<Device>, N>& registers) {
  return RegisterMap<Device, N, Size>(registers);
}

// One splitter for accesses of 1, 2, 4 and 8 bytes: `read32` sees whole, aligned registers only. An access
// may not cross an 8-byte boundary; the caller has checked that.
template <class Read32>
[[nodiscard]] std::uint64_t split_read(std::uint64_t offset, unsigned width, Read32 read32) {
  const std::uint64_t word = offset & ~std::uint64_t{3};
  std::uint64_t value = read32(word);
  if ((offset & 3) + width > 4) value |= static_cast<std::uint64_t>(read32(word + 4)) << 32;
  value >>= 8 * (offset & 3);
  return width == 8 ? value : value & ((std::uint64_t{1} << (8 * width)) - 1);
}

// As above for writes. A write narrower than a register is refused (false): none of our registers takes byte
// enables.
template <class Write32>
[[nodiscard]] bool split_write(std::uint64_t offset, unsigned width, std::uint64_t value, Write32 write32) {
  if (offset % 4 != 0 || width < 4) return false;
  write32(offset, static_cast<std::uint32_t>(value));
  if (width == 8) write32(offset + 4, static_cast<std::uint32_t>(value >> 32));
  return true;
}

}  // namespace ladon
