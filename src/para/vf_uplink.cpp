#include "para/vf_uplink.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "para/policer.h"
#include "spec/descriptor.h"

namespace ladon::para {

namespace descriptor = spec::descriptor;
using client::TxRing;
using client::VfError;

// ---- control

std::expected<void, VfError> VfUplink::start(std::span<const Station> guests) {
  up_ = false;
  held_.reset();
  full_since_.reset();
  stuck_ = false;
  rung_ = true;
  vlans_ = {};
  if (const auto done = driver_.probe(); !done) return done;
  if (const auto done = driver_.open(); !done) return done;
  if (const auto done = driver_.set_receive_mode(client::ReceiveMode::all_multicast); !done) return done;
  if (const auto done = set_stations(guests); !done) return done;
  up_ = true;
  return {};
}

std::expected<void, VfError> VfUplink::set_stations(std::span<const Station> guests) {
  std::vector<MacAddress> macs;
  std::array<std::uint64_t, 64> wanted{};
  for (const Station& guest : guests) {
    // One address may be in several VLANs.
    if (guest.mac != driver_.mac() && std::ranges::find(macs, guest.mac) == macs.end())
      macs.push_back(guest.mac);
    if (guest.vlan != kNoVlan && guest.vlan <= kLastVlan)
      wanted[guest.vlan / 64] |= std::uint64_t{1} << guest.vlan % 64;
  }
  if (const auto done = driver_.set_macs(macs); !done) return done;
  for (std::uint16_t vlan = 1; vlan <= kLastVlan; ++vlan) {
    const auto in = [vlan](const auto& set) { return (set[vlan / 64] >> vlan % 64 & 1) != 0; };
    if (in(wanted) == in(vlans_)) continue;
    if (const auto done = driver_.set_vlan(vlan, in(wanted)); !done) return done;
    vlans_[vlan / 64] ^= std::uint64_t{1} << vlan % 64;
  }
  return {};
}

std::expected<bool, VfError> VfUplink::check() {
  const auto link = up_ ? driver_.link_stays() : driver_.link_up();
  up_ = link.value_or(false);
  return link;
}

// ---- guests' frames

std::uint32_t VfUplink::longest() const {
  const std::uint32_t wanted = options_.wire.segmentation ? vhost::kMaxFrame : options_.wire.longest_frame;
  return std::min(TxRing::descriptors_for(wanted), driver_.tx().size() - 1U);
}

bool VfUplink::has_room(std::uint32_t descriptors) {
  TxRing& ring = driver_.tx();
  if (ring.room() >= descriptors) return true;
  if (ring.reclaim() != 0) {
    full_since_.reset();
    stuck_ = false;
  }
  return ring.room() >= descriptors;
}

bool VfUplink::stuck() {
  if (stuck_) return true;
  const Instant now = clock_.now();
  if (!full_since_) full_since_ = now;
  stuck_ = now - *full_since_ >= options_.stuck_after;
  traffic_.stuck += stuck_ ? 1 : 0;
  return stuck_;
}

bool VfUplink::ready() {
  return !up_ || has_room(longest()) || stuck();
}

std::optional<Instant> VfUplink::deadline() const {
  if (!full_since_ || stuck_) return std::nullopt;
  return *full_since_ + options_.stuck_after;
}

Uplink::Outcome VfUplink::send(const vhost::Frame& frame, std::uint16_t vlan) {
  const auto request = tx_request(frame, vlan, options_.wire);
  if (!request) return request.error();
  if (!up_) return Outcome::down;
  const std::uint32_t descriptors = TxRing::descriptors_for(frame.length);
  if (descriptors >= driver_.tx().size()) return Outcome::too_long;
  if (!has_room(descriptors)) {
    ++traffic_.full;
    flush();  // what fills the ring has to leave it
    return stuck() ? Outcome::down : Outcome::busy;
  }
  if (!copy(frame, *request)) return Outcome::too_long;
  rung_ = false;
  ++traffic_.sent_frames;
  traffic_.sent_bytes += frame.length;
  traffic_.sent_segments += load_of(frame).frames;
  return Outcome::sent;
}

bool VfUplink::copy(const vhost::Frame& frame, const client::TxOffload& request) {
  if (!request.segment) return driver_.tx().send(frame.head, frame.rest, request, true);
  std::array<std::byte, vhost::kSnapshot> head;
  const Bytes seeded = Bytes(head).first(frame.head.size());
  std::ranges::copy(frame.head, seeded.begin());
  seed_segments(seeded, frame.length, request);
  return driver_.tx().send(seeded, frame.rest, request, true);
}

void VfUplink::flush() {
  if (std::exchange(rung_, true)) return;
  driver_.tx().ring_doorbell();
}

// ---- frames from outside

bool VfUplink::receive(Arrival& into) {
  if (!up_ && !held_) return false;
  client::RxRing& ring = driver_.rx();
  if (held_) ring.pop(*std::exchange(held_, std::nullopt));
  held_ = ring.front(pieces_);
  if (!held_) {
    ring.refill();
    return false;
  }
  into = {};
  into.vlan = held_->vlan.value_or(0) & 0xFFF;
  ++traffic_.received_frames;
  traffic_.received_bytes += held_->length;
  if (held_->length == 0) return true;
  into.frame.head = pieces_[0];
  into.frame.rest = std::span<const ConstBytes>(pieces_).subspan(1, held_->buffers - 1);
  into.frame.length = held_->length;
  into.frame.offload.verified = (held_->status & descriptor::kRxL4Checked) != 0 &&
                                (held_->status & (descriptor::kRxL4Error | descriptor::kRxIpError)) == 0;
  return true;
}

}  // namespace ladon::para
