#include "nic/rss.h"

namespace ladon::nic {

namespace {

template <class Bytes>
std::uint32_t load_word(const Bytes& bytes, std::uint32_t index) {
  std::uint32_t value = 0;
  for (std::uint32_t i = 4; i-- > 0;) value = value << 8 | bytes[4 * index + i];
  return value;
}

template <class Bytes>
void store_word(Bytes& bytes, std::uint32_t index, std::uint32_t value) {
  for (std::uint32_t i = 0; i < 4; ++i) bytes[4 * index + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace

offload::RssHash Rss::hash(const offload::FrameHeaders& headers, ConstBytes snapshot) {
  if (stale_) {
    prepared_ = offload::ToeplitzKey(key_);
    stale_ = false;
  }
  return offload::rss_hash(prepared_, types_, headers, snapshot);
}

std::uint32_t Rss::key_word(std::uint32_t index) const {
  return load_word(key_, index);
}

void Rss::set_key_word(std::uint32_t index, std::uint32_t value) {
  store_word(key_, index, value);
  stale_ = true;
}

std::uint32_t Rss::table_word(std::uint32_t index) const {
  return load_word(table_, index);
}

void Rss::set_table_word(std::uint32_t index, std::uint32_t value) {
  store_word(table_, index, value);
}

}  // namespace ladon::nic
