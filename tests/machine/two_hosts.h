// The rack of most tests: a VM of the management host, two of a compute host, and a bare host.
#pragma once

namespace ladon::machine {

inline constexpr const char* kTwoHosts = R"(
name: two-hosts
nics:
  - {name: nic0, vfs: 8, device: x550}
hosts:
  - name: mh
    role: management
    memory: 1GiB
    vms:
      - {name: vm-m, memory: 64MiB, vf: {nic: nic0, index: 0, mac: "52:54:00:00:00:01"}}
  - name: ch1
    role: compute
    kind: virtualized
    memory: 4GiB
    vms:
      - {name: vm-a, memory: 64MiB, vf: {nic: nic0, index: 1, mac: "52:54:00:00:00:0a"}}
      - {name: vm-b, memory: 64MiB, vf: {nic: nic0, index: 2, mac: "52:54:00:00:00:0b"}}
  - name: ch2
    role: compute
    kind: bare
    memory: 4GiB
    guest: {name: ch2-os, memory: 64MiB, vf: {nic: nic0, index: 3, mac: "52:54:00:00:00:0c"}}
)";

}  // namespace ladon::machine
