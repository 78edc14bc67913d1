#include "vhost/receive_queue.h"

#include <algorithm>

namespace ladon::vhost {

Delivery ReceiveQueue::drop(FrameDrop reason) {
  traffic_.drops.add(reason);
  return Delivery::dropped;
}

Delivery ReceiveQueue::broken(RingFlaw flaw) {
  vring_.flush();  // what went well before
  vring_.fail(flaw);
  return drop(FrameDrop::not_connected);
}

Delivery ReceiveQueue::send(const Frame& frame, const NetFeatures& features) {
  if (!vring_.running() || !vring_.enabled()) return drop(FrameDrop::not_connected);
  if (frame.length < kMinFrame) return drop(FrameDrop::too_short);
  if (frame.length > kMaxFrame) return drop(FrameDrop::too_long);
  std::uint64_t pieces = frame.head.size();
  for (const ConstBytes piece : frame.rest) pieces += piece.size();
  if (pieces != frame.length) return drop(FrameDrop::inconsistent);
  if (!features.guest_takes(frame.offload)) return drop(FrameDrop::offload_not_negotiated);
  const std::uint64_t bytes = std::uint64_t{features.header_bytes} + frame.length;
  if (const Delivery gathered = gather(bytes, features); gathered != Delivery::delivered) return gathered;
  const auto header = make_header(frame.offload, frame.length, chain_count_, features);
  if (!header) return drop(header.error());
  if (!write(*header, features.header_bytes, frame) || !give_back(bytes))
    return broken(RingFlaw::memory_gone);
  ++traffic_.to_guest_frames;
  traffic_.to_guest_bytes += frame.length;
  return Delivery::delivered;
}

Delivery ReceiveQueue::gather(std::uint64_t bytes, const NetFeatures& features) {
  SplitRing& ring = vring_.ring();
  buffers_.clear();
  chain_count_ = 0;
  while (buffers_.bytes < bytes) {
    if (chain_count_ > 0 && !features.mergeable) return drop(FrameDrop::buffer_too_small);
    if (chain_count_ == chains_.size()) return drop(FrameDrop::too_many_buffers);
    if (ring.available() <= chain_count_) {
      const auto waiting = ring.look();
      if (!waiting) return broken(waiting.error());
      if (*waiting <= chain_count_) {
        ++traffic_.guest_busy;
        return Delivery::busy;
      }
    }
    const auto head = ring.head(chain_count_);
    if (!head) return broken(head.error());
    const std::uint64_t before = buffers_.bytes;
    const auto flaw = ring.gather(*head, SplitRing::Direction::to_driver, buffers_);
    // Many buffers that are each in order are too many for this frame alone.
    if (flaw == RingFlaw::chain_too_long && chain_count_ > 0) return drop(FrameDrop::too_many_buffers);
    if (flaw) return broken(*flaw);
    const std::uint64_t capacity = buffers_.bytes - before;
    if (capacity < features.header_bytes) return broken(RingFlaw::no_room_for_header);
    chains_[chain_count_++] = {*head, static_cast<std::uint32_t>(std::min<std::uint64_t>(capacity, bytes))};
  }
  return Delivery::delivered;
}

bool ReceiveQueue::write(ConstBytes from) {
  while (!from.empty()) {
    const Stretch into = buffers_.at[buffer_].after(filled_);
    const std::size_t part = std::min<std::uint64_t>(into.length, from.size());
    if (!into.write(from.first(part))) return false;
    from = from.subspan(part);
    filled_ += part;
    if (part == into.length) ++buffer_, filled_ = 0;
  }
  return true;
}

bool ReceiveQueue::write(const NetHeader& header, std::uint32_t header_bytes, const Frame& frame) {
  buffer_ = 0, filled_ = 0;
  if (!write(ConstBytes(header).first(header_bytes)) || !write(frame.head)) return false;
  return std::ranges::all_of(frame.rest, [this](ConstBytes piece) { return write(piece); });
}

// Every chain is filled before the next one begins.
bool ReceiveQueue::give_back(std::uint64_t bytes) {
  for (std::uint16_t i = 0; i < chain_count_; ++i) {
    const auto written = static_cast<std::uint32_t>(std::min<std::uint64_t>(chains_[i].capacity, bytes));
    if (!vring_.ring().put(i, chains_[i].head, written)) return false;
    bytes -= written;
  }
  vring_.ring().advance(chain_count_);
  return true;
}

bool ReceiveQueue::wait_for_room() {
  if (!vring_.running()) return false;
  vring_.ring().listen();
  return !has_changed();
}

bool ReceiveQueue::has_changed() {
  if (!vring_.running()) return true;
  const std::uint16_t before = vring_.ring().available();
  const auto now = vring_.ring().look();
  if (!now) vring_.fail(now.error());
  return now != before;
}

void ReceiveQueue::stop_waiting() {
  if (vring_.running()) vring_.ring().quiet();
}

}  // namespace ladon::vhost
