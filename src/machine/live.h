// Live movement: an access goes where resolve() says, at once. What one engine's ports share.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/counters.h"
#include "base/time.h"
#include "fabric/fabric.h"
#include "machine/host_memory.h"
#include "machine/recent_refusals.h"

namespace ladon::machine {

// Refusals that are not the fabric's: the way was open, and its end did not take the access.
enum class LiveRefusal : std::uint8_t {
  memory_gone,         // the guest truncated the file behind its memory, or sealed it against writing
  bad_register_width,  // a device wrote registers otherwise than 4 or 8 aligned bytes at a time
  peer_flood,          // more device-to-device register writes than kMaxPeerWrites wait
  count_
};
[[nodiscard]] std::string_view name(LiveRefusal refusal);

class Live {
 public:
  using RefusalSink = std::move_only_function<void(const pcie::Transaction&, const fabric::Resolution&)>;
  using InterruptSink = std::move_only_function<void(const fabric::InterruptTarget&)>;

  Live(fabric::Fabric& fabric, std::vector<HostMemory*> memories, const Clock& clock);

  [[nodiscard]] fabric::Fabric& fabric() { return fabric_; }
  // Resolved now; a refusal is recorded and counted.
  [[nodiscard]] fabric::Resolution follow(const pcie::Transaction& transaction);
  // How many were, since the rack was built: what no port remembered.
  [[nodiscard]] std::uint64_t followed() const { return followed_; }
  // The same without a record: a look ahead that nobody asked for.
  [[nodiscard]] fabric::Resolution probe(const pcie::Transaction& transaction) const;

  // The far end of a resolution. False if it did not take the access.
  bool read(const fabric::Resolution& way, Bytes into);
  bool write(const fabric::Resolution& way, ConstBytes from);

  [[nodiscard]] HostMemory& memory(pcie::Domain domain) {
    return *memories_[static_cast<std::size_t>(domain)];
  }

  void set_interrupt_sink(InterruptSink sink) { interrupts_ = std::move(sink); }
  void interrupt(const fabric::InterruptTarget& target) { interrupts_(target); }
  // Sees every access that is recorded as refused.
  void set_refusal_sink(RefusalSink sink) { refused_ = std::move(sink); }
  [[nodiscard]] const RecentRefusals& recent_refusals() const { return recent_; }
  // Sees every access: nothing is remembered then, each is followed anew. Set before anything runs. May be
  // empty.
  using Watcher = std::move_only_function<void(const fabric::Tables&, const pcie::Transaction&,
                                               const fabric::Resolution&)>;
  void set_watcher(Watcher watcher) { watcher_ = std::move(watcher); }
  [[nodiscard]] bool watched() const { return static_cast<bool>(watcher_); }
  // Register writes of devices to devices: posted, and done between two batches, because a device must not be
  // entered while it works. Call until false.
  bool run_peer_writes();
  // What the NTBs' sides have emitted, likewise: each message goes where the tables say, or is refused and
  // recorded. True if there was any.
  bool run_emissions();

  [[nodiscard]] const Counters<LiveRefusal>& refusals() const { return refusals_; }
  void refuse(LiveRefusal why) { refusals_.add(why); }

 private:
  static constexpr std::size_t kMaxPeerWrites = 4096;
  struct PeerWrite {
    fabric::RegisterTarget target;
    unsigned width = 4;
    std::uint64_t value = 0;
  };
  bool read_registers(const fabric::RegisterTarget& target, Bytes into);
  bool post_registers(const fabric::RegisterTarget& target, ConstBytes from);

  fabric::Fabric& fabric_;
  std::vector<HostMemory*> memories_;
  const Clock& clock_;
  InterruptSink interrupts_ = [](const fabric::InterruptTarget&) {};
  RefusalSink refused_;  // may be empty
  Watcher watcher_;      // likewise
  std::uint64_t followed_ = 0;
  RecentRefusals recent_;
  std::deque<PeerWrite> peer_writes_;
  Counters<LiveRefusal> refusals_;
};

}  // namespace ladon::machine
