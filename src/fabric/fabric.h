// The rack's hardware between processors and devices: root complexes, the switch, NTBs and IOMMUs. A Fabric
// owns their state, answers configuration requests as a hierarchy would, and publishes each change as a new
// snapshot of the tables.
//
//   hosts[0]  root complex -+- root port, IOMMU -- switch 0 -+- downstream 0 -- NTB 1 ~~ root port --
//   hosts[1]
//                           |                                +- downstream 1 -- NTB 2 ~~ root port --
//                           hosts[2] |                                +- downstream 2 -- endpoint 0
//                           +- root port, IOMMU -- switch 1 -+- downstream 0 -- NTB 3 ~~ root port --
//                           hosts[3]
//                                                            +- downstream 1 -- endpoint 1
//
// The management host has as many PCI segments as the options name, each with a root port, an IOMMU and a
// switch of its own; memory and address map are the domain's. Below a switch come NTBs first, then endpoints.
// A compute host has one segment. Functions and requesters are named here as that host's software names them.
//
// Nothing routes before software has enumerated: bus numbers, windows, memory enables and bus mastering
// (bridges' too) are as programmed. Every segment has host bridge 00:00.0 and root port 00:01.0; below it the
// management host has the switch's upstream port, a compute host its NTB's link side (device 0).
//
// One thread owns a Fabric; a snapshot may be read by any. Not reentrant: a listener must not call back into
// it.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/counters.h"
#include "base/time.h"
#include "fabric/component.h"
#include "fabric/resolve.h"
#include "fabric/tables.h"
#include "iommu/fault_log.h"
#include "iommu/unit.h"
#include "pcie/function.h"
#include "pcie/id.h"
#include "pcie/transaction.h"

namespace ladon::fabric {

struct NtbOptions {
  std::uint64_t dma_window = std::uint64_t{64} << 30;       // management side BAR 2, bytes, a power of two
  std::uint64_t register_window = std::uint64_t{64} << 20;  // link side BAR 2
  std::uint16_t lut_entries = 32;                           // each way, at most spec::ntb::kMaxLut
  std::uint8_t windows = 128;                               // each way, at most spec::ntb::kMaxWindows
  // What parts of its kind cannot do (spec/ntb_parts.h). A window in the register BAR goes by `granule`
  // bytes, a power of two of at least 4096; its translation by its own length; a window in the DMA BAR is all
  // of it.
  std::uint64_t granule = 4096;
  bool size_aligned = false, whole_bar = false;
  // Without a table everyone crosses as the NTB itself; lut_entries is 0 then. By device: an entry is meant
  // for all functions of a device, which is told to software and otherwise no difference: it has one entry
  // for each.
  bool requester_table = true, by_device = false;
  bool narrow = false;  // DMA and register BAR are 32-bit
  // Checks left out, to show what they are worth: never in a rack that is to hold.
  struct Mutations {
    bool unchecked = false;           // windows overlap, look-up entries repeat
    bool link_side_programs = false;  // the link side has the management side's registers
  } mutations = {};
};

struct HostOptions {
  std::string name;
  iommu::Invalidation invalidation = iommu::Invalidation::strict;
  std::uint32_t iotlb_entries = 0;  // iommu::UnitOptions
  NtbOptions ntb;                   // of a compute host: the one that leads to it
  pcie::HostSegment segment{};      // of a compute host: where in the management host's domain that one is
};

struct EndpointOptions {
  std::string name;
  pcie::Endpoint* device = nullptr;  // outlives the fabric
  pcie::HostSegment segment{};       // of the management host
};

struct Options {
  std::vector<HostOptions> hosts;          // [0] is the management host; each other one gets an NTB
  std::vector<EndpointOptions> endpoints;  // in one segment with NTBs at most 253: a switch's ports
  Defences defences;
  iommu::FaultLogOptions fault_log;  // one log a domain
};

// Whose remembered accesses a change made void. Everyone else's remain exact.
struct Affected {
  bool everyone = false;
  std::vector<FunctionId> functions;     // ascending, no duplicates
  std::vector<pcie::Domain> processors;  // CPUs of these hosts, their VMs with them; ascending, no duplicates
};

class Listener {
 public:
  virtual ~Listener() = default;
  // A new snapshot is published, and these initiators' accesses may have another answer in it.
  virtual void access_changed(const Affected& affected) = 0;
};

template <class T>
using Expected = std::expected<T, iommu::TableError>;

class Fabric {
 public:
  // Throws std::invalid_argument for options that no rack can have.
  explicit Fabric(const Options& options);
  ~Fabric();
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  void listen(Listener* listener);

