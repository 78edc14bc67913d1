// One function's configuration space as any of its owners sees it, and which of its bits a write may ever
// change: from the specifications' lists, by walking the capabilities that it shows. PCI Local Bus 3.0
// chapter 6, PCIe 6.0 chapter 7, SR-IOV 1.1 chapter 3.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace ladon::fuzz::config {

using Read = std::function<std::uint32_t(std::uint16_t offset, unsigned width)>;

// Where anything but zero lies in these models' spaces, and all of it.
inline constexpr std::uint16_t kInUse = 0x200, kSize = 0x1000;

class Space {
 public:
  // Looks at the space as it is now: nothing has been written to it that a mask depends on.
  explicit Space(Read read);

  // What the space holds now, up to `end`.
  [[nodiscard]] std::vector<std::uint32_t> words(std::uint16_t end = kInUse) const;
  // Since it was built only what may change has changed, and both lists of capabilities are as they were;
  // `before`: what words() said before the last write. Bits that are cleared by writing 1 are never set here,
  // since nothing goes wrong.
  void check(const std::vector<std::uint32_t>& before, const std::vector<std::uint32_t>& now) const;
  [[nodiscard]] bool has_sriov() const { return sriov_ != 0; }
  [[nodiscard]] const Read& read() const { return read_; }

 private:
  struct Capability {
    std::uint16_t id = 0, at = 0;
    bool operator==(const Capability&) const = default;
  };
  [[nodiscard]] std::vector<Capability> walk() const;
  void allow(std::uint16_t at, std::uint32_t bits);
  void allow_header();
  void allow_capability(const Capability& capability);
  void allow_extended(const Capability& capability);
  void check_sriov(const std::vector<std::uint32_t>& before, const std::vector<std::uint32_t>& now) const;
  void allow_bars(std::uint16_t first, std::uint16_t end);

  Read read_;
  std::array<std::uint32_t, 1024> mask_{};
  std::vector<std::uint32_t> built_;
  std::vector<Capability> capabilities_;
  std::uint16_t sriov_ = 0;
};

}  // namespace ladon::fuzz::config
