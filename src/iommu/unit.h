// One IOMMU of a host, for one of its PCI segments (units.h: all of them): which requester is in which I/O
// domain, what each domain maps, and the IOTLB. Terms and fault reasons after Intel VT-d specification 3.x,
// chapters 3, 6 and 7.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "iommu/interrupts.h"
#include "iommu/iotlb.h"
#include "iommu/translation_table.h"
#include "pcie/id.h"
#include "pcie/transaction.h"

namespace ladon::iommu {

enum class Enforcement : std::uint8_t {
  full,
  // Requesters without a domain pass unchanged; in a domain, permissions are not looked at, and an address
  // that nothing maps gets the offset of the domain's largest mapping ("the base is added without a bound").
  offset,
  // As `offset`, but an address that nothing maps passes through unchanged.
  passthrough,
};

enum class Reason : std::uint8_t {
  not_attached,        // the requester is in no domain
  not_mapped,          //
  no_permission,       //
  translated_request,  // AT = 10b without a grant
  pasid,               // a PASID without a grant
  interrupt_read,      // a read of 0xFEExxxxx
  interrupt_target,    // a mapping leads to 0xFEExxxxx (VT-d fault reason Eh)
  wraps,               // base + address passes the end of the 64-bit space
  count_
};
[[nodiscard]] std::string_view name(Reason reason);

// What an attached requester may do beyond plain untranslated requests. Default: nothing.
struct Grants {
  bool translated = false;  // AT = 10b (ATS)
  bool pasid = false;       // PASIDs are accepted and ignored: one address space a requester
};

// One I/O domain, immutable.
struct DomainTable {
  DomainId id{};
  AddressSpaceTable mappings;
  AddressSpaceTable stale;  // unmapped, and still in the IOTLB: usable until the next flush
  // Of the largest mapping: the distance from Iova to target, and which way. 0 without mappings.
  std::uint64_t distance = 0;
  bool downwards = false;
};

struct Device {
  pcie::Bdf rid;
  Grants grants;
  std::shared_ptr<const DomainTable> domain;
};

struct DmaAnswer {
  std::expected<BusAddr, Reason> to = std::unexpected(Reason::not_attached);
  Range<Iova> extent = Range<Iova>::everything();
  bool stale = false;  // answered by a stale IOTLB entry
};

// The whole unit, immutable: what resolve() reads.
struct UnitTable {
  Enforcement enforcement = Enforcement::full;
  std::vector<Device> devices;  // ascending by rid
  std::shared_ptr<const InterruptTable> interrupts;

  [[nodiscard]] const Device* find(pcie::Bdf rid) const;
  // `at` outside the interrupt range; the extent never reaches into it.
  [[nodiscard]] DmaAnswer translate(pcie::Bdf rid, Iova at, pcie::Access access, bool has_pasid) const;
  // AT = 10b: `at` is a physical address already.
  [[nodiscard]] std::expected<BusAddr, Reason> accept_translated(pcie::Bdf rid, BusAddr at,
                                                                 bool has_pasid) const;
};

enum class Invalidation : std::uint8_t {
  strict,    // an unmap takes the entries out of the IOTLB before it is answered
  deferred,  // they stay usable until flush()
};

struct UnitOptions {
  Enforcement enforcement = Enforcement::full;
  InterruptMode interrupts = InterruptMode::checked;
  Invalidation invalidation = Invalidation::strict;
  // IOTLB entries. 0: unlimited, every mapping counts as cached (the worst case for a deferred unmap);
  // otherwise fill() says what is cached.
  std::uint32_t iotlb_entries = 0;
  // As many domains as VT-d's domain IDs have at most (16 bits).
  std::uint32_t max_domains = 65536, max_mappings = 65536 /* a domain */, max_interrupts = 65536;
};

class Unit {
 public:
  explicit Unit(const UnitOptions& options);

  [[nodiscard]] std::expected<DomainId, TableError> create_domain();
  // `busy` while requesters are attached.
  [[nodiscard]] std::expected<void, TableError> destroy_domain(DomainId id);
  // A requester is in one domain at most: `busy` if it is in one already.
  [[nodiscard]] std::expected<void, TableError> attach(DomainId id, pcie::Bdf rid, Grants grants = {});
  [[nodiscard]] std::expected<void, TableError> detach(pcie::Bdf rid);
  [[nodiscard]] std::expected<void, TableError> map(DomainId id, const Mapping<Iova>& mapping);
  [[nodiscard]] std::expected<void, TableError> unmap(DomainId id, const Range<Iova>& range);
  // The IOTLB is emptied: what deferred unmaps left is gone.
  void flush();
  // A requester of the domain has used the page at `at`; without effect if nothing is mapped there.
  void fill(DomainId id, Iova at);

  [[nodiscard]] InterruptRemapper& interrupts() { return interrupts_; }
  [[nodiscard]] const Iotlb& iotlb() const { return iotlb_; }
  [[nodiscard]] std::size_t domains() const { return domains_.size(); }
  [[nodiscard]] const UnitOptions& options() const { return options_; }
  // Requesters of a domain, ascending.
  [[nodiscard]] std::vector<pcie::Bdf> requesters(DomainId id) const;
  // The domain has requesters. O(log domains).
  [[nodiscard]] bool in_use(DomainId id) const;
  // A snapshot of now; unchanged domains share their tables with earlier snapshots.
  [[nodiscard]] std::shared_ptr<const UnitTable> table() const;

 private:
  struct Domain {
    std::shared_ptr<const DomainTable> table;
    std::size_t requesters = 0;
  };
  struct Attachment {
    DomainId domain{};
    Grants grants;
  };
  [[nodiscard]] AddressSpaceTable left_stale(const DomainTable& domain, const Range<Iova>& range) const;

  UnitOptions options_;
  std::uint32_t next_domain_ = 1;
  std::map<DomainId, Domain> domains_;
  std::map<pcie::Bdf, Attachment> attachments_;
  Iotlb iotlb_;
  InterruptRemapper interrupts_;
};

}  // namespace ladon::iommu
