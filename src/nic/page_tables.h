// The device's page translation tables: which pages of packet memory are behind each function's partition, as
// extents. The management software writes them (spec/pf.h, kPageTables) and the function's owner can read its
// own (spec/ixgbevf.h, kPageTable), but not write it. The device keeps them apart: a page is never in two
// tables.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "spec/ixgbevf.h"

namespace ladon::nic {

class PageTables {
 public:
  static constexpr std::uint32_t kExtents = spec::ixgbevf::kPageExtents;
  static constexpr std::uint32_t kValid = spec::ixgbevf::kPageValid;

  PageTables(std::uint64_t pool_bytes, std::uint16_t functions)
      : pages_(pool_bytes / spec::ixgbevf::kPageBytes), tables_(functions) {}

  // Words as they are in the registers: of extent i the first page at 2 i, how many and whether valid at 2 i
  // + 1.
  [[nodiscard]] std::uint32_t word(std::uint16_t function, std::uint32_t word) const {
    return tables_[function][word];
  }
  // False if that would make an extent valid that is not all within the pool, or is partly another's or in
  // the table already: the word is then written without its valid bit. A valid extent's first page cannot be
  // changed.
  bool set_word(std::uint16_t function, std::uint32_t word, std::uint32_t value);
  void clear(std::uint16_t function) { tables_[function].fill(0); }

 private:
  using Table = std::array<std::uint32_t, std::size_t{2} * kExtents>;
  [[nodiscard]] bool is_free(std::uint64_t first, std::uint64_t count) const;

  std::uint64_t pages_;
  std::vector<Table> tables_;
};

}  // namespace ladon::nic