  [[nodiscard]] std::shared_ptr<const Tables> tables() const;

  // ---- configuration requests of one host's software; a function that is not there reads as all ones.
  // `offset` naturally aligned for `width` 1, 2 or 4.
  [[nodiscard]] std::uint32_t config_read(pcie::Domain domain, pcie::Sbdf bdf, std::uint16_t offset,
                                          unsigned width);
  void config_write(pcie::Domain domain, pcie::Sbdf bdf, std::uint16_t offset, unsigned width,
                    std::uint32_t value);
  // Takes over what endpoints changed on their own (pcie::Endpoint::decode_version): after register accesses
  // that may reset a function. config_write does it by itself.
  void refresh();

  // ---- registers: where a RegisterTarget leads; nullptr if the function has gone since. Writes to an NTB's
  // take effect (a new snapshot, listener calls) before register_write returns.
  [[nodiscard]] pcie::Function* function(const FunctionId& id);

  // ---- memory of a host. Ranges may not overlap.
  [[nodiscard]] Expected<void> add_memory(pcie::Domain domain, const MemoryRange& memory);
  // A whole range that was added.
  [[nodiscard]] Expected<void> remove_memory(pcie::Domain domain, const Range<BusAddr>& range);

  // ---- IOMMUs of a host, one a segment; see iommu::Units for the errors. I/O domains are the host's: the
  // requesters of one may be in different segments.
  [[nodiscard]] Expected<iommu::DomainId> create_domain(pcie::Domain domain);
  [[nodiscard]] Expected<void> destroy_domain(pcie::Domain domain, iommu::DomainId id);
  [[nodiscard]] Expected<void> attach(pcie::Domain domain, iommu::DomainId id, pcie::Sbdf rid,
                                      iommu::Grants grants = {});
  [[nodiscard]] Expected<void> detach(pcie::Domain domain, pcie::Sbdf rid);
  [[nodiscard]] Expected<void> map(pcie::Domain domain, iommu::DomainId id,
                                   const iommu::Mapping<Iova>& mapping);
  [[nodiscard]] Expected<void> unmap(pcie::Domain domain, iommu::DomainId id, const Range<Iova>& range);
  void flush_iotlb(pcie::Domain domain);
  // How many I/O domains there are, whether a requester is attached or not.
  [[nodiscard]] std::size_t domains(pcie::Domain domain) const;
  // The requester has used the page at `at` (only racks with iotlb_entries > 0 need it).
  void fill_iotlb(pcie::Domain domain, iommu::DomainId id, Iova at);

  // ---- interrupts of a host: what a device must send to raise `vector`.
  [[nodiscard]] Expected<iommu::Message> route_interrupt(pcie::Domain domain, pcie::Sbdf rid,
                                                         std::uint32_t vector);
  [[nodiscard]] Expected<void> unroute_interrupt(pcie::Domain domain, pcie::Sbdf rid, std::uint32_t vector);

  // ---- second-level page tables of a host's VMs; a VM has one as soon as something is mapped.
  [[nodiscard]] Expected<void> map_vm(pcie::Domain domain, pcie::Vm vm, const iommu::Mapping<Gpa>& mapping);
  [[nodiscard]] Expected<void> unmap_vm(pcie::Domain domain, pcie::Vm vm, const Range<Gpa>& range);

  // ---- refusals. record() counts a fault, and if an IOMMU or interrupt remapping refused, logs it for that
  // host's software; an NTB counts what its tables refuse, and each of its sides which of its own messages
  // were refused anywhere. Without effect on a resolution that was not refused.
  void record(const pcie::Transaction& transaction, const Resolution& resolution, Instant now);
  [[nodiscard]] const Counters<Reason>& refusals() const;
  [[nodiscard]] iommu::FaultLog& fault_log(pcie::Domain domain);

  // ---- what the fabric's own functions - the NTBs' sides - have emitted since the last call, oldest first:
  // interrupt messages. Whoever drives the fabric follows them, between two batches like all that devices do
  // to one another, and records what is refused. Bounded: see NtbOwner::emit.
  [[nodiscard]] std::vector<pcie::Transaction> take_emissions();

  // Requester ID of an endpoint's function, as its DMA carries it; nullopt before enumeration.
  [[nodiscard]] std::optional<pcie::Rid> rid(std::uint16_t endpoint, std::uint16_t function) const;
  [[nodiscard]] const Options& options() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ladon::fabric
