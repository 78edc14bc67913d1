// A virtual function's driver as ixgbevf (Linux 6.1 and later) behaves, without an operating system: it
// probes, negotiates, sets up rings, sends and receives. It holds a BAR and a stretch of memory and knows
// nothing of what is behind them; tests, fuzzers and benchmarks share it.
//
//   VfDriver driver(registers, memory, {});
//   driver.probe(); driver.open();
//   driver.tx().send(frame);
//   if (auto frame = driver.rx().receive()) ...
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <vector>

#include "base/mac.h"
#include "client/mmio.h"
#include "client/rx_ring.h"
#include "client/tx_ring.h"
#include "client/vf_mailbox.h"

namespace ladon::client {

struct VfOptions {
  std::uint16_t queues = 1;        // pairs, at most what the management software offers
  std::uint16_t tx_size = 256;     // descriptors
  std::uint16_t report_every = 1;  // see TxRing
  RxOptions rx = {};
  std::uint16_t max_frame = 1518;  // with FCS, as the SET_LPE message states it
};

enum class ReceiveMode : std::uint32_t { none = 0, multicast = 1, all_multicast = 2, promiscuous = 3 };

class VfDriver {
 public:
  VfDriver(Mmio& registers, GuestMemory memory, const VfOptions& options);

  // Resets the function, learns its address and agrees on an interface version and the number of queues.
  [[nodiscard]] std::expected<void, VfError> probe();
  // Sets up and starts all rings and interrupts. Needs probe().
  [[nodiscard]] std::expected<void, VfError> open();
  // Stops rings and interrupts.
  void close();

  [[nodiscard]] std::expected<void, VfError> reset();
  [[nodiscard]] std::expected<void, VfError> set_mac(const MacAddress& mac);
  [[nodiscard]] std::expected<void, VfError> set_receive_mode(ReceiveMode mode);
  [[nodiscard]] std::expected<void, VfError> set_max_frame(std::uint16_t bytes);
  [[nodiscard]] std::expected<void, VfError> set_vlan(std::uint16_t vlan, bool member);
  // At most 30 addresses, as their hash filter.
  [[nodiscard]] std::expected<void, VfError> set_multicast(std::span<const MacAddress> groups);
  [[nodiscard]] std::expected<void, VfError> add_mac(const MacAddress& mac);
  // Exactly these besides the function's own, as ixgbevf writes its list of unicast addresses.
  [[nodiscard]] std::expected<void, VfError> set_macs(std::span<const MacAddress> macs);

  // What the driver's watchdog finds: VFLINKS, and the clear-to-send flag that must stay in the mailbox.
  // not_cleared or reset_pending: the driver would reset the function now.
  [[nodiscard]] std::expected<bool, VfError> link_up();
  // The same while the link is known to be up. Where a reset shows, clear-to-send tells whether it was one of
  // the driver's own; a mailbox that is in use says nothing.
  [[nodiscard]] std::expected<bool, VfError> link_stays();

  // Interrupt causes as read (which clears them); then what the poll routine does at its end.
  [[nodiscard]] std::uint32_t take_causes();
  void rearm(std::uint32_t vectors);
  void mask_interrupts();  // for drivers that poll
  void set_interval(std::uint16_t vector, std::uint32_t microseconds);
  // Hashes over both queues: key, redirection table (alternating) and types (X550).
  void set_up_rss();

  [[nodiscard]] TxRing& tx(std::size_t queue = 0) { return tx_.at(queue); }
  [[nodiscard]] RxRing& rx(std::size_t queue = 0) { return rx_.at(queue); }
  [[nodiscard]] VfMailbox& mailbox() { return mailbox_; }
  // What rings have left of the memory, for buffers of one's own.
  [[nodiscard]] Arena& memory() { return arena_; }

  [[nodiscard]] const MacAddress& mac() const { return mac_; }
  [[nodiscard]] bool mac_assigned() const { return mac_assigned_; }
  [[nodiscard]] std::uint16_t api() const { return api_; }  // as the message carries it: 4 is version 1.3
  [[nodiscard]] std::uint16_t queues_offered() const { return offered_; }

 private:
  [[nodiscard]] std::expected<void, VfError> negotiate();
  [[nodiscard]] std::expected<void, VfError> query_queues();
  [[nodiscard]] std::expected<void, VfError> say(std::span<const std::uint32_t> words);
  void route_interrupts();

  Mmio& registers_;
  VfOptions options_;
  Arena arena_;
  VfMailbox mailbox_;
  std::vector<TxRing> tx_;
  std::vector<RxRing> rx_;
  MacAddress mac_{};
  bool mac_assigned_ = false;
  std::uint16_t api_ = 0, offered_ = 1;
};

}  // namespace ladon::client
