#include "vhost/transmit_queue.h"

#include <algorithm>
#include <utility>

namespace ladon::vhost {

void TransmitQueue::prepare(const GuestMemory& memory) {
  staging_ = memory.mapped() ? nullptr : std::make_unique_for_overwrite<std::byte[]>(kMaxFrame);
}

TransmitQueue::Turn TransmitQueue::run(FramePort& port, const Budget& budget, const NetFeatures& features,
                                       bool listen) {
  if (!vring_.running()) return Turn::idle;
  SplitRing& ring = vring_.ring();
  Turn turn = Turn::more;
  const std::uint64_t bytes_before = traffic_.from_guest_bytes;
  bool listening = false;
  for (unsigned moved = 0; moved < budget.frames;) {
    if (traffic_.from_guest_bytes - bytes_before >= budget.bytes) break;
    if (ring.available() == 0) {
      const auto waiting = ring.look();
      if (!waiting) return (void)broken(waiting.error()), Turn::idle;
      if (*waiting == 0) {
        turn = Turn::idle;
        if (listening || !listen) break;
        ring.listen();  // and look once more
        listening = true;
        continue;
      }
    }
    if (std::exchange(listening, false)) turn = Turn::more;
    const Step step = move_one(port, features);
    if (step == Step::broken) return Turn::idle;
    if (step == Step::busy) {
      turn = Turn::busy;
      break;
    }
    ++moved;
    turn = Turn::more;
  }
  if (turn != Turn::idle) ring.quiet();
  vring_.flush();
  return turn;
}

TransmitQueue::Step TransmitQueue::broken(RingFlaw flaw) {
  vring_.flush();  // what went well before
  vring_.fail(flaw);
  return Step::broken;
}

TransmitQueue::Step TransmitQueue::give_back(std::uint16_t head) {
  if (!vring_.ring().put(0, head, 0)) return broken(RingFlaw::memory_gone);
  vring_.ring().advance(1);
  return Step::moved;
}

TransmitQueue::Step TransmitQueue::move_one(FramePort& port, const NetFeatures& features) {
  SplitRing& ring = vring_.ring();
  const auto head = ring.head(0);
  if (!head) return broken(head.error());
  buffers_.clear();
  if (const auto flaw = ring.gather(*head, SplitRing::Direction::from_driver, buffers_)) return broken(*flaw);
  if (buffers_.bytes < features.header_bytes) return broken(RingFlaw::no_room_for_header);

  const auto drop = [&](FrameDrop reason) {
    traffic_.drops.add(reason);
    return give_back(*head);
  };
  const std::uint64_t length = buffers_.bytes - features.header_bytes;
  if (!vring_.enabled()) return drop(FrameDrop::ring_disabled);
  if (length < kMinFrame) return drop(FrameDrop::too_short);
  if (length > kMaxFrame) return drop(FrameDrop::too_long);
  frame_.length = static_cast<std::uint32_t>(length);
  if (!read_frame(features.header_bytes)) return broken(RingFlaw::memory_gone);
  const auto offload = read_header(header_, frame_.head, frame_.length, features);
  if (!offload) return drop(offload.error());
  frame_.offload = *offload;
  if (!port.take(frame_)) {
    ++traffic_.port_busy;
    return Step::busy;
  }
  ++traffic_.from_guest_frames;
  traffic_.from_guest_bytes += length;
  return give_back(*head);
}

bool TransmitQueue::read_frame(std::uint32_t header_bytes) {
  const std::uint32_t head_bytes = std::min(frame_.length, kSnapshot);
  // Header and head fill one after the other; what they leave of the buffer at hand begins the rest.
  const std::array<Bytes, 2> wanted = {Bytes(header_).first(header_bytes), Bytes(head_).first(head_bytes)};
  std::uint32_t buffer = 0;
  std::uint64_t used = 0;  // of that buffer
  for (Bytes into : wanted) {
    while (!into.empty()) {
      const Stretch from = buffers_.at[buffer].after(used);
      const std::size_t part = std::min<std::uint64_t>(from.length, into.size());
      if (!from.read(into.first(part))) return false;
      into = into.subspan(part);
      used += part;
      if (used == buffers_.at[buffer].length) ++buffer, used = 0;
    }
  }
  frame_.head = ConstBytes(head_).first(head_bytes);
  frame_.rest = {};
  if (frame_.length == head_bytes) return true;
  if (staging_ != nullptr) return stage(buffer, used);
  std::size_t count = 0;
  for (; buffer < buffers_.count; ++buffer, used = 0) {
    const Stretch from = buffers_.at[buffer].after(used);
    rest_[count++] = {from.mapped, from.length};
  }
  frame_.rest = std::span(rest_).first(count);
  return true;
}

bool TransmitQueue::stage(std::uint32_t from_buffer, std::uint64_t skip) {
  const Bytes whole(staging_.get(), frame_.length - frame_.head.size());
  Bytes into = whole;
  for (; from_buffer < buffers_.count; ++from_buffer, skip = 0) {
    const Stretch from = buffers_.at[from_buffer].after(skip);
    if (!from.read(into.first(from.length))) return false;
    into = into.subspan(from.length);
  }
  rest_[0] = whole;
  frame_.rest = std::span(rest_).first(1);
  return true;
}

}  // namespace ladon::vhost
