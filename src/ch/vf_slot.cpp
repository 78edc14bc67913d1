#include "ch/vf_slot.h"

#include <utility>

#include "spec/ixgbevf.h"
#include "spec/pci.h"

namespace ladon::ch {

namespace control = host::control;
namespace pci = spec::pci;
namespace vf = spec::ixgbevf;

namespace {

// One entry of the MSI-X table (PCI Local Bus 3.0, 6.8.2.7).
constexpr std::uint64_t kEntrySize = 16, kEntryHigh = 4, kEntryData = 8, kEntryControl = 12;
constexpr std::uint32_t kMasked = 1;

}  // namespace

std::shared_ptr<VfSlot> VfSlot::make(SlotHost& host, std::uint8_t index) {
  return std::shared_ptr<VfSlot>(new VfSlot(host, index));
}

VfSlot::VfSlot(SlotHost& host, std::uint8_t index)
    : host_(host), index_(index), memory_(GuestMemory::make(host.bridge, host.bare, index)) {}

std::unexpected<SlotRefusal> VfSlot::refuse(SlotRefusal why) {
  refusals_.add(why);
  return std::unexpected(why);
}

void VfSlot::request(host::Request request, std::move_only_function<void(const host::Result&)> then) {
  host_.bridge.submit(std::move(request),
                      [weak = weak_from_this(), then = std::move(then)](host::Result result) mutable {
                        if (const auto self = weak.lock()) then(result);
                      });
}

SlotHoldings VfSlot::holdings() const {
  SlotHoldings all{.assignment = assigned_,
                   .attached = state_ == State::attached,
                   .connected = connected_,
                   .memory = memory_->granted(),
                   .vectors = {}};
  for (std::uint16_t v = 0; v < kVectors; ++v)
    if (routed(v)) all.vectors.push_back(host_vector(v));
  return all;
}

std::optional<pcie::Sbdf> VfSlot::requester() const {
  if (!assigned_) return std::nullopt;
  return pcie::Sbdf(assigned_->segment,
                    pcie::Bdf(static_cast<std::uint16_t>(host_.bus.bits | assigned_->requester)));
}

// ---- attach and the VF's connection to the guest

VfSlot::Outcome VfSlot::attach() {
  if (state_ != State::idle) return refuse(SlotRefusal::busy);
  state_ = State::attached;
  announce();
  connect();
  return {};
}

void VfSlot::announce() {
  if (state_ == State::attached && assigned_) host_.send(control::Attached{index_});
}

void VfSlot::set_bus_master(bool on) {
  if (state_ != State::attached || bus_master_ == on) return;
  bus_master_ = on;
  if (on)
    connect();
  else
    disconnect(silence(), [] {});
}

void VfSlot::connect() {
  if (state_ != State::attached || !assigned_ || !bus_master_ || connected_) return;
  memory_->attach(*requester(), [weak = weak_from_this(), now = ++connection_](Outcome outcome) {
    const auto self = weak.lock();
    if (!self || self->connection_ != now) return;
    if (!outcome) return (void)self->refuse(outcome.error());
    self->connected_ = true;
    for (std::uint16_t v = 0; v < kVectors; ++v)
      if (self->vectors_[v].notify) self->route(v);
  });
}

std::optional<pcie::Sbdf> VfSlot::silence() {
  const auto rid = requester();
  if (!rid) return std::nullopt;
  for (std::uint16_t v = 0; v < kVectors; ++v) {
    if (!std::exchange(vectors_[v].message, std::nullopt)) continue;
    mask(v);
    request(host::UnrouteInterrupt{*rid, host_vector(v)}, [](const host::Result&) {});
  }
  connected_ = false;
  ++connection_;
  return rid;
}

void VfSlot::disconnect(std::optional<pcie::Sbdf> rid, std::move_only_function<void()> done) {
  if (!rid) return done();
  memory_->detach(*rid, std::move(done));
}

// ---- memory

void VfSlot::map(Gpa gpa, std::uint64_t length, int fd, std::uint64_t file_offset, pcie::AccessSet access,
                 Done done) {
  if (state_ != State::attached) return done(refuse(SlotRefusal::busy));
  memory_->map(gpa, length, fd, file_offset, access,
               [weak = weak_from_this(), done = std::move(done)](Outcome outcome) mutable {
                 if (const auto self = weak.lock(); self && !outcome) self->refusals_.add(outcome.error());
                 done(outcome);
               });
}

void VfSlot::unmap(Range<Gpa> range, Done done) {
  memory_->unmap(range, [weak = weak_from_this(), done = std::move(done)](Outcome outcome) mutable {
    if (const auto self = weak.lock(); self && !outcome) self->refusals_.add(outcome.error());
    done(outcome);
  });
}

// ---- registers

std::optional<BusAddr> VfSlot::register_address(std::uint8_t bar, std::uint64_t offset, std::uint8_t width) {
  if (!assigned_) {
    refusals_.add(SlotRefusal::no_vf);
    return std::nullopt;
  }
  const std::uint64_t size = bar == vf::kRegisterBar ? vf::kBarSize
                             : bar == vf::kMsixBar   ? vf::kMsixBarSize
                                                     : 0;
  const bool is_width = width == 1 || width == 2 || width == 4 || width == 8;
  if (!is_width || offset % width != 0 || offset >= size || width > size - offset) {
    refusals_.add(SlotRefusal::bad_register);
    return std::nullopt;
  }
  const auto base = host_.registers.plus(bar == vf::kRegisterBar ? assigned_->registers : assigned_->msix);
  return base ? base->plus(offset) : std::nullopt;
}

std::uint64_t VfSlot::register_read(std::uint8_t bar, std::uint64_t offset, std::uint8_t width) {
  const std::uint64_t all_ones = width >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * width) - 1;
  const auto at = register_address(bar, offset, width);
  if (!at) return all_ones;
  // Shared with an answer that may come too late.
  struct Answer {
    bool here = false;
    std::uint64_t value = 0;
  };
  const auto answer = std::make_shared<Answer>();
  host_.bridge.submit(host::Load{*at, width}, [answer, all_ones](const host::Result& result) {
    const auto* value = result ? std::get_if<host::Value>(&*result) : nullptr;
    *answer = {true, value != nullptr ? value->value : all_ones};
  });
  if (!answer->here) refusals_.add(SlotRefusal::not_at_once);
  return answer->here ? answer->value : all_ones;
}

