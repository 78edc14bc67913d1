// A function's port with somebody in between, to attack what happens between two accesses: a guest that
// changes its memory meanwhile, and accesses that are under way for a while.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "machine/live.h"
#include "pcie/dma.h"

namespace ladon::machine {

class WatchedPort final : public pcie::DmaPort {
 public:
  WatchedPort(fabric::FunctionId who, pcie::DmaPort& port) : who_(who), port_(port) {}
  // Both are built before the function and the fabric that they lie between.
  void connect(Live& live, pcie::DmaClient& client) { live_ = &live, client_ = &client; }

  // Called before every access, with whether it is a write.
  void before_each(std::function<void(bool write)> then) { before_ = std::move(then); }
  // From now on an access is resolved when it is issued and lands in land().
  void hold(bool held) { held_ = held; }
  [[nodiscard]] std::size_t under_way() const { return pending_.size(); }
  // All that is under way lands where it was resolved to. Returns how many accesses.
  std::size_t land();

  pcie::DmaStatus send_msi(Iova address, std::uint32_t data) override {
    return port_.send_msi(address, data);
  }

 protected:
  pcie::DmaStatus issue_read(Iova from, Bytes into, pcie::DmaTag tag) override;
  pcie::DmaStatus issue_write(Iova to, ConstBytes from, pcie::DmaTag tag) override;

 private:
  struct Piece {
    fabric::Resolution way;
    std::size_t offset = 0, length = 0;
  };
  struct Pending {
    std::vector<Piece> pieces;
    Bytes into;
    ConstBytes from;  // with `write`; stays valid until the access is complete
    bool write = false;
    pcie::DmaTag tag{};
  };
  pcie::DmaStatus issue(Iova at, Pending access);

  fabric::FunctionId who_;
  pcie::DmaPort& port_;
  bool held_ = false;
  Live* live_ = nullptr;
  pcie::DmaClient* client_ = nullptr;
  std::function<void(bool)> before_;
  std::deque<Pending> pending_;
};

}  // namespace ladon::machine
