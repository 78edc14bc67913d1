#include "nic/frame.h"

#include <algorithm>

namespace ladon::nic {

void copy_part(const Frame& frame, std::uint32_t offset, std::uint32_t length, std::byte* to) {
  const auto take = [&](ConstBytes piece) {
    if (offset >= piece.size()) {
      offset -= static_cast<std::uint32_t>(piece.size());
      return;
    }
    const auto n = std::min<std::size_t>(piece.size() - offset, length);
    std::memcpy(to, piece.data() + offset, n);
    to += n;
    length -= static_cast<std::uint32_t>(n);
    offset = 0;
  };
  take(frame.head);
  for (std::size_t i = 0; i < frame.rest.size() && length != 0; ++i) take(frame.rest[i]);
}

void insert_tag(const Frame& frame, std::byte* to) {
  constexpr std::size_t kAddresses = 12;
  std::memcpy(to, frame.head.data(), kAddresses);
  store_be(to + kAddresses, static_cast<std::uint16_t>(offload::Ethertype::vlan));
  store_be(to + kAddresses + 2, frame.tag);
  std::memcpy(to + kAddresses + offload::kVlanTag, frame.head.data() + kAddresses,
              frame.head.size() - kAddresses);
}

ConstBytes FrameSource::stage(const Frame& frame) {
  std::byte* at = staging_.get() + used_;
  copy_whole(frame, at);
  used_ += frame.length;
  high_water_ = std::max(high_water_, used_);
  return {at, frame.length};
}

void FrameSource::scrub() {
  std::memset(staging_.get(), 0, high_water_);
  high_water_ = 0;
}

}  // namespace ladon::nic
