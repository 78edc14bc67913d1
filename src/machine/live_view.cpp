#include "machine/live_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "machine/grants.h"

namespace ladon::machine {
namespace {

// What the plan says that this slot has; nullopt: nothing.
std::optional<host::control::Assign> planned(const mh::Plan& plan, pcie::Domain domain, std::size_t slot) {
  const auto found = std::ranges::find_if(plan.vfs, [&](const auto& entry) {
    return entry.second.grant.host == domain && entry.second.grant.slot == slot;
  });
  if (found == plan.vfs.end()) return std::nullopt;
  return mh::assignment_of(found->second);
}

std::string disagreement(const Rack& rack, const mh::Plan& plan, pcie::Domain domain,
                         const ch::PartHoldings& part) {
  const std::string& host = rack.hosts[static_cast<std::size_t>(domain)].name;
  if (!part.settled) return fmt::format("memory of a guest of {} is being mapped or taken away", host);
  for (std::size_t slot = 0; slot < part.slots.size(); ++slot)
    if (part.slots[slot].assignment != planned(plan, domain, slot))
      return fmt::format("{} has not been told yet which VF its slot {} has", host, slot);
  return {};
}

}  // namespace

EngineView look_at(const Machine& machine) {
  EngineView view{.tables = machine.fabric().tables(), .parts = {}, .managed = machine.managed()};
  for (std::size_t d = 0; d < machine.rack().hosts.size(); ++d) {
    const ch::HostPart* part = machine.part(pcie::Domain{static_cast<std::uint16_t>(d)});
    view.parts.push_back(part == nullptr ? std::nullopt : std::optional(part->holdings()));
  }
  return view;
}

std::string under_way(const Rack& rack, const mh::Remembered& management, const EngineView& engine) {
  if (!management.inventory || !management.settled || management.pending)
    return "the management host's program is applying a change";
  for (std::size_t d = 0; d < engine.parts.size(); ++d)
    if (engine.parts[d])
      if (auto why = disagreement(rack, management.plan, pcie::Domain{static_cast<std::uint16_t>(d)},
                                  *engine.parts[d]);
          !why.empty())
        return why;
  return {};
}

std::expected<LiveView, std::string> observe(const LiveSources& sources) {
  const SteadyClock clock;
  const Instant deadline = clock.now() + sources.patience;
  for (;;) {
    const auto before = mh::read_journal(sources.journal);
    if (!before) return std::unexpected(before.error());
    EngineView engine = sources.look();
    const auto after = mh::journal_length(sources.journal);
    std::string why = under_way(sources.rack, before->remembered, engine);
    if (why.empty() && after != before->length) why = "the management host's program is at work";
    if (why.empty()) {
      GrantSources granted{sources.rack, *before->remembered.inventory, before->remembered.plan,
                           std::move(engine.parts)};
      granted.quarantined = before->remembered.quarantined;
      granted.vms = false;
      return LiveView{std::move(engine.tables), grants(granted), engine.managed};
    }
    if (clock.now() >= deadline)
      return std::unexpected(
          fmt::format("{}{}; ask again", why, engine.managed ? "" : ", and that program is not running"));
    std::this_thread::sleep_for(sources.between);
  }
}

}  // namespace ladon::machine
