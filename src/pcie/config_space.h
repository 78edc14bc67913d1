// A function's configuration space: 4096 bytes, of which masks say what software may change. PCI Local
// Bus 3.0 chapter 6 and PCIe Base Specification 6.0 chapter 7. Capabilities are appended in the order in
// which they are added.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "pcie/function.h"
#include "pcie/id.h"

namespace ladon::pcie {

struct Identity {
  std::uint16_t vendor = 0, device = 0, subsystem_vendor = 0, subsystem = 0;
  std::uint32_t class_code = 0;  // 24 bits
  std::uint8_t revision = 0;
};

enum class BarKind : std::uint8_t { memory32, memory64, memory64_prefetchable };

struct BarShape {
  std::uint64_t size = 0;  // bytes, 0 if absent
  BarKind kind{};
};

struct MsixShape {
  std::uint16_t vectors = 1;  // 1..2048
  std::uint8_t table_bar = 0;
  std::uint32_t table_offset = 0;
  std::uint8_t pba_bar = 0;
  std::uint32_t pba_offset = 0;
};

struct SriovShape {
  std::uint16_t total_vfs = 0, first_offset = 0, stride = 0, vf_device = 0;
  // Size of one VF's BAR 0..5, 0 if absent; each a power of two of at least 4 KiB; 64-bit prefetchable.
  std::array<std::uint64_t, 6> vf_bar_sizes{};
};

enum class PortType : std::uint8_t { endpoint = 0, root_port = 4, upstream = 5, downstream = 6 };

class ConfigSpace {
 public:
  // A type 0 header (endpoint).
  [[nodiscard]] static ConfigSpace endpoint(const Identity& identity);
  // A type 1 header (bridge): bus numbers, memory and prefetchable windows.
  [[nodiscard]] static ConfigSpace bridge(const Identity& identity);
  // A virtual function's own space: vendor and device read as FFFFh, BARs are zero (SR-IOV 1.1, 3.4.1).
  [[nodiscard]] static ConfigSpace virtual_function(const Identity& identity);

  // Function 0 of a device that has others (PCI Local Bus 3.0, 6.2.1).
  void set_multi_function();
  // `size` a power of two, at least 4 KiB; a 64-bit BAR takes `index` and `index` + 1.
  void add_bar(unsigned index, BarKind kind, std::uint64_t size);
  std::uint16_t add_express(PortType type, bool flr);
  std::uint16_t add_msix(const MsixShape& shape);
  std::uint16_t add_aer();
  std::uint16_t add_acs();
  std::uint16_t add_ari(std::uint8_t next_function = 0);
  std::uint16_t add_sriov(const SriovShape& shape);
  std::uint16_t add_serial_number(std::uint64_t serial);

  [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned width) const;
  // Changes only what the masks allow; write-1-to-clear bits clear. True if any stored bit changed.
  bool write(std::uint16_t offset, unsigned width, std::uint32_t value);
  // The device's own side: no masks.
  void set(std::uint16_t offset, unsigned width, std::uint32_t value);
  // Back to the values it was built with.
  void reset();

  // Offset of a capability by its id; nullopt if absent.
  [[nodiscard]] std::optional<std::uint16_t> capability(std::uint8_t id) const;
  [[nodiscard]] std::optional<std::uint16_t> extended_capability(std::uint16_t id) const;

  [[nodiscard]] bool memory_enabled() const;
  [[nodiscard]] bool bus_master() const;
  // The ranges of this function's own BARs; empty while memory decoding is off or a BAR is unassigned (zero).
  [[nodiscard]] std::vector<BarRange> decoded() const;
  // Function-level reset was asked for by the last write (PCIe device control bit 15, reads as zero).
  [[nodiscard]] bool take_flr_request();

  struct Sriov {
    bool enabled = false, memory_enabled = false, ari_hierarchy = false;
    std::uint16_t vfs = 0, first_offset = 0, stride = 0;
    std::array<std::optional<BusAddr>, 6> vf_bars{};  // base of VF 0's BAR
    std::array<std::uint64_t, 6> vf_bar_sizes{};
  };
  [[nodiscard]] std::optional<Sriov> sriov() const;

  struct BridgeWindows {  // type 1 header, as programmed
    std::uint8_t primary = 0, secondary = 0, subordinate = 0;
    std::optional<Range<BusAddr>> memory,
        prefetchable;  // nullopt while closed (limit below base) or disabled
  };
  [[nodiscard]] BridgeWindows bridge_windows() const;

  struct Acs {
    bool source_validation = false, translation_blocking = false, request_redirect = false,
         completion_redirect = false, upstream_forwarding = false;
  };
  // As enabled in the ACS control register; all false without the capability.
  [[nodiscard]] Acs acs() const;

 private:
  // The header's fields that both layouts share.
  static ConfigSpace header(const Identity& identity, std::uint8_t layout);
  // A value that reset() comes back to.
  void initial(std::uint16_t offset, unsigned width, std::uint32_t value);
  std::uint16_t append_capability(std::uint8_t id, std::uint16_t length);
  std::uint16_t append_extended(std::uint16_t id, std::uint8_t version, std::uint16_t length);
  void writable(std::uint16_t offset, unsigned width, std::uint32_t mask);
  void write_one_clears(std::uint16_t offset, unsigned width, std::uint32_t mask);
  [[nodiscard]] bool is_virtual() const { return read(0, 2) == 0xFFFF; }
  [[nodiscard]] bool is_frozen(std::uint16_t offset) const;
  void check_vf_count(std::uint16_t before);
  [[nodiscard]] std::optional<BusAddr> bar_base(std::uint16_t offset, const BarShape& bar) const;

  std::array<std::uint8_t, 4096> bytes_{}, writable_{}, w1c_{}, reset_{};
  std::array<BarShape, 6> bars_{};
  std::array<BarShape, 6> vf_bars_{};
  std::uint16_t last_capability_ = 0, next_capability_ = 0x40;
  std::uint16_t last_extended_ = 0, next_extended_ = 0x100;
  bool flr_requested_ = false;
};

}  // namespace ladon::pcie
