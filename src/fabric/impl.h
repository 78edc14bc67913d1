// The state behind Fabric: components as they are, and the tables made of them. The room's own.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "fabric/affected.h"
#include "fabric/fabric.h"
#include "fabric/ntb.h"
#include "iommu/units.h"
#include "pcie/config_space.h"

namespace ladon::fabric {

class Fabric::Impl final : public NtbOwner {
 public:
  static constexpr std::size_t kMaxWaiting = 16;  // different messages of one side of an NTB

  explicit Impl(const Options& options);

  struct Port {
    pcie::ConfigSpace space;
    Attached below;
  };
  struct Switch {
    pcie::ConfigSpace upstream;
    std::vector<Port> ports;
    // On the internal bus, where there are 32 devices, ports are functions in their order: software that
    // numbers buses finds what is below in the order of the options.
    [[nodiscard]] std::size_t functions_a_device() const { return (ports.size() + 31) / 32; }
  };
  struct Segment {
    pcie::ConfigSpace host_bridge, root_port;
    std::optional<Switch> packet_switch;  // the management host's segments have one
  };
  struct Host {
    Host(const Options& options, std::size_t domain);
    std::vector<Segment> segments;
    std::shared_ptr<const std::vector<MemoryRange>> memory;
    iommu::Units units;  // by segment
    std::map<pcie::Vm, std::shared_ptr<const iommu::SecondLevelTable>> vms;
    iommu::FaultLog log;
  };
  // A downstream port of the management host's.
  struct PortId {
    pcie::HostSegment segment{};
    std::uint16_t index = 0;
  };

  // A function found by a configuration request; `bridge` or `function` or neither.
  struct Found {
    pcie::ConfigSpace* bridge = nullptr;  // a space of the fabric's own
    pcie::Function* function = nullptr;
  };
  [[nodiscard]] Found find(pcie::Domain domain, pcie::Sbdf address);
  [[nodiscard]] Found find_below_switch(Switch& packet_switch, pcie::Bdf bdf);

  [[nodiscard]] Host* host(pcie::Domain domain);
  // nullptr if there is none.
  [[nodiscard]] iommu::Unit* unit(pcie::Domain domain, pcie::HostSegment segment);

  // Each rebuilds one component's table, publishes a snapshot with it and tells the listener.
  void bridge_changed(pcie::Domain domain, pcie::HostSegment segment, const pcie::ConfigSpace& bridge);
  void endpoints_changed();
  void memory_changed(pcie::Domain domain, const Range<BusAddr>& range, bool only_added);
  // `only_added`: with full enforcement no remembered access changes.
  void iommu_changed(pcie::Domain domain, pcie::HostSegment segment, bool only_added,
                     const pcie::Bdf* unrouted = nullptr);
  // An I/O domain's mappings: every unit in which somebody uses them.
  void mappings_changed(pcie::Domain domain, iommu::DomainId id, bool only_added);
  void vms_changed(pcie::Domain domain, bool only_added);
  void ntb_changed(std::uint16_t ntb) override;
  bool emit(const FunctionId& from, Iova address, std::uint32_t data) override;

  void record(const pcie::Transaction& transaction, const Resolution& resolution, Instant now);

  Options options;
  std::vector<std::unique_ptr<Host>> hosts;
  std::vector<std::unique_ptr<Ntb>> ntbs;
  std::vector<PortId> ntb_ports, endpoint_ports;  // above each
  std::vector<std::uint64_t> decode_versions;
  std::shared_ptr<const Tables> tables;
  Listener* listener = nullptr;
  std::vector<pcie::Transaction> emissions;  // not taken yet
  Counters<Reason> refusals;

 private:
  [[nodiscard]] std::shared_ptr<const HostTable> host_table(const Host& host) const;
  [[nodiscard]] static BridgeTable bridge_table(const pcie::ConfigSpace& space);
  [[nodiscard]] PortTable port_table(const Port& port) const;
  [[nodiscard]] std::shared_ptr<const SwitchTable> switch_table(const Switch& packet_switch) const;
  // Both change `table` and say whether it is another one now.
  [[nodiscard]] bool update(Hierarchy& table, const Segment& segment, const pcie::ConfigSpace& bridge) const;
  [[nodiscard]] bool update(SwitchTable& table, const Switch& packet_switch,
                            const pcie::ConfigSpace& bridge) const;
  [[nodiscard]] std::shared_ptr<const EndpointTable> endpoint_table(std::uint16_t endpoint) const;
  [[nodiscard]] NtbTable ntb_table(std::uint16_t ntb) const;
  PortId add_port(pcie::HostSegment segment, Attached below);
  // A copy of a host's table to be changed, in a copy of all tables to be published.
  HostTable& change(Tables& next, pcie::Domain domain) const;
  void publish(std::shared_ptr<Tables> next, AffectedSet& affected);
};

}  // namespace ladon::fabric
