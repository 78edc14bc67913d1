// Where a frame goes.
#include <bit>

#include "para/mux.h"

namespace ladon::para {

namespace {

constexpr std::uint64_t kAddressMask = 0xFFFF'FFFF'FFFF;
constexpr std::uint64_t kGroupBit = 1;

// Both addresses and the type are in every frame's head: vhost::kMinFrame.
[[nodiscard]] std::uint64_t destination_of(const std::byte* frame) {
  return load_le<std::uint64_t>(frame) & kAddressMask;
}
[[nodiscard]] std::uint64_t source_of(const std::byte* frame) {
  return load_le<std::uint64_t>(frame + 4) >> 16;
}

[[nodiscard]] bool is_reserved(std::uint64_t mac) {
  return (mac & 0xF0FF'FFFF'FFFF) == 0x0000'00C2'8001;
}

// A customer's or a provider's tag (IEEE 802.1Q 9.4), or what stood for the latter before.
[[nodiscard]] bool has_tag(const std::byte* frame) {
  const auto type = load_be<std::uint16_t>(frame + 12);
  return type == 0x8100 || type == 0x88A8 || type == 0x9100;
}

[[nodiscard]] SendDrop reason_of(Uplink::Outcome outcome) {
  switch (outcome) {
    case Uplink::Outcome::too_long:
      return SendDrop::too_long_for_wire;
    case Uplink::Outcome::segments_too_short:
      return SendDrop::segments_too_short;
    case Uplink::Outcome::checksum_unsupported:
      return SendDrop::checksum_unsupported;
    case Uplink::Outcome::segmentation_unsupported:
      return SendDrop::segmentation_unsupported;
    case Uplink::Outcome::sent:
    case Uplink::Outcome::busy:
    case Uplink::Outcome::down:
      break;
  }
  return SendDrop::uplink_down;
}

}  // namespace

// ---- a guest's frame

bool Mux::drop(Port& from, const Load& load, SendDrop reason) {
  from.traffic_.send_drops.add(reason);
  turns_.charge(from.index_, load.bytes);  // it has cost a look
  return true;
}

bool Mux::take(Port& from, const vhost::Frame& frame) {
  const Load load = load_of(frame);
  const std::byte* const head = frame.head.data();
  const std::uint64_t destination = destination_of(head);
  const std::uint64_t own = from.options_.mac.bits();
  if (source_of(head) != own) return drop(from, load, SendDrop::spoofed_source);
  if (has_tag(head)) return drop(from, load, SendDrop::tagged);
  if ((destination & kGroupBit) != 0) [[unlikely]] {
    if (is_reserved(destination)) return drop(from, load, SendDrop::reserved_address);
    // Nobody speaks TCP to a group; one such frame would be copied to everybody at its full length.
    if (frame.offload.segmentation != vhost::Segmentation::none)
      return drop(from, load, SendDrop::segmentation_unsupported);
    const Mask others = members(from.options_.vlan) & ~(Mask{1} << from.index_);
    return send_outside(from, frame, load, others);
  }
  const unsigned guest = table_.find(station(destination, from.options_.vlan));
  if (guest == AddressTable::kNobody) return send_outside(from, frame, load, 0);
  if (guest == from.index_) return drop(from, load, SendDrop::to_itself);
  return send_to_guest(from, *ports_[guest], frame, load);
}

Instant Mux::instant_for(const Policer* limit) const {
  return limit != nullptr ? clock_.now() : Instant{};
}

Mux::Verdict Mux::judge(Port& from, const Load& load, Instant now) {
  Policer* const limit = from.options_.limits.transmit;
  if (limit == nullptr) return Verdict::pass;
  if (limit->allows(load, now)) return Verdict::pass;
  if (from.options_.limits.over_transmit == OverLimit::wait)
    if (const auto at = limit->when(load, now)) {
      ++from.traffic_.waits_for_limit;
      wait(from, Port::Wait::For::limit, *at, 0);
      return Verdict::wait;
    }
  drop(from, load, SendDrop::over_limit);
  return Verdict::dropped;
}

void Mux::account(Port& from, const vhost::Frame& frame, const Load& load, Instant now) {
  ++from.traffic_.sent_frames;
  from.traffic_.sent_bytes += frame.length;
  if (from.options_.limits.transmit != nullptr) from.options_.limits.transmit->charge(load, now);
}

// `copies`: the guests that get one too, once the frame has been sent outside, or could be but for the link.
bool Mux::send_outside(Port& from, const vhost::Frame& frame, const Load& load, Mask copies) {
  if (!turns_.may(from.index_)) {
    ++from.traffic_.waits_for_turn;
    return false;
  }
  const Instant now = instant_for(from.options_.limits.transmit);
  if (const Verdict verdict = judge(from, load, now); verdict != Verdict::pass)
    return verdict == Verdict::dropped;
  const Uplink::Outcome outcome = uplink_.send(frame, from.options_.vlan);
  if (outcome == Uplink::Outcome::busy) {
    ++from.traffic_.waits_for_turn;
    turns_.wait(from.index_);
    return false;
  }
  const bool sent = outcome == Uplink::Outcome::sent;
  if (!sent) drop(from, load, reason_of(outcome));
  if (!sent && (outcome != Uplink::Outcome::down || copies == 0)) return true;
  if (sent) turns_.charge(from.index_, load.bytes);
  account(from, frame, load, now);
  deliver_copies(copies, frame, load);
  return true;
}

bool Mux::send_to_guest(Port& from, Port& to, const vhost::Frame& frame, const Load& load) {
  const Instant now = instant_for(from.options_.limits.transmit);
  if (const Verdict verdict = judge(from, load, now); verdict != Verdict::pass)
    return verdict == Verdict::dropped;
  const bool may_wait = options_.patience > Duration::zero() && !to.stalled_;
  if (deliver(to, frame, load, may_wait) == vhost::Delivery::busy) {
    ++from.traffic_.waits_for_guest;
    wait(from, Port::Wait::For::guest, clock_.now() + options_.patience, to.index_);
    return false;
  }
  account(from, frame, load, now);
  turns_.charge(from.index_, load.bytes);
  return true;
}

// ---- a frame for guests

// `busy` only with `may_wait`: nothing has happened then.
vhost::Delivery Mux::deliver(Port& to, const vhost::Frame& frame, const Load& load, bool may_wait) {
  const auto drop_for = [&to](ReceiveDrop reason) {
    to.traffic_.receive_drops.add(reason);
    return vhost::Delivery::dropped;
  };
  if (!to.up()) return drop_for(ReceiveDrop::not_connected);
  Policer* const limit = to.options_.limits.receive;
  const Instant now = instant_for(limit);
  if (limit != nullptr && !limit->allows(load, now)) return drop_for(ReceiveDrop::over_limit);
  const vhost::Delivery delivery = to.link_->send(frame);
  if (delivery == vhost::Delivery::busy)
    return may_wait ? vhost::Delivery::busy : drop_for(ReceiveDrop::no_buffers);
  if (delivery == vhost::Delivery::dropped) return drop_for(ReceiveDrop::refused);
  if (limit != nullptr) limit->charge(load, now);
  dirty_ |= Mask{1} << to.index_;
  ++to.traffic_.received_frames;
  to.traffic_.received_bytes += frame.length;
  return delivery;
}

void Mux::deliver_copies(Mask to, const vhost::Frame& frame, const Load& load) {
  for (; to != 0; to &= to - 1)
    static_cast<void>(deliver(*ports_[static_cast<std::size_t>(std::countr_zero(to))], frame, load, false));
}

Mux::Mask Mux::members(std::uint16_t vlan) const {
  Mask members = 0;
  for (Mask left = attached_; left != 0; left &= left - 1) {
    const auto index = static_cast<std::size_t>(std::countr_zero(left));
    if (ports_[index]->options_.vlan == vlan) members |= Mask{1} << index;
  }
  return members;
}

void Mux::arrive(const Arrival& arrival) {
  const vhost::Frame& frame = arrival.frame;
  if (frame.length < vhost::kMinFrame || frame.head.size() < vhost::kMinFrame)
    return arrival_drops_.add(ArrivalDrop::malformed);
  const std::byte* const head = frame.head.data();
  if (has_tag(head)) return arrival_drops_.add(ArrivalDrop::tagged);
  // Nobody outside has an address of a guest here: a bridge that sends a frame back, or an impostor.
  if (table_.find(station(source_of(head), arrival.vlan)) != AddressTable::kNobody)
    return arrival_drops_.add(ArrivalDrop::reflected);
  const std::uint64_t destination = destination_of(head);
  const Load load = load_of(frame);
  if ((destination & kGroupBit) != 0) {
    if (is_reserved(destination)) return arrival_drops_.add(ArrivalDrop::reserved_address);
    const Mask to = members(arrival.vlan);
    if (to == 0) return arrival_drops_.add(ArrivalDrop::no_guest);
    return deliver_copies(to, frame, load);
  }
  const unsigned guest = table_.find(station(destination, arrival.vlan));
  if (guest == AddressTable::kNobody) return arrival_drops_.add(ArrivalDrop::no_guest);
  static_cast<void>(deliver(*ports_[guest], frame, load, false));
}

}  // namespace ladon::para
