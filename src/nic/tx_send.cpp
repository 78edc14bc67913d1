// What a transmit queue does with a packet whose bytes are at hand: checks, offloads, and the switch.
#include <algorithm>
#include <utility>

#include "nic/engine.h"
#include "nic/offload/checksum.h"
#include "nic/tx_queue.h"
#include "nic/vf.h"
#include "spec/pf.h"

namespace ladon::nic {

namespace {

constexpr std::uint32_t kShortest = 60;  // frames are padded to this, FCS not counted (IEEE 802.3)
// Smaller segments than any TCP sends would turn one packet into thousands of frames.
constexpr std::uint16_t kSmallestSegment = 32;

constexpr std::size_t kEthertypeAt = 12;  // where the Ethertype is

bool has_tag(ConstBytes head) {
  return load_be<std::uint16_t>(head.data() + kEthertypeAt) ==
         static_cast<std::uint16_t>(offload::Ethertype::vlan);
}

std::uint64_t source_address(ConstBytes head) {
  return load_le<std::uint64_t>(head.data() + 4) >> 16;
}

}  // namespace

TxQueue::Moved TxQueue::send(const TxPacket& packet) {
  if (!packet.has_fcs) return refuse(VfDrop::tx_without_fcs, packet);
  if (vf_.policy().has(spec::pf::kVfSpoofCheck)) {
    const std::uint64_t source = source_address(head_bytes_);
    if (source != vf_.mac_bits() && !vf_.owns_address(source)) [[unlikely]]
      return refuse(VfDrop::tx_spoofed, packet);
  }
  if (vf_.engine().mutations().no_snapshot) [[unlikely]]
    look_again(packet);
  return packet.segment ? send_segments(packet) : send_whole(packet);
}

// What is refused counts against the function's turn like what is sent: the device has looked at it.
TxQueue::Moved TxQueue::refuse(VfDrop reason, const TxPacket& packet) {
  vf_.drop(reason);
  vf_.spend(packet.length);
  return Moved::done;
}

void TxQueue::look_again(const TxPacket& packet) {
  const TxFragment& first = batch_.fragments[packet.first_fragment];
  const std::size_t length = std::min<std::size_t>(first.length, head_length_);
  (void)vf_.port().read(Iova(first.address), Bytes(head_bytes_).first(length), 0);
}

TxQueue::Moved TxQueue::send_whole(const TxPacket& packet) {
  const Bytes head = Bytes(head_bytes_).first(head_length_);
  slices_end_ = 0;
  for (std::size_t i = pieces_first_; i < pieces_end_; ++i) slices_[slices_end_++] = pieces_[i];
  if (packet.insert_ip || packet.insert_transport) {
    const offload::ChecksumRequest request{
        .ip = packet.insert_ip,
        .transport = packet.insert_transport ? packet.context.transport : offload::Transport::none,
        .link_length = packet.context.link_length,
        .network_length = packet.context.network_length};
    if (!offload::insert_checksums(request, head, std::span(slices_).first(slices_end_)))
      return fail(VfFault::bad_offload);
  }
  return hand_over(head, packet.length, packet);
}

TxQueue::Moved TxQueue::send_segments(const TxPacket& packet) {
  if (segment_ == 0) {
    using Taken = qos::OffloadContexts::Taken;
    const Taken taken = has_context_ ? Taken::yes : vf_.contexts().take(qos::ContextKind::segmentation);
    if (taken == Taken::never) return refuse(VfDrop::tx_no_context, packet);
    if (taken == Taken::later) {
      vf_.engine().wait_for_memory(id_);
      return Moved::waiting;
    }
    has_context_ = true;
    const TxContext& context = packet.context;
    if (context.segment_size < kSmallestSegment) return fail(VfFault::bad_offload);
    segment_size_ = segment_size(packet);
    whole_ = segment_size_ != context.segment_size;
    const offload::SegmentRequest request{.link_length = context.link_length,
                                          .network_length = context.network_length,
                                          .transport_length = context.transport_length,
                                          .segment_size = segment_size_,
                                          .network = context.network,
                                          .transport = context.transport};
    const auto made = offload::Segmenter::make(request, ConstBytes(head_bytes_).first(head_length_),
                                               packet.length - head_length_);
    if (!made) return fail(VfFault::bad_offload);
    segmenter_ = *made;
  } else if (whole_ && segment_size(packet) != segment_size_) {
    return refuse(VfDrop::tx_no_destination, packet);  // it has waited for who takes no such frames any more
  }
  for (; segment_ < segmenter_->segments(); ++segment_) {
    const auto piece = segmenter_->piece(segment_);
    slice(piece.offset, piece.length);
    offload::InternetSum sum;
    for (std::size_t i = 0; i < slices_end_; ++i) sum.add(slices_[i]);
    const Bytes head = Bytes(segment_head_).first(segmenter_->header_length());
    segmenter_->make_header(segment_, sum, head);
    const Moved moved = hand_over(head, static_cast<std::uint32_t>(head.size()) + piece.length, packet);
    if (moved != Moved::done) return moved;
  }
  give_back_context();
  return Moved::done;
}

// How long the payload of a segment is: what the driver says, or, for a function that takes packets uncut, as
// many times that as go in one frame.
std::uint16_t TxQueue::segment_size(const TxPacket& packet) const {
  const std::uint16_t size = packet.context.segment_size;
  Frame frame;
  frame.head = ConstBytes(head_bytes_).first(head_length_);
  frame.length = packet.context.headers() + size;
  frame.tagged = packet.insert_vlan;
  frame.tag = packet.context.vlan_tag;
  if (packet.context.transport != offload::Transport::tcp || has_tag(frame.head) || !vf_.admit_tag(frame))
    return size;
  const std::uint32_t longest = vf_.engine().longest_whole(frame, vf_);
  const std::uint32_t segments = longest < frame.length ? 1 : 1 + (longest - frame.length) / size;
  return static_cast<std::uint16_t>(segments * size);
}

void TxQueue::give_back_context() {
  if (std::exchange(has_context_, false)) vf_.give_back_context(qos::ContextKind::segmentation);
}

// slices_: `length` bytes of the pieces from `offset` on.
void TxQueue::slice(std::uint32_t offset, std::uint32_t length) {
  slices_end_ = 0;
  for (std::size_t i = pieces_first_; i < pieces_end_ && length != 0; ++i) {
    const ConstBytes piece = pieces_[i];
    if (offset >= piece.size()) {
      offset -= static_cast<std::uint32_t>(piece.size());
      continue;
    }
    const auto n = std::min<std::size_t>(piece.size() - offset, length);
    slices_[slices_end_++] = piece.subspan(offset, n);
    length -= static_cast<std::uint32_t>(n);
    offset = 0;
  }
}

// Hands one frame to the switch: `head` and slices_, `length` bytes together.
TxQueue::Moved TxQueue::hand_over(Bytes head, std::uint32_t length, const TxPacket& packet) {
  Frame frame;
  frame.rest = std::span(slices_).first(slices_end_);
  frame.length = length;
  frame.whole = packet.segment && whole_;
  if (packet.segment || packet.insert_transport)
    frame.transport_checked_at = packet.context.link_length + packet.context.network_length;
  if (!settle_tag(frame, head, packet)) return refuse(VfDrop::tx_vlan, packet);
  // Everything behind this holds frames of at most this length: a segment, or a frame that was allowed four
  // bytes more for a tag that it did not have.
  if (frame.length > kMaxFrame && !frame.whole) return fail(VfFault::bad_packet_length);
  if (frame.length < kShortest) {
    // All of it is in the head, whose array is longer than this.
    std::memset(head.data() + frame.length, 0, kShortest - frame.length);
    head = Bytes(head.data(), kShortest);
    frame.length = kShortest;
  }
  frame.head = head;
  if (!vf_.may_send(frame.length)) [[unlikely]] {
    wants_ = frame.length;
    return Moved::waiting;
  }
  if (vf_.engine().forward(frame, source_, &vf_) == Engine::Forwarded::wait) return Moved::waiting;
  vf_.count_sent(frame.length);
  vf_.engine().tap(TapPoint::vf_sent, vf_.index(), frame);
  return Moved::done;
}

// Finds the frame's VLAN tag - stated by the context, or in the frame, whence it is taken out - and applies
// the function's policy. False if the function is no member of that VLAN.
bool TxQueue::settle_tag(Frame& frame, Bytes& head, const TxPacket& packet) {
  if (packet.insert_vlan) {
    frame.tagged = true;
    frame.tag = packet.context.vlan_tag;
  } else if (has_tag(head) && head.size() >= offload::kEthernetHeader + offload::kVlanTag) [[unlikely]] {
    frame.tagged = true;
    frame.tag = load_be<std::uint16_t>(head.data() + kEthertypeAt + 2);
    std::memmove(head.data() + offload::kVlanTag, head.data(), kEthertypeAt);
    head = head.subspan(offload::kVlanTag);
    frame.length -= kTagBytes;
    if (frame.transport_checked_at != 0) frame.transport_checked_at -= kTagBytes;
  }
  return vf_.admit_tag(frame);
}

}  // namespace ladon::nic
