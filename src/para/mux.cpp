#include "para/mux.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace ladon::para {

namespace {

// What a guest may have looked at in one turn, in its backend's turns. Frames that the backend itself drops
// are charged to nobody, and a guest could send no others.
constexpr unsigned kMostPolls = 32;

// Calls visit(index) for every bit of the mask; visit may change the mask that this one was copied from.
template <class Visit>
void each(std::uint64_t mask, Visit visit) {
  for (; mask != 0; mask &= mask - 1) visit(static_cast<unsigned>(std::countr_zero(mask)));
}

}  // namespace

std::string_view name(AttachError error) {
  switch (error) {
    case AttachError::bad_address:
      return "no unicast address";
    case AttachError::bad_vlan:
      return "no such VLAN";
    case AttachError::address_taken:
      return "address is another guest's";
    case AttachError::too_many_guests:
      return "too many guests";
  }
  return "unknown";
}

Mux::Mux(Uplink& uplink, const Clock& clock, const Options& options)
    : uplink_(uplink), clock_(clock), options_(options), turns_(std::max(1u, options.quantum)) {}

Mux::~Mux() = default;

std::expected<Port*, AttachError> Mux::attach(const PortOptions& options) {
  if (options.mac.is_multicast() || options.mac.is_zero()) return std::unexpected(AttachError::bad_address);
  if (options.vlan > kLastVlan) return std::unexpected(AttachError::bad_vlan);
  if (attached_ == ~Mask{0}) return std::unexpected(AttachError::too_many_guests);
  const auto index = static_cast<unsigned>(std::countr_one(attached_));
  if (!table_.insert(station(options.mac.bits(), options.vlan), index))
    return std::unexpected(AttachError::address_taken);
  ports_[index] = std::make_unique<Port>(*this, index, options);
  attached_ |= Mask{1} << index;
  return ports_[index].get();
}

void Mux::detach(Port& port) {
  port.connect(nullptr);
  forget_waits(port);
  table_.erase(station(port.options_.mac.bits(), port.options_.vlan));
  attached_ &= ~(Mask{1} << port.index_);
  dirty_ &= ~(Mask{1} << port.index_);
  ports_[port.index_].reset();
}

unsigned Mux::guests() const {
  return static_cast<unsigned>(std::popcount(attached_));
}

bool Mux::poll() {
  const bool more = take_arrivals();
  wake_expired();
  serve_turns();
  flush();
  return more || (turns_.waiting() && uplink_.ready());
}

bool Mux::take_arrivals() {
  Arrival arrival;
  for (unsigned i = 0; i < options_.arrivals; ++i) {
    if (!uplink_.receive(arrival)) return false;
    ++arrivals_;
    arrive(arrival);
  }
  return true;
}

// ---- turns

// Everybody who waits gets one turn: what guests send may be dropped as fast as it comes, and fill nothing.
void Mux::serve_turns() {
  for (unsigned left = turns_.count(); left > 0 && turns_.waiting() && uplink_.ready(); --left) {
    const unsigned guest = *turns_.begin();
    turns_.end(serve(*ports_[guest]));
  }
}

Turns::End Mux::serve(Port& port) {
  if (!port.up()) return Turns::End::idle;
  for (unsigned i = 0; i < kMostPolls; ++i) {
    if (!turns_.may(port.index_)) return Turns::End::spent;
    if (!uplink_.ready()) return Turns::End::blocked;
    port.link_->resume();
    if (!port.link_->poll() || !port.up()) return Turns::End::idle;
    if (port.wait_.reason != Port::Wait::For::nothing) return Turns::End::idle;  // for something else
  }
  return Turns::End::spent;
}

// ---- waiting

void Mux::wait(Port& port, Port::Wait::For reason, Instant until, unsigned guest) {
  port.wait_ = {reason, until, guest};
  sleeping_ |= Mask{1} << port.index_;
}

void Mux::wake(Port& port) {
  port.wait_ = {};
  sleeping_ &= ~(Mask{1} << port.index_);
  if (port.link_ != nullptr) port.link_->resume();
}

void Mux::forget_waits(Port& port) {
  port.wait_ = {};
  sleeping_ &= ~(Mask{1} << port.index_);
  turns_.leave(port.index_);
}

void Mux::wake_expired() {
  if (sleeping_ == 0) return;
  const Instant now = clock_.now();
  each(sleeping_, [&](unsigned index) {
    Port& port = *ports_[index];
    if (now < port.wait_.until) return;
    if (port.wait_.reason == Port::Wait::For::guest)
      if (const auto& other = ports_[port.wait_.guest]) other->stalled_ = true;
    wake(port);
  });
}

void Mux::wake_senders_to(unsigned guest) {
  each(sleeping_, [&](unsigned index) {
    Port& port = *ports_[index];
    if (port.wait_.reason != Port::Wait::For::guest || port.wait_.guest != guest) return;
    wake(port);
  });
}

std::optional<Instant> Mux::next_deadline() const {
  std::optional<Instant> next;
  const auto consider = [&next](Instant at) { next = next ? std::min(*next, at) : at; };
  each(sleeping_, [&](unsigned index) { consider(ports_[index]->wait_.until); });
  if (turns_.waiting())
    if (const auto at = uplink_.deadline()) consider(*at);
  return next;
}

void Mux::flush() {
  uplink_.flush();
  const Mask dirty = std::exchange(dirty_, 0);
  each(dirty, [this](unsigned index) {
    if (GuestLink* const link = ports_[index]->link_) link->flush();
  });
}

}  // namespace ladon::para
