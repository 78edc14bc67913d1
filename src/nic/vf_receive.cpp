// A function's side of the switch: which frames it takes, and where they go.
#include <algorithm>

#include "nic/dma_tag.h"
#include "nic/engine.h"
#include "nic/vf.h"
#include "spec/descriptor.h"
#include "spec/pf.h"

namespace ladon::nic {

namespace desc = spec::descriptor;
namespace pf = spec::pf;

namespace {

qos::Load load_of(const Frame& frame) {
  return {.bytes = frame.length, .cost = qos::cost_of(frame.length, frame.verify)};
}

VfDrop over_rate(qos::Measure measure) {
  switch (measure) {
    case qos::Measure::packets:
      return VfDrop::rx_over_packet_rate;
    case qos::Measure::cost:
      return VfDrop::rx_over_cost;
    default:
      return VfDrop::rx_over_rate;
  }
}

}  // namespace

// Nothing is taken yet: the frame may be refused for another reason, or wait.
[[gnu::noinline]] bool Vf::within_rate(const Frame& frame, VfDrop& reason) {
  const auto verdict = limiter_->judge(load_of(frame), engine_.now());
  if (verdict.colour == qos::Colour::red) reason = over_rate(verdict.measure());
  return verdict.colour != qos::Colour::red;
}

[[gnu::noinline]] void Vf::count_against_rate(const Frame& frame) {
  const qos::Load load = load_of(frame);
  limiter_->take(limiter_->judge(load, engine_.now()), load);
}

// The next three are the whole of the usual path, which is why they are inlined there in any case.

[[gnu::always_inline]] inline bool Vf::welcome(const Frame& frame, VfDrop& reason) {
  if (frame.length > policy_.max_frame && !frame.whole) {
    reason = VfDrop::rx_too_long;
    return false;
  }
  // Before any of its bytes is looked at: a frame that is refused here has cost next to nothing.
  return limiter_ == nullptr || within_rate(frame, reason);
}

[[gnu::always_inline]] inline bool Vf::choose_queue(Frame& frame, Admission& result) {
  describe(frame);
  unsigned queue = 0;
  if (rss_.enabled()) {
    result.rss = rss_.hash(headers_of(frame), frame.head);
    if (result.rss.type != offload::RssType::none) queue = rss_.queue(result.rss.hash);
  }
  if (!rx_[queue]->live()) {
    result.reason = VfDrop::rx_disabled;
    return false;
  }
  result.queue = rx_[queue].get();
  return true;
}

// The partition has no room. If a part of its guarantee is lent, that is called in, which may make room at
// once.
[[gnu::noinline]] bool Vf::calls_in(std::uint32_t bytes, VfDrop& reason) {
  memory_.want(index_);
  if (memory_.fits(index_, bytes)) return true;
  const bool promised =
      memory_.calling(index_) && memory_.held(index_) + bytes <= memory_.size(index_).guaranteed;
  reason = promised ? VfDrop::rx_memory_called : VfDrop::rx_no_memory;
  return false;
}

Vf::Admission Vf::admit(Frame& frame) {
  Admission result;
  if (!welcome(frame, result.reason) || !choose_queue(frame, result)) return result;
  const std::uint32_t length = frame.length + (frame.tagged ? kTagBytes : 0);
  if (!memory_.fits(index_, length) && !calls_in(length, result.reason)) {
    result.queue = nullptr;
    return result;
  }
  result.room = result.queue->room(length);
  return result;
}

[[gnu::always_inline]] inline void Vf::place(const Frame& frame, const Admission& admission,
                                             FrameSource& source) {
  RxQueue& queue = *admission.queue;
  RxQueue::Completion completion{.info = frame.info | static_cast<std::uint32_t>(admission.rss.type),
                                 .hash = admission.rss.hash,
                                 .status = frame.status};
  const auto deliver = [&](const Frame& whole) {
    if (coalesces_) [[unlikely]]
      return queue.gather(whole, completion, source);
    return queue.deliver(whole, completion, source);
  };
  bool delivered = false;
  if (!frame.tagged || policy_.has_port_vlan()) [[likely]] {
    delivered = deliver(frame);
  } else if (queue.strips_vlan()) {
    completion.status |= desc::kRxVlanPacket;
    completion.vlan = frame.tag;
    delivered = deliver(frame);
  } else {
    delivered = deliver(engine_.with_tag(frame));
  }
  if (!delivered) return drop(VfDrop::rx_refused);
  engine_.delivered(queue.id());
  ++statistics_.received_packets;
  statistics_.whole_packets += frame.whole ? 1 : 0;
  statistics_.received_bytes += frame.length;
  if ((frame.head[0] & std::byte{1}) != std::byte{0}) ++statistics_.received_multicast;
  engine_.tap(TapPoint::vf_received, index_, frame);
}

// Limits and turns are made for frames of the usual lengths.
std::uint32_t Vf::longest_whole(std::uint32_t segment) const {
  if (!takes_whole_ || segment > policy_.max_frame || limiter_ != nullptr || keeps()) return 0;
  const std::uint64_t memory = memory_.size(index_).guaranteed;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>({memory, kMaxWhole, std::uint64_t{kMaxWholeBuffers} * rx_[0]->buffer_bytes()}));
}

