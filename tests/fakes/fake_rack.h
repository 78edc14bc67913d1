// A management host's bus with a switch, NTBs to compute hosts and one NIC; each compute host with its side
// of its NTB. Registers only: nothing is translated.
#pragma once

#include "fakes/fake_nic.h"
#include "fakes/fake_ntb.h"
#include "host/control.h"

namespace ladon::fakes {

inline pcie::ConfigSpace port_space(pcie::PortType type) {
  auto space = pcie::ConfigSpace::bridge(
      {.vendor = spec::pci::kLadonVendor, .device = spec::pci::kSwitchDevice, .class_code = 0x060400});
  space.add_express(type, false);
  if (type != pcie::PortType::upstream) space.add_acs();
  return space;
}

class FakeRack {
 public:
  explicit FakeRack(std::uint16_t compute_hosts = 2, std::uint16_t vfs = 8)
      : FakeRack(std::vector<NtbShape>(compute_hosts), vfs) {}
  // One compute host behind each NTB.
  explicit FakeRack(const std::vector<NtbShape>& shapes, std::uint16_t vfs = 8) : nic(vfs) {
    const auto compute_hosts = static_cast<std::uint16_t>(shapes.size());
    auto& upstream = add_switch({});
    for (std::uint16_t k = 1; k <= compute_hosts; ++k) add_ntb(upstream, k, shapes[k - 1u]);
    add_nic(upstream, static_cast<std::uint16_t>(compute_hosts + 1), nic, vfs);
    nic.interrupt = [this] { mh.raise(host::control::kManagementPfVector); };
  }
  // One segment more, with a compute host and a NIC of its own.
  void add_segment(const NtbShape& shape = {}, std::uint16_t vfs = 8) {
    auto& upstream = add_switch(pcie::HostSegment{mh.description.segments++});
    add_ntb(upstream, static_cast<std::uint16_t>(ntbs.size() + 1), shape);
    more_nics.push_back(std::make_unique<FakeNic>(vfs));
    add_nic(upstream, static_cast<std::uint16_t>(ntbs.size() + 1), *more_nics.back(), vfs);
  }

  FakeHost mh;
  std::vector<std::unique_ptr<FakeHost>> chs;
  std::vector<std::unique_ptr<FakeNtb>> ntbs;
  FakeNic nic;
  std::vector<std::unique_ptr<FakeNic>> more_nics;  // of further segments

 private:
  FakeFunction& add_switch(pcie::HostSegment segment) {
    auto& root = mh.add(port_space(pcie::PortType::root_port), 0x08, nullptr, segment);
    return mh.add(port_space(pcie::PortType::upstream), 0, &root);
  }
  FakeFunction& add_port(FakeFunction& upstream, std::uint16_t device) {
    return mh.add(port_space(pcie::PortType::downstream), static_cast<std::uint8_t>(device << 3), &upstream);
  }
  void add_nic(FakeFunction& upstream, std::uint16_t device, FakeNic& made, std::uint16_t vfs) {
    made.connect(mh.add(FakeNic::pf_space(vfs), 0, &add_port(upstream, device)));
  }
  void add_ntb(FakeFunction& upstream, std::uint16_t k, const NtbShape& shape) {
    auto& port = add_port(upstream, k);
    ntbs.push_back(std::make_unique<FakeNtb>(k, shape));
    connect_ntb(mh.add(ntbs.back()->management_space(), 0, &port));
    add_compute_host(k);
  }
  void connect_ntb(FakeFunction& function) {
    FakeNtb& ntb = *ntbs.back();
    ntb.connect_management(function);
    ntb.ring_management = [this, &ntb, &function] {
      if (const auto vector = ntb.message(0, function)) mh.raise(*vector);
    };
  }
  void add_compute_host(std::uint16_t k) {
    chs.push_back(std::make_unique<FakeHost>());
    FakeHost& ch = *chs.back();
    ch.description.domain = pcie::Domain{k};
    FakeNtb& ntb = *ntbs.back();
    auto& root = ch.add(port_space(pcie::PortType::root_port), 0x08);
    auto& function = ch.add(ntb.link_space(), 0, &root);
    ntb.connect_link(function);
    ntb.ring_link = [&ch, &ntb, &function] {
      if (const auto vector = ntb.message(1, function)) ch.raise(*vector);
    };
  }
};

}  // namespace ladon::fakes
