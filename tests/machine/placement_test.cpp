#include "machine/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "spec/pf.h"

namespace ladon::machine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

GuestSpec wish(std::size_t nic, NetworkPath path, std::uint64_t tx_share = 0) {
  NetworkSpec network{.nic = nic, .path = path, .mac = std::nullopt, .vlan = std::nullopt};
  network.level.transmit.guaranteed = tx_share;
  GuestSpec guest;
  guest.network = network;
  return guest;
}

Rack rack_of(std::uint16_t vfs, const std::vector<std::vector<GuestSpec>>& hosts) {
  Rack rack;
  rack.nics.push_back({.name = "nic0", .vfs = vfs});
  rack.hosts.push_back({.name = "mh", .role = HostRole::management});
  for (const auto& guests : hosts) {
    HostSpec host{.name = "ch" + std::to_string(rack.hosts.size())};
    host.ntb = {.lut = 64, .windows = 128};
    for (std::size_t g = 0; g < guests.size(); ++g) {
      host.guests.push_back(guests[g]);
      host.guests.back().name = "vm" + std::to_string(rack.hosts.size()) + "-" + std::to_string(g);
    }
    rack.hosts.push_back(std::move(host));
  }
  return rack;
}

constexpr std::uint64_t kMegabit = 1'000'000;

// One guest as a random rack has it.
GuestSpec any_guest(std::size_t nics) {
  const auto nic = *rc::gen::inRange<std::size_t>(0, nics);
  switch (*rc::gen::inRange(0, 6)) {
    case 0:
      return wish(nic, NetworkPath::own);
    case 1:
      return wish(nic, NetworkPath::shared);
    case 2:
      return wish(nic, *rc::gen::arbitrary<bool>() ? NetworkPath::own : NetworkPath::any, 10 * kMegabit);
    case 3:
      return {};
    default:
      return wish(nic, NetworkPath::any);
  }
}

// With some functions that the file names.
Rack any_rack() {
  Rack rack = rack_of(1, {});
  rack.nics.clear();
  const auto nics = *rc::gen::inRange<std::size_t>(1, 4);
  std::vector<std::vector<std::uint16_t>> named(nics);
  for (std::size_t n = 0; n < nics; ++n) {
    rack.nics.push_back({.name = "nic" + std::to_string(n), .vfs = *rc::gen::inRange<std::uint16_t>(1, 9)});
    for (std::uint16_t vf = 0; vf < rack.nics[n].vfs; ++vf)
      if (*rc::gen::inRange(0, 5) == 0) named[n].push_back(vf);
  }
  const auto hosts = *rc::gen::inRange<std::size_t>(1, 4);
  for (std::size_t h = 1; h <= hosts; ++h) {
    HostSpec host{.name = "ch" + std::to_string(h)};
    host.ntb.lut = *rc::gen::inRange<std::uint16_t>(1, 9);
    host.ntb.windows = 128;
    const auto guests = *rc::gen::inRange<std::size_t>(0, 9);
    for (std::size_t g = 0; g < guests; ++g) host.guests.push_back(any_guest(nics));
    rack.hosts.push_back(std::move(host));
  }
  // What the file names its checks have found possible.
  for (std::size_t n = 0; n < nics; ++n)
    for (const std::uint16_t vf : named[n]) {
      HostSpec& host = rack.hosts[1 + vf % hosts];
      const auto has =
          std::ranges::count_if(host.guests, [](const GuestSpec& g) { return g.vf.has_value(); });
      if (static_cast<std::size_t>(has) >= slots_of(host)) continue;
      GuestSpec guest;
      guest.vf = VfSpec{.nic = n, .index = vf, .mac = made_mac(n, vf)};
      host.guests.insert(host.guests.begin(), guest);
    }
  for (HostSpec& host : rack.hosts)
    for (std::size_t g = 0; g < host.guests.size(); ++g)
      host.guests[g].name = host.name + "-" + std::to_string(g);
  return rack;
}

const GuestSpec& guest_of(const Rack& rack, const auto& at) {
  return rack.hosts[at.host].guests[at.guest];
}

RC_GTEST_PROP(Placement, GivesNoFunctionAndNoAddressTwice, ()) {
  const Rack rack = any_rack();
  const Placement placement = place(rack);
  std::set<std::pair<std::size_t, std::uint16_t>> functions;
  std::set<std::uint64_t> macs;
  for (const PlacedNetwork& placed : placement.guests) {
    RC_ASSERT(placed.vf < rack.nics[placed.nic].vfs);
    RC_ASSERT(macs.insert(placed.mac.bits()).second);
    if (!placed.shared) RC_ASSERT(functions.insert({placed.nic, placed.vf}).second);
  }
  for (const PlacedFunction& shared : placement.shared) {
    RC_ASSERT(functions.insert({shared.nic, shared.vf}).second);
    RC_ASSERT(macs.insert(shared.mac.bits()).second);
  }
  std::size_t left = 0, all = 0;
  for (const auto& nic : placement.nics) left += nic.functions;
  for (const auto& nic : rack.nics) all += nic.vfs;
  RC_ASSERT(functions.size() + left == all);
}

