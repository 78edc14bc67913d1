#include "machine/watched_port.h"

#include <algorithm>

namespace ladon::machine {
namespace {

constexpr std::uint64_t kPage = 4096;

}  // namespace

pcie::DmaStatus WatchedPort::issue_read(Iova from, Bytes into, pcie::DmaTag tag) {
  if (before_) before_(false);
  if (held_) return issue(from, {.pieces = {}, .into = into, .from = {}, .write = false, .tag = tag});
  return port_.read(from, into, tag);
}

pcie::DmaStatus WatchedPort::issue_write(Iova to, ConstBytes from, pcie::DmaTag tag) {
  if (before_) before_(true);
  if (held_) return issue(to, {.pieces = {}, .into = {}, .from = from, .write = true, .tag = tag});
  return port_.write(to, from, tag);
}

pcie::DmaStatus WatchedPort::issue(Iova at, Pending access) {
  const std::size_t length = access.write ? access.from.size() : access.into.size();
  for (std::size_t done = 0; done < length;) {
    const Iova here(at.bits() + done);
    const std::size_t piece = std::min<std::uint64_t>(length - done, kPage - here.bits() % kPage);
    const auto request =
        live_->fabric().tables()->emitted_by(who_, here, static_cast<std::uint32_t>(piece),
                                             access.write ? pcie::Access::write : pcie::Access::read);
    auto way = live_->follow(request);
    if (way.refused()) return pcie::DmaStatus::refused;
    access.pieces.push_back({std::move(way), done, piece});
    done += piece;
  }
  pending_.push_back(std::move(access));
  return pcie::DmaStatus::pending;
}

std::size_t WatchedPort::land() {
  // Completions make the device issue more: only what is under way now lands now.
  std::size_t landed = 0;
  for (std::size_t left = pending_.size(); left > 0; --left, ++landed) {
    const Pending access = std::move(pending_.front());
    pending_.pop_front();
    bool done = true;
    for (const Piece& piece : access.pieces)
      done &= access.write ? live_->write(piece.way, access.from.subspan(piece.offset, piece.length))
                           : live_->read(piece.way, access.into.subspan(piece.offset, piece.length));
    client_->dma_completed(access.tag, done ? pcie::DmaStatus::done : pcie::DmaStatus::refused);
  }
  return landed;
}

}  // namespace ladon::machine
