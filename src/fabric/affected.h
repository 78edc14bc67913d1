// Whose remembered accesses a change of tables makes void: the room's own.
#pragma once

#include "fabric/fabric.h"
#include "fabric/tables.h"

namespace ladon::fabric {

class AffectedSet {
 public:
  explicit AffectedSet(const Tables& tables) : tables_(tables) {}

  void everyone() { affected_.everyone = true; }
  void processor(pcie::Domain domain) { affected_.processors.push_back(domain); }
  void function(const FunctionId& id) { affected_.functions.push_back(id); }
  // Whoever carries `rid` in `domain`: a function, a host's processors, or through an NTB's look-up table the
  // one behind a proxy.
  void requester(pcie::Domain domain, pcie::Sbdf rid) { requester(domain, rid, 0); }

  void iommu(pcie::Domain domain, pcie::HostSegment segment, const iommu::UnitTable& before,
             const iommu::UnitTable& after);
  // Something else answers at these addresses, or nothing any more.
  void memory(pcie::Domain domain, const Range<BusAddr>& range);
  void ntb(std::uint16_t ntb, const NtbTable& before, const NtbTable& after);
  void endpoint(std::uint16_t endpoint, const EndpointTable& before, const EndpointTable& after);

  // Sorted, without duplicates.
  [[nodiscard]] Affected take();

 private:
  static constexpr int kMaxNtbs = 4;  // in a row: a longer chain counts as everyone
  // Where the requesters of a look-up table are.
  struct Near {
    pcie::Domain domain{};
    pcie::HostSegment segment{};
  };
  void requester(pcie::Domain domain, pcie::Sbdf rid, int depth);
  // `ntb`: the one whose look-up table this is.
  void behind_proxy(const NtbTable& ntb, const std::vector<LutEntry>& lut, Near near, std::uint8_t devfn,
                    int depth);
  void all_of(const NtbTable& ntb, const std::vector<LutEntry>& lut, Near near);

  const Tables& tables_;
  Affected affected_;
};

}  // namespace ladon::fabric
