// The switch at work: from a frame to the receive queues and the wire.
#include <bit>

#include "nic/engine.h"

namespace ladon::nic {

namespace {

constexpr std::uint64_t kAddressMask = 0xFFFF'FFFF'FFFF;

// 01-80-C2-00-00-00 to -0F: pause, link aggregation, spanning tree and the like never pass a bridge (IEEE
// 802.1Q 8.6.3), so that no function can pause the port or speak for the device.
bool is_reserved(std::uint64_t mac) {
  return (mac & 0xF0FF'FFFF'FFFF) == 0x0000'00C2'8001;
}

}  // namespace

[[gnu::always_inline]] inline Engine::Direction Engine::direct(const Frame& frame, const Vf* sender) const {
  const std::uint64_t mac = load_le<std::uint64_t>(frame.head.data()) & kAddressMask;
  const VfMask others = sender == nullptr ? ~VfMask{0} : ~(VfMask{1} << sender->index());
  const bool to_wire = sender != nullptr && wire_.enabled;
  if ((mac & 1) == 0) [[likely]] {
    const VfMask owners = switch_.owners(mac);
    return {.to = (owners | switch_.promiscuous) & others, .outside = to_wire && owners == 0};
  }
  if (is_reserved(mac) && !mutations_.pass_reserved) [[unlikely]]
    return {.reserved = true};
  return {.to = switch_.receivers(mac) & others, .outside = to_wire};
}

[[gnu::always_inline]] inline Engine::Forwarded Engine::forward_along(const Direction& direction,
                                                                      Frame& frame, FrameSource& source,
                                                                      Vf* sender) {
  if (direction.one() && !direction.outside) [[likely]]
    return forward_to(*vfs_[static_cast<std::size_t>(std::countr_zero(direction.to))], frame, source, sender);
  return forward_otherwise(direction, frame, source, sender);
}

Engine::Forwarded Engine::forward(Frame& frame, FrameSource& source, Vf* sender) {
  source.rewind();
  if (source.outstanding() != 0 && !source.can_stage(frame.whole)) return Forwarded::wait;
  if (frame.tagged || port_vlans_) [[unlikely]]
    return forward_within_vlan(frame, source, sender);
  return forward_along(direct(frame, sender), frame, source, sender);
}

std::uint32_t Engine::longest_whole(const Frame& frame, const Vf& sender) const {
  if (in_turns()) return 0;
  Direction direction = direct(frame, &sender);
  if (frame.tagged || port_vlans_) direction.to = members(direction.to, frame);
  if (!direction.one() || direction.outside) return 0;
  return vfs_[static_cast<std::size_t>(std::countr_zero(direction.to))]->longest_whole(frame.length);
}

Engine::Forwarded Engine::forward_otherwise(const Direction& direction, Frame& frame, FrameSource& source,
                                            Vf* sender) {
  if (direction.to == 0 && !direction.outside) {
    drop_unroutable(direction, sender);
    return Forwarded::done;
  }
  if (direction.to != 0 && forward_to_many(direction.to, frame, source) == Forwarded::wait)
    return Forwarded::wait;
  if (direction.outside && !wire_.send(frame)) sender->drop(VfDrop::tx_wire_full);
  return Forwarded::done;
}

// An address is one within its VLAN: functions of two VLANs may have the same, and what nobody of the frame's
// VLAN has is looked for on the wire (as with the 82599's pools, Datasheet 7.10.3). Those that have it in
// another VLAN count it.
[[gnu::noinline]] Engine::Forwarded Engine::forward_within_vlan(Frame& frame, FrameSource& source,
                                                                Vf* sender) {
  const std::uint64_t mac = load_le<std::uint64_t>(frame.head.data()) & kAddressMask;
  const VfMask owners = (mac & 1) == 0 ? switch_.owners(mac) : 0;
  Direction direction = direct(frame, sender);
  direction.to = members(direction.to, frame);
  if (owners == 0 || members(owners, frame) != 0) return forward_along(direction, frame, source, sender);
  direction.outside = sender != nullptr && wire_.enabled;
  const VfMask others = sender == nullptr ? ~VfMask{0} : ~(VfMask{1} << sender->index());
  const VfMask strangers = owners & others;
  if ((direction.to != 0 || direction.outside || strangers == 0) &&
      forward_along(direction, frame, source, sender) == Forwarded::wait)
    return Forwarded::wait;
  for (VfMask left = strangers; left != 0; left &= left - 1)
    vfs_[static_cast<std::size_t>(std::countr_zero(left))]->drop(VfDrop::rx_vlan);
  return Forwarded::done;
}

VfMask Engine::members(VfMask vfs, const Frame& frame) const {
  VfMask found = vfs;
  for (VfMask left = vfs; left != 0; left &= left - 1)
    if (!vfs_[static_cast<std::size_t>(std::countr_zero(left))]->takes_tag(frame)) found &= ~(left & -left);
  return found;
}

void Engine::drop_unroutable(const Direction& direction, Vf* sender) {
  if (sender != nullptr)
    sender->drop(direction.reserved ? VfDrop::tx_reserved_address : VfDrop::tx_no_destination);
  else
    wire_.drops.add(direction.reserved ? WireDrop::reserved_address : WireDrop::no_receiver);
}

Engine::Forwarded Engine::forward_to(Vf& to, Frame& frame, FrameSource& source, Vf* sender) {
  if (receive_in_turns_ && to.keeps()) [[unlikely]] {
    keep(to, frame);
    return Forwarded::done;
  }
  const auto admission = to.admit(frame);
  if (admission.queue == nullptr) {
    to.drop(admission.reason);
    return Forwarded::done;
  }
  if (admission.room == RxQueue::Room::ready) [[likely]] {
    to.accept(frame, admission, source);
    return Forwarded::done;
  }
  if (admission.room == RxQueue::Room::wait || may_wait(*admission.queue, source, sender)) {
    admission.queue->wake_later(source.id());
    return Forwarded::wait;
  }
  to.drop(VfDrop::rx_no_descriptor);
  return Forwarded::done;
}

// Two passes, so that a frame that must wait for one receiver has not yet gone to another.
Engine::Forwarded Engine::forward_to_many(VfMask to, Frame& frame, FrameSource& source) {
  for (VfMask left = to; left != 0; left &= left - 1) {
    Vf& vf = *vfs_[static_cast<std::size_t>(std::countr_zero(left))];
    if (vf.keeps()) continue;
    const auto admission = vf.admit(frame);
    if (admission.queue != nullptr && admission.room == RxQueue::Room::wait) {
      admission.queue->wake_later(source.id());
      return Forwarded::wait;
    }
  }
  for (VfMask left = to; left != 0; left &= left - 1) {
    Vf& vf = *vfs_[static_cast<std::size_t>(std::countr_zero(left))];
    if (vf.keeps()) {
      keep(vf, frame);
      continue;
    }
    const auto admission = vf.admit(frame);
    if (admission.queue == nullptr)
      vf.drop(admission.reason);
    else if (admission.room != RxQueue::Room::ready)
      vf.drop(VfDrop::rx_no_descriptor);
    else
      vf.accept(frame, admission, source);
  }
  return Forwarded::done;
}

// Backpressure: the sender is stalled instead of the frame dropped, but only for a while, and not again
// before the receiver shows life.
bool Engine::may_wait(RxQueue& queue, FrameSource& source, const Vf* sender) {
  if (sender == nullptr || !sender->policy().has(spec::pf::kVfBackpressure) || queue.given_up()) return false;
  if (!source.patience) source.patience = now_ + kPatience;
  if (now_ < *source.patience) {
    impatient_.add(source.id());
    if (!patience_ends_ || *source.patience < *patience_ends_) patience_ends_ = source.patience;
    return true;
  }
  source.patience.reset();
  queue.give_up();
  return false;
}

// Lets those try again whose patience has ended.
void Engine::wake_patient() {
  if (!patience_ends_ || now_ < *patience_ends_) return;
  patience_ends_.reset();
  wake(impatient_);
}

Frame Engine::with_tag(const Frame& frame) {
  Frame tagged = frame;
  insert_tag(frame, tagged_head_.data());
  tagged.head = ConstBytes(tagged_head_).first(frame.head.size() + offload::kVlanTag);
  tagged.length += offload::kVlanTag;
  tagged.headers.reset();  // they are elsewhere now
  return tagged;
}

void Engine::show(TapPoint point, std::uint16_t vf, const Frame& frame) {
  const Frame shown = frame.tagged ? with_tag(frame) : frame;
  copy_whole(shown, scratch_.data());
  tap_->frame(point, vf, ConstBytes(scratch_).first(shown.length), now_);
}

}  // namespace ladon::nic
