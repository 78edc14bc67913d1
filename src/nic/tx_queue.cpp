#include "nic/tx_queue.h"

#include <algorithm>
#include <utility>

#include "nic/dma_tag.h"
#include "nic/engine.h"
#include "nic/vf.h"
#include "spec/descriptor.h"
#include "spec/ixgbevf.h"

namespace ladon::nic {

namespace desc = spec::descriptor;
namespace reg = spec::ixgbevf;
using pcie::Access;
using pcie::DmaStatus;

TxQueue::TxQueue(Vf& vf, std::uint8_t id, std::uint8_t index)
    : vf_(vf),
      source_(id, kStagingBytes),
      id_(id),
      index_(index),
      staging_(std::make_unique_for_overwrite<std::byte[]>(kStagingBytes)) {}

// ---- the stages

TxQueue::Progress TxQueue::run() {
  if (outstanding_ != 0 || !live_) return {};
  const std::uint32_t before = next_;
  switch (stage_) {
    case Stage::idle:
      if (!begin()) return {};
      stage_ = Stage::fetching;
      if (outstanding_ != 0) return {};
      [[fallthrough]];
    case Stage::fetching:
      parse();
      stage_ = Stage::moving;
      [[fallthrough]];
    case Stage::moving:
      resolve();
      if (!move())
        return {.packets = next_ - std::min(before, next_), .more = false, .wants = std::exchange(wants_, 0)};
      stage_ = Stage::draining;
      [[fallthrough]];
    case Stage::draining:
      if (source_.outstanding() != 0) return {.packets = next_, .more = false};
      write_back();
      if (!live_) return {.packets = next_, .more = false};
      stage_ = Stage::writing_back;
      if (outstanding_ != 0) return {.packets = next_, .more = false};
      [[fallthrough]];
    case Stage::writing_back:
      break;
  }
  const std::uint32_t packets = next_;
  finish();
  return {.packets = packets, .more = live_ && packets != 0 && tail_ != head_};
}

// Asks for the next descriptors; false if there are none.
bool TxQueue::begin() {
  if (tail_ == head_) return false;
  if (tail_ >= shape_.size || head_ >= shape_.size) {
    stop(VfFault::tx_ring_malformed);
    return false;
  }
  count_ = std::min(shape_.distance(head_, tail_), kTxBatch);
  const std::uint32_t before_wrap = std::min(count_, shape_.size - head_);
  return read_descriptors(head_, before_wrap, 0) &&
         (before_wrap == count_ || read_descriptors(0, count_ - before_wrap, before_wrap * kDescriptorBytes));
}

bool TxQueue::read_descriptors(std::uint32_t first, std::uint32_t count, std::size_t at) {
  const DmaWork work{.kind = DmaKind::tx_descriptors, .queue = id_};
  const DmaStatus status =
      vf_.port().read(shape_.at(first), Bytes(raw_).subspan(at, count * kDescriptorBytes), work.tag());
  if (status == DmaStatus::pending) ++outstanding_;
  if (status == DmaStatus::refused) stop(VfFault::tx_descriptor_refused);
  return status != DmaStatus::refused;
}

void TxQueue::parse() {
  parser_.parse(ConstBytes(raw_).first(count_ * kDescriptorBytes), batch_);
  stop_for_ = batch_.fault;
  next_ = segment_ = staged_end_ = 0;
}

// False if the queue parks.
bool TxQueue::move() {
  for (; next_ < batch_.packet_count; ++next_) {
    switch (move_packet(batch_.packets[next_])) {
      case Moved::done:
        segment_ = 0;
        continue;
      case Moved::waiting:
        return false;
      case Moved::faulted:
        vf_.drop(VfDrop::tx_faulted, batch_.packet_count - next_);
        return true;
    }
  }
  return true;
}

TxQueue::Moved TxQueue::move_packet(const TxPacket& packet) {
  if (next_ >= staged_end_ && !gather_direct(packet)) {
    staged_end_ = next_;
    if (!issue_reads()) return fail(VfFault::tx_data_refused);
    if (outstanding_ != 0) return Moved::waiting;
  }
  if (next_ < staged_end_) {
    pieces_[0] = {staging_.get() + staged_at_[next_], packet.length};
    pieces_first_ = 0;
    pieces_end_ = 1;
  }
  return snapshot(packet) ? send(packet) : fail(VfFault::bad_offload);
}

TxQueue::Moved TxQueue::fail(VfFault fault) {
  stop_for_ = fault;
  return Moved::faulted;
}

// ---- the payload: in the guest's memory if it can be addressed there, else read to staging_

// Finds what is left of the batch in the guest's memory, and has it brought near: the first touch of a line
// that another processor has written costs more than all the rest.
void TxQueue::resolve() {
  if (next_ >= batch_.packet_count) return;
  const TxPacket& last = batch_.packets[batch_.packet_count - 1];
  for (std::uint32_t i = batch_.packets[next_].first_fragment; i < last.first_fragment + last.fragments;
       ++i) {
    const TxFragment& fragment = batch_.fragments[i];
    resolved_[i] = vf_.port().direct(Iova(fragment.address), fragment.length, Access::read);
    __builtin_prefetch(resolved_[i]);
  }
}

bool TxQueue::gather_direct(const TxPacket& packet) {
  pieces_first_ = pieces_end_ = 0;
  for (std::uint32_t i = packet.first_fragment; i < packet.first_fragment + packet.fragments; ++i) {
    if (resolved_[i] == nullptr) return false;
    pieces_[pieces_end_++] = {resolved_[i], batch_.fragments[i].length};
  }
  return true;
}

// Reads as many packets from next_ on as staging_ takes. False if one was refused.
bool TxQueue::issue_reads() {
  staging_used_ = 0;
  const DmaWork work{.kind = DmaKind::tx_data, .queue = id_};
  for (; staged_end_ < batch_.packet_count; ++staged_end_) {
    const TxPacket& packet = batch_.packets[staged_end_];
    if (staging_used_ + packet.length > kStagingBytes) break;
    staged_at_[staged_end_] = static_cast<std::uint32_t>(staging_used_);
    for (std::uint32_t i = 0; i < packet.fragments; ++i) {
      const TxFragment& fragment = batch_.fragments[packet.first_fragment + i];
      const Bytes into(staging_.get() + staging_used_, fragment.length);
      staging_used_ += fragment.length;
      staging_high_water_ = std::max(staging_high_water_, staging_used_);
      const DmaStatus status = vf_.port().read(Iova(fragment.address), into, work.tag());
      if (status == DmaStatus::pending) ++outstanding_;
      // Packets before a refused one are still good; it is found out when its turn comes.
      if (status == DmaStatus::refused) return staged_end_ != next_;
    }
  }
  return true;
}

// Takes the private copy of the packet's head off the front of its pieces. False if the headers that the
// context states do not fit.
bool TxQueue::snapshot(const TxPacket& packet) {
  std::uint32_t length = std::min(packet.length, kUsualHead);
  if (packet.segment) {
    length = packet.context.headers();
    if (length < offload::kEthernetHeader ||
        length > std::min<std::size_t>(packet.length, head_bytes_.size()))
      return false;
  } else if (packet.insert_ip || packet.insert_transport) {
    length = static_cast<std::uint32_t>(std::min<std::size_t>(packet.length, head_bytes_.size()));
  }
  head_length_ = length;
  for (std::uint32_t copied = 0; copied < length;) {
    ConstBytes& piece = pieces_[pieces_first_];
    const std::size_t n = std::min<std::size_t>(piece.size(), length - copied);
    std::memcpy(head_bytes_.data() + copied, piece.data(), n);
    copied += static_cast<std::uint32_t>(n);
    piece = piece.subspan(n);
    if (piece.empty()) ++pieces_first_;
  }
  return true;
}

// ---- completion

void TxQueue::write_back() {
  bool reported = false;
  const DmaWork work{.kind = DmaKind::tx_write_back, .queue = id_};
  static constexpr std::uint64_t kDone = std::uint64_t{desc::kTxDone} << 32;
  for (std::uint32_t i = 0; i < next_; ++i) {
    const TxPacket& packet = batch_.packets[i];
    if (!packet.report) continue;
    reported = true;
    // The lower eight bytes are reserved in the write-back format (7.2.3.4).
    const Iova at(shape_.at(shape_.wrap(head_ + packet.end - 1u)).bits() + 8);
    if (std::byte* memory = vf_.port().direct(at, sizeof kDone, Access::write)) [[likely]] {
      __atomic_store_n(reinterpret_cast<std::uint64_t*>(memory), kDone, __ATOMIC_RELEASE);
      continue;
    }
    const DmaStatus status = vf_.port().write(at, std::as_bytes(std::span(&kDone, 1)), work.tag());
    if (status == DmaStatus::pending) ++outstanding_;
    if (status == DmaStatus::refused) return stop(VfFault::tx_write_back_refused);
  }
  report_ = reported;
}

void TxQueue::finish() {
  give_back_context();
  if (next_ != 0) head_ = shape_.wrap(head_ + batch_.packets[next_ - 1].end);
  next_ = 0;
  stage_ = Stage::idle;
  if (std::exchange(report_, false)) vf_.cause(index_, QueueDirection::transmit);
  if (stop_for_ != VfFault::none) stop(std::exchange(stop_for_, VfFault::none));
}

void TxQueue::completed(const DmaWork& work, DmaStatus status) {
  --outstanding_;
  if (abandoned_) return refresh();
  if (status == DmaStatus::refused) {
    return stop(work.kind == DmaKind::tx_descriptors ? VfFault::tx_descriptor_refused
                : work.kind == DmaKind::tx_data      ? VfFault::tx_data_refused
                                                     : VfFault::tx_write_back_refused);
  }
  if (outstanding_ == 0) vf_.engine().ready(id_);
}

void TxQueue::deliveries_done() {
  if (abandoned_) return refresh();
  vf_.engine().ready(id_);
}

// ---- state

void TxQueue::stop(VfFault fault) {
  stopped_ = true;
  refresh();
  vf_.fault(fault);
}

void TxQueue::refresh() {
  if (abandoned_ && quiet()) {
    abandoned_ = false;
    vf_.quieted();
  }
  const bool enabled = (control_ & reg::kQueueEnable) != 0;
  const bool live = enabled && !stopped_ && !abandoned_ && vf_.running();
  if (live == live_) return;
  live_ = live;
  if (live)
    vf_.engine().ready(id_);
  else
    abandon();
}

// Forgets the batch. Packets that have left are not sent again.
void TxQueue::abandon() {
  give_back_context();
  if (stage_ != Stage::idle && stage_ != Stage::fetching && next_ != 0)
    head_ = shape_.wrap(head_ + batch_.packets[next_ - 1].end);
  next_ = 0;
  stage_ = Stage::idle;
  stop_for_ = VfFault::none;
  report_ = false;
  abandoned_ = !quiet();
}

void TxQueue::reset() {
  control_ = tail_ = head_write_back_low = head_write_back_high = 0;
  ring = {};
  live_ = stopped_ = false;
  abandon();
  shape_ = {};
  head_ = 0;
  parser_.reset();
}

void TxQueue::scrub() {
  std::memset(staging_.get(), 0, staging_high_water_);
  staging_high_water_ = 0;
  source_.scrub();
  raw_.fill({});
  head_bytes_.fill({});
  segment_head_.fill({});
  segmenter_.reset();
}

// ---- registers

void TxQueue::set_head(std::uint32_t value) {
  if ((control_ & reg::kQueueEnable) == 0) head_ = value & 0xFFFF;
}

void TxQueue::set_tail(std::uint32_t value) {
  tail_ = value & 0xFFFF;
  if (live_) vf_.engine().ready(id_);
}

void TxQueue::set_control(std::uint32_t value) {
  const bool was_enabled = (control_ & reg::kQueueEnable) != 0;
  control_ = value & ~reg::kSwFlush;
  if (!was_enabled && (control_ & reg::kQueueEnable) != 0) {
    shape_ = ring.shape();
    parser_.reset();
  }
  refresh();
}

}  // namespace ladon::nic
