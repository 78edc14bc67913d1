// An SR-IOV network controller: one physical function, which the management software drives (spec/pf.h), and
// up to 63 virtual functions that look like Intel's X550 or 82599 to their drivers (spec/ixgbevf.h). It is
// given a clock, a wire and one DMA port a function, and knows nothing behind them.
//
// One thread owns it: registers, poll() and completions are called from there alone. A doorbell only marks
// its queue; poll() moves the frames. Nothing keeps a pointer into guest memory when poll() has returned.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/mac.h"
#include "base/time.h"
#include "base/wire.h"
#include "nic/counters.h"
#include "nic/fault.h"
#include "nic/options.h"
#include "nic/service_levels.h"
#include "nic/tap.h"
#include "pcie/dma.h"
#include "pcie/function.h"

namespace ladon::nic {

class Engine;
class Pf;
class Vf;

class Nic final : public pcie::Endpoint, public pcie::DmaClient {
 public:
  // `ports`: the PF's, then VF 0's and so on, options.vfs + 1 of them; clock, wire and ports outlive the NIC.
  // Throws std::invalid_argument if options or ports are impossible.
  Nic(const NicOptions& options, const Clock& clock, Wire& wire, std::span<pcie::DmaPort* const> ports);
  ~Nic() override;

  // pcie::Endpoint: index 0 is the PF, VF i is at kFirstVfOffset + i * kVfStride while it is enabled.
  [[nodiscard]] pcie::Function* function(std::uint16_t index) override;
  [[nodiscard]] std::vector<std::uint16_t> functions() const override;
  [[nodiscard]] std::uint64_t decode_version() const override;

  // pcie::DmaClient: for ports that answer `pending`.
  void dma_completed(pcie::DmaTag tag, pcie::DmaStatus status) override;

  // Moves frames from rings and wire until about `budget` have moved or nothing is left, then signals
  // interrupts. True if there is more to do at once. The wire is only looked at here.
  bool poll(std::size_t budget = 256);
  // poll() would find work in a ring (not: on the wire).
  [[nodiscard]] bool has_work() const;
  // When poll() must be called at the latest though nothing else happens: a moderated interrupt is due.
  [[nodiscard]] std::optional<Instant> next_deadline() const;

  // Null: none. The tap outlives the NIC or is taken away first.
  void set_tap(FrameTap* tap);

  // For reports and tests; `vf` < vfs().
  [[nodiscard]] std::uint16_t vfs() const;
  [[nodiscard]] const Counters<VfDrop>& drops(std::uint16_t vf) const;
  [[nodiscard]] const Counters<WireDrop>& wire_drops() const;
  [[nodiscard]] const VfStatistics& statistics(std::uint16_t vf) const;
  [[nodiscard]] const Counters<VfFault>& faults(std::uint16_t vf) const;
  // The same from before the VF was scrubbed, or its counters cleared, for the last time: nothing that was
  // counted is lost. Not reset by anything.
  [[nodiscard]] const Counters<VfDrop>& former_drops(std::uint16_t vf) const;
  [[nodiscard]] const Counters<VfFault>& former_faults(std::uint16_t vf) const;
  [[nodiscard]] MacAddress mac(std::uint16_t vf) const;
  [[nodiscard]] bool link_up(std::uint16_t vf) const;
  [[nodiscard]] const qos::Partitions& packet_memory() const;
  [[nodiscard]] const qos::ServiceLevel& level(std::uint16_t vf) const;

  // What a function is promised and allowed. Without a partition of packet memory it has neither link nor
  // frames. nullopt: done; otherwise nothing has changed.
  [[nodiscard]] std::optional<qos::LevelRefusal> set_level(std::uint16_t vf, const qos::ServiceLevel& level);
  // False, and nothing changed, if more than that is guaranteed already.
  [[nodiscard]] bool set_capacity(const Capacity& capacity);

 private:
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Pf> pf_;
};

}  // namespace ladon::nic
