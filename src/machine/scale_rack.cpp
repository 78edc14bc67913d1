#include "machine/scale_rack.h"

#include <fmt/format.h>

#include <algorithm>

namespace ladon::machine {
namespace {

constexpr unsigned kVfsPerNic = 63;
constexpr unsigned kMemoryMiB = 256, kOwnMiB = 128;  // of a VM; of a host beyond its VMs
constexpr unsigned kPorts = 253;                     // of a segment's switch

constexpr unsigned quotient(unsigned all, unsigned each) {
  return (all + each - 1) / each;
}

// So many hosts and the NICs that their VFs take are a segment.
unsigned nics_for(unsigned hosts, unsigned vms) {
  return std::max(1u, quotient(hosts * vms, kVfsPerNic));
}

std::string host_text(unsigned host, unsigned segment, unsigned vms) {
  std::string text = fmt::format("  - name: ch{}\n    role: compute\n    segment: {}\n    memory: {}MiB\n",
                                 host, segment, vms * kMemoryMiB + kOwnMiB);
  return text + fmt::format("    ntb: {{windows: {}, lut: {}}}\n    vms:\n", std::max(16u, 2 * vms),
                            std::max(32u, vms));
}

}  // namespace

std::string scale_rack(unsigned hosts, unsigned vms) {
  unsigned segments = 1;
  while (quotient(hosts, segments) + nics_for(quotient(hosts, segments), vms) > kPorts) ++segments;
  const unsigned each = quotient(hosts, segments), nics = nics_for(each, vms);
  std::string text = fmt::format("name: scale-{}x{}\nnics:\n", hosts, vms);
  for (unsigned nic = 0; nic < segments * nics; ++nic)
    text += fmt::format("  - {{name: nic{}, vfs: {}, segment: {}}}\n", nic, kVfsPerNic, nic / nics);
  text += "hosts:\n  - {name: mh, role: management, memory: 1GiB}\n";
  for (unsigned host = 0; host < hosts; ++host) {
    const unsigned segment = host / each;
    text += host_text(host + 1, segment, vms);
    for (unsigned vm = 0; vm < vms; ++vm) {
      const unsigned vf = host % each * vms + vm;
      text += fmt::format("      - {{name: vm-{}-{}, memory: {}MiB, vf: {{nic: nic{}, index: {}}}}}\n",
                          host + 1, vm, kMemoryMiB, segment * nics + vf / kVfsPerNic, vf % kVfsPerNic);
    }
  }
  return text;
}

}  // namespace ladon::machine
