// The state behind Fabric: components as they are, and the tables made of them. The room's own.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "fabric/affected.h"
#include "fabric/fabric.h"
#include "fabric/ntb.h"
#include "pcie/config_space.h"

namespace ladon::fabric {

class Fabric::Impl final : public NtbOwner {
 public:
  static constexpr std::size_t kMaxWaiting = 16;  // different messages of one side of an NTB

  explicit Impl(const Options& options);

  struct Host {
    Host(const Options& options, std::size_t domain);
    pcie::ConfigSpace host_bridge, root_port;
    std::shared_ptr<const std::vector<MemoryRange>> memory;
    iommu::Unit unit;
    std::map<pcie::Vm, std::shared_ptr<const iommu::SecondLevelTable>> vms;
    iommu::FaultLog log;
  };
  // On the switch's internal bus: port p is function p / kDevices of device p % kDevices.
  static constexpr std::size_t kDevices = 32;
  struct Port {
    pcie::ConfigSpace space;
    Attached below;
  };

  // A function found by a configuration request; `bridge` or `function` or neither.
  struct Found {
    pcie::ConfigSpace* bridge = nullptr;  // a space of the fabric's own
    pcie::Function* function = nullptr;
  };
  [[nodiscard]] Found find(pcie::Domain domain, pcie::Bdf bdf);
  [[nodiscard]] Found find_below_switch(pcie::Bdf bdf);

  [[nodiscard]] Host* host(pcie::Domain domain);

  // Each rebuilds one component's table, publishes a snapshot with it and tells the listener.
  void bridges_changed();
  void endpoints_changed();
  void memory_changed(pcie::Domain domain, const Range<BusAddr>& range, bool only_added);
  // `only_added`: with full enforcement no remembered access changes.
  void iommu_changed(pcie::Domain domain, bool only_added, const pcie::Bdf* unrouted = nullptr);
  void vms_changed(pcie::Domain domain, bool only_added);
  void ntb_changed(std::uint16_t ntb) override;
  bool emit(const FunctionId& from, Iova address, std::uint32_t data) override;

  void record(const pcie::Transaction& transaction, const Resolution& resolution, Instant now);

  Options options;
  std::vector<std::unique_ptr<Host>> hosts;
  pcie::ConfigSpace upstream;
  std::vector<Port> ports;
  std::vector<std::unique_ptr<Ntb>> ntbs;
  std::vector<std::uint64_t> decode_versions;
  std::shared_ptr<const Tables> tables;
  Listener* listener = nullptr;
  std::vector<pcie::Transaction> emissions;  // not taken yet
  Counters<Reason> refusals;

 private:
  [[nodiscard]] std::shared_ptr<const HostTable> host_table(const Host& host) const;
  [[nodiscard]] std::shared_ptr<const SwitchTable> switch_table() const;
  [[nodiscard]] std::shared_ptr<const EndpointTable> endpoint_table(std::uint16_t endpoint) const;
  [[nodiscard]] std::uint16_t port_of(bool is_ntb, std::uint16_t index) const;
  void publish(std::shared_ptr<Tables> next, AffectedSet& affected);
};

}  // namespace ladon::fabric
