// A VF's rings as an attacker writes them: any address in any descriptor.
#pragma once

#include <cstdint>
#include <span>

#include "client/mmio.h"
#include "client/tx_ring.h"

namespace ladon::attack {

class RawRings {
 public:
  static constexpr std::uint16_t kSize = 16;      // descriptors
  static constexpr std::uint32_t kBuffer = 1024;  // bytes that the device puts into one receive buffer

  RawRings(client::Mmio& registers, client::Arena& arena);
  // False if the guest's memory was too small for rings of its own.
  [[nodiscard]] bool usable() const { return usable_; }

  // Queue 0 receives into these buffers, one after the other.
  void receive_into(std::span<const Iova> buffers);
  // Queue 0 sends one packet made of these pieces.
  void transmit(std::span<const client::TxPiece> pieces);
  // Rings that lie elsewhere: where the device fetches and writes back descriptors.
  void receive_ring_at(Iova ring);
  void transmit_ring_at(Iova ring);
  [[nodiscard]] Bytes receive_descriptors() { return rx_.bytes; }
  [[nodiscard]] Bytes transmit_descriptors() { return tx_.bytes; }

 private:
  void program(std::uint32_t block, Iova ring);
  client::Mmio& registers_;
  client::GuestMemory rx_{}, tx_{};
  bool usable_ = false;
};

}  // namespace ladon::attack
