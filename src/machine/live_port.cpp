#include "machine/live_port.h"

#include <algorithm>
#include <variant>

namespace ladon::machine {
namespace {

constexpr std::uint64_t kPage = 4096;  // a request never crosses one (PCIe 6.0, 2.2.7)

}  // namespace

pcie::Transaction LivePort::transaction(Iova at, std::uint32_t length, pcie::Access access) const {
  return live_->fabric().tables()->emitted_by(who_, at, length, access);
}

// `data_at(offset, length)`: the four bytes of a write that may turn out to be an interrupt message.
template <class DataAt, class Move>
pcie::DmaStatus LivePort::pieces(Iova at, std::size_t length, pcie::Access access, DataAt data_at,
                                 Move move) {
  if (live_ == nullptr) return pcie::DmaStatus::refused;
  for (std::size_t done = 0; done < length;) {
    const auto here = at.plus(done);
    if (!here) return pcie::DmaStatus::refused;
    const auto piece =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(length - done, kPage - here->bits() % kPage));
    ++misses_;
    pcie::Transaction request = transaction(*here, piece, access);
    request.data = data_at(done, piece);
    const fabric::Resolution way = live_->follow(request);
    if (way.refused() || !move(way, done, piece)) return pcie::DmaStatus::refused;
    learn(*here, way, access);
    done += piece;
  }
  return pcie::DmaStatus::done;
}

pcie::DmaStatus LivePort::issue_read(Iova from, Bytes into, pcie::DmaTag) {
  return pieces(
      from, into.size(), pcie::Access::read, [](std::size_t, std::size_t) { return 0u; },
      [&](const fabric::Resolution& way, std::size_t done, std::size_t length) {
        return live_->read(way, into.subspan(done, length));
      });
}

pcie::DmaStatus LivePort::issue_write(Iova to, ConstBytes from, pcie::DmaTag) {
  const auto data = [&](std::size_t done, std::size_t length) {
    return length == sizeof(std::uint32_t) ? load_le<std::uint32_t>(from.data() + done) : 0u;
  };
  return pieces(to, from.size(), pcie::Access::write, data,
                [&](const fabric::Resolution& way, std::size_t done, std::size_t length) {
                  return live_->write(way, from.subspan(done, length));
                });
}

// Remembers the extent if plain bytes are behind it, with both permissions if both lead to the same place: a
// ring is read and written in turn, and one must not push out the other.
void LivePort::learn(Iova at, const fabric::Resolution& way, pcie::Access access) {
  const auto* target = std::get_if<fabric::MemoryTarget>(&way.outcome);
  if (target == nullptr || live_->watched()) return;
  const auto place = live_->memory(target->domain).find(target->at);
  if (!place || place->file->mapped_or_null() == nullptr) return;
  if (access == pcie::Access::write && !place->file->writable()) return;

  fabric::Extent extent = way.extent;
  pcie::AccessSet allowed{static_cast<std::uint8_t>(access)};
  const auto other = access == pcie::Access::read ? pcie::Access::write : pcie::Access::read;
  const fabric::Resolution also = live_->probe(transaction(at, 1, other));
  const auto* same = std::get_if<fabric::MemoryTarget>(&also.outcome);
  if (same != nullptr && *same == *target && (other == pcie::Access::read || place->file->writable())) {
    extent = {std::max(extent.first, also.extent.first), std::min(extent.last, also.extent.last)};
    allowed = pcie::kReadWrite;
  }
  // The extent may reach further than this piece of memory does.
  const std::uint64_t before =
      std::min(at.bits() - extent.first, target->at.bits() - place->range.first().bits());
  const std::uint64_t after = std::min(extent.last - at.bits(), place->left - 1);
  remember(at, {.first = at.bits() - before,
                .span = before + after,
                .memory = place->file->mapped_or_null() + place->offset - before,
                .access = allowed});
}

pcie::DmaStatus LivePort::send_msi(Iova address, std::uint32_t data) {
  if (live_ == nullptr) return pcie::DmaStatus::refused;
  MessageRoute& route = routes_[(address.bits() >> 2) % routes_.size()];
  if (route.known && route.address == address.bits() && route.data == data) {
    live_->interrupt(route.target);
    return pcie::DmaStatus::done;
  }
  pcie::Transaction request = transaction(address, sizeof data, pcie::Access::write);
  request.data = data;
  const fabric::Resolution way = live_->follow(request);
  if (way.refused()) return pcie::DmaStatus::refused;
  std::array<std::byte, sizeof data> bytes;
  store_le(bytes.data(), data);
  if (!live_->write(way, bytes)) return pcie::DmaStatus::refused;
  if (const auto* target = std::get_if<fabric::InterruptTarget>(&way.outcome); target && !live_->watched())
    route = {.address = address.bits(), .data = data, .target = *target, .known = true};
  return pcie::DmaStatus::done;
}

}  // namespace ladon::machine
