// An inventory and intents for tests: two compute hosts, one NIC of eight VFs.
#pragma once

#include <stdexcept>

#include "fakes/fake_rack.h"
#include "mh/plan.h"

namespace ladon::mh {

inline Inventory sample_inventory(const std::vector<fakes::NtbShape>& shapes) {
  fakes::FakeRack rack(shapes);
  host::BlockingHost host(rack.mh);
  auto inventory = take_inventory(host);
  if (!inventory) throw std::runtime_error(inventory.error().message);
  return *inventory;
}

inline Inventory sample_inventory(const fakes::NtbShape& shape = {}) {
  return sample_inventory(std::vector(2, shape));
}

// MAC 02:00:00:00:00:vf. Host 0 is the management host itself.
inline Grant grant(std::uint16_t vf, std::uint16_t host, std::uint8_t slot) {
  return {.nic = 0,
          .vf = vf,
          .host = pcie::Domain{host},
          .slot = slot,
          .vm = pcie::Vm{slot},
          .mac = {{0x02, 0, 0, 0, 0, static_cast<std::uint8_t>(vf)}},
          .vlan = {}};
}

inline Intent sample_intent(std::vector<Grant> grants) {
  return {.hosts = {{pcie::Domain{1}, 1ull << 30}, {pcie::Domain{2}, 1ull << 30}},
          .local_slots = 4,
          .grants = std::move(grants)};
}

}  // namespace ladon::mh