void Vf::accept(const Frame& frame, const Admission& admission, FrameSource& source) {
  if (limiter_ != nullptr) [[unlikely]]
    count_against_rate(frame);
  place(frame, admission, source);
}

// Membership in the frame's VLAN. Tag 0 is a priority without a VLAN (IEEE 802.1Q 6.9).
bool Vf::takes_tag(const Frame& frame) const {
  const std::uint16_t vlan = frame.tagged ? frame.tag & 0xFFF : 0;
  if (policy_.has_port_vlan()) return vlan == policy_.port_vlan();
  return vlan == 0 || policy_.member_vlans.test(vlan);
}

bool Vf::admit_tag(Frame& frame) {
  if (policy_.has_port_vlan()) {
    if (frame.tagged && (frame.tag & 0xFFF) != 0) return false;
    frame.tagged = true;
    frame.tag = static_cast<std::uint16_t>((frame.tag & 0xE000) | policy_.port_vlan());
    return true;
  }
  return !frame.tagged || takes_tag(frame) || !policy_.has(pf::kVfSpoofCheck);
}

bool Vf::owns_address(std::uint64_t mac) const {
  return (engine_.fabric().owners(mac) >> index_ & 1) != 0;
}

// ---- frames that wait for their turn

void Vf::keep(const Frame& frame) {
  VfDrop reason = VfDrop::rx_disabled;
  if (!running_ || !welcome(frame, reason)) return drop(reason);
  const std::uint32_t charge = frame.length + (frame.tagged ? kTagBytes : 0);
  if (!memory_.fits(index_, charge) && !calls_in(charge, reason)) return drop(reason);
  if (!store_->fits(frame.length)) return drop(VfDrop::rx_no_memory);
  if (limiter_ != nullptr) count_against_rate(frame);
  memory_.hold(index_, charge);
  store_->push(frame);
}

bool Vf::deliver_kept() {
  FrameSource& source = store_->source();
  source.rewind();
  if (source.outstanding() != 0 && !source.can_stage()) return false;
  Frame frame = store_->front();
  const std::uint32_t charge = store_->front_charge();
  Admission admission;
  if (choose_queue(frame, admission)) {
    admission.room = admission.queue->room(charge);
    if (admission.room == RxQueue::Room::wait ||
        (admission.room == RxQueue::Room::none && !admission.queue->drops_without_buffer() &&
         !memory_.called_in(index_))) {
      admission.queue->wake_later(source.id());
      return false;
    }
    if (admission.room == RxQueue::Room::none) {
      admission.queue = nullptr;
      admission.reason = VfDrop::rx_no_descriptor;
    }
  }
  // From the store's account to that of the receive queue.
  memory_.lift(index_, charge);
  if (admission.queue != nullptr)
    place(frame, admission, source);
  else
    drop(admission.reason);
  memory_.settle();
  engine_.memory_released();
  store_->pop();
  return true;
}

void Vf::keep_frames() {
  if (store_ == nullptr) store_ = std::make_unique<RxStore>(static_cast<std::uint8_t>(kStoreSource + index_));
  store_->resize(memory_.size(index_).most);
}

void Vf::stop_keeping() {
  if (store_ != nullptr && store_->empty() && store_->source().outstanding() == 0) store_.reset();
}

void Vf::forget_kept() {
  if (store_ == nullptr) return;
  release_memory(store_->clear());
}

}  // namespace ladon::nic
