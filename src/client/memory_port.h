// A DMA port with plain memory behind it: one stretch at one address, nothing else is reachable. Messages are
// recorded. Completes at once, or - to test a device's other half - only when told to.
#pragma once

#include <cstdint>
#include <vector>

#include "client/mmio.h"
#include "pcie/dma.h"

namespace ladon::client {

class MemoryPort final : public pcie::DmaPort {
 public:
  // All of `memory` may be read and written.
  explicit MemoryPort(GuestMemory memory) : memory_(memory) {}

  struct Message {
    Iova address;
    std::uint32_t data = 0;
  };
  [[nodiscard]] const std::vector<Message>& messages() const { return messages_; }
  void clear_messages() { messages_.clear(); }
  // Off: messages are counted, not kept (benchmarks).
  void keep_messages(bool keep) { keep_ = keep; }
  [[nodiscard]] std::uint64_t message_count() const { return message_count_; }
  [[nodiscard]] std::uint64_t refusals() const { return refusals_; }

  // From now on accesses stay pending until complete(); null: they complete at once again.
  void defer_to(pcie::DmaClient* client);
  // Performs the oldest pending access and tells the client; false if there is none.
  bool complete();
  // The same for one of those that PCIe's ordering rules let complete next (PCIe 6.0, 2.4.1): the oldest, or
  // a read that no write was issued before. `choice` selects among them.
  bool complete_any(std::size_t choice);
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }
  // Everything is refused from now on, as after an unmap; or no longer.
  void revoke(bool revoked);

  pcie::DmaStatus send_msi(Iova address, std::uint32_t data) override;

 protected:
  pcie::DmaStatus issue_read(Iova from, Bytes into, pcie::DmaTag tag) override;
  pcie::DmaStatus issue_write(Iova to, ConstBytes from, pcie::DmaTag tag) override;

 private:
  struct Pending {
    Iova at;
    Bytes into;
    ConstBytes from;  // with `write`
    bool write = false;
    pcie::DmaTag tag{};
  };
  [[nodiscard]] std::byte* at(Iova address, std::size_t length) const;
  void remember_around(Iova address);
  pcie::DmaStatus move(const Pending& access);
  void complete_at(std::size_t index);

  GuestMemory memory_;
  std::vector<Message> messages_;
  std::vector<Pending> pending_;
  pcie::DmaClient* client_ = nullptr;
  std::uint64_t message_count_ = 0, refusals_ = 0;
  bool keep_ = true, revoked_ = false;
};

}  // namespace ladon::client
