// Refusals of a whole rack, explained: by what the plan wants, whatever was lost, and whoever asks.
#include "explain/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "explain/entry.h"
#include "explain/meaning.h"
#include "explain/parse.h"
#include "fabric/format.h"
#include "fabric/what_if.h"
#include "machine/grants.h"
#include "machine/quiet_rack.h"
#include "machine/two_hosts.h"

namespace ladon::explain {
namespace {

using fabric::ComponentKind;
using fabric::Reason;
using fabric::Table;
using ::testing::HasSubstr;

using fabric::kTables;

class Explain : public ::testing::Test {
 protected:
  // Built once: it is looked at and never changed.
  static const machine::QuietRack& quiet() {
    static const auto built = [] {
      auto rack = machine::parse_rack(machine::kTwoHosts, "test.yaml");
      return machine::QuietRack::build(rack.value()).value();
    }();
    return *built;
  }

  Explain() : wanted(quiet().tables()), running(*wanted), grants(machine::grants(quiet())) {}

  [[nodiscard]] Rack rack() const {
    return {running, *wanted, grants,
            [](const audit::Initiator& who) { return machine::initiator_name(quiet().rack(), who); }};
  }
  void lose(const fabric::ComponentId& component, Table table) {
    auto without = fabric::without_entries(running, component, table);
    ASSERT_TRUE(without.has_value());
    running = std::move(*without);
  }
  // By VF 1, which is vm-a's.
  [[nodiscard]] pcie::Transaction dma(std::uint64_t at, pcie::Access access = pcie::Access::read) const {
    return wanted->emitted_by({.is_ntb = false, .index = 0, .function = 130}, Iova(at), 4, access);
  }
  [[nodiscard]] std::optional<Explanation> explain_access(const pcie::Transaction& access) const {
    const auto way = fabric::resolve(running, access);
    if (!way.refused()) return std::nullopt;
    return explain(rack(), {.fault = *way.fault(), .access = access.access, .transaction = access});
  }

