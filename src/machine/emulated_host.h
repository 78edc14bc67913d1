// One emulated host: serves the HostBridge requests of its software on the fabric. Several programs may share
// a host (the management host's own program, and the part that holds its local VMs); each gets a bridge of
// its own.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/quiescence.h"
#include "base/time.h"
#include "host/host_bridge.h"
#include "iommu/flush_queue.h"
#include "machine/live.h"

namespace ladon::machine {

struct EmulatedHostOptions {
  pcie::Domain domain{};
  host::Description description;  // what Describe answers
  // With deferred invalidation: the longest that an unmap waits for the IOTLB to be emptied.
  Duration flush_after = iommu::FlushQueue::kTimeout;
};

class EmulatedHost {
 public:
  // All outlive the host. Replies that need a quiescent point come from `quiescence.poll()`.
  EmulatedHost(const EmulatedHostOptions& options, Live& live, const Clock& clock, Quiescence& quiescence);
  ~EmulatedHost();
  EmulatedHost(const EmulatedHost&) = delete;
  EmulatedHost& operator=(const EmulatedHost&) = delete;

  // A bridge for one more program; lives as long as the host.
  [[nodiscard]] host::HostBridge& add_program();

  // An interrupt has arrived at this host. It reaches the program that routed the vector, or, if none did,
  // every program.
  void interrupt(std::uint32_t vector);
  // Takes what the fault log has kept, tells every program, and returns it.
  std::vector<host::Fault> publish_faults();

  // With deferred invalidation an unmap is answered while the IOTLB still has its entries, and this host's
  // IOMMU driver empties the IOTLB later: call flush_due() no later than next_flush().
  void flush_due();
  [[nodiscard]] std::optional<Instant> next_flush() const { return unflushed_.deadline(); }

  // What this host's processor may reach has changed.
  void access_changed() { pages_ = {}; }

  [[nodiscard]] pcie::Domain domain() const { return options_.domain; }

 private:
  class Program;
  friend class Program;

  using Reply = host::HostBridge::Reply;
  // One overload a request; those that take something away answer after a quiescent point.
  void serve(const host::ConfigRead& request, Program& from, Reply reply);
  void serve(const host::ConfigWrite& request, Program& from, Reply reply);
  void serve(const host::Load& request, Program& from, Reply reply);
  void serve(const host::Store& request, Program& from, Reply reply);
  void serve(const host::ReadMemory& request, Program& from, Reply reply);
  void serve(const host::WriteMemory& request, Program& from, Reply reply);
  void serve(const host::PinMemory& request, Program& from, Reply reply);
  void serve(const host::Unpin& request, Program& from, Reply reply);
  void serve(const host::CreateIoDomain& request, Program& from, Reply reply);
  void serve(const host::DestroyIoDomain& request, Program& from, Reply reply);
  void serve(const host::AttachRid& request, Program& from, Reply reply);
  void serve(const host::DetachRid& request, Program& from, Reply reply);
  void serve(const host::IommuMap& request, Program& from, Reply reply);
  void serve(const host::IommuUnmap& request, Program& from, Reply reply);
  void serve(const host::RouteInterrupt& request, Program& from, Reply reply);
  void serve(const host::UnrouteInterrupt& request, Program& from, Reply reply);
  void serve(const host::SelfInterrupt& request, Program& from, Reply reply);
  void serve(const host::Describe& request, Program& from, Reply reply);

  [[nodiscard]] pcie::Transaction transaction(BusAddr at, std::uint32_t length, pcie::Access access) const;
  // Calls move(way, offset, length) for each piece that does not cross a page; false as soon as one is
  // refused.
  template <class Move>
  bool pieces(BusAddr at, std::size_t length, pcie::Access access, Move move);
  // Where one load or store of registers leads, remembered by page; nullopt if it leads elsewhere or nowhere.
  [[nodiscard]] std::optional<fabric::RegisterTarget> registers(BusAddr at, pcie::Access access);
  void answer_when_quiescent(Reply reply);
  [[nodiscard]] bool defers() const;
  void flush();

  struct RememberedPage {
    BusAddr page;
    fabric::RegisterTarget target;
    bool known = false;
  };
  static constexpr std::size_t kRemembered = 64;

  EmulatedHostOptions options_;
  Live& live_;
  const Clock& clock_;
  Quiescence& quiescence_;
  iommu::FlushQueue unflushed_;
  std::vector<std::unique_ptr<Program>> programs_;
  std::map<std::uint32_t, Program*> routed_;                        // vector -> who routed it
  std::array<std::array<RememberedPage, kRemembered>, 2> pages_{};  // by access: read, write
};

}  // namespace ladon::machine
