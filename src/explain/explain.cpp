#include "explain/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "explain/entry.h"
#include "explain/meaning.h"
#include "explain/owner.h"
#include "explain/subject.h"
#include "fabric/format.h"

namespace ladon::explain {

namespace {

constexpr std::size_t kRangesShown = 6;

std::string_view text(pcie::AccessSet access) {
  if (access == pcie::kReadOnly) return "read";
  return access == pcie::kWriteOnly ? "write" : "read/write";
}

// What the outcome is, in the terms of a grant.
std::optional<std::pair<audit::Space, std::uint64_t>> target_of(const fabric::Resolution& way) {
  if (const auto* memory = std::get_if<fabric::MemoryTarget>(&way.outcome))
    return {{{memory->domain, audit::Kind::memory}, memory->at.bits()}};
  if (const auto* interrupt = std::get_if<fabric::InterruptTarget>(&way.outcome))
    return {{{interrupt->domain, audit::Kind::interrupts}, interrupt->vector}};
  // Registers are numbered by their address in the domain where the device is: that of the last hop.
  if (!std::holds_alternative<fabric::RegisterTarget>(way.outcome) || way.hops.size() == 0)
    return std::nullopt;
  const fabric::Hop& last = way.hops[way.hops.size() - 1];
  return {{{last.domain, audit::Kind::registers}, last.out}};
}

bool granted(const Rack& rack, const std::optional<audit::Initiator>& who, const fabric::Resolution& way,
             pcie::Access access) {
  const auto target = target_of(way);
  if (!target || !who) return false;
  return std::ranges::any_of(rack.grants, [&](const audit::Grant& grant) {
    return grant.to == *who && grant.space == target->first && grant.targets.first <= target->second &&
           target->second <= grant.targets.last && grant.access.allows(access);
  });
}

Verdict judge(const Rack& rack, const Refused& refused, const std::optional<audit::Initiator>& who,
              const std::optional<std::string>& wanted) {
  const bool form = meaning(refused.fault.table, refused.fault.reason).kind == Kind::form;
  const Verdict no = form ? Verdict::form : Verdict::isolation;
  if (!refused.transaction && !refused.requester_known && !form) return Verdict::unknown;
  if (!refused.transaction) return wanted ? Verdict::missing : no;
  if (!refused.of_log && !fabric::resolve(rack.running, *refused.transaction).refused())
    return Verdict::passes;
  const auto way = fabric::resolve(rack.wanted, *refused.transaction);
  if (way.refused()) return no;
  return granted(rack, who, way, refused.transaction->access) ? Verdict::missing : Verdict::isolation;
}

std::string mend_of(const Rack& rack, const Refused& refused, Verdict verdict, const std::string& entry) {
  const Kind kind = meaning(refused.fault.table, refused.fault.reason).kind;
  const fabric::Fault& fault = refused.fault;
  switch (verdict) {
    case Verdict::missing:
      return fmt::format("To {}, add {}. {}", fabric::table_place(rack.wanted, fault.component, fault.table),
                         entry, restore(rack.wanted, fault));
    case Verdict::isolation:
      if (kind == Kind::rule) return "Nothing to mend: no rack allows it. This is what isolation means.";
      return fmt::format(
          "Nothing to mend: nobody granted this. This is what isolation means. If it was meant to pass: {}.",
          obtain(rack.wanted, fault));
    case Verdict::form:
      return "Mend whoever emits it; no table entry would help.";
    case Verdict::passes:
      return "Nothing to mend now: a guest came or went, or the entry was written since.";
    case Verdict::unknown:
      return "Give the whole line, with the requester's ID or \"VF N of NIC M\".";
    case Verdict::count_:
      break;
  }
  return {};
}

// What it may reach, by the addresses that it has to emit.
void note_reach(const Rack& rack, const audit::Initiator& who, std::vector<std::string>& notes) {
  std::vector<const audit::Grant*> own;
  for (const audit::Grant& grant : rack.grants)
    if (grant.to == who && grant.emitted) own.push_back(&grant);
  std::ranges::sort(own, {}, [](const audit::Grant* grant) { return *grant->emitted; });
  for (std::size_t i = 0; i < std::min(own.size(), kRangesShown); ++i)
    notes.push_back(fmt::format(
        "it may reach {:#x} to {:#x}: {} of {}, {}", *own[i]->emitted,
        *own[i]->emitted + (own[i]->targets.last - own[i]->targets.first), audit::name(own[i]->space.kind),
        rack.wanted.names->hosts[static_cast<std::size_t>(own[i]->space.domain)], text(own[i]->access)));
  if (own.size() > kRangesShown)
    notes.push_back(fmt::format("and {} ranges more", own.size() - kRangesShown));
  if (own.empty()) notes.push_back("no memory and no registers are granted to it");
}

// Whose it is, taken as a physical address of the host that refused: what an attacker, or a driver that
// forgot to translate, would have meant.
void note_owner(const Rack& rack, const fabric::Fault& fault, const std::optional<audit::Initiator>& who,
                std::vector<std::string>& notes) {
  for (const audit::Grant& grant : rack.grants) {
    if (grant.space.domain != fault.component.domain || grant.space.kind == audit::Kind::interrupts) continue;
    if (fault.address < grant.targets.first || grant.targets.last < fault.address) continue;
    if (grant.to == who || std::holds_alternative<audit::Processor>(grant.to)) continue;
    notes.push_back(fmt::format("as a physical address of {}, {:#x} is {} of {}",
                                rack.wanted.names->hosts[static_cast<std::size_t>(grant.space.domain)],
                                fault.address, audit::name(grant.space.kind), rack.name(grant.to)));
    return;
  }
}

}  // namespace

std::string_view text(Verdict verdict) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Verdict::count_)> kTexts = {
      "missing: the plan wants it to pass, and the table has lost or not yet got its entry",
      "isolation: nobody has granted it, so it is refused as it should be",
      "form: no table could let it pass, whoever emitted it has to emit something else",
      "passes: it was refused, and with the tables of now it is not",
      "unknown: it depends on who made the access, and the line does not say it"};
  return kTexts[static_cast<std::size_t>(verdict)];
}

std::string_view name(Verdict verdict) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Verdict::count_)> kNames = {
      "missing", "isolation", "form", "passes", "unknown"};
  return kNames[static_cast<std::size_t>(verdict)];
}

Explanation explain(const Rack& rack, const Refused& refused) {
  const fabric::Fault& fault = refused.fault;
  const auto access = refused.transaction ? std::optional(refused.transaction->access) : refused.access;
  const Seen seen{access, refused.transaction ? refused.transaction->data : 0};
  const auto who = refused.transaction       ? initiator_of(rack.wanted, *refused.transaction)
                   : refused.requester_known ? initiator_of(rack.wanted, fault)
                                             : std::nullopt;
  const auto wanted = entry_for(rack.wanted, fault, seen);
  Explanation made;
  made.verdict = judge(rack, refused, who, wanted);
  made.fault = fabric::describe_fault(rack.wanted, fault);
  if (who) made.who = rack.name(*who);
  const Meaning why = meaning(fault.table, fault.reason);
  made.cause = why.cause;
  if (why.kind == Kind::entry) {
    made.entry = wanted ? *wanted : needed_entry(fault);
    made.owner = owner_of(rack.wanted, fault);
  }
  made.mend = mend_of(rack, refused, made.verdict, made.entry);
  if (made.verdict == Verdict::isolation && who) {
    note_reach(rack, *who, made.notes);
    note_owner(rack, fault, who, made.notes);
  }
  return made;
}

}  // namespace ladon::explain
