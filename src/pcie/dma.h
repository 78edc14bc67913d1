// What a PCI function may do to the world: read and write memory at the addresses it emits, and signal
// interrupts. A port is granted to one function when it is attached; the requester ID is stamped behind the
// port, so a function cannot choose it. The consumer (a NIC) knows nothing of how an access is translated.
//
// Accesses are split-phase: issue, then complete. A live port completes before it returns; a simulated port
// answers `pending` and calls DmaClient::dma_completed later. Source of the terms: PCIe Base
// Specification 6.0, 2.2.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "base/address.h"
#include "base/bytes.h"
#include "pcie/transaction.h"

namespace ladon::pcie {

enum class DmaStatus : std::uint8_t {
  done,     // the bytes have moved
  pending,  // dma_completed(tag, ...) will be called; buffers stay valid until then
  refused,  // a table refused it (or no memory is there); nothing moved; a fault was recorded
};

// Chosen by the client; comes back with the completion.
using DmaTag = std::uint32_t;

class DmaClient {
 public:
  virtual ~DmaClient() = default;
  virtual void dma_completed(DmaTag tag, DmaStatus status) = 0;
};

// All that a function needs which signals interrupts and moves no data.
class MsiPort {
 public:
  virtual ~MsiPort() = default;
  MsiPort() = default;
  MsiPort(const MsiPort&) = delete;
  MsiPort& operator=(const MsiPort&) = delete;

  // A posted write of `data` to a message address (PCI Local Bus 3.0, 6.8): an interrupt, if the tables let
  // it be one.
  virtual DmaStatus send_msi(Iova address, std::uint32_t data) = 0;
};

class DmaPort : public MsiPort {
 public:
  // The bytes at [at, at + length) if this function may access them so right now and they lie in one stretch
  // of directly addressable memory already resolved; nullptr otherwise (use read, write or copy then). The
  // pointer is good until control returns to the engine's loop: never keep it over a quiescent point.
  [[nodiscard]] std::byte* direct(Iova at, std::uint32_t length, Access access) {
    const Extent& extent = extents_[slot(at)];
    const std::uint64_t offset = at.bits() - extent.first;
    if (extent.generation != generation_ || offset > extent.span || length > extent.span - offset + 1 ||
        !extent.access.allows(access))
      return nullptr;
    return extent.memory + offset;
  }

  DmaStatus read(Iova from, Bytes into, DmaTag tag) {
    if (const std::byte* bytes = direct(from, static_cast<std::uint32_t>(into.size()), Access::read)) {
      std::memcpy(into.data(), bytes, into.size());
      return DmaStatus::done;
    }
    return issue_read(from, into, tag);
  }
  DmaStatus write(Iova to, ConstBytes from, DmaTag tag) {
    if (std::byte* bytes = direct(to, static_cast<std::uint32_t>(from.size()), Access::write)) {
      std::memcpy(bytes, from.data(), from.size());
      return DmaStatus::done;
    }
    return issue_write(to, from, tag);
  }

 protected:
  // The slow path: follows the tables, moves the bytes (in as many pieces as needed), fills the cache.
  virtual DmaStatus issue_read(Iova from, Bytes into, DmaTag tag) = 0;
  virtual DmaStatus issue_write(Iova to, ConstBytes from, DmaTag tag) = 0;

  // A stretch [first, first + span] of emitted addresses whose bytes start at `memory`.
  struct Extent {
    std::uint64_t first = 0;
    std::uint64_t span = 0;
    std::byte* memory = nullptr;
    std::uint64_t generation = 0;
    AccessSet access = kNoAccess;
  };
  void remember(Iova at, const Extent& extent) {
    extents_[slot(at)] = extent;
    extents_[slot(at)].generation = generation_;
  }
  // Everything remembered is void: this function's mappings have changed. Called at a quiescent point.
  void forget() { ++generation_; }

 private:
  static constexpr std::size_t kSlots = 64;
  static constexpr unsigned kSlotShift = 21;  // 2 MiB: what one page-table entry of the middle level covers
  [[nodiscard]] static std::size_t slot(Iova at) { return (at.bits() >> kSlotShift) % kSlots; }

  std::array<Extent, kSlots> extents_{};
  std::uint64_t generation_ = 1;
};

}  // namespace ladon::pcie