RC_GTEST_PROP(Placement, SharesAmongGuestsOfOneHostAndKeepsItsSlots, ()) {
  const Rack rack = any_rack();
  const Placement placement = place(rack);
  std::map<std::size_t, std::size_t> slots;
  for (const PlacedNetwork& placed : placement.guests) {
    if (!placed.shared) {
      ++slots[placed.host];
      continue;
    }
    const auto function = std::ranges::find_if(placement.shared, [&](const PlacedFunction& shared) {
      return shared.host == placed.host && shared.nic == placed.nic;
    });
    RC_ASSERT(function != placement.shared.end());
    RC_ASSERT(function->vf == placed.vf);
  }
  for (const PlacedFunction& shared : placement.shared) ++slots[shared.host];
  for (const auto& [host, used] : slots) {
    RC_ASSERT(used <= slots_of(rack.hosts[host]));
    RC_ASSERT(used + placement.host_slots[host] == slots_of(rack.hosts[host]));
  }
}

// Every guest that wants a network has one, or is named by a refusal; a guarantee is kept by a function of
// its own, and each has the path that it asked for.
RC_GTEST_PROP(Placement, ServesEverybodyOrSaysWhoIsNot, ()) {
  const Rack rack = any_rack();
  const Placement placement = place(rack);
  std::set<std::pair<std::size_t, std::size_t>> served, refused;
  for (const PlacedNetwork& placed : placement.guests) {
    RC_ASSERT(served.insert({placed.host, placed.guest}).second);
    const GuestSpec& guest = guest_of(rack, placed);
    RC_ASSERT(guest.network.has_value() != (placed.why == Why::named));
    if (!guest.network) continue;
    if (guest.network->guaranteed() || guest.network->path == NetworkPath::own) RC_ASSERT(!placed.shared);
    if (guest.network->path == NetworkPath::shared) RC_ASSERT(placed.shared);
  }
  for (const Shortage& shortage : placement.shortages) {
    refused.insert({shortage.host, shortage.guest});
    RC_ASSERT(shortage.needed > shortage.there);
    const std::string text = describe(rack, shortage);
    RC_ASSERT(text.find(guest_of(rack, shortage).name) != std::string::npos);
    RC_ASSERT(text.find(rack.hosts[shortage.host].name) != std::string::npos);
    RC_ASSERT(!mend(rack, shortage).empty());
  }
  for (std::size_t h = 0; h < rack.hosts.size(); ++h)
    for (std::size_t g = 0; g < rack.hosts[h].guests.size(); ++g)
      if (rack.hosts[h].guests[g].network) RC_ASSERT(served.contains({h, g}) != refused.contains({h, g}));
}

// What stands in the way of a function of its own is that there is none left: no function of the NIC while
// some of its guests share only because there were too few.
RC_GTEST_PROP(Placement, NobodySharesWithoutNeed, ()) {
  const Rack rack = any_rack();
  const Placement placement = place(rack);
  RC_PRE(placement.shortages.empty());
  for (const PlacedNetwork& placed : placement.guests) {
    if (placed.why == Why::nic_used_up) RC_ASSERT(placement.nics[placed.nic].functions == 0u);
    if (placed.why == Why::host_used_up) RC_ASSERT(placement.host_slots[placed.host] == 0u);
  }
}

RC_GTEST_PROP(Placement, IsTheSameEveryTimeAndAfterItWasApplied, ()) {
  Rack rack = any_rack();
  const Placement placement = place(rack);
  RC_ASSERT(place(rack) == placement);
  if (!placement.shortages.empty()) return;
  apply(rack, placement);
  RC_ASSERT(place(rack) == placement);
  for (const PlacedNetwork& placed : placement.guests) {
    const GuestSpec& guest = guest_of(rack, placed);
    RC_ASSERT(guest.vf.has_value() != guest.shared.has_value());
    RC_ASSERT((guest.shared ? guest.shared->mac : guest.vf->mac) == placed.mac);
  }
}