void VfSlot::register_write(std::uint8_t bar, std::uint64_t offset, std::uint8_t width, std::uint64_t value) {
  if (const auto at = register_address(bar, offset, width))
    host_.bridge.submit(host::Store{*at, width, value}, [](const host::Result&) {});
}

// ---- interrupts

bool VfSlot::set_vector(std::uint16_t vector, Notify notify) {
  if (vector >= kVectors) return false;
  vectors_[vector].notify = std::move(notify);
  if (!connected_) return true;
  if (vectors_[vector].notify)
    route(vector);
  else
    mask(vector);
  return true;
}

void VfSlot::route(std::uint16_t vector) {
  if (vectors_[vector].message) return write_vector(vector);
  request(host::RouteInterrupt{*requester(), host_vector(vector)},
          [this, vector, now = connection_](const host::Result& result) {
            const auto* message = result ? std::get_if<host::MessageRoute>(&*result) : nullptr;
            if (message == nullptr) return (void)refuse(SlotRefusal::host_error);
            if (connection_ != now) return;
            vectors_[vector].message = *message;
            if (vectors_[vector].notify) write_vector(vector);
          });
}

// The VF cannot emit this host's message address itself: what it emits instead is mapped to it on the way.
void VfSlot::write_vector(std::uint16_t vector) {
  const host::MessageRoute& message = *vectors_[vector].message;
  const std::uint64_t address = assigned_->message_base + (message.address - pci::kInterruptBase);
  const std::uint64_t entry = vector * kEntrySize;
  mask(vector);
  register_write(vf::kMsixBar, entry, 4, static_cast<std::uint32_t>(address));
  register_write(vf::kMsixBar, entry + kEntryHigh, 4, address >> 32);
  register_write(vf::kMsixBar, entry + kEntryData, 4, message.data);
  register_write(vf::kMsixBar, entry + kEntryControl, 4, 0);
}

