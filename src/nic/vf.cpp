#include "nic/vf.h"

#include <utility>

#include "nic/config.h"
#include "nic/engine.h"
#include "spec/descriptor.h"
#include "spec/pf.h"

namespace ladon::nic {

namespace desc = spec::descriptor;
namespace pf = spec::pf;

Vf::Vf(Engine& engine, std::uint16_t index, pcie::DmaPort& port)
    : engine_(engine),
      port_(port),
      memory_(engine.services().memory()),
      index_(index),
      msix_(spec::ixgbevf::kVectors),
      interrupts_(msix_, port),
      config_(make_vf_config()) {
  for (unsigned queue = 0; queue < kQueues; ++queue) {
    const auto id = static_cast<std::uint8_t>(index * kQueues + queue);
    rx_[queue] = std::make_unique<RxQueue>(*this, id, static_cast<std::uint8_t>(queue));
    tx_[queue] = std::make_unique<TxQueue>(*this, id, static_cast<std::uint8_t>(queue));
  }
}

// ---- frames

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

// What can be said of a frame from its length and tag alone, before any of its bytes is looked at: a refused one
// costs next to nothing.
bool Vf::screen(const Frame& frame, Admission& result) {
  if (frame.length > policy_.max_frame) {
    result.reason = VfDrop::rx_too_long;
    return false;
  }
  if (frame.tagged || policy_.has_port_vlan()) [[unlikely]] {
    if (!takes_tag(frame)) {
      result.reason = VfDrop::rx_vlan;
      return false;
    }
  }
  if (limiter_ != nullptr) [[unlikely]] {
    result.verdict = limiter_->judge(load_of(frame), engine_.now());
    if (result.verdict.colour == qos::Colour::red) {
      result.reason = over_rate(result.verdict.measure());
      return false;
    }
  }
  return true;
}

Vf::Admission Vf::admit(Frame& frame) {
  Admission result;
  if (!screen(frame, result)) return result;
  describe(frame);
  unsigned queue = 0;
  if (rss_.enabled()) {
    result.rss = rss_.hash(headers_of(frame), frame.head);
    if (result.rss.type != offload::RssType::none) queue = rss_.queue(result.rss.hash);
  }
  RxQueue* const found = rx_[queue].get();
  if (!found->live()) {
    result.reason = VfDrop::rx_disabled;
    return result;
  }
  const std::uint32_t length = frame.length + (frame.tagged ? kTagBytes : 0);
  if (!memory_.fits(index_, length)) {
    result.reason = VfDrop::rx_no_memory;
    return result;
  }
  result.queue = found;
  result.room = found->room(length);
  return result;
}

void Vf::accept(const Frame& frame, const Admission& admission, FrameSource& source) {
  if (limiter_ != nullptr) [[unlikely]]
    limiter_->take(admission.verdict, load_of(frame));
  RxQueue& queue = *admission.queue;
  RxQueue::Completion completion{.info = frame.info | static_cast<std::uint32_t>(admission.rss.type),
                                 .hash = admission.rss.hash,
                                 .status = frame.status};
  bool delivered = false;
  if (!frame.tagged || policy_.has_port_vlan()) [[likely]] {
    delivered = queue.deliver(frame, completion, source);
  } else if (queue.strips_vlan()) {
    completion.status |= desc::kRxVlanPacket;
    completion.vlan = frame.tag;
    delivered = queue.deliver(frame, completion, source);
  } else {
    delivered = queue.deliver(engine_.with_tag(frame), completion, source);
  }
  if (!delivered) return drop(VfDrop::rx_refused);
  engine_.delivered(queue.id());
  ++statistics_.received_packets;
  statistics_.received_bytes += frame.length;
  if ((frame.head[0] & std::byte{1}) != std::byte{0}) ++statistics_.received_multicast;
  engine_.tap(TapPoint::vf_received, index_, frame);
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

void Vf::fault(VfFault fault) {
  faults_.add(fault);
  if (first_fault_ == VfFault::none) first_fault_ = fault;
  engine_.fault_pending(index_);
}

void Vf::cause(unsigned queue, QueueDirection direction) {
  interrupts_.cause(queue, direction);
  engine_.touch(index_);
}

// ---- interrupts and mailbox

bool Vf::signal(Instant now) {
  // What is due stays so until the message can be sent.
  if (!interrupts_.due() || !can_signal_) return false;
  if (!interrupts_.update(now)) {
    drop(VfDrop::interrupt_refused);
    fault(VfFault::interrupt_refused);
  }
  return interrupts_.due();
}

void Vf::mailbox_news() {
  interrupts_.cause_misc();
  engine_.touch(index_);
}

// ---- state

bool Vf::present() const {
  return index_ < engine_.vfs_enabled();
}

bool Vf::link_up() const {
  if (!policy_.has(pf::kVfLink) || !memory_.exists(index_)) return false;
  return policy_.has(pf::kVfLinkForced) || engine_.carrier();
}

void Vf::refresh() {
  limiter_ = engine_.services().limiter(index_);
  running_ = policy_.has(pf::kVfEnable) && present() && config_.bus_master() && memory_.exists(index_);
  for (auto& queue : rx_) queue->refresh();
  for (auto& queue : tx_) queue->refresh();
}

bool Vf::quiet() const {
  for (unsigned queue = 0; queue < kQueues; ++queue)
    if (!rx_[queue]->quiet() || !tx_[queue]->quiet()) return false;
  return true;
}

bool Vf::rings_on() const {
  for (unsigned queue = 0; queue < kQueues; ++queue)
    if (rx_[queue]->live() || tx_[queue]->live()) return true;
  return false;
}

void Vf::quieted() {
  if (scrub_wanted_ && quiet()) finish_scrub();
}

void Vf::set_policy(const VfPolicy& policy) {
  policy_ = policy;
  mac_bits_ = policy.mac_valid ? policy.mac.bits() : 0;
  if (policy_.has(pf::kVfEnable)) scrubbed_ = scrub_wanted_ = false;
  engine_.addresses_changed();
  refresh();
}

void Vf::reset_registers() {
  for (auto& queue : rx_) queue->reset();
  for (auto& queue : tx_) queue->reset();
  interrupts_.reset();
  mailbox_.clear();
  rss_.reset();
  split_types_ = 0;
}

void Vf::reset() {
  reset_registers();
  engine_.flr_pending(index_);
}

void Vf::function_level_reset() {
  config_.reset();
  msix_.reset();
  can_signal_ = false;
  reset();
  refresh();
}

void Vf::scrub() {
  policy_ = {};
  mac_bits_ = 0;
  engine_.fabric().forget(index_);
  engine_.forget_filters(index_);
  engine_.forget_level(index_);
  config_.reset();
  msix_.reset();
  can_signal_ = false;
  reset_registers();
  refresh();
  engine_.clear_pending(index_);
  engine_.decode_changed();
  scrub_wanted_ = true;
  quieted();
}

void Vf::finish_scrub() {
  for (auto& queue : rx_) queue->scrub();
  for (auto& queue : tx_) queue->scrub();
  clear_counters();
  clear_fault();
  scrub_wanted_ = false;
  scrubbed_ = true;
}

void Vf::clear_counters() {
  statistics_ = {};
  cleared_.drops += std::exchange(drops_, {});
  cleared_.faults += std::exchange(faults_, {});
}

// ---- configuration space

std::uint32_t Vf::config_read(std::uint16_t offset, unsigned width) {
  return config_.read(offset, width);
}

void Vf::config_write(std::uint16_t offset, unsigned width, std::uint32_t value) {
  if (engine_.defer([=, this] { config_write(offset, width, value); })) return;
  if (config_.write(offset, width, value)) engine_.decode_changed();
  if (config_.take_flr_request()) function_level_reset();
  can_signal_ = apply_msix_control(config_, msix_, port_) && config_.bus_master();
  refresh();
  engine_.touch(index_);
  engine_.settle();
}

std::vector<pcie::BarRange> Vf::decoded() const {
  return engine_.vf_ranges(index_);
}

}  // namespace ladon::nic
