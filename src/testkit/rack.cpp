#include "testkit/rack.h"

#include <fmt/format.h>

#include <algorithm>

#include "audit/audit.h"
#include "machine/rack_file.h"
#include "spec/ntb.h"
#include "testkit/parts.h"

namespace ladon::testkit {

namespace {

namespace ntb = spec::ntb;

std::expected<std::shared_ptr<RackParts>, std::string> build(
    const std::expected<machine::Rack, std::vector<machine::RackError>>& rack) {
  if (!rack) {
    std::string all;
    for (const auto& mistake : rack.error()) all += machine::to_string(mistake) + '\n';
    return std::unexpected(all);
  }
  auto made = machine::AttackRack::make(*rack, {.watched_dma = true});
  if (!made) return std::unexpected(made.error());
  return std::make_shared<RackParts>(std::move(*made));
}

// The look-up entry of `rid`: where it is; nullopt if there is none.
struct EntryPlace {
  BusAddr at;
  std::uint32_t entry = 0, proxy = 0;
};
std::optional<EntryPlace> find_entry(RackParts& parts, BusAddr control, std::uint32_t bank, pcie::Bdf rid) {
  const std::uint32_t shape = parts.management.load32(BusAddr(control.bits() + ntb::kShape)).value_or(0);
  const std::uint32_t entries = shape >> 8 & 0xFFFF;
  for (std::uint32_t i = 0; i < std::min(entries, ntb::kMaxLut); ++i) {
    const BusAddr at(control.bits() + bank + std::uint64_t{i} * ntb::kLutStride);
    const std::uint32_t entry = parts.management.load32(BusAddr(at.bits() + ntb::kLutEntry)).value_or(0);
    if (entry != (ntb::kLutValid | rid.bits)) continue;
    const std::uint32_t proxy = parts.management.load32(BusAddr(at.bits() + ntb::kLutProxy)).value_or(0);
    return EntryPlace{at, entry, proxy};
  }
  return std::nullopt;
}

std::string sentence(const RackParts& parts, const audit::Initiator& who, const audit::Space& space,
                     const audit::Interval& targets, std::string_view what) {
  return fmt::format("{}: {} of {}, {:#x} to {:#x}, {}", parts.name_of(who), audit::name(space.kind),
                     parts.bed->hosts()[static_cast<std::size_t>(space.domain)], targets.first, targets.last,
                     what);
}

}  // namespace

std::expected<Rack, std::string> Rack::from_text(std::string_view yaml) {
  auto parts = build(machine::parse_rack(yaml, "rack"));
  if (!parts) return std::unexpected(parts.error());
  return Rack(std::move(*parts));
}

std::expected<Rack, std::string> Rack::from_file(const std::string& path) {
  auto parts = build(machine::load_rack(path));
  if (!parts) return std::unexpected(parts.error());
  return Rack(std::move(*parts));
}

std::vector<std::string> Rack::guests() const {
  std::vector<std::string> names;
  for (const auto& guest : parts_->bed->guests()) names.push_back(guest.name);
  return names;
}

Guest Rack::guest(std::string_view name) {
  return Guest(parts_, parts_->index_of(name));
}

void Rack::run(unsigned turns) {
  for (; turns > 0; --turns) parts_->step();
}

bool Rack::run_until(const std::function<bool()>& done, unsigned turns) {
  for (; turns > 0; --turns) {
    if (done()) return true;
    parts_->step();
  }
  return done();
}

void Rack::advance(std::chrono::nanoseconds by) {
  parts_->bed->advance(by);
}

void Rack::inject(std::size_t nic, std::span<const std::byte> frame) {
  if (nic >= parts_->bed->nics().size()) throw std::invalid_argument("the rack has no NIC of this number");
  parts_->bed->inject(static_cast<std::uint16_t>(nic), frame);
}

std::vector<Frame> Rack::take_sent() {
  return parts_->bed->take_sent();
}

Fault Rack::lose_entry(std::string_view guest, Way way) {
  const attack::Guest& who = parts_->guest(parts_->index_of(guest));
  const BusAddr control = parts_->ntb_of(who.host).control;
  const bool request = way == Way::request;
  // Memory completes as the host bridge.
  const auto found = find_entry(*parts_, control, request ? ntb::kLutOutbound : ntb::kLutInbound,
                                request ? who.rid.bdf : pcie::Bdf(0, 0, 0));
  if (!found) throw std::invalid_argument("that entry is lost already");
  (void)parts_->management.store32(BusAddr(found->at.bits() + ntb::kLutEntry), 0);
  return Fault([parts = parts_, found] {
    // Software may have given the place to another, or have written the entry again.
    if (parts->management.load32(BusAddr(found->at.bits() + ntb::kLutEntry)).value_or(1) != 0) return;
    (void)parts->management.store32(BusAddr(found->at.bits() + ntb::kLutProxy), found->proxy);
    (void)parts->management.store32(BusAddr(found->at.bits() + ntb::kLutEntry), found->entry);
  });
}

Fault Rack::take_link_down(std::string_view host) {
  const auto& hosts = parts_->bed->hosts();
  const auto found = std::ranges::find(hosts, host);
  if (found == hosts.end()) throw std::invalid_argument(fmt::format("no host is named \"{}\"", host));
  const pcie::Domain domain{static_cast<std::uint16_t>(found - hosts.begin())};
  const BusAddr link(parts_->ntb_of(domain).control.bits() + ntb::kLink);
  const std::string key = fmt::format("link of {}", host);
  if (parts_->begins(key)) (void)parts_->management.store32(link, 0);
  return Fault([parts = parts_, link, key] {
    if (parts->ends(key)) (void)parts->management.store32(link, 1);
  });
}

Fault Rack::delay_completions(std::string_view guest) {
  const std::size_t index = parts_->index_of(guest);
  const std::string key = fmt::format("completions of {}", guest);
  if (parts_->begins(key)) parts_->bed->hold(index, true);
  return Fault([parts = parts_, index, key] {
    if (!parts->ends(key)) return;
    parts->bed->hold(index, false);
    (void)parts->bed->land(index);
  });
}

Fault Rack::lose_interrupts(std::string_view guest) {
  const std::size_t index = parts_->index_of(guest);
  const std::string key = fmt::format("interrupts of {}", guest);
  parts_->take_interrupts();
  if (parts_->begins(key)) parts_->deaf.insert(index);
  return Fault([parts = parts_, index, key] {
    parts->take_interrupts();
    if (parts->ends(key)) parts->deaf.erase(index);
  });
}

void Rack::record(bool on) {
  parts_->recording = on;
}

std::vector<Transaction> Rack::take_transactions() {
  return std::exchange(parts_->recorded, {});
}

std::vector<std::string> Rack::audit() const {
  const auto report = ladon::audit::audit(*parts_->bed->fabric().tables(), parts_->bed->granted());
  std::vector<std::string> all;
  for (const auto& finding : report.findings)
    all.push_back(
        sentence(*parts_, finding.who, finding.space, finding.targets, "reachable and not granted"));
  for (const auto& lost : report.unreachable)
    all.push_back(sentence(*parts_, lost.who, lost.space, lost.targets, "granted and not reachable"));
  return all;
}

}  // namespace ladon::testkit
