#include "nic/vf.h"

#include <utility>

#include "nic/config.h"
#include "nic/engine.h"
#include "spec/pf.h"

namespace ladon::nic {

namespace pf = spec::pf;

Vf::Vf(Engine& engine, std::uint16_t index, pcie::DmaPort& port)
    : engine_(engine),
      port_(port),
      memory_(engine.services().memory()),
      index_(index),
      contexts_(memory_, index),
      msix_(spec::ixgbevf::kVectors),
      interrupts_(msix_, port),
      config_(make_vf_config()) {
  for (unsigned queue = 0; queue < kQueues; ++queue) {
    const auto id = static_cast<std::uint8_t>(index * kQueues + queue);
    rx_[queue] = std::make_unique<RxQueue>(*this, id, static_cast<std::uint8_t>(queue));
    tx_[queue] = std::make_unique<TxQueue>(*this, id, static_cast<std::uint8_t>(queue));
  }
}

// ---- memory

void Vf::release_memory(std::uint64_t bytes) {
  memory_.release(index_, bytes);
  engine_.memory_released();
}

void Vf::give_back_context(qos::ContextKind kind) {
  contexts_.give_back(kind);
  engine_.memory_released();
}

// ---- news

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
  engine_.memory_released();
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
  coalesces_ = policy_.has(pf::kVfCoalesce);
  takes_whole_ = policy_.has(pf::kVfUnsegmented);
  if (policy_.has(pf::kVfEnable)) scrubbed_ = scrub_wanted_ = false;
  engine_.addresses_changed();
  refresh();
}

void Vf::reset_registers() {
  for (auto& queue : rx_) queue->reset();
  for (auto& queue : tx_) queue->reset();
  forget_kept();
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
  coalesces_ = takes_whole_ = false;
  engine_.fabric().forget(index_);
  engine_.forget_filters(index_);
  engine_.forget_level(index_);
  engine_.page_tables().clear(index_);
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
  if (store_ != nullptr) store_->source().scrub();
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
