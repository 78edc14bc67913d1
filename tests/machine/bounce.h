// A driver whose device reaches a small window of memory only: what it sends and receives lies anywhere, and
// its DMA layer copies it through buffers in the window, as Linux's swiotlb does.
#pragma once

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <vector>

#include "client/vf_driver.h"

namespace ladon::machine {

// Slots in the window, for what the device is to read.
class BouncePool {
 public:
  static constexpr std::uint32_t kSlot = 2048;  // bytes

  BouncePool(client::Arena& window, std::size_t slots) {
    const auto taken = window.take(slots * kSlot, kSlot);
    if (!taken) throw std::invalid_argument("the window has no room for so many slots");
    slots_ = *taken;
    for (std::size_t i = slots; i > 0; --i) free_.push_back(i - 1);
  }
  // A copy that the device reaches; nullopt if no slot is free or `bytes` do not fit into one.
  [[nodiscard]] std::optional<client::TxPiece> map(ConstBytes bytes) {
    if (bytes.size() > kSlot || free_.empty()) return std::nullopt;
    const std::size_t slot = free_.back();
    free_.pop_back();
    std::ranges::copy(bytes, slots_.bytes.subspan(slot * kSlot).begin());
    return client::TxPiece{Iova(slots_.base.bits() + slot * kSlot), static_cast<std::uint32_t>(bytes.size())};
  }
  void unmap(const client::TxPiece& piece) {
    free_.push_back((piece.at.bits() - slots_.base.bits()) / kSlot);
  }
  [[nodiscard]] std::size_t room() const { return free_.size(); }

 private:
  client::GuestMemory slots_{};
  std::vector<std::size_t> free_;
};

// Over a driver whose rings and receive buffers lie in the window, as memory that is allocated for a device
// does.
class BounceDriver {
 public:
  // `memory`: the guest's, from address 0.
  BounceDriver(client::VfDriver& driver, Bytes memory, std::size_t slots)
      : driver_(driver), memory_(memory), pool_(driver.memory(), slots) {}

  // Sends the frame that lies at `at`; false if there is no slot or no descriptor now.
  [[nodiscard]] bool send(Iova at, std::uint32_t length) {
    reclaim();
    const auto piece = pool_.map(memory_.subspan(at.bits(), length));
    if (!piece) return false;
    if (!driver_.tx().send(std::span(&*piece, 1))) return pool_.unmap(*piece), false;
    sent_.push_back(*piece);
    return true;
  }
  // The next frame, copied to `at`; its length, or nullopt if there is none.
  [[nodiscard]] std::optional<std::uint32_t> receive(Iova at) {
    std::array<ConstBytes, 8> parts;
    const auto frame = driver_.rx().front(parts);
    if (!frame) return std::nullopt;
    std::uint64_t to = at.bits();
    for (std::uint32_t i = 0; i < frame->buffers; ++i) {
      std::ranges::copy(parts[i], memory_.subspan(to).begin());
      to += parts[i].size();
    }
    driver_.rx().pop(*frame);
    driver_.rx().refill();
    return frame->length;
  }
  // Gives back the slots of what has been sent.
  void reclaim() {
    (void)driver_.tx().reclaim();
    if (!driver_.tx().idle()) return;
    for (const auto& piece : sent_) pool_.unmap(piece);
    sent_.clear();
  }
  [[nodiscard]] const BouncePool& pool() const { return pool_; }

 private:
  client::VfDriver& driver_;
  Bytes memory_;
  BouncePool pool_;
  std::vector<client::TxPiece> sent_;
};

}  // namespace ladon::machine
