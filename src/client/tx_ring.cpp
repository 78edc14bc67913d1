#include "client/tx_ring.h"

#include <array>
#include <atomic>

#include "spec/ixgbevf.h"

namespace ladon::client {

namespace ixgbevf = spec::ixgbevf;
namespace descriptor = spec::descriptor;

namespace {

constexpr int kEnableTries = 10;
// PTHRESH 32, HTHRESH 1, WTHRESH 8, as ixgbevf has them.
constexpr std::uint32_t kThresholds = 8u << 16 | 1u << 8 | 32u;
constexpr std::uint32_t kData = descriptor::kTxTypeData | descriptor::kTxExtension | descriptor::kTxInsertFcs;

// The device writes descriptors while the driver reads them.
[[nodiscard]] bool done(std::byte* at) {
  auto& word = *reinterpret_cast<std::uint32_t*>(at + descriptor::kTxOptions);
  return (std::atomic_ref(word).load(std::memory_order_acquire) & descriptor::kTxDone) != 0;
}

}  // namespace

std::uint32_t TxRing::reg(std::uint32_t offset) const {
  return ixgbevf::kTx + queue_ * ixgbevf::kQueueStride + offset;
}

std::expected<TxRing, VfError> TxRing::make(Mmio& registers, std::uint16_t queue, std::uint16_t size,
                                            Arena& arena, std::uint16_t report_every) {
  TxRing ring(registers, queue, size, report_every);
  const auto descriptors = arena.take(std::size_t{size} * descriptor::kSize);
  const auto buffers = arena.take(std::size_t{size} * kBuffer);
  if (!descriptors || !buffers) return std::unexpected(VfError::no_memory);
  ring.ring_ = *descriptors;
  ring.buffers_ = *buffers;
  return ring;
}

std::expected<void, VfError> TxRing::start() {
  std::ranges::fill(ring_.bytes, std::byte{0});
  next_ = clean_ = unreported_ = watch_head_ = watched_ = 0;
  registers_->write32(reg(ixgbevf::kQueueControl), ixgbevf::kSwFlush);
  registers_->write32(reg(ixgbevf::kBaseLow), static_cast<std::uint32_t>(ring_.base.bits()));
  registers_->write32(reg(ixgbevf::kBaseHigh), static_cast<std::uint32_t>(ring_.base.bits() >> 32));
  registers_->write32(reg(ixgbevf::kLength), size_ * descriptor::kSize);
  registers_->write32(reg(ixgbevf::kHeadWriteBackHigh), 0);
  registers_->write32(reg(ixgbevf::kHeadWriteBackLow), 0);
  registers_->write32(reg(ixgbevf::kDca), 1u << 9 | 1u << 11 | 1u << 13);  // relaxed ordering
  registers_->write32(reg(ixgbevf::kHead), 0);
  registers_->write32(reg(ixgbevf::kTail), 0);
  registers_->write32(reg(ixgbevf::kQueueControl), kThresholds | ixgbevf::kQueueEnable);
  for (int i = 0; i < kEnableTries; ++i) {
    if ((registers_->read32(reg(ixgbevf::kQueueControl)) & ixgbevf::kQueueEnable) != 0) return {};
    registers_->pause();
  }
  return std::unexpected(VfError::queue_stuck);
}

void TxRing::stop() {
  registers_->write32(reg(ixgbevf::kQueueControl), ixgbevf::kSwFlush);
}

std::uint32_t TxRing::room() const {
  return (clean_ + size_ - next_ - 1) % size_;
}

void TxRing::watch(std::uint32_t index) {
  watch_[(watch_head_ + watched_) % size_] = static_cast<std::uint16_t>(index);
  ++watched_;
}

void TxRing::put(std::uint64_t low, std::uint32_t command, std::uint32_t options) {
  if ((command & descriptor::kTxReportStatus) != 0) watch(next_);
  put_raw(low, std::uint64_t{options} << 32 | command);
}

void TxRing::put_raw(std::uint64_t low, std::uint64_t high) {
  store_le(descriptor(next_), low);
  store_le(descriptor(next_) + 8, high);
  next_ = after(next_);
}

void TxRing::put_context(const TxOffload& offload) {
  const std::uint32_t lengths = offload.network_length |
                                std::uint32_t{offload.link_length} << descriptor::kContextMacLengthShift |
                                std::uint32_t{offload.vlan.value_or(0)} << descriptor::kContextVlanShift;
  const std::uint32_t type = descriptor::kTxTypeContext | descriptor::kTxExtension |
                             (offload.ipv4 ? descriptor::kTucmdIpv4 : 0) |
                             static_cast<std::uint32_t>(offload.layer4) << 11;
  // ixgbevf keeps segmentation in context 1 and all else in context 0.
  const std::uint32_t segment =
      offload.segment ? std::uint32_t{offload.transport_length} << descriptor::kContextL4LengthShift |
                            std::uint32_t{offload.segment_size} << descriptor::kContextMssShift |
                            1u << descriptor::kTxContextIndexShift
                      : 0;
  put(lengths, type, segment);
}

void TxRing::put_data(Iova at, std::uint32_t length, const TxOffload& offload, std::uint32_t payload,
                      bool last) {
  std::uint32_t command = kData | length;
  std::uint32_t options = payload << descriptor::kTxPayloadShift;
  if (last) command |= descriptor::kTxEndOfPacket | descriptor::kTxReportStatus;
  if (offload.vlan) command |= descriptor::kTxVlanInsert;
  if (offload.segment) command |= descriptor::kTxSegment;
  if (offload.ip_checksum) options |= descriptor::kTxInsertIpChecksum;
  if (offload.l4_checksum) options |= descriptor::kTxInsertL4Checksum;
  if (offload.needs_context()) options |= descriptor::kTxCheckContext;
  if (offload.segment) options |= 1u << descriptor::kTxContextIndexShift;
  put(at.bits(), command, options);
}

bool TxRing::send(std::span<const TxPiece> pieces, const TxOffload& offload, bool more) {
  if (pieces.empty() || room() < pieces.size() + (offload.needs_context() ? 1 : 0)) return false;
  std::uint32_t payload = 0;
  for (const TxPiece& piece : pieces) payload += piece.length;
  if (offload.segment) payload -= offload.link_length + offload.network_length + offload.transport_length;
  if (offload.needs_context()) put_context(offload);
  for (std::size_t i = 0; i < pieces.size(); ++i)
    put_data(pieces[i].at, pieces[i].length, offload, payload, i + 1 == pieces.size());
  unreported_ = 0;
  if (!more) ring_doorbell();
  return true;
}

bool TxRing::send(ConstBytes frame, const TxOffload& offload, bool more) {
  return send(frame, {}, offload, more);
}

bool TxRing::send(ConstBytes head, std::span<const ConstBytes> rest, const TxOffload& offload, bool more) {
  std::size_t length = head.size();
  for (const ConstBytes part : rest) length += part.size();
  std::array<TxPiece, 64> pieces;
  if (length > pieces.size() * kBuffer || room() < descriptors_for(static_cast<std::uint32_t>(length)))
    return false;
  std::size_t count = 0;
  // Buffers go with the data descriptors, behind the context.
  std::uint32_t index = offload.needs_context() ? after(next_) : next_;
  const auto copy = [&](ConstBytes part) {
    while (!part.empty()) {
      if (count == 0 || pieces[count - 1].length == kBuffer) {
        if (count != 0) index = after(index);
        pieces[count++] = {buffer(index), 0};
      }
      std::uint32_t& filled = pieces[count - 1].length;
      const std::size_t now = std::min<std::size_t>(part.size(), kBuffer - filled);
      std::memcpy(&buffers_.bytes[std::size_t{index} * kBuffer + filled], part.data(), now);
      filled += static_cast<std::uint32_t>(now);
      part = part.subspan(now);
    }
  };
  copy(head);
  for (const ConstBytes part : rest) copy(part);
  return send(std::span<const TxPiece>(pieces).first(count), offload, more);
}

void TxRing::ring_doorbell() {
  registers_->write32(reg(ixgbevf::kTail), next_);
}

std::uint32_t TxRing::reclaim() {
  const std::uint32_t before = clean_;
  while (watched_ != 0 && done(descriptor(watch_[watch_head_]))) {
    clean_ = after(watch_[watch_head_]);
    watch_head_ = watch_head_ + 1 == size_ ? 0 : watch_head_ + 1;
    --watched_;
  }
  return (clean_ + size_ - before) % size_;
}

void TxRing::fill(ConstBytes frame) {
  frame_length_ = static_cast<std::uint32_t>(std::min<std::size_t>(frame.size(), kBuffer));
  for (std::uint32_t i = 0; i < size_; ++i)
    std::memcpy(&buffers_.bytes[std::size_t{i} * kBuffer], frame.data(), frame_length_);
}

std::uint32_t TxRing::transmit_batch(std::uint32_t count) {
  if (room() < count) reclaim();
  count = std::min(count, room());
  if (count == 0) return 0;
  const std::uint32_t command = kData | descriptor::kTxEndOfPacket | frame_length_;
  const std::uint32_t options = frame_length_ << descriptor::kTxPayloadShift;
  for (std::uint32_t i = 0; i < count; ++i) {
    const bool report = ++unreported_ >= report_every_;
    if (report) unreported_ = 0;
    put(buffer(next_).bits(), command | (report ? descriptor::kTxReportStatus : 0), options);
  }
  ring_doorbell();
  return count;
}

}  // namespace ladon::client