void VfSlot::mask(std::uint16_t vector) {
  if (assigned_) register_write(vf::kMsixBar, vector * kEntrySize + kEntryControl, 4, kMasked);
}

void VfSlot::interrupt(std::uint16_t vector) {
  if (vector < kVectors && vectors_[vector].notify) vectors_[vector].notify();
}

void VfSlot::vf_was_reset() {
  if (!connected_) return;
  for (std::uint16_t v = 0; v < kVectors; ++v)
    if (vectors_[v].notify) route(v);
}

void VfSlot::reset() {
  if (assigned_) register_write(vf::kRegisterBar, vf::kControl, 4, vf::kControlReset);
}

// ---- detach

void VfSlot::detach(std::move_only_function<void()> done) {
  if (state_ == State::idle) return done();
  detach_done_.push_back(std::move(done));
  if (state_ != State::attached) return;
  for (auto& vector : vectors_) vector.notify = {};
  bus_master_ = false;
  if (!assigned_) return begin_revoking();
  state_ = State::quiescing;
  host_.send(control::Detach{index_});
}

void VfSlot::quiesced() {
  if (state_ == State::quiescing) begin_revoking();
}

void VfSlot::begin_revoking() {
  state_ = State::revoking;
  disconnect(silence(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->memory_->close([weak] {
      const auto still = weak.lock();
      if (!still) return;
      if (!still->assigned_) return still->finish_detach();
      still->state_ = State::scrubbing;
      still->host_.send(control::Revoked{still->index_});
    });
  });
}

void VfSlot::scrubbed() {
  if (state_ == State::scrubbing) finish_detach();
}

void VfSlot::finish_detach() {
  state_ = State::idle;
  memory_ = GuestMemory::make(host_.bridge, host_.bare, index_);  // an I/O space is not handed on
  for (auto& done : std::exchange(detach_done_, {})) done();
}

// ---- the management host

void VfSlot::assign(const control::Assign& assign) {
  if (assigned_ == assign) return;
  const auto same_but_for_mac = [&](control::Assign other) {
    other.mac = assign.mac;
    return other == assign;
  };
  if (assigned_ && same_but_for_mac(*assigned_)) {
    assigned_ = assign;  // the VF's own driver hears of its address from the VF
    return;
  }
  // Requests take effect in order: an old VF, if there is one, has let go before the new one takes hold.
  disconnect(silence(), [] {});
  assigned_ = assign;
  if (host_.on_assigned) host_.on_assigned(index_, true);
  announce();
  connect();
}

void VfSlot::revoke() {
  const auto rid = silence();
  // At once, not when the host has answered: a guest that comes meanwhile must not get this VF.
  assigned_.reset();
  if (rid && host_.on_assigned) host_.on_assigned(index_, false);
  disconnect(rid, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    // Whatever the management host was to do for a detach it has done by taking the VF.
    if (self->state_ == State::scrubbing) return self->finish_detach();
    self->host_.send(control::Revoked{self->index_});
    if (self->state_ == State::quiescing) self->begin_revoking();
  });
}

void VfSlot::restate() {
  announce();
  if (state_ == State::quiescing) host_.send(control::Detach{index_});
  if (state_ == State::scrubbing) host_.send(control::Revoked{index_});
}

}  // namespace ladon::ch