// Whoever has a guarantee stays where it is, whatever guest without one is added behind or before it.
RC_GTEST_PROP(Placement, AGuestWithoutGuaranteeMovesNobodyThatHasOne, ()) {
  Rack rack = any_rack();
  const auto where = [](const Rack& of) {
    std::map<std::string, std::pair<std::uint16_t, std::uint64_t>> all;
    for (const PlacedNetwork& placed : place(of).guests)
      if (placed.why == Why::guaranteed || placed.why == Why::named)
        all[guest_of(of, placed).name] = {placed.vf, placed.mac.bits()};
    return all;
  };
  const auto before = where(rack);
  HostSpec& host = rack.hosts[*rc::gen::inRange<std::size_t>(1, rack.hosts.size())];
  GuestSpec added = wish(*rc::gen::inRange<std::size_t>(0, rack.nics.size()),
                         *rc::gen::element(NetworkPath::any, NetworkPath::own, NetworkPath::shared));
  added.name = "added";
  host.guests.insert(host.guests.begin() + *rc::gen::inRange<std::ptrdiff_t>(
                                               0, static_cast<std::ptrdiff_t>(host.guests.size()) + 1),
                     added);
  RC_ASSERT(where(rack) == before);
}

std::vector<bool> who_shares(const Placement& placement) {
  std::vector<bool> shared;
  for (const PlacedNetwork& placed : placement.guests) shared.push_back(placed.shared);
  return shared;
}

TEST(PlacementCases, GuaranteesFirstThenTheOrderOfTheFile) {
  const auto any = wish(0, NetworkPath::any);
  const auto placement = place(rack_of(3, {{any, any, any, wish(0, NetworkPath::any, 100 * kMegabit)}}));
  EXPECT_THAT(placement.shortages, IsEmpty());
  EXPECT_THAT(who_shares(placement), ElementsAre(false, true, true, false));
  EXPECT_EQ(placement.guests[3].vf, 0);
  EXPECT_EQ(placement.guests[3].why, Why::guaranteed);
  EXPECT_EQ(placement.guests[1].why, Why::nic_used_up);
}

TEST(PlacementCases, AsManyFunctionsAsGuestsAreForOneEach) {
  const auto any = wish(0, NetworkPath::any);
  EXPECT_THAT(who_shares(place(rack_of(3, {{any}, {any, any}}))), ElementsAre(false, false, false));
  // One less: the last host has one function, and its guests share it.
  EXPECT_THAT(who_shares(place(rack_of(3, {{any, any}, {any, any}}))), ElementsAre(false, false, true, true));
}

TEST(PlacementCases, AHostWhoseNtbIsFullShares) {
  const auto any = wish(0, NetworkPath::any);
  Rack rack = rack_of(8, {{any, any, any}});
  rack.hosts[1].ntb.lut = 2;
  const auto placement = place(rack);
  EXPECT_THAT(who_shares(placement), ElementsAre(false, true, true));
  EXPECT_EQ(placement.guests[2].why, Why::host_used_up);
}

TEST(PlacementCases, WhatIsShortIsNamed) {
  const auto own = wish(0, NetworkPath::own);
  const Rack rack = rack_of(1, {{own, own}});
  const auto placement = place(rack);
  ASSERT_THAT(placement.shortages, SizeIs(1));
  EXPECT_EQ(describe(rack, placement.shortages[0]),
            "no function of nic0 is left for vm1-1 of ch1: all 1 are taken");
}

TEST(PlacementCases, RatesAndMemoryAreOfTheNic) {
  Rack rack = rack_of(
      4, {{wish(0, NetworkPath::any, 6'000 * kMegabit), wish(0, NetworkPath::any, 5'000 * kMegabit)}});
  auto placement = place(rack);
  ASSERT_THAT(placement.shortages, SizeIs(1));
  EXPECT_EQ(placement.shortages[0].guest, 1u);
  EXPECT_THAT(
      describe(rack, placement.shortages[0]),
      HasSubstr(
          "cannot promise vm1-1 of ch1 what it is to send: 5.00 Gb/s are wanted and 4.00 Gb/s are left"));
  rack.hosts[1].guests[1].network->level.transmit.guaranteed = 4'000 * kMegabit;
  placement = place(rack);
  EXPECT_THAT(placement.shortages, IsEmpty());
  EXPECT_EQ(placement.nics[0].transmit, 0u);
}

TEST(PlacementCases, SharingTakesAnAddressFilterEach) {
  const auto sharing = [](std::size_t guests) { return std::vector(guests, wish(0, NetworkPath::shared)); };
  const auto shortages = [&](std::size_t a, std::size_t b, std::size_t c) {
    return place(rack_of(8, {sharing(a), sharing(b), sharing(c)})).shortages;
  };
  const auto short_of = shortages(64, 1, 1);
  ASSERT_THAT(short_of, SizeIs(1));
  EXPECT_EQ(short_of[0].what, Short::filters);
  EXPECT_EQ(short_of[0].there, spec::pf::kFilterCount);
  // The PF driver lets a function have one more while it has fewer than are free: whichever starts last.
  EXPECT_THAT(shortages(43, 43, 0), IsEmpty());
  EXPECT_THAT(shortages(44, 43, 0), SizeIs(2));
  EXPECT_THAT(shortages(32, 32, 32), IsEmpty());
}

}  // namespace
}  // namespace ladon::machine
