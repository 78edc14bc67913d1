#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "machine/rack_sections.h"

namespace ladon::machine {
namespace {

constexpr std::size_t kLongestText = 500;
constexpr std::string_view kCopy = "copy it from what ladon audit prints";
constexpr std::string_view kWhy = "say why this may be reached";
constexpr std::array kKinds = {audit::Kind::memory, audit::Kind::registers, audit::Kind::interrupts};
constexpr std::array kAccesses = {pcie::kReadOnly, pcie::kWriteOnly, pcie::kReadWrite};

void read_defence(RackContext& context, Section& section, const Defences& defences, Acceptance& accepted) {
  for (const char* key : {"initiator", "domain", "kind", "access", "first", "last"})
    section.forbid(key, "an entry names a defence or one finding, not both",
                   "leave it out, or leave defence out");
  std::string wanted;
  section.read_text("defence", wanted, kLongestText, "write the name of a defence that is off");
  if (wanted.empty()) return;
  const auto found = std::ranges::find(kDefenceSwitches, wanted, &DefenceSwitch::name);
  const Field field = *section.find("defence");
  if (found == kDefenceSwitches.end()) {
    std::vector<std::string_view> names;
    for (const DefenceSwitch& defence : kDefenceSwitches) names.push_back(defence.name);
    context.errors.add(field.node->place, field.path, fmt::format("{} is not known here", quoted(wanted)),
                       fmt::format("write one of: {}", fmt::join(names, ", ")));
  } else if (defences.*found->on) {
    context.errors.add(field.node->place, field.path,
                       fmt::format("{} is on: nothing can be reached because it is off", wanted),
                       fmt::format("remove this entry, or write defences: {{{}: off}}", wanted));
  } else {
    accepted.defence = &*found;
  }
}

void read_host(RackContext& context, Section& section, const Rack& rack, Acceptance& accepted) {
  std::string wanted;
  section.read_text("domain", wanted, kLongestText, "write the name of a host");
  const auto host = std::ranges::find(rack.hosts, wanted, &HostSpec::name);
  if (wanted.empty()) return;
  if (host != rack.hosts.end()) {
    accepted.host = static_cast<std::size_t>(host - rack.hosts.begin());
    return;
  }
  std::vector<std::string_view> names;
  for (const HostSpec& spec : rack.hosts) names.push_back(spec.name);
  const Field field = *section.find("domain");
  context.errors.add(field.node->place, field.path, fmt::format("no host is named {}", quoted(wanted)),
                     fmt::format("the hosts are: {}", fmt::join(names, ", ")));
}

void read_finding(RackContext& context, Section& section, const Rack& rack, Acceptance& accepted) {
  for (const char* key : {"initiator", "domain", "kind", "access", "first", "last"})
    (void)section.require(key, kCopy);
  section.read_text("initiator", accepted.initiator, kLongestText, kCopy);
  read_host(context, section, rack, accepted);
  (void)section.read_choice<audit::Kind>("kind", accepted.kind, kKinds);
  (void)section.read_choice<pcie::AccessSet>("access", accepted.access, kAccesses);
  const bool first_read = section.read_number("first", accepted.first);
  const bool both_read = section.read_number("last", accepted.last) && first_read;
  if (const auto last = section.find("last"); both_read && accepted.last < accepted.first)
    context.errors.add(last->node->place, last->path, "lies before first", std::string(kCopy));
}

}  // namespace

Acceptance read_acceptance(RackContext& context, const Field& field, const Rack& rack) {
  Acceptance accepted{
      .file = context.errors.file(), .line = field.node->place.line, .column = field.node->place.column};
  Section section(context.errors, field);
  if (section.find("defence"))
    read_defence(context, section, rack.defences, accepted);
  else
    read_finding(context, section, rack, accepted);
  (void)section.require("why", kWhy);
  section.read_text("why", accepted.why, kLongestText, kWhy);
  section.finish();
  return accepted;
}

}  // namespace ladon::machine
