#include "nic/frame.h"

#include <algorithm>

#include "nic/offload/checksum.h"
#include "nic/offload/packet_type.h"

namespace ladon::nic {

void describe(Frame& frame) {
  if (frame.parsed) return;
  frame.parsed = true;
  frame.headers = offload::parse_frame(frame.head, frame.length);
  offload::ChecksumStatus found;
  if (frame.verify) {
    found = offload::verify_checksums(frame.headers, frame.head, frame.rest);
  } else {
    // Between functions the transport's checksum is known to be good if the device has made it; otherwise it
    // is left to the receiver, as it was to the sender.
    found = offload::verify_ip_checksum(frame.headers, frame.head);
    found.udp = frame.headers.transport == offload::Transport::udp;
    found.transport_checked = frame.headers.transport != offload::Transport::none &&
                              frame.transport_checked_at == frame.headers.transport_offset;
  }
  frame.info = offload::packet_type(frame.headers);
  frame.status = offload::status_bits(found);
}

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
