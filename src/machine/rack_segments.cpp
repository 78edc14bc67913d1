// What the management host's segments must be together.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/units.h"
#include "machine/rack_sections.h"

namespace ladon::machine {
namespace {

constexpr std::uint64_t kMiB = 1 << 20, kGiB = std::uint64_t{1} << 30;
// rack_build.cpp: its 32-bit addresses for BARs.
constexpr std::uint64_t kNarrow = 0x8000'0000, kNarrowEnd = 0xFEC0'0000;
// mh/inventory.h: the management host's 64-bit addresses, and how they are cut.
constexpr std::uint64_t kAddresses = std::uint64_t{1} << 46, kStride = 64 * kGiB;

// A NIC or a compute host: it takes a port of its segment's switch.
struct Port {
  std::uint16_t segment = 0;
  Field field;
  [[nodiscard]] YamlPlace place() const {
    for (const auto& entry : field.node->entries)
      if (entry.key == "segment") return entry.value.place;
    return field.node->place;
  }
};

void check_numbers(RackContext& context, const std::vector<Port>& ports) {
  std::array<std::size_t, kMaxSegments> count{};
  for (const Port& port : ports) {
    const std::size_t taken = ++count[port.segment];
    if (taken == kMaxPorts + 1)
      context.errors.add(
          port.place(), port.field.path + ".segment",
          fmt::format("more NICs and compute hosts are in segment {} than its switch has ports, {}",
                      port.segment, kMaxPorts),
          "put some into another segment");
  }
  const auto gap = static_cast<std::size_t>(std::ranges::find(count, 0u) - count.begin());
  const auto beyond = std::ranges::find_if(ports, [&](const Port& port) { return port.segment > gap; });
  if (beyond != ports.end())
    context.errors.add(beyond->place(), beyond->field.path + ".segment",
                       fmt::format("there is a segment {} and nothing in segment {}", beyond->segment, gap),
                       "number the segments from 0 without a gap");
}

// Every compute host's memory has a place in the management host's domain, and so has each segment.
void check_space(RackContext& context, const std::vector<HostSpec>& hosts, const std::vector<Field>& fields,
                 std::size_t segments) {
  std::size_t computing = 0, widest = 0;
  std::uint64_t stride = kStride;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (hosts[i].role != HostRole::compute) continue;
    ++computing;
    if (hosts[i].ntb.dma_window > stride) stride = hosts[i].ntb.dma_window, widest = i;
  }
  const std::size_t places = computing + segments + 1;
  if (places <= kAddresses / stride) return;
  context.errors.add(fields[widest].node->place, fields[widest].path + ".ntb.dma_window",
                     fmt::format("{} for each of {} hosts are more than the management host's {}",
                                 format_size(stride), computing, format_size(kAddresses)),
                     fmt::format("write {} or less", format_size(std::bit_floor(kAddresses / places))));
}

// 32-bit BARs share what the management host has below 4 GiB, each at a multiple of its size, as enumeration
// finds them: in each segment its hosts' bridges, then its NICs.
void check_narrow_space(RackContext& context, const std::vector<NicSpec>& nics,
                        const std::vector<HostSpec>& hosts, const std::vector<Field>& fields,
                        std::size_t segments) {
  std::uint64_t at = kNarrow;
  for (std::size_t segment = 0; segment < segments; ++segment) {
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      if (hosts[i].role != HostRole::compute || hosts[i].segment != segment) continue;
      if (const std::uint64_t size = hosts[i].ntb.dma_window; hosts[i].ntb.narrow)
        at = ((at + size - 1) & ~(size - 1)) + size;
      at += 2 * kMiB;
      if (at <= kNarrowEnd) continue;
      context.errors.add(fields[i].node->place, fields[i].path + ".ntb.dma_window",
                         fmt::format("the 32-bit windows of {} and the hosts before it do not fit the "
                                     "management host's {} below 4 GiB",
                                     quoted(hosts[i].name), format_size(kNarrowEnd - kNarrow)),
                         "write smaller ones, or bars: 64 for some");
      return;
    }
    at += kMiB * static_cast<std::uint64_t>(std::ranges::count(nics, segment, &NicSpec::segment));
  }
}

}  // namespace

void check_segments(RackContext& context, const std::vector<NicSpec>& nics,
                    const std::vector<Field>& nic_fields, const std::vector<HostSpec>& hosts,
                    const std::vector<Field>& host_fields) {
  std::vector<Port> ports;
  std::uint16_t last = 0;
  const auto add = [&](std::uint16_t segment, const Field& field) {
    ports.push_back({segment, field});
    last = std::max(last, segment);
  };
  for (std::size_t i = 0; i < nics.size(); ++i) add(nics[i].segment, nic_fields[i]);
  for (std::size_t i = 0; i < hosts.size(); ++i)
    if (hosts[i].role == HostRole::compute) add(hosts[i].segment, host_fields[i]);
  check_numbers(context, ports);
  check_space(context, hosts, host_fields, last + std::size_t{1});
  check_narrow_space(context, nics, hosts, host_fields, last + std::size_t{1});
}

}  // namespace ladon::machine
