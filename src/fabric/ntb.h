// A non-transparent bridge: registers, configuration space and interrupts of its two sides. What it
// translates is decided by resolve(), which reads the table that this makes of them. Registers: spec/ntb.h.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/register_map.h"
#include "fabric/fabric.h"
#include "fabric/tables.h"
#include "pcie/config_space.h"
#include "pcie/function.h"
#include "pcie/msix.h"
#include "spec/ntb.h"

namespace ladon::fabric {

enum class NtbSideName : std::uint8_t { management = 0, link = 1 };

// Whom an NTB tells what happened; the fabric that owns it.
class NtbOwner {
 public:
  virtual ~NtbOwner() = default;
  virtual void ntb_changed(std::uint16_t ntb) = 0;
  // `from` writes `data` to `address` in its domain. It is only queued: the fabric must not be entered from
  // within an access to a register. False if it is lost, because too much of that side waits already.
  virtual bool emit(const FunctionId& from, Iova address, std::uint32_t data) = 0;
};

class Ntb;

// One side's function. The register block is the same on both sides, but the link side has only its
// identification, doorbell, scratchpad and MSI-X registers in it.
class NtbFunction final : public pcie::Function, private pcie::MsiPort {
 public:
  NtbFunction(Ntb& ntb, NtbSideName side, const NtbOptions& options);

  [[nodiscard]] std::uint32_t config_read(std::uint16_t offset, unsigned width) override;
  void config_write(std::uint16_t offset, unsigned width, std::uint32_t value) override;
  [[nodiscard]] std::vector<pcie::BarRange> decoded() const override { return space_.decoded(); }
  [[nodiscard]] bool bus_master() const override { return space_.bus_master(); }
  // A message of this side was refused on its way, or lost.
  void count_refused() { ++messages_refused_; }
  // The doorbell's state, MSI-X or bus mastering has changed: sends the message, or takes a pending one back.
  void update_interrupt();

  [[nodiscard]] std::uint64_t register_read(std::uint8_t bar, std::uint64_t offset, unsigned width) override;
  void register_write(std::uint8_t bar, std::uint64_t offset, unsigned width, std::uint64_t value) override;

  // Register handlers, named by the tables in ntb_registers.cpp.
  std::uint32_t read_id(std::uint32_t) { return spec::ntb::kMagic; }
  std::uint32_t read_version(std::uint32_t) { return 1; }
  std::uint32_t read_side(std::uint32_t) { return static_cast<std::uint32_t>(side_); }
  std::uint32_t read_shape(std::uint32_t);
  std::uint32_t read_limits(std::uint32_t);
  std::uint32_t read_peer(std::uint32_t);
  std::uint32_t read_link(std::uint32_t);
  void write_link(std::uint32_t, std::uint32_t value);
  std::uint32_t read_error(std::uint32_t);
  void write_error(std::uint32_t, std::uint32_t);
  std::uint32_t read_scratchpad(std::uint32_t index);
  void write_scratchpad(std::uint32_t index, std::uint32_t value);
  void write_doorbell_peer(std::uint32_t, std::uint32_t value);
  std::uint32_t read_doorbell_status(std::uint32_t);
  void write_doorbell_status(std::uint32_t, std::uint32_t value);
  std::uint32_t read_doorbell_mask(std::uint32_t);
  void write_doorbell_mask(std::uint32_t, std::uint32_t value);
  std::uint32_t read_messages_refused(std::uint32_t) { return messages_refused_; }
  std::uint32_t read_msix_table(std::uint32_t index) { return msix_.read_table(4 * std::uint64_t{index}); }
  void write_msix_table(std::uint32_t index, std::uint32_t value);
  std::uint32_t read_msix_pending(std::uint32_t index) {
    return msix_.read_pending(4 * std::uint64_t{index});
  }
  std::uint32_t read_lut_misses(std::uint32_t);
  std::uint32_t read_window_misses(std::uint32_t);
  std::uint32_t read_refused_writes(std::uint32_t);
  // Windows and LUTs, by direction (0 outbound, 1 inbound).
  template <int Direction>
  std::uint32_t read_window_control(std::uint32_t index);
  template <int Direction>
  void write_window_control(std::uint32_t index, std::uint32_t value);
  // Field: 0 offset, 1 length, 2 translation; Half: 0 low, 1 high.
  template <int Direction, int Field, int Half>
  std::uint32_t read_window_field(std::uint32_t index);
  template <int Direction, int Field, int Half>
  void write_window_field(std::uint32_t index, std::uint32_t value);
  template <int Direction>
  std::uint32_t read_lut_entry(std::uint32_t index);
  template <int Direction>
  void write_lut_entry(std::uint32_t index, std::uint32_t value);
  template <int Direction>
  std::uint32_t read_lut_proxy(std::uint32_t index);
  template <int Direction>
  void write_lut_proxy(std::uint32_t index, std::uint32_t value);

