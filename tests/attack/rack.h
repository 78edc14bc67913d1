// The racks that the tests attack.
#pragma once

#include <ostream>
#include <stdexcept>
#include <string>

#include "attack/suite.h"
#include "machine/attack_rack.h"

namespace ladon::attack {

inline Build build_of(machine::Rack rack) {
  return [rack = std::move(rack)](const Conditions& conditions) {
    return machine::AttackRack::build(rack, conditions);
  };
}

inline Build build_from(const std::string& yaml) {
  auto rack = machine::parse_rack(yaml, "test.yaml");
  if (!rack) throw std::invalid_argument(machine::to_string(rack.error().front()));
  return build_of(std::move(*rack));
}

// How a test's report names an attack.
inline void PrintTo(const Attack& attack, std::ostream* out) {
  *out << attack.id << ", " << attack.title;
}

// As examples/two-hosts.yaml, with small guests. `policy`: of the attacker's VF.
inline std::string two_hosts(const std::string& policy = "log") {
  return R"(
name: two-hosts
nics:
  - {name: nic0, vfs: 8}
hosts:
  - name: mh
    role: management
    memory: 1GiB
    vms:
      - {name: vm-m, memory: 64MiB, vf: {nic: nic0, index: 0}}
  - name: ch1
    role: compute
    memory: 4GiB
    vms:
      - {name: vm-a, memory: 64MiB, vf: {nic: nic0, index: 1, on_fault: )" +
         policy + R"(}}
      - {name: vm-b, memory: 64MiB, vf: {nic: nic0, index: 2}}
  - name: ch2
    role: compute
    kind: bare
    memory: 4GiB
    guest: {name: ch2-os, memory: 64MiB, vf: {nic: nic0, index: 3}}
)";
}

}  // namespace ladon::attack
