// A virtual function's receive-side scaling: key, redirection table and the choice of a queue. X550 Datasheet
// 9 (VFMRQC, VFRSSRK, VFRETA): 40 bytes of key, 64 entries of which this device uses one bit.
#pragma once

#include <array>
#include <cstdint>

#include "nic/offload/rss.h"

namespace ladon::nic {

class Rss {
 public:
  [[nodiscard]] bool enabled() const { return (types_ & offload::kRssEnable) != 0; }
  [[nodiscard]] offload::RssHash hash(const offload::FrameHeaders& headers, ConstBytes snapshot);
  [[nodiscard]] unsigned queue(std::uint32_t hash) const { return table_[hash % table_.size()] & 1; }
  void reset() { *this = Rss{}; }

  // Registers: four bytes of key or table each.
  [[nodiscard]] std::uint32_t types() const { return types_; }
  void set_types(std::uint32_t value) { types_ = value; }
  [[nodiscard]] std::uint32_t key_word(std::uint32_t index) const;
  void set_key_word(std::uint32_t index, std::uint32_t value);
  [[nodiscard]] std::uint32_t table_word(std::uint32_t index) const;
  void set_table_word(std::uint32_t index, std::uint32_t value);

 private:
  std::uint32_t types_ = 0;
  std::array<std::uint8_t, offload::kRssKeyBytes> key_{};
  std::array<std::uint8_t, 64> table_{};
  offload::ToeplitzKey prepared_;
  bool stale_ = false;  // key_ has changed since prepared_ was made: a driver writes it word by word
};

}  // namespace ladon::nic