 private:
  [[nodiscard]] bool has_all_registers() const;
  pcie::DmaStatus send_msi(Iova address, std::uint32_t data) override;

  Ntb& ntb_;
  NtbSideName side_;
  pcie::ConfigSpace space_;
  pcie::MsixTable msix_{spec::ntb::kVectors};
  bool signalled_ = false;  // the doorbell rings and its message is sent or pending
  std::uint32_t messages_refused_ = 0;
};

class Ntb {
 public:
  // `index` counts from 0; the NTB leads to domain index + 1. `owner` outlives it.
  Ntb(const NtbOptions& options, std::uint16_t index, NtbOwner& owner);
  Ntb(const Ntb&) = delete;
  Ntb& operator=(const Ntb&) = delete;

  [[nodiscard]] NtbFunction& function(NtbSideName side) {
    return side == NtbSideName::management ? management_ : link_;
  }
  // The downstream port above its management side is given.
  [[nodiscard]] NtbTable table(pcie::HostSegment segment, std::uint16_t port) const;

  void count_lut_miss() { ++lut_misses_; }
  void count_window_miss() { ++window_misses_; }

 private:
  friend class NtbFunction;
  struct Window {
    std::uint32_t control = 0;
    std::array<std::uint64_t, 3> fields{};  // offset, length, translation
    [[nodiscard]] bool enabled() const { return (control & spec::ntb::kWindowEnable) != 0; }
    [[nodiscard]] std::uint8_t bar() const {
      return static_cast<std::uint8_t>((control >> spec::ntb::kWindowBarShift) & 7);
    }
  };
  struct Lut {
    std::uint32_t entry = 0;
    std::uint8_t proxy = 0;
    [[nodiscard]] bool valid() const { return (entry & spec::ntb::kLutValid) != 0; }
    [[nodiscard]] pcie::Bdf rid() const { return pcie::Bdf(static_cast<std::uint16_t>(entry)); }
  };
  struct Side {
    std::uint32_t doorbell = 0, mask = ~std::uint32_t{0};
    [[nodiscard]] bool ringing() const { return (doorbell & ~mask) != 0; }
  };

  // Would this window, with `control`, be good?
  [[nodiscard]] spec::ntb::Error check(int direction, std::size_t index, std::uint32_t control) const;
  [[nodiscard]] std::uint64_t bar_size(int direction, std::uint8_t bar) const;
  [[nodiscard]] NtbSideTable side_table(const NtbFunction& function, int direction) const;
  void refuse_write() { ++refused_writes_; }
  void changed() { owner_.ntb_changed(index_); }
  void set_doorbell(NtbSideName side, std::uint32_t bits, std::uint32_t mask);

  NtbOptions options_;
  std::uint16_t index_;
  NtbOwner& owner_;
  std::array<std::vector<Window>, 2> windows_;
  std::array<std::vector<Lut>, 2> luts_;
  std::array<Side, 2> sides_;
  std::array<std::uint32_t, spec::ntb::kScratchpadCount> scratchpads_{};
  bool link_up_ = false;
  spec::ntb::Error error_ = spec::ntb::Error::none;
  std::uint32_t lut_misses_ = 0, window_misses_ = 0, refused_writes_ = 0;
  NtbFunction management_, link_;
};

}  // namespace ladon::fabric
