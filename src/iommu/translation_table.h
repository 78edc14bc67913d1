// An exact set of mappings from one address space to a domain's physical addresses, as an immutable value:
// what an IOMMU domain (Iova) and a processor's second-level page table (Gpa) hold. Every look-up is answered
// together with its *extent*, the stretch of addresses around the one asked for over which the same answer
// (the same offset, or the same refusal) holds; caches remember that stretch, and an audit walks from stretch
// to stretch.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "pcie/transaction.h"

namespace ladon::iommu {

// The addresses of `from` go to `to` and on. 4 KiB granularity: `from` starts and ends, and `to` starts, on a
// page boundary.
template <class From>
struct Mapping {
  Range<From> from = Range<From>::everything();
  BusAddr to;
  pcie::AccessSet access;
  bool operator==(const Mapping&) const = default;
};

enum class TableError : std::uint8_t {
  unaligned,      // not on a 4 KiB boundary
  wraps,          // the target would pass the end of the 64-bit space
  overlap,        // some address is mapped already
  cuts_mapping,   // an unmap that would leave part of a mapping
  no_such_thing,  // no such domain, requester or interrupt
  busy,           // the domain still has requesters
  limit,          // a configured maximum is reached
};
[[nodiscard]] std::string_view name(TableError error);

template <class From>
struct Answer {
  std::optional<BusAddr> to;  // where the address goes; nullopt: refused
  bool mapped = false;        // refused though mapped: the permission is missing
  Range<From> extent = Range<From>::everything();
};

inline constexpr std::uint64_t kPage4K = 4096, kPage2M = std::uint64_t{2} << 20,
                               kPage1G = std::uint64_t{1} << 30;

template <class From>
class TranslationTable {
 public:
  using Entry = Mapping<From>;

  // The table with one mapping more. Overlap is refused, whatever the permissions.
  [[nodiscard]] std::expected<TranslationTable, TableError> with(const Entry& mapping) const;
  // The table without the mappings inside `range`; one that reaches out of it is an error. None inside: the
  // same table.
  [[nodiscard]] std::expected<TranslationTable, TableError> without(const Range<From>& range) const;

  // `access` nullopt: any mapping will do (no permission check). O(log mappings).
  [[nodiscard]] Answer<From> lookup(From at, std::optional<pcie::Access> access) const;
  // Where look-up is refused at `at`: the whole stretch around it that this access does not reach, for
  // whatever reason (an Answer's extent ends where the reason changes).
  [[nodiscard]] Range<From> unreached(From at, std::optional<pcie::Access> access) const;
  // The largest of 4 KiB, 2 MiB and 1 GiB that alignment and mapping allow at `at`: how far one IOTLB entry
  // reaches. nullopt where nothing is mapped.
  [[nodiscard]] std::optional<std::uint64_t> page_size(From at) const;

  // Ascending by address.
  [[nodiscard]] const std::vector<Entry>& mappings() const { return mappings_; }

 private:
  // Maximal stretches of one offset: neighbouring mappings that continue each other are one.
  struct Run {
    Range<From> from;
    BusAddr to;
  };
  enum { kRead, kWrite, kAny, kViews };
  void rebuild_runs();
  [[nodiscard]] const std::vector<Run>& runs(std::optional<pcie::Access> access) const {
    return runs_[!access ? kAny : *access == pcie::Access::read ? kRead : kWrite];
  }
  [[nodiscard]] const Entry* find(From at) const;

  std::vector<Entry> mappings_;
  std::vector<Run> runs_[kViews];
};

using AddressSpaceTable = TranslationTable<Iova>;
using SecondLevelTable = TranslationTable<Gpa>;
extern template class TranslationTable<Iova>;
extern template class TranslationTable<Gpa>;

}  // namespace ladon::iommu
