#include "machine/rack_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

#include "base/descriptor.h"
#include "base/table.h"
#include "machine/rack_fields.h"
#include "machine/rack_sections.h"
#include "machine/rack_yaml.h"

namespace ladon::machine {
namespace {

constexpr std::string_view kSeeExample = "see examples/two-hosts.yaml";

std::vector<HostSpec> read_hosts(RackContext& context, Section& top, const std::vector<NicSpec>& nics,
                                 const std::vector<Field>& nic_fields) {
  std::vector<HostSpec> hosts;
  std::optional<Field> management;
  const auto fields = top.list("hosts", kMaxHosts);
  for (const auto& field : fields) {
    hosts.push_back(read_host(context, field, nics));
    if (hosts.back().role != HostRole::management) continue;
    if (management)
      context.errors.add(field.node->place, field.path + ".role",
                         fmt::format("a second management host (the first is {} in line {})",
                                     management->path, management->node->place.line),
                         "write role: compute for all hosts but one");
    else
      management = field;
  }
  if (const auto field = top.require("hosts", fmt::format("list the hosts; {}", kSeeExample));
      field && !management)
    context.errors.add(field->node->place, field->path, "no management host",
                       "write role: management for one of them");
  check_segments(context, nics, nic_fields, hosts, fields);
  check_levels(context, nics);
  const auto first = std::ranges::find(hosts, HostRole::management, &HostSpec::role);
  if (first != hosts.end()) std::rotate(hosts.begin(), first, first + 1);
  return hosts;
}

// Sorts `fields` with the NICs.
std::vector<NicSpec> read_nics(RackContext& context, Section& top, std::vector<Field>& fields) {
  struct Read {
    std::size_t position = 0;
    NicSpec nic;
    Field field;
  };
  std::vector<Read> read;
  for (const auto& field : fields) read.push_back({read.size(), read_nic(context, field), field});
  std::ranges::sort(read, {}, [](const Read& one) { return std::pair(one.nic.segment, one.position); });
  std::vector<NicSpec> nics;
  for (std::size_t i = 0; i < read.size(); ++i) {
    nics.push_back(std::move(read[i].nic));
    fields[i] = std::move(read[i].field);
    context.nic_indices.emplace(nics.back().name, i);
  }
  const auto list = top.require("nics", fmt::format("list the NICs; {}", kSeeExample));
  if (list && nics.empty() && list->node->items.empty() && list->node->kind != YamlNode::Kind::scalar &&
      list->node->kind != YamlNode::Kind::map)
    context.errors.add(list->node->place, list->path, "no NIC",
                       fmt::format("describe at least one; {}", kSeeExample));
  check_links(context, nics, fields);
  return nics;
}

Rack read_rack(RackContext& context, const YamlNode& root) {
  Rack rack;
  Section top(context.errors, {&root, ""});
  rack.name = top.read_name("name", true);
  top.read_integer("seed", rack.seed, 0, std::numeric_limits<std::uint64_t>::max());
  if (const auto field = top.find("defences")) read_defences(context, *field, rack.defences);
  auto nic_fields = top.list("nics", kMaxNics);
  rack.nics = read_nics(context, top, nic_fields);
  rack.hosts = read_hosts(context, top, rack.nics, nic_fields);
  for (const auto& field : top.list("accept", kMaxAcceptances))
    rack.accept.push_back(read_acceptance(context, field, rack));
  if (const auto field = top.find("capture")) read_capture(context, *field, rack.capture);
  top.finish();
  return rack;
}

std::vector<RackError> file_error(const std::string& path, std::string message, std::string mend) {
  return {{path, 0, 0, "", std::move(message), std::move(mend)}};
}

}  // namespace

std::string to_string(const RackError& error) {
  std::string text = printable(error.file);
  if (error.line > 0) text += fmt::format(":{}:{}", error.line, error.column);
  if (!error.field.empty()) text += fmt::format(": {}", error.field);
  return text + fmt::format(": {}; {}", error.message, error.mend);
}

std::expected<Rack, std::vector<RackError>> parse_rack(std::string_view text, std::string_view file) {
  RackErrors errors(file);
  if (text.size() > kMaxRackFile)
    return std::unexpected(
        file_error(std::string(file), "longer than 4 MiB", "a rack file has some dozen lines; is this one?"));
  const auto root = read_yaml(text);
  if (!root) {
    errors.add(root.error().place, "", printable(root.error().message), root.error().mend);
    return std::unexpected(std::move(errors).take());
  }
  RackContext context(errors);
  Rack rack = read_rack(context, *root);
  if (errors.empty()) place_guests(errors, rack);
  if (errors.empty()) check_devices(errors, rack);
  if (!errors.empty()) return std::unexpected(std::move(errors).take());
  return rack;
}

std::expected<Rack, std::vector<RackError>> load_rack(const std::string& path) {
  constexpr std::string_view kMend = "give the path of a rack file, like examples/two-hosts.yaml";
  const auto refuse = [&](int error) {
    return std::unexpected(file_error(path, std::generic_category().message(error), std::string(kMend)));
  };
  // Not blocking: a FIFO without a writer must not hang the program.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return refuse(errno);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return refuse(errno);
  if (!S_ISREG(status.st_mode))
    return std::unexpected(file_error(path, "not a regular file", std::string(kMend)));
  std::string text(kMaxRackFile + 1, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t read = ::read(file.get(), text.data() + length, text.size() - length);
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return refuse(errno);
    if (read == 0) break;
    length += static_cast<std::size_t>(read);
  }
  text.resize(length);
  return parse_rack(text, path);
}

std::uint16_t segments(const Rack& rack) {
  std::uint16_t last = 0;
  for (const NicSpec& nic : rack.nics) last = std::max(last, nic.segment);
  for (const HostSpec& host : rack.hosts) last = std::max(last, host.segment);
  return static_cast<std::uint16_t>(last + 1);
}

std::uint64_t address_span(const GuestSpec& guest) {
  constexpr std::uint64_t kBelowHole = std::uint64_t{2} << 30, kHole = std::uint64_t{2} << 30;
  const std::uint64_t memory = guest.memory <= kBelowHole ? guest.memory : guest.memory + kHole;
  return guest.viommu == GuestIommu::none ? memory : std::max(memory, kBelowHole + kHole);
}

std::string_view name(GuestIommu iommu) {
  switch (iommu) {
    case GuestIommu::none:
      return "none";
    case GuestIommu::strict:
      return "strict";
    case GuestIommu::lazy:
      return "lazy";
  }
  std::unreachable();
}

std::string_view name(pcie::AccessSet access) {
  if (access == pcie::kReadWrite) return "read/write";
  return access == pcie::kReadOnly ? "read" : "write";
}

std::string_view name(WireKind kind) {
  switch (kind) {
    case WireKind::none:
      return "none";
    case WireKind::tap:
      return "tap";
    case WireKind::peer:
      return "peer";
    case WireKind::link:
      return "link";
  }
  return "?";
}

std::string_view name(NicDevice device) {
  return device == NicDevice::x550 ? "x550" : "82599";
}

bool NetworkSpec::guaranteed() const {
  const auto promised = [](const mh::RateRange& range) { return range.guaranteed != 0; };
  return promised(level.receive) || promised(level.transmit) || promised(level.receive_packets) ||
         promised(level.receive_cost) || level.memory.value_or(0) != 0;
}

std::string_view name(NetworkPath path) {
  switch (path) {
    case NetworkPath::any:
      return "any";
    case NetworkPath::own:
      return "own";
    case NetworkPath::shared:
      return "shared";
  }
  return "?";
}

std::string_view name(LinkState state) {
  switch (state) {
    case LinkState::automatic:
      return "auto";
    case LinkState::on:
      return "enable";
    case LinkState::off:
      return "disable";
  }
  return "?";
}

std::string_view name(HostRole role) {
  return role == HostRole::management ? "management" : "compute";
}

std::string_view name(HostKind kind) {
  return kind == HostKind::virtualized ? "virtualized" : "bare";
}

std::string_view name(Mode mode) {
  switch (mode) {
    case Mode::sriov:
      return "sriov";
    case Mode::mriov:
      return "mriov";
    case Mode::mriov_plus:
      return "mriov+";
  }
  return "?";
}

std::string_view name(Invalidation invalidation) {
  return invalidation == Invalidation::strict ? "strict" : "deferred";
}

}  // namespace ladon::machine
