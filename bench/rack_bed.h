// Beds made of a whole rack: every access of the NIC goes by way of the fabric's tables.
#pragma once

#include <memory>
#include <vector>

#include "bed.h"
#include "machine/rack_fixture.h"

namespace ladon::bench {

enum class Layout : std::uint8_t {
  across_hosts,  // sender and receiver are VMs of two compute hosts behind NTBs
  local,         // both are VMs of the management host: plain SR-IOV
};

struct RackBedOptions {
  Layout layout = Layout::across_hosts;
  bool defences = true;
  bool neighbour = false;  // station 2: a VM on the sender's host
};

class RackBed final : public Bed {
 public:
  explicit RackBed(const RackBedOptions& options);
  [[nodiscard]] Station station(unsigned index) override;
  // Whole rounds of the engine, as it runs live.
  void run() override;

  [[nodiscard]] machine::Machine& machine() { return rack_.machine(); }
  [[nodiscard]] client::GuestMemory memory(unsigned index);
  [[nodiscard]] machine::GuestSlot& slot(unsigned index);
  // For registers that another thread writes.
  [[nodiscard]] std::shared_ptr<ch::VfSlot> vf_slot(unsigned index);

 private:
  machine::RunningRack rack_;
  std::vector<std::size_t> guests_;  // by station
  std::vector<machine::SyntheticGuest> memory_;
  std::vector<std::unique_ptr<machine::SlotMmio>> registers_;
};

[[nodiscard]] BedFactory rack_bed(Layout layout, bool defences);

// The cost of one resolution: of a DMA address, through the tables and remembered.
void register_resolution_benchmarks();

}  // namespace ladon::bench
