// A resolution as people and programs read it: one row a hop, then the completion's way back.
#pragma once

#include <string>
#include <vector>

#include "fabric/resolve.h"
#include "fabric/tables.h"
#include "pcie/transaction.h"

namespace ladon::fabric {

// Every field as text, for a table or JSON.
struct HopRow {
  std::string direction;  // "request" or "completion"
  std::string segment, domain, component, table;
  std::string address_in, address_out;  // "0x..."; empty on a completion
  std::string rid_in, rid_out;          // "0000:03:10.2"
};

[[nodiscard]] std::vector<HopRow> rows(const Tables& tables, const Resolution& resolution);

// "memory of ch1 at 0x12000", "vf3 of nic0, BAR 0 + 0x10", "interrupt 34 of ch1", or
// "refused by ch1/iommu, dma: not mapped".
[[nodiscard]] std::string describe_outcome(const Tables& tables, const Resolution& resolution);

// "ch1/iommu/DMA remapping", "ntb1/link/inbound requester-ID LUT".
[[nodiscard]] std::string table_place(const Tables& tables, const ComponentId& component, Table table);

// "ch1/iommu/DMA remapping: not mapped": how a fault is attributed in logs.
[[nodiscard]] std::string describe_fault(const Tables& tables, const Fault& fault);

// The rows as an aligned text table, the outcome as its last line.
[[nodiscard]] std::string format_table(const Tables& tables, const pcie::Transaction& transaction,
                                       const Resolution& resolution);

}  // namespace ladon::fabric
