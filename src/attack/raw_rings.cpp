#include "attack/raw_rings.h"

#include <algorithm>

#include "spec/descriptor.h"
#include "spec/ixgbevf.h"

namespace ladon::attack {

namespace regs = spec::ixgbevf;
namespace descriptor = spec::descriptor;

RawRings::RawRings(client::Mmio& registers, client::Arena& arena) : registers_(registers) {
  const auto rx = arena.take(kSize * descriptor::kSize), tx = arena.take(kSize * descriptor::kSize);
  usable_ = rx && tx;
  if (usable_) rx_ = *rx, tx_ = *tx;
}

void RawRings::program(std::uint32_t block, Iova ring) {
  registers_.write32(block + regs::kQueueControl, 0);
  registers_.write32(block + regs::kBaseLow, static_cast<std::uint32_t>(ring.bits()));
  registers_.write32(block + regs::kBaseHigh, static_cast<std::uint32_t>(ring.bits() >> 32));
  registers_.write32(block + regs::kLength, kSize * descriptor::kSize);
  registers_.write32(block + regs::kHead, 0);
  registers_.write32(block + regs::kTail, 0);
}

void RawRings::receive_into(std::span<const Iova> buffers) {
  std::ranges::fill(rx_.bytes, std::byte{0});
  for (std::size_t i = 0; i < buffers.size(); ++i)
    store_le(&rx_.bytes[i * descriptor::kSize], buffers[i].bits());
  program(regs::kRx, rx_.base);
  registers_.write32(regs::kRx + regs::kSrrctl, kBuffer / 1024 | descriptor::kSrrctlOneBuffer);
  registers_.write32(regs::kRx + regs::kQueueControl, regs::kQueueEnable);
  registers_.write32(regs::kRx + regs::kTail, static_cast<std::uint32_t>(buffers.size()));
}

void RawRings::transmit(std::span<const client::TxPiece> pieces) {
  std::ranges::fill(tx_.bytes, std::byte{0});
  std::uint32_t all = 0;
  for (const auto& piece : pieces) all += piece.length;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    std::byte* const at = &tx_.bytes[i * descriptor::kSize];
    std::uint32_t command =
        descriptor::kTxTypeData | descriptor::kTxExtension | descriptor::kTxInsertFcs | pieces[i].length;
    if (i + 1 == pieces.size()) command |= descriptor::kTxEndOfPacket | descriptor::kTxReportStatus;
    store_le(at, pieces[i].at.bits());
    store_le(at + descriptor::kTxCommand, command);
    store_le(at + descriptor::kTxOptions, all << descriptor::kTxPayloadShift);
  }
  program(regs::kTx, tx_.base);
  registers_.write32(regs::kTx + regs::kQueueControl, regs::kQueueEnable);
  registers_.write32(regs::kTx + regs::kTail, static_cast<std::uint32_t>(pieces.size()));
}

void RawRings::receive_ring_at(Iova ring) {
  program(regs::kRx, ring);
  registers_.write32(regs::kRx + regs::kSrrctl, kBuffer / 1024 | descriptor::kSrrctlOneBuffer);
  registers_.write32(regs::kRx + regs::kQueueControl, regs::kQueueEnable);
  registers_.write32(regs::kRx + regs::kTail, kSize - 1u);
}

void RawRings::transmit_ring_at(Iova ring) {
  program(regs::kTx, ring);
  registers_.write32(regs::kTx + regs::kQueueControl, regs::kQueueEnable);
  registers_.write32(regs::kTx + regs::kTail, kSize - 1u);
}

}  // namespace ladon::attack
