#include "explain/parse.h"

#include <charconv>
#include <regex>
#include <string>

#include "fabric/format.h"

namespace ladon::explain {

namespace {

using fabric::ComponentKind;

// Lines come from logs and may be anything: nothing longer than this is looked at.
constexpr std::size_t kLongest = 4096;

template <class T>
std::optional<T> hexadecimal(const std::string& digits) {
  T value = 0;
  const auto done = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (done.ec != std::errc{} || done.ptr != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// The longest "COMPONENT/TABLE: REASON" in the line, since one reason's name may begin another's.
std::optional<fabric::Fault> named(const fabric::Tables& tables, std::string_view line) {
  std::optional<fabric::Fault> found;
  std::size_t longest = 0;
  for (const auto& component : components(tables))
    for (std::uint8_t t = 0; t < fabric::kTables; ++t) {
      const std::string place = fabric::table_place(tables, component, fabric::Table{t});
      if (line.find(place) == std::string_view::npos) continue;
      for (std::uint8_t r = 0; r < static_cast<std::uint8_t>(fabric::Reason::count_); ++r) {
        const fabric::Fault fault{
            .component = component, .table = fabric::Table{t}, .reason = fabric::Reason{r}};
        const std::string text = fabric::describe_fault(tables, fault);
        if (text.size() <= longest || line.find(text) == std::string_view::npos) continue;
        found = fault;
        longest = text.size();
      }
    }
  return found;
}

// The rack's number of a segment that the component's domain has. Hosts number their own from 0, and lines of
// their logs do: a compute host has but one.
pcie::Segment segment_of(const fabric::Tables& tables, pcie::Domain domain, pcie::Segment printed) {
  return domain == pcie::kManagementDomain ? printed : tables.segment(domain, pcie::HostSegment{});
}

// "VF 2 of NIC 0", as the management host's program names who it hears of; the access that it made then.
std::optional<pcie::Transaction> by_function(const fabric::Tables& tables, const std::string& line,
                                             const Refused& refused) {
  static const std::regex kFunction("\\bVF ([0-9]{1,2}) of NIC ([0-9]{1,3})\\b");
  std::smatch match;
  if (!refused.access || !std::regex_search(line, match, kFunction)) return std::nullopt;
  const auto vf = static_cast<std::size_t>(std::stoul(match[1]));
  const auto nic = static_cast<std::uint16_t>(std::stoul(match[2]));
  // The physical function is the first.
  if (nic >= tables.endpoints.size() || vf + 1 >= tables.endpoints[nic]->functions.size())
    return std::nullopt;
  const fabric::FunctionId function{
      .is_ntb = false, .index = nic, .function = tables.endpoints[nic]->functions[vf + 1]};
  return tables.emitted_by(function, Iova(refused.fault.address), 1, *refused.access);
}

// The requester ID under which the component of the fault sees a transaction.
std::optional<pcie::Rid> seen_as(const fabric::Tables& tables, const pcie::Transaction& transaction,
                                 const fabric::Fault& fault) {
  const auto way = fabric::resolve(tables, transaction);
  if (const auto* refused = way.fault(); refused != nullptr && refused->component == fault.component)
    return refused->rid;
  for (const fabric::Hop& hop : fault.on_completion ? way.return_hops : way.hops)
    if (hop.component == fault.component) return hop.rid_in;
  return std::nullopt;
}

}  // namespace

std::vector<fabric::ComponentId> components(const fabric::Tables& tables) {
  std::vector<fabric::ComponentId> all;
  for (std::uint16_t d = 0; d < tables.hosts.size(); ++d) {
    const pcie::Domain domain{d};
    all.push_back({ComponentKind::root_complex, domain, 0});
    all.push_back({ComponentKind::processor, domain, 0});
    const auto& hierarchies = tables.hosts[d]->hierarchies;
    for (std::uint16_t s = 0; s < hierarchies.size(); ++s) {
      const pcie::HostSegment segment{s};
      all.push_back({ComponentKind::root_port, domain, 0, segment});
      all.push_back({ComponentKind::iommu, domain, 0, segment});
      if (!hierarchies[s].packet_switch) continue;
      all.push_back({ComponentKind::upstream, domain, 0, segment});
      for (std::uint16_t p = 0; p < hierarchies[s].packet_switch->downstream.size(); ++p)
        all.push_back({ComponentKind::downstream, domain, p, segment});
    }
  }
  for (std::uint16_t n = 1; n <= tables.ntbs.size(); ++n) {
    all.push_back({ComponentKind::ntb, pcie::kManagementDomain, n});
    all.push_back({ComponentKind::ntb, pcie::Domain{n}, n});
  }
  for (std::uint16_t e = 0; e < tables.endpoints.size(); ++e)
    all.push_back({ComponentKind::endpoint, pcie::kManagementDomain, e});
  return all;
}

std::optional<Refused> parse_fault(const fabric::Tables& tables, std::string_view line) {
  line = line.substr(0, kLongest);
  auto fault = named(tables, line);
  if (!fault) return std::nullopt;
  const std::string text(line);
  std::smatch match;
  static const std::regex kRequester("([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\\.([0-7])");
  const bool named_requester = std::regex_search(text, match, kRequester);
  if (named_requester)
    fault->rid = {
        segment_of(tables, fault->component.domain,
                   pcie::Segment{hexadecimal<std::uint16_t>(match[1]).value_or(0)}),
        pcie::Bdf(hexadecimal<unsigned>(match[2]).value_or(0), hexadecimal<unsigned>(match[3]).value_or(0),
                  hexadecimal<unsigned>(match[4]).value_or(0))};
  static const std::regex kAddress("0x([0-9a-f]{1,16})");
  if (std::regex_search(text, match, kAddress))
    fault->address = hexadecimal<std::uint64_t>(match[1]).value_or(0);
  fault->on_completion = fault->reason == fabric::Reason::completion_lut_miss ||
                         fault->reason == fabric::Reason::completion_no_route ||
                         fault->reason == fabric::Reason::completion_misrouted;
  Refused refused{.fault = *fault, .access = std::nullopt, .transaction = std::nullopt};
  refused.of_log = true;
  refused.requester_known = named_requester;
  static const std::regex kAccess("\\b(read|write) (of|at)\\b");
  if (fault->on_completion)
    refused.access = pcie::Access::read;
  else if (std::regex_search(text, match, kAccess))
    refused.access = match[1] == "read" ? pcie::Access::read : pcie::Access::write;
  if (!named_requester) refused.transaction = by_function(tables, text, refused);
  if (refused.transaction)
    refused.fault.rid = seen_as(tables, *refused.transaction, refused.fault).value_or(refused.fault.rid);
  return refused;
}

}  // namespace ladon::explain