  std::shared_ptr<const fabric::Tables> wanted;
  fabric::Tables running;
  std::vector<audit::Grant> grants;
};

constexpr fabric::ComponentId kOutbound{ComponentKind::ntb, pcie::kManagementDomain, 1};
constexpr fabric::ComponentId kInbound{ComponentKind::ntb, pcie::Domain{1}, 1};

TEST_F(Explain, AReturnEntryThatIsGoneIsOneWayTraffic) {
  lose(kInbound, Table::ntb_lut);
  EXPECT_FALSE(explain_access(dma(0x1000, pcie::Access::write)));
  const auto why = explain_access(dma(0x1000));
  ASSERT_TRUE(why);
  EXPECT_EQ(why->verdict, Verdict::missing);
  EXPECT_EQ(why->who, "VF 1 of nic0 (vm-a)");
  EXPECT_THAT(why->cause, HasSubstr("one-way"));
  const auto& lut = wanted->ntbs[0]->link.lut;
  ASSERT_EQ(lut.size(), 1u);
  EXPECT_THAT(why->entry, HasSubstr(pcie::to_string(lut[0].rid)));
  EXPECT_THAT(why->mend, HasSubstr("ntb1/link/inbound requester-ID LUT, add requester 00:00.0"));
}

TEST_F(Explain, AProxyThatIsGoneIsNamed) {
  lose(kOutbound, Table::ntb_lut);
  const auto why = explain_access(dma(0x1000));
  ASSERT_TRUE(why);
  EXPECT_EQ(why->verdict, Verdict::missing);
  EXPECT_THAT(why->entry, HasSubstr(pcie::to_string(wanted->rid(0, 130)->bdf) + " -> proxy"));
  EXPECT_THAT(why->owner, HasSubstr("management host's program"));
}

TEST_F(Explain, AnothersMemoryIsNothingToMend) {
  // Where vm-b's memory is at their host.
  const auto way = fabric::resolve(*wanted, wanted->emitted_by({.is_ntb = false, .index = 0, .function = 132},
                                                               Iova(0), 4, pcie::Access::read));
  const auto* theirs = std::get_if<fabric::MemoryTarget>(&way.outcome);
  ASSERT_NE(theirs, nullptr);
  const auto why = explain_access(dma(theirs->at.bits()));
  ASSERT_TRUE(why);
  EXPECT_EQ(why->verdict, Verdict::isolation);
  EXPECT_THAT(why->mend, HasSubstr("what isolation means"));
  EXPECT_THAT(why->notes, ::testing::Contains(HasSubstr("it may reach 0x0 to 0x3ffffff: memory of ch1")));
  EXPECT_THAT(why->notes, ::testing::Contains(HasSubstr("is memory of vm-b")));
}

TEST_F(Explain, WhatNoTableLetsPassIsItsInitiatorsMistake) {
  const auto why = explain_access(dma(0xFFE));
  ASSERT_TRUE(why);
  EXPECT_EQ(why->verdict, Verdict::form);
  EXPECT_TRUE(why->entry.empty());
}

TEST_F(Explain, WhatPassesNowNeedsNoMending) {
  lose(kInbound, Table::ntb_lut);
  const auto access = dma(0x1000);
  const fabric::Fault fault = *fabric::resolve(running, access).fault();
  running = *wanted;
  EXPECT_EQ(explain(rack(), {.fault = fault, .access = access.access, .transaction = access}).verdict,
            Verdict::passes);
}

TEST_F(Explain, AFaultOfALogNamesItsOwner) {
  const std::string line =
      "warning: ch1/iommu/DMA remapping: not mapped (read at 0x3010000000) of 0001:01:01.0";
  const auto refused = parse_fault(*wanted, line);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->fault.address, 0x30'1000'0000u);
  EXPECT_EQ(refused->access, pcie::Access::read);
  const auto why = explain(rack(), *refused);
  EXPECT_EQ(why.verdict, Verdict::isolation);
  EXPECT_EQ(why.who, "VF 1 of nic0 (vm-a)");  // by its proxy
}

// As the management host's program and the hosts' own parts say it.
TEST_F(Explain, LinesOfTheProgramAreReadToo) {
  const auto verdict_of = [&](const char* line) {
    const auto refused = parse_fault(*wanted, line);
    return refused ? explain(rack(), *refused) : Explanation{};
  };
  const char* const reach =
      "management: fault: vm-b (VF 2 of NIC 0, ch1): ch1/iommu/DMA remapping: not mapped (read at 0x2000)";
  const auto early = verdict_of(reach);
  EXPECT_EQ(early.verdict, Verdict::missing) << "it is in the plan, and vm-b had not mapped it";
  EXPECT_EQ(early.who, "VF 2 of nic0 (vm-b)");
  EXPECT_THAT(early.entry, HasSubstr("0x2000 -> "));
  const auto beyond =
      verdict_of("vm-b (VF 2 of NIC 0, ch1): ch1/iommu/DMA remapping: not mapped (write at 0x40000000)");
  EXPECT_EQ(beyond.verdict, Verdict::isolation);
  EXPECT_EQ(beyond.who, "VF 2 of nic0 (vm-b)");
  // Hosts number their segments from 0.
  const auto own = verdict_of(
      "debug: ch1: read of 0000:01:01.1 at 0x40000000 refused: ch1/iommu/DMA remapping: not mapped");
  EXPECT_EQ(own.who, "VF 2 of nic0 (vm-b)");
  EXPECT_EQ(own.verdict, Verdict::isolation);
  const auto nobody = verdict_of("refused by ch1/iommu/DMA remapping: not mapped");
  EXPECT_EQ(nobody.verdict, Verdict::unknown);
  EXPECT_EQ(nobody.who, "");
  for (const char* strange : {"VF 99 of NIC 0", "VF 2 of NIC 9"})
    EXPECT_EQ(
        verdict_of((std::string(strange) + ": ch1/iommu/DMA remapping: not mapped (read at 0x1)").c_str())
            .verdict,
        Verdict::unknown);
}

TEST_F(Explain, LinesThatNameNoFaultAreNone) {
  for (const char* line :
       {"", "ch1", "ch7/iommu/DMA remapping: not mapped", "ch1/iommu/DMA remapping", "0x1 write at"})
    EXPECT_FALSE(parse_fault(*wanted, line)) << line;
}

// What is printed is read again, whatever it is.
RC_GTEST_FIXTURE_PROP(Explain, EveryFaultIsReadAsItIsPrinted, ()) {
  const auto all = components(*wanted);
  const auto component = all[*rc::gen::inRange<std::size_t>(0, all.size())];
  const fabric::Fault fault{
      .component = component,
      .table = Table{*rc::gen::inRange<std::uint8_t>(0, kTables)},
      .reason = Reason{*rc::gen::inRange<std::uint8_t>(0, static_cast<std::uint8_t>(Reason::count_))},
      .address = *rc::gen::arbitrary<std::uint64_t>(),
      .rid = {wanted->segment(component.domain, pcie::HostSegment{}),
              pcie::Bdf(*rc::gen::arbitrary<std::uint16_t>())}};
  fabric::Resolution way;
  way.outcome = fault;
  const auto read = parse_fault(*wanted, "some log: " + fabric::describe_outcome(*wanted, way));
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->fault.component == fault.component);
  RC_ASSERT(read->fault.table == fault.table);
  RC_ASSERT(read->fault.reason == fault.reason);
  RC_ASSERT(read->fault.address == fault.address);
  RC_ASSERT(read->fault.rid == fault.rid);
  RC_ASSERT(!explain(rack(), *read).mend.empty());
}

