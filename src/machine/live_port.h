// The DMA port of one function of an endpoint: stamps the requester ID, follows the tables, and remembers
// exact extents until one of its own mappings changes.
#pragma once

#include <array>
#include <cstdint>

#include "fabric/fabric.h"
#include "machine/live.h"
#include "pcie/dma.h"

namespace ladon::machine {

class LivePort final : public pcie::DmaPort {
 public:
  explicit LivePort(fabric::FunctionId who) : who_(who) {}
  // The NIC is built before the fabric that it hangs on: a port without one refuses everything.
  void connect(Live& live) { live_ = &live; }
  // The function's mappings changed.
  void mappings_changed() { forget(), routes_ = {}; }

  pcie::DmaStatus send_msi(Iova address, std::uint32_t data) override;

  // Resolutions made because nothing was remembered.
  [[nodiscard]] std::uint64_t misses() const { return misses_; }

 protected:
  pcie::DmaStatus issue_read(Iova from, Bytes into, pcie::DmaTag tag) override;
  pcie::DmaStatus issue_write(Iova to, ConstBytes from, pcie::DmaTag tag) override;

 private:
  // Calls move(way, offset, length) for each piece that does not cross a page.
  template <class DataAt, class Move>
  pcie::DmaStatus pieces(Iova at, std::size_t length, pcie::Access access, DataAt data_at, Move move);
  [[nodiscard]] pcie::Transaction transaction(Iova at, std::uint32_t length, pcie::Access access) const;
  void learn(Iova at, const fabric::Resolution& way, pcie::Access access);

  struct MessageRoute {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
    fabric::InterruptTarget target;
    bool known = false;
  };
  fabric::FunctionId who_;
  Live* live_ = nullptr;
  std::array<MessageRoute, 4> routes_{};
  std::uint64_t misses_ = 0;
};

}  // namespace ladon::machine
