#include "trial/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <thread>

#include "spec/pci.h"

namespace ladon::trial {
namespace {

namespace pci = spec::pci;

constexpr std::uint64_t kPage = 4096;
constexpr auto kPatience = std::chrono::milliseconds(1500), kLook = std::chrono::milliseconds(50);

// An address in a line of the log: the last number that is written with 0x.
std::optional<std::uint64_t> address_in(const std::string& text) {
  const auto at = text.rfind("0x");
  if (at == std::string::npos) return std::nullopt;
  return std::strtoull(text.c_str() + at, nullptr, 16);
}

// A host sees interrupt messages at 0xFEExxxxx, whatever window led to them.
bool is_of(std::uint64_t tried, std::uint64_t seen) {
  constexpr std::uint64_t kMessage = pci::kInterruptLength - 1;
  if ((seen & ~kMessage) == pci::kInterruptBase) tried = pci::kInterruptBase | (tried & kMessage);
  return tried / kPage == seen / kPage || tried / kPage + 1 == seen / kPage;
}

bool names(const std::vector<ManagementLine>& lines, const std::vector<std::uint64_t>& tried) {
  return std::ranges::any_of(lines, [&](const ManagementLine& line) {
    const auto address = address_in(line.text);
    return line.kind == "fault" && address &&
           std::ranges::any_of(tried, [&](std::uint64_t one) { return is_of(one, *address); });
  });
}

// What an IOMMU or interrupt remapping refuses it records, and its host hears of it.
bool is_recorded(const attack::Refusal& refusal) {
  return refusal.by.find("/iommu/") != std::string::npos;
}

// Who is said to have done it: whoever is named at all, in order, so that a neighbour who is blamed shows.
std::string joined(const std::set<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

struct Blame {
  std::string by, who;
};

Blame by_refusal(const std::vector<attack::Refusal>& refusals, const std::string& attacker) {
  if (refusals.empty()) return {};
  auto first = std::ranges::find(refusals, attacker, &attack::Refusal::who);
  if (first == refusals.end()) first = refusals.begin();
  std::set<std::string> blamed;
  for (const auto& refusal : refusals) blamed.insert(refusal.who);
  return {first->by, joined(blamed)};
}

// What ends an attack comes before what is only denied to it.
Blame by_log(const std::vector<ManagementLine>& lines) {
  for (const std::string_view kind : {"fault", "refused"}) {
    const auto line = std::ranges::find(lines, kind, &ManagementLine::kind);
    if (line == lines.end()) continue;
    std::set<std::string> blamed;
    for (const ManagementLine& one : lines) blamed.insert(one.guest);
    return {line->text.starts_with("mailbox") ? "mh/" + line->text : line->text, joined(blamed)};
  }
  return {};
}

// What somebody receives without wanting it is nobody's offence.
Blame by_count(const std::vector<attack::Count>& counts, const std::string& attacker) {
  std::set<std::string> blamed;
  const attack::Count* first = nullptr;
  for (const attack::Count& count : counts) {
    if (count.reason.starts_with("rx_")) continue;
    blamed.insert(count.who);
    if (first == nullptr || (first->who != attacker && count.who == attacker)) first = &count;
  }
  if (first == nullptr) return {};
  return {fmt::format("{}: {}", first->where, first->reason), joined(blamed)};
}

}  // namespace

void collect_evidence(AttackResult& result, Stage& stage) {
  const std::set<std::string> excused = stage.take_excused();
  auto refusals = stage.witness.refusals();
  auto counts = stage.witness.counts();
  std::erase_if(refusals, [&](const attack::Refusal& one) { return excused.contains(one.who); });
  std::erase_if(counts, [&](const attack::Count& one) { return excused.contains(one.who); });
  const std::vector<std::uint64_t> tried = stage.take_tried();
  const bool recorded = std::ranges::any_of(refusals, is_recorded);

  std::vector<ManagementLine> lines = stage.log.lines();
  for (auto waited = kLook; recorded && !names(lines, tried) && waited < kPatience; waited += kLook) {
    std::this_thread::sleep_for(kLook);
    lines = stage.log.lines();
  }
  std::erase_if(lines, [&](const ManagementLine& line) { return excused.contains(line.guest); });
  const auto is_other = [&](const ManagementLine& line) { return line.guest != result.attacker; };
  result.log_matches =
      (!recorded || tried.empty() || names(lines, tried)) && std::ranges::none_of(lines, is_other);
  for (const ManagementLine& line : lines) result.log.push_back(line.whole);
  if (!result.by.empty() || result.outcome == attack::Outcome::skipped) return;

  Blame blame = by_refusal(refusals, result.attacker);
  if (blame.by.empty()) blame = by_log(lines);
  if (blame.by.empty()) blame = by_count(counts, result.attacker);
  result.by = blame.by, result.attributed_to = blame.who;
}

}  // namespace ladon::trial