// Of any access of anybody, with any table lost: an entry is missing if and only if the plan's tables let the
// access pass, and the missing entry is then named from those tables.
RC_GTEST_FIXTURE_PROP(Explain, TheVerdictIsThePlans, ()) {
  const auto all = components(*wanted);
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    const auto component = all[*rc::gen::inRange<std::size_t>(0, all.size())];
    for (std::uint8_t t = 0; t < kTables; ++t)
      if (*rc::gen::inRange(0, 2) == 0)
        if (auto without = fabric::without_entries(running, component, Table{t}))
          running = std::move(*without);
  }
  const auto who = audit::initiators(*wanted);
  const auto& emitter = who[*rc::gen::inRange<std::size_t>(0, who.size())];
  std::vector<std::uint64_t> starts{0, 0xFEE0'0000, 0xE000'0000, 1ull << 46};
  for (const audit::Grant& grant : grants)
    if (grant.emitted) starts.push_back(*grant.emitted);
  const std::uint64_t at =
      starts[*rc::gen::inRange<std::size_t>(0, starts.size())] + *rc::gen::inRange<std::uint64_t>(0, 0x3000);
  auto access =
      audit::emitted_by(*wanted, emitter, at, *rc::gen::element(pcie::Access::read, pcie::Access::write));
  access.length = 4;
  const auto way = fabric::resolve(running, access);
  if (!way.refused()) return;
  const auto why = explain(rack(), {.fault = *way.fault(), .access = access.access, .transaction = access});
  RC_ASSERT(!why.cause.empty());
  RC_ASSERT(!why.mend.empty());
  const auto planned = fabric::resolve(*wanted, access);
  RC_ASSERT((why.verdict == Verdict::missing) == !planned.refused());
  if (why.verdict == Verdict::missing) {
    RC_ASSERT(!why.entry.empty());
    RC_ASSERT(meaning(way.fault()->table, way.fault()->reason).kind == Kind::entry);
    RC_ASSERT(entry_for(*wanted, *way.fault(), {access.access, access.data}) == why.entry);
  }
}

}  // namespace
}  // namespace ladon::explain
