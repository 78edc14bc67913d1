// The emulated hardware of a rack: NICs, fabric, the hosts' memory and their bridges. It does nothing by
// itself: whoever owns it has the NICs polled, emissions delivered and quiescent points passed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/quiescence.h"
#include "base/time.h"
#include "base/wire.h"
#include "fabric/fabric.h"
#include "machine/emulated_host.h"
#include "machine/host_memory.h"
#include "machine/live.h"
#include "machine/live_port.h"
#include "machine/rack_file.h"
#include "nic/nic.h"

namespace ladon::machine {

// What a rack that is to be attacked or looked at closely has otherwise. Empty: as the rack file says.
struct HardwareHooks {
  std::function<void(fabric::Options&)> fabric;
  std::function<void(nic::NicOptions&)> nic;
  // What a function gets for its own port; lives as long as the hardware.
  std::function<pcie::DmaPort*(const fabric::FunctionId& who, pcie::DmaPort& port)> port;
  Duration flush_after = iommu::FlushQueue::kTimeout;  // EmulatedHostOptions
};

class Hardware final : private fabric::Listener {
 public:
  // `wires`: one a NIC. They, the clock and `quiescence` outlive this.
  Hardware(const Rack& rack, std::span<Wire* const> wires, const Clock& clock, Quiescence& quiescence,
           HostMemory::Guests guests = HostMemory::Guests::bytes, HardwareHooks hooks = {});
  ~Hardware() override;

  [[nodiscard]] fabric::Fabric& fabric() { return *fabric_; }
  [[nodiscard]] const fabric::Fabric& fabric() const { return *fabric_; }
  [[nodiscard]] Live& live() { return *live_; }
  [[nodiscard]] std::size_t nics() const { return nics_.size(); }
  [[nodiscard]] nic::Nic& nic(std::size_t index) { return *nics_[index].nic; }
  [[nodiscard]] std::size_t hosts() const { return hosts_.size(); }
  // Hosts that invalidate in batches empty their IOTLBs when that is due; when it is next.
  void flush_due();
  [[nodiscard]] std::optional<Instant> next_flush() const;
  [[nodiscard]] EmulatedHost& host(pcie::Domain domain) { return *hosts_[static_cast<std::size_t>(domain)]; }

 private:
  void add_nic(const Rack& rack, std::size_t index, const Clock& clock, Wire& wire);
  void add_hosts(const Rack& rack, const Clock& clock, Quiescence& quiescence, HostMemory::Guests guests);
  void access_changed(const fabric::Affected& affected) override;

  struct RackNic {
    std::vector<std::unique_ptr<LivePort>> ports;  // by function: the PF's, then the VFs'
    std::unique_ptr<nic::Nic> nic;
  };
  HardwareHooks hooks_;
  std::vector<RackNic> nics_;
  std::unique_ptr<fabric::Fabric> fabric_;
  std::vector<std::unique_ptr<HostMemory>> memories_;  // by domain
  std::unique_ptr<Live> live_;
  std::vector<std::unique_ptr<EmulatedHost>> hosts_;  // by domain
  std::vector<EmulatedHost*> deferring_;              // that invalidate in batches
};

}  // namespace ladon::machine
