// Interrupt remapping: a device's write to 0xFEExxxxx names an entry of this table, and only the entry says
// which interrupt that is and who may raise it. Intel VT-d specification 3.x: 5.1.2.2 (remappable format),
// 5.1.3 (look-up and source validation), 5.1.5 (programming of MSI), 7.1.1 (fault reasons).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "iommu/translation_table.h"
#include "pcie/id.h"

namespace ladon::iommu {

// Where in every domain a device's write of four bytes is an interrupt (Intel SDM 3A, 11.11).
inline constexpr std::uint64_t kInterruptFirst = 0xFEE0'0000, kInterruptLast = 0xFEEF'FFFF;
[[nodiscard]] constexpr bool is_interrupt_address(std::uint64_t address) {
  return kInterruptFirst <= address && address <= kInterruptLast;
}

enum class InterruptMode : std::uint8_t {
  checked,    // remapping with source validation
  unchecked,  // remapping: the entry's interrupt, whoever sent it
  off,        // compatibility format: any write becomes the interrupt its bits say
};

enum class InterruptReason : std::uint8_t {
  not_four_bytes,  // a write of another length or across a boundary
  compatibility,   // bit 4 clear: blocked (fault reason 25h)
  reserved_bits,   // data [31:16] (20h)
  beyond_table,    // index past the table's end (21h)
  not_present,     // (22h)
  wrong_source,    // the requester is not the entry's (26h)
  count_
};
[[nodiscard]] std::string_view name(InterruptReason reason);

struct Irte {
  bool present = false;
  std::uint32_t vector = 0;  // of the host, as its software numbers them
  pcie::Bdf source;          // SVT = 01b, SQ = 00b: all 16 bits must match SID
};

// What a device must write to raise an interrupt.
struct Message {
  std::uint32_t address = 0, data = 0;
  bool operator==(const Message&) const = default;
};

struct InterruptTable {
  InterruptMode mode = InterruptMode::checked;
  std::vector<Irte> entries;

  // The host's vector; with `off` it is destination << 8 | vector, from address [19:12] and data [7:0].
  [[nodiscard]] std::expected<std::uint32_t, InterruptReason> lookup(pcie::Bdf rid, std::uint64_t address,
                                                                     std::uint32_t length,
                                                                     std::uint32_t data) const;
};

// The table's owner: gives (requester, vector) pairs an entry each.
class InterruptRemapper {
 public:
  InterruptRemapper(InterruptMode mode, std::uint32_t max_entries);

  // The message with which `rid` raises `vector`; the same pair twice has the same message. With mode off the
  // vector must fit 16 bits (`limit`).
  [[nodiscard]] std::expected<Message, TableError> route(pcie::Bdf rid, std::uint32_t vector);
  [[nodiscard]] std::expected<void, TableError> unroute(pcie::Bdf rid, std::uint32_t vector);
  [[nodiscard]] std::shared_ptr<const InterruptTable> table() const { return table_; }

 private:
  [[nodiscard]] Message message(std::size_t index) const;
  std::uint32_t max_entries_;
  std::shared_ptr<const InterruptTable> table_;
};

}  // namespace ladon::iommu
