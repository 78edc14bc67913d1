#include "machine/scale_rack.h"

#include <fmt/format.h>

#include <algorithm>

namespace ladon::machine {
namespace {

constexpr unsigned kVfsPerNic = 63;
constexpr unsigned kMemoryMiB = 256, kOwnMiB = 128;  // of a VM; of a host beyond its VMs

}  // namespace

std::string scale_rack(unsigned hosts, unsigned vms) {
  std::string text = fmt::format("name: scale-{}x{}\nnics:\n", hosts, vms);
  const unsigned nics = std::max(1u, (hosts * vms + kVfsPerNic - 1) / kVfsPerNic);
  for (unsigned nic = 0; nic < nics; ++nic)
    text += fmt::format("  - {{name: nic{}, vfs: {}}}\n", nic, kVfsPerNic);
  text += "hosts:\n  - {name: mh, role: management, memory: 1GiB}\n";
  for (unsigned host = 1, vf = 0; host <= hosts; ++host) {
    text += fmt::format("  - name: ch{}\n    role: compute\n    memory: {}MiB\n", host,
                        vms * kMemoryMiB + kOwnMiB);
    text += fmt::format("    ntb: {{windows: {}, lut: {}}}\n    vms:\n", std::max(16u, 2 * vms),
                        std::max(32u, vms));
    for (unsigned vm = 0; vm < vms; ++vm, ++vf)
      text += fmt::format("      - {{name: vm-{}-{}, memory: {}MiB, vf: {{nic: nic{}, index: {}}}}}\n", host,
                          vm, kMemoryMiB, vf / kVfsPerNic, vf % kVfsPerNic);
  }
  return text;
}

}  // namespace ladon::machine
