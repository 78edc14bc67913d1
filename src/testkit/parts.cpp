#include "testkit/parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "explain/subject.h"
#include "fabric/format.h"
#include "machine/grants.h"
#include "nic/options.h"
#include "spec/ixgbevf.h"

namespace ladon::testkit {

RackParts::RackParts(std::unique_ptr<machine::AttackRack> rack)
    : bed(std::move(rack)),
      wanted(bed->fabric().tables()),
      grants(bed->granted()),
      management(bed->bridge(pcie::kManagementDomain), [this] { return bed->turn(), true; }),
      drivers(bed->guests().size()) {
  bed->live().set_watcher([this](const auto& tables, const auto& transaction, const auto& way) {
    note(tables, transaction, way);
  });
  interrupts_read_ = bed->interrupts().size();
}

RackParts::~RackParts() {
  bed->live().set_watcher({});
}

bool RackParts::begins(const std::string& fault) {
  return ++in_force_[fault] == 1;
}

bool RackParts::ends(const std::string& fault) {
  return --in_force_[fault] == 0;
}

std::size_t RackParts::index_of(std::string_view name) const {
  const auto found = std::ranges::find(bed->guests(), name, &attack::Guest::name);
  if (found == bed->guests().end())
    throw std::invalid_argument(fmt::format("no guest with a VF is named \"{}\"", name));
  return static_cast<std::size_t>(found - bed->guests().begin());
}

fabric::FunctionId RackParts::function_of(std::size_t index) const {
  return {.is_ntb = false,
          .index = guest(index).nic,
          .function = static_cast<std::uint16_t>(nic::kFirstVfOffset + nic::kVfStride * guest(index).vf)};
}

const attack::Ntb& RackParts::ntb_of(pcie::Domain host) const {
  const auto found = std::ranges::find(bed->ntbs(), host, &attack::Ntb::host);
  if (found == bed->ntbs().end())
    throw std::invalid_argument("no NTB leads to the management host: name a compute host or its guest");
  return *found;
}

void RackParts::step() {
  bed->step();
  take_interrupts();
}

void RackParts::take_interrupts() {
  const auto& all = bed->interrupts();
  for (; interrupts_read_ < all.size(); ++interrupts_read_) {
    const attack::Interrupt& one = all[interrupts_read_];
    for (std::size_t g = 0; g < bed->guests().size(); ++g) {
      if (guest(g).host != one.host) continue;
      // Vectors are a guest's own, so the first that has it is the one.
      bool is_his = false;
      for (std::uint16_t v = 0; v < spec::ixgbevf::kVectors; ++v) is_his |= bed->vector(g, v) == one.vector;
      if (!is_his) continue;
      Arrived& count = arrived_[{g, one.vector}];
      ++(deaf.contains(g) ? count.lost : count.seen);
      break;
    }
  }
}

RackParts::Arrived RackParts::arrived(std::size_t index, std::uint16_t vector) {
  take_interrupts();
  const auto found = arrived_.find({index, bed->vector(index, vector)});
  return found == arrived_.end() ? Arrived{} : found->second;
}

std::string RackParts::name_of(const audit::Initiator& who) const {
  return machine::initiator_name(bed->rack(), who);
}

void RackParts::note(const fabric::Tables& tables, const pcie::Transaction& transaction,
                     const fabric::Resolution& way) {
  if (!recording || recorded.size() == kMostRecorded) return;
  const auto who = explain::initiator_of(tables, transaction);
  recorded.push_back({.who = who ? name_of(*who) : std::string("nobody's requester ID"),
                      .access = transaction.access == pcie::Access::read ? Access::read : Access::write,
                      .address = pcie::address_bits(transaction.address),
                      .length = transaction.length,
                      .refused = way.refused(),
                      .outcome = fabric::describe_outcome(tables, way)});
}

Path RackParts::follow(const pcie::Transaction& transaction) const {
  const auto tables = bed->fabric().tables();
  const auto way = fabric::resolve(*tables, transaction);
  Path path;
  for (auto& row : fabric::rows(*tables, way))
    path.hops.push_back({.completion = row.direction == "completion",
                         .component = std::move(row.component),
                         .table = std::move(row.table),
                         .domain = std::move(row.domain),
                         .address_in = std::move(row.address_in),
                         .address_out = std::move(row.address_out),
                         .requester_in = std::move(row.rid_in),
                         .requester_out = std::move(row.rid_out)});
  path.outcome = fabric::describe_outcome(*tables, way);
  path.refused = way.refused();
  if (!path.refused) return path;
  auto why =
      explain::explain({*tables, *wanted, grants, [this](const auto& who) { return name_of(who); }},
                       {.fault = *way.fault(), .access = transaction.access, .transaction = transaction});
  path.fault = std::move(why.fault);
  path.verdict = explain::name(why.verdict);
  path.cause = std::move(why.cause);
  path.entry = std::move(why.entry);
  path.mend = std::move(why.mend);
  return path;
}

bool Path::passes(std::string_view component) const {
  return std::ranges::find(hops, component, &Hop::component) != hops.end();
}

std::string to_string(const Path& path) {
  std::string text;
  for (const Hop& hop : path.hops)
    text += fmt::format("{} {}/{}: {} -> {}, requester {} -> {}\n", hop.completion ? "completion" : "request",
                        hop.component, hop.table, hop.address_in, hop.address_out, hop.requester_in,
                        hop.requester_out);
  text += path.outcome + '\n';
  if (path.refused) text += fmt::format("{}: {}\n{}\n", path.verdict, path.cause, path.mend);
  return text;
}

}  // namespace ladon::testkit
