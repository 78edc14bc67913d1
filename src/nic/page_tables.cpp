#include "nic/page_tables.h"

namespace ladon::nic {

bool PageTables::set_word(std::uint16_t function, std::uint32_t word, std::uint32_t value) {
  Table& table = tables_[function];
  if (word % 2 == 0) {
    if ((table[word + 1] & kValid) != 0) return false;
    table[word] = value;
    return true;
  }
  table[word] = value & ~kValid;
  if ((value & kValid) == 0) return true;
  const std::uint32_t count = value & ~kValid;
  if (count == 0 || !is_free(table[word - 1], count)) return false;
  table[word] = value;
  return true;
}

bool PageTables::is_free(std::uint64_t first, std::uint64_t count) const {
  if (first + count > pages_) return false;
  for (const Table& table : tables_)
    for (std::uint32_t i = 0; i < kExtents; ++i) {
      const std::uint32_t other = table[2 * i + 1];
      if ((other & kValid) == 0) continue;
      const std::uint64_t start = table[2 * i], end = start + (other & ~kValid);
      if (first < end && start < first + count) return false;
    }
  return true;
}

}  // namespace ladon::nic
