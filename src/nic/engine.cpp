#include "nic/engine.h"

#include <utility>

#include "nic/config.h"
#include "nic/dma_tag.h"

namespace ladon::nic {

Engine::Engine(const NicOptions& options, const Clock& clock, Wire& wire,
               std::span<pcie::DmaPort* const> ports)
    : clock_(clock),
      mutations_(options.mutations),
      pf_port_(*ports[0]),
      pf_msix_(kPfVectors),
      events_(pf_msix_, pf_port_),
      services_(options, clock.now()),
      page_tables_(options.packet_memory_bytes, options.vfs),
      switch_(options.vfs),
      wire_(*this, wire),
      carrier_(wire.carrier()),
      scratch_(kMaxWhole + offload::kVlanTag) {
  deferred_.reserve(kDeferred);
  for (std::uint16_t i = 0; i < options.vfs; ++i)
    vfs_.push_back(std::make_unique<Vf>(*this, i, *ports[i + 1u]));
}

// ---- work

bool Engine::poll(std::size_t budget) {
  now_ = clock_.now();
  busy_ = true;
  check_carrier();
  wake_patient();
  if (services_.memory().callers() != 0) [[unlikely]]
    services_.lend_again(now_);
  const std::size_t share = std::min<std::size_t>(budget / 2 + 1, kTxBatch);
  std::size_t moved = wire_.run(share);
  const bool more = moved == share;
  flush();
  if (moved < budget) moved += in_turns() ? run_turns(budget - moved) : run_round(budget - moved);
  busy_ = false;
  run_deferred();
  signal();
  return more || !ready_.empty() || !round_.empty() || (in_turns() && turn_due());
}

// Every ready queue has one batch before any has a second.
std::size_t Engine::run_round(std::size_t budget) {
  std::size_t moved = 0;
  while (moved < budget) {
    if (round_.empty()) std::swap(round_, ready_);
    if (round_.empty()) break;
    moved += run_queue(round_.take_first());
    flush();
  }
  return moved;
}

std::size_t Engine::run_queue(unsigned queue) {
  if (queue == kWireSource) return wire_.run(kTxBatch);
  const auto progress = vfs_[queue / Vf::kQueues]->tx(queue % Vf::kQueues).run();
  if (progress.more) ready_.add(queue);
  return progress.packets;
}

// Writes back what has been delivered since the last call.
void Engine::flush() {
  while (!filled_.empty()) {
    const unsigned queue = filled_.take_first();
    vfs_[queue / Vf::kQueues]->rx(queue % Vf::kQueues).flush();
  }
}

void Engine::signal() {
  const Instant now = now_;
  for (VfMask vfs = std::exchange(touched_, 0) | moderated_; vfs != 0; vfs &= vfs - 1) {
    const auto index = static_cast<std::uint16_t>(std::countr_zero(vfs));
    const VfMask bit = VfMask{1} << index;
    moderated_ = vfs_[index]->signal(now) ? moderated_ | bit : moderated_ & ~bit;
  }
  events_.update();
}

void Engine::settle() {
  if (busy_) return;
  if (touched_ != 0) now_ = clock_.now();
  signal();
}

std::optional<Instant> Engine::next_deadline() const {
  std::optional<Instant> first = patience_ends_;
  if (in_turns()) {
    const auto turn = next_turn(clock_.now());
    if (turn && (!first || *turn < *first)) first = turn;
  }
  for (VfMask vfs = moderated_; vfs != 0; vfs &= vfs - 1) {
    const auto due = vfs_[static_cast<std::size_t>(std::countr_zero(vfs))]->interrupts().deadline();
    if (due && (!first || *due < *first)) first = due;
  }
  return first;
}

void Engine::completed(pcie::DmaTag tag, pcie::DmaStatus status) {
  const DmaWork work = DmaWork::of(tag);
  Vf& owner = *vfs_[work.queue / Vf::kQueues];
  const unsigned queue = work.queue % Vf::kQueues;
  const bool nested = std::exchange(busy_, true);
  switch (work.kind) {
    case DmaKind::tx_descriptors:
    case DmaKind::tx_data:
    case DmaKind::tx_write_back:
      owner.tx(queue).completed(work, status);
      break;
    case DmaKind::deliver:
      owner.rx(queue).completed(work, status);
      if (work.source == kWireSource) {
        if (wire_.source().write_completed()) ready(kWireSource);
      } else if (work.source >= kStoreSource) {
        if (vfs_[work.source - kStoreSource]->store().source().write_completed()) ready(work.source);
      } else {
        TxQueue& sender = vfs_[work.source / Vf::kQueues]->tx(work.source % Vf::kQueues);
        if (sender.source().write_completed()) sender.deliveries_done();
      }
      break;
    case DmaKind::rx_descriptors:
    case DmaKind::rx_write_back:
      owner.rx(queue).completed(work, status);
      break;
  }
  busy_ = nested;
  if (nested) return;
  run_deferred();
  settle();
}

void Engine::run_deferred() {
  // A write may cause DMA, but that DMA happens in a later poll: the list does not grow here.
  for (auto& write : deferred_) write();
  deferred_.clear();
}

void Engine::check_carrier() {
  const bool carrier = wire_.carrier() && wire_.enabled;
  if (std::exchange(carrier_, carrier) != carrier) events_.link();
}

// ---- the PF's side

void Engine::addresses_changed() {
  switch_.clear_addresses();
  port_vlans_ = false;
  switch_.broadcast = switch_.all_multicast = switch_.by_hash = switch_.promiscuous = 0;
  for (const auto& vf : vfs_) {
    const VfPolicy& policy = vf->policy();
    const VfMask bit = VfMask{1} << vf->index();
    port_vlans_ |= policy.has_port_vlan();
    if (policy.mac_valid) switch_.add_address(policy.mac, vf->index());
    const auto mode = policy.receive_mode;
    if ((mode & spec::pf::kReceiveBroadcast) != 0) switch_.broadcast |= bit;
    if ((mode & spec::pf::kReceiveMulticast) != 0) switch_.by_hash |= bit;
    if ((mode & spec::pf::kReceiveAllMulticast) != 0) switch_.all_multicast |= bit;
    if ((mode & spec::pf::kReceivePromiscuous) != 0 && policy.has(spec::pf::kVfTrust))
      switch_.promiscuous |= bit;
  }
  for (const auto& filter : filters)
    if (filter.valid && filter.vf < vfs()) switch_.add_address(filter.mac, filter.vf);
}

void Engine::forget_filters(std::uint16_t vf) {
  for (auto& filter : filters)
    if (filter.vf == vf) filter = {};
  switch_.clear_multicast(vf);
  addresses_changed();
}

std::optional<qos::LevelRefusal> Engine::set_level(std::uint16_t vf, const qos::ServiceLevel& level) {
  const auto refusal = services_.set(vf, level, clock_.now());
  if (!refusal) levels_changed();
  return refusal;
}
bool Engine::set_capacity(const Capacity& capacity) {
  if (!services_.set_capacity(capacity, clock_.now())) return false;
  levels_changed();
  return true;
}
void Engine::forget_level(std::uint16_t vf) {
  services_.forget(vf, clock_.now());
  levels_changed();
}
void Engine::reset_levels() {
  services_.reset(clock_.now());
  levels_changed();
}

void Engine::set_sriov(const pcie::ConfigSpace::Sriov& sriov) {
  sriov_ = sriov;
  const std::uint16_t now = sriov.enabled ? std::min(sriov.vfs, vfs()) : 0;
  if (now == enabled_) return;
  const std::uint16_t before = std::exchange(enabled_, now);
  for (std::uint16_t i = now; i < before; ++i) vfs_[i]->scrub();
  for (const auto& vf : vfs_) vf->refresh();
}

std::vector<pcie::BarRange> Engine::vf_ranges(std::uint16_t vf) const {
  std::vector<pcie::BarRange> ranges;
  if (!sriov_.memory_enabled || vf >= enabled_) return ranges;
  for (std::size_t bar = 0; bar < sriov_.vf_bars.size(); ++bar) {
    const std::uint64_t size = sriov_.vf_bar_sizes[bar];
    if (size == 0 || !sriov_.vf_bars[bar]) continue;
    const auto first = sriov_.vf_bars[bar]->plus(size * vf);
    if (!first) continue;
    if (const auto range = Range<BusAddr>::of(*first, size))
      ranges.push_back({static_cast<std::uint8_t>(bar), *range});
  }
  return ranges;
}

}  // namespace ladon::nic
