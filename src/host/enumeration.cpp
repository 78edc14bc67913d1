// Numbering: which functions there are, and which buses lead to them.
#include "host/enumeration.h"

#include "host/enumerator.h"
#include "pcie/config_space.h"
#include "spec/pci.h"

namespace ladon::host {

namespace pci = spec::pci;

namespace {

constexpr std::uint16_t at(unsigned base, unsigned offset) {
  return static_cast<std::uint16_t>(base + offset);
}

}  // namespace

std::expected<std::vector<PciFunction>, EnumerationError> enumerate(BlockingHost& host,
                                                                    const Description& description,
                                                                    const EnumerationPolicy& policy) {
  return detail::Enumerator(host, description, policy).run();
}

std::expected<std::optional<std::uint16_t>, Error> find_capability(BlockingHost& host, pcie::Sbdf bdf,
                                                                   std::uint8_t id) {
  const auto status = host.config_read(bdf, pci::kStatus, 2);
  if (!status) return std::unexpected(status.error());
  if (*status == 0xFFFF || (*status & pci::kStatusCapabilities) == 0) return std::nullopt;
  auto next = host.config_read(bdf, pci::kCapabilityPointer, 1);
  // A list that runs in a circle ends here: 48 capabilities are all that fit.
  for (int i = 0; i < 48 && next && *next >= 0x40; ++i) {
    const auto here = static_cast<std::uint16_t>(*next & 0xFC);
    const auto header = host.config_read(bdf, here, 2);
    if (!header) return std::unexpected(header.error());
    if ((*header & 0xFF) == id) return here;
    next = *header >> 8;
  }
  if (!next) return std::unexpected(next.error());
  return std::nullopt;
}

std::expected<std::optional<std::uint16_t>, Error> find_extended(BlockingHost& host, pcie::Sbdf bdf,
                                                                 std::uint16_t id) {
  std::uint16_t here = 0x100;
  for (int i = 0; i < 960 && here >= 0x100; ++i) {
    const auto header = host.config_read32(bdf, here);
    if (!header) return std::unexpected(header.error());
    if (*header == 0 || *header == 0xFFFF'FFFF) return std::nullopt;
    if ((*header & 0xFFFF) == id) return here;
    here = static_cast<std::uint16_t>(*header >> 20 & 0xFFC);
  }
  return std::nullopt;
}

namespace detail {

std::uint32_t Enumerator::read(pcie::Sbdf bdf, std::uint16_t offset, std::uint8_t width) {
  if (failed()) return ~std::uint32_t{0};
  const auto value = host_.config_read(bdf, offset, width);
  if (!value)
    fail(EnumerationProblem::host_error, bdf,
         "a configuration read failed: " + std::string(name(value.error())));
  return value.value_or(~std::uint32_t{0});
}

void Enumerator::write(pcie::Sbdf bdf, std::uint16_t offset, std::uint8_t width, std::uint32_t value) {
  if (failed()) return;
  if (const auto done = host_.config_write(bdf, offset, width, value); !done)
    fail(EnumerationProblem::host_error, bdf,
         "a configuration write failed: " + std::string(name(done.error())));
}

std::optional<std::uint16_t> Enumerator::capability(pcie::Sbdf bdf, std::uint8_t id) {
  const auto found = find_capability(host_, bdf, id);
  if (!found) fail(EnumerationProblem::host_error, bdf, "a configuration read failed");
  return found.value_or(std::nullopt);
}

std::optional<std::uint16_t> Enumerator::extended(pcie::Sbdf bdf, std::uint16_t id) {
  const auto found = find_extended(host_, bdf, id);
  if (!found) fail(EnumerationProblem::host_error, bdf, "a configuration read failed");
  return found.value_or(std::nullopt);
}

void Enumerator::fail(EnumerationProblem problem, pcie::Sbdf bdf, std::string message) {
  if (!error_) error_ = EnumerationError{problem, bdf, pcie::to_string(bdf) + ": " + std::move(message)};
}

void Enumerator::scan_segment(pcie::HostSegment segment) {
  segment_ = segment;
  next_bus_ = 1;
  scan_bus(0, std::nullopt, 0);
}

void Enumerator::scan_bus(std::uint8_t bus, std::optional<std::size_t> parent, unsigned depth) {
  const std::size_t first = functions_.size();
  // A link leads to one device (PCIe 6.0, 7.3.1); behind an upstream port and on the root bus there are more.
  unsigned devices = 32;
  if (parent) {
    const pcie::Sbdf above = functions_[*parent].bdf;
    if (const auto express = capability(above, pci::kCapExpress)) {
      const auto type =
          static_cast<pcie::PortType>(read(above, at(*express, pci::kExpressCapabilities), 2) >> 4 & 0xF);
      if (type == pcie::PortType::root_port || type == pcie::PortType::downstream) devices = 1;
    }
  }
  for (unsigned device = 0; device < devices && !failed(); ++device) scan_device(bus, device, parent);
  // Only now: stale bus numbers of a sibling must be gone before any bus behind it is looked at.
  const std::size_t end = functions_.size();
  for (std::size_t i = first; i < end && !failed(); ++i)
    if (functions_[i].bridge) number_bridge(i, depth);
}

void Enumerator::scan_device(std::uint8_t bus, unsigned device, std::optional<std::size_t> parent) {
  const auto numbered = [&](unsigned function) {
    return pcie::Sbdf(segment_, pcie::Bdf(bus, device, function));
  };
  if (!add_function(numbered(0), parent)) return;
  const auto layout = read(numbered(0), pci::kHeaderType, 1);
  if ((layout & pci::kHeaderMultiFunction) == 0) return;
  for (unsigned function = 1; function < 8; ++function) (void)add_function(numbered(function), parent);
}

bool Enumerator::add_function(pcie::Sbdf bdf, std::optional<std::size_t> parent) {
  const std::uint32_t ids = read(bdf, pci::kVendorId, 4);
  if (failed() || (ids & 0xFFFF) == 0xFFFF) return false;
  PciFunction function{.bdf = bdf,
                       .vendor = static_cast<std::uint16_t>(ids),
                       .device = static_cast<std::uint16_t>(ids >> 16),
                       .parent = parent,
                       .bridge = (read(bdf, pci::kHeaderType, 1) & 0x7F) == 1,
                       .sriov = {}};
  write(bdf, pci::kCommand, 2, 0);
  bool forwards_ari = false;
  if (function.bridge) {
    write(bdf, pci::kPrimaryBus, 4, 0);
    if (const auto express = capability(bdf, pci::kCapExpress)) {
      // A port that cannot forward to all 256 functions keeps the bit at zero.
      const auto control = at(*express, pci::kExpressDeviceControl2);
      write(bdf, control, 2, read(bdf, control, 2) | pci::kDeviceControl2AriForwarding);
      forwards_ari = (read(bdf, control, 2) & pci::kDeviceControl2AriForwarding) != 0;
    }
  }
  if (policy_.enable_acs) enable_acs(function);
  functions_.push_back(function);
  ari_.push_back(forwards_ari);
  if (!function.bridge) find_sriov(functions_.back());
  return true;
}

void Enumerator::number_bridge(std::size_t index, unsigned depth) {
  const pcie::Sbdf bdf = functions_[index].bdf;
  if (depth >= kMaxDepth) return fail(EnumerationProblem::too_deep, bdf, "bridges are nested too deep");
  if (next_bus_ > 0xFF) return fail(EnumerationProblem::no_buses, bdf, "no bus number is left");
  const auto secondary = static_cast<std::uint8_t>(next_bus_++);
  functions_[index].secondary = secondary;
  const auto numbers = [&](unsigned subordinate) {
    return bdf.bus() | std::uint32_t{secondary} << 8 | subordinate << 16;
  };
  write(bdf, pci::kPrimaryBus, 4, numbers(0xFF));
  scan_bus(secondary, index, depth + 1);
  functions_[index].subordinate = static_cast<std::uint8_t>(next_bus_ - 1);
  write(bdf, pci::kPrimaryBus, 4, numbers(functions_[index].subordinate));
}

void Enumerator::find_sriov(PciFunction& function) {
  const pcie::Sbdf bdf = function.bdf;
  const auto cap = policy_.enable_sriov ? extended(bdf, pci::kExtSriov) : std::nullopt;
  if (!cap) return;
  const bool ari = function.parent && ari_[*function.parent] && extended(bdf, pci::kExtAri).has_value();
  // First VF Offset and VF Stride may depend on both (SR-IOV 1.1, 3.3.9 and 3.3.10).
  write(bdf, at(*cap, pci::kSriovControl), 2, 0);
  write(bdf, at(*cap, pci::kSriovControl), 2, ari ? pci::kSriovControlAriHierarchy : 0);
  const std::uint32_t total = read(bdf, at(*cap, pci::kSriovTotalVfs), 2);
  write(bdf, at(*cap, pci::kSriovNumVfs), 2, total);
  const auto field = [&](std::uint16_t offset) {
    return static_cast<std::uint16_t>(read(bdf, at(*cap, offset), 2));
  };
  SriovFunction found{.capability = *cap,
                      .vfs = static_cast<std::uint16_t>(total),
                      .first_offset = field(pci::kSriovFirstOffset),
                      .stride = field(pci::kSriovStride),
                      .vf_device = field(pci::kSriovVfDevice)};
  if (failed() || found.vfs == 0) return;
  function.sriov = found;
  const unsigned last = bdf.bdf.bits + found.first_offset + (found.vfs - 1u) * found.stride;
  if (last > 0xFFFF)
    return fail(EnumerationProblem::no_buses, bdf, "its virtual functions reach past bus 255");
  // VFs may take bus numbers of their own behind the same port (SR-IOV 1.1, 2.1.2).
  if (last >> 8 >= next_bus_) next_bus_ = (last >> 8) + 1;
}

void Enumerator::enable_acs(const PciFunction& function) {
  const auto cap = extended(function.bdf, pci::kExtAcs);
  if (!cap) return;
  constexpr std::uint32_t kWanted = pci::kAcsSourceValidation | pci::kAcsTranslationBlocking |
                                    pci::kAcsRequestRedirect | pci::kAcsCompletionRedirect |
                                    pci::kAcsUpstreamForwarding;
  const std::uint32_t can = read(function.bdf, at(*cap, pci::kAcsCapabilities), 2);
  write(function.bdf, at(*cap, pci::kAcsControl), 2, can & kWanted);
}

}  // namespace detail
}  // namespace ladon::host
