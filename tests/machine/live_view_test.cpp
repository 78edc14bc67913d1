// A rack that runs, audited: clean while traffic passes and guests come and go, with its management program
// and without; and whatever the software does not know of is found.
#include "machine/live_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "audit/audit.h"
#include "client/frames.h"
#include "machine/grants.h"
#include "machine/rack_fixture.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::machine {
namespace {

using audit::Kind;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kVmM = 0, kVmA = 1, kVmB = 2, kBare = 3;
constexpr pcie::Domain kMh{0}, kCh1{1};

std::string with(std::string text, std::string_view from, std::string_view to) {
  return text.replace(text.find(from), from.size(), to);
}

fabric::FunctionId vf(unsigned index) {
  return {.index = 0, .function = static_cast<std::uint16_t>(nic::kFirstVfOffset + nic::kVfStride * index)};
}

std::vector<std::byte> frame(const MacAddress& to, const MacAddress& from) {
  std::vector<std::byte> bytes(300, std::byte{0x5A});
  std::ranges::copy(std::as_bytes(std::span(to.bytes)), bytes.begin());
  std::ranges::copy(std::as_bytes(std::span(from.bytes)), bytes.begin() + 6);
  bytes[12] = std::byte{0x88}, bytes[13] = std::byte{0xB5};  // local experimental ethertype
  return bytes;
}

class LiveRack : public ::testing::Test {
 protected:
  explicit LiveRack(const std::string& yaml = kTwoHosts, const LookEvery& look = {}) : rack(yaml, look) {
    EXPECT_TRUE(rack.wait_assigned()) << rack.management_error();
  }

  std::unique_ptr<ClientGuest> guest(std::size_t index) {
    auto made = rack.client(index);
    as_in_qemu(index);
    return made;
  }
  // Its second-level tables are QEMU's, and the rack has none.
  void as_in_qemu(std::size_t index) {
    const PlacedGuest& placed = machine().guests()[index].placed;
    (void)machine().fabric().unmap_vm(placed.domain, pcie::Vm{placed.slot}, Range<Gpa>::everything());
  }
  void leave(std::size_t index) {
    bool gone = false;
    machine().guests()[index].slot->detached([&](vfio::Status) { gone = true; });
    EXPECT_TRUE(rack.run_until([&] { return gone; }));
  }

  std::expected<LiveView, std::string> observed(Duration patience = std::chrono::seconds(5)) {
    return observe({.rack = machine().rack(),
                    .journal = rack.journal(),
                    .look =
                        [this] {
                          if (between_looks) between_looks();
                          for (int i = 0; i < 10; ++i) machine().run_once(std::chrono::milliseconds(1));
                          return look_at(machine());
                        },
                    .patience = patience,
                    .between = std::chrono::milliseconds(1)});
  }
  audit::Report audited() {
    const auto view = observed();
    if (!view) {
      ADD_FAILURE() << view.error();
      return {};
    }
    last_managed = view->managed;
    return audit::audit(*view->tables, view->grants);
  }
  void expect_clean() {
    const auto report = audited();
    for (const auto& f : report.findings) ADD_FAILURE() << "finding: " << describe(f);
    for (const auto& m : report.unreachable) ADD_FAILURE() << "unreachable: " << describe(m);
    EXPECT_GT(report.initiators, 10u);
  }
  template <class Entry>
  std::string describe(const Entry& entry) {
    return fmt::format("{}: {} of {} {:#x}-{:#x} {}", initiator_name(machine().rack(), entry.who),
                       audit::name(entry.space.kind), static_cast<unsigned>(entry.space.domain),
                       entry.targets.first, entry.targets.last, name(entry.access));
  }
  // Where a guest's memory lies at its host.
  Range<BusAddr> memory_of(std::size_t index) {
    const auto granted = machine().guests()[index].slot->vf_slot().memory().granted();
    return *Range<BusAddr>::of(granted.at(0).at, granted.at(0).length);
  }
  iommu::DomainId space_of(pcie::Domain host, std::size_t index) {
    const auto rid = machine().guests()[index].slot->vf_slot().requester();
    return machine()
        .fabric()
        .tables()
        ->hosts[static_cast<std::size_t>(host)]
        ->hierarchies.front()
        .iommu->find(rid->bdf)
        ->domain->id;
  }
  Machine& machine() { return rack.machine(); }

  RunningRack rack;
  std::function<void()> between_looks;
  bool last_managed = false;
};

TEST_F(LiveRack, IsCleanBeforeAnyGuestCame) {
  expect_clean();
  EXPECT_TRUE(last_managed);
}

TEST_F(LiveRack, IsCleanWhileTrafficPasses) {
  std::vector<std::unique_ptr<ClientGuest>> guests;
  for (std::size_t i = 0; i < 4; ++i) guests.push_back(guest(i));
  std::size_t sent = 0, arrived = 0;
  between_looks = [&] {
    for (std::size_t i = 0; i < 4; ++i)
      sent += guests[i]->driver.tx().send(frame(guests[(i + 1) % 4]->driver.mac(), guests[i]->driver.mac()));
    for (auto& to : guests)
      while (to->driver.rx().receive()) ++arrived;
  };
  for (int i = 0; i < 20; ++i) expect_clean();
  for (int i = 0; i < 3; ++i) between_looks(), (void)rack.run_until([] { return true; });
  EXPECT_GE(sent, 80u);
  EXPECT_GE(arrived, 60u);
}

TEST_F(LiveRack, IsCleanWhileGuestsComeAndGo) {
  for (const std::size_t index : {kVmM, kVmA, kBare}) {
    auto first = guest(index);
    expect_clean();
    leave(index);
    expect_clean();
    auto second = guest(index);
    expect_clean();
  }
}

TEST_F(LiveRack, IsCleanWithoutItsManagementProgramAndWithItsSuccessor) {
  auto one = guest(kVmA);
  rack.stop_management();
  expect_clean();
  EXPECT_FALSE(last_managed);
  auto two = attach_synthetic_guest(machine(), kVmB);  // its VF was assigned to it before
  ASSERT_TRUE(two) << two.error();
  as_in_qemu(kVmB);
  expect_clean();
  rack.start_management();
  ASSERT_TRUE(rack.run_until([&] { return machine().managed(); }));
  expect_clean();
  EXPECT_TRUE(last_managed);
}

// The interrupt that a guest has masked, and a VF that its guest has not made a bus master.
TEST_F(LiveRack, WhatAGuestTakesBackIsNotExpectedToBeReached) {
  auto one = guest(kVmA);
  GuestSlot& slot = *machine().guests()[kVmA].slot;
  const std::uint16_t command = spec::pci::kCommandMemory;
  (void)slot.region_write(vfio::kConfigRegion, spec::pci::kCommand, std::as_bytes(std::span(&command, 1)));
  expect_clean();
}

TEST_F(LiveRack, AnEntryThatNoSoftwareAskedForIsFound) {
  auto victim = guest(kVmB), attacker = guest(kVmA);
  const auto theirs = memory_of(kVmB);
  ASSERT_TRUE(machine().fabric().map(
      kCh1, space_of(kCh1, kVmA),
      {*Range<Iova>::of(Iova(0x1'0000'0000), 0x3000), *theirs.first().plus(0x5000), pcie::kReadOnly}));
  const auto report = audited();
  ASSERT_THAT(report.findings, SizeIs(1));
  EXPECT_EQ(report.findings[0].who, audit::Initiator(vf(1)));
  EXPECT_EQ(report.findings[0].space, (audit::Space{kCh1, Kind::memory}));
  EXPECT_EQ(report.findings[0].targets,
            (audit::Interval{theirs.first().bits() + 0x5000, theirs.first().bits() + 0x7FFF}));
  EXPECT_EQ(report.findings[0].access, pcie::kReadOnly);
  EXPECT_THAT(report.unreachable, IsEmpty());
}

TEST_F(LiveRack, AWindowThatIsGoneIsGrantedAndNotReachable) {
  auto one = guest(kVmA);
  expect_clean();
  auto* ntb = machine().fabric().function({.is_ntb = true, .index = 0, .function = 0});
  ntb->register_write(spec::ntb::kControlBar, spec::ntb::kLutInbound, 4, 0);
  const auto report = audited();
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_FALSE(report.unreachable.empty());
}

class DeferredRack : public LiveRack {
 protected:
  DeferredRack()
      : LiveRack(with(kTwoHosts, "name: ch1\n", "name: ch1\n    iommu: {invalidation: deferred}\n"),
                 {.flush = std::chrono::hours(1)}) {}
};

// What one guest gave back another has now, and the IOTLB of its host has not heard of it.
TEST_F(DeferredRack, AStaleIotlbEntryIsFoundUntilItIsFlushed) {
  auto first = guest(kVmA);
  const auto was = memory_of(kVmA);
  bool unmapped = false;
  machine().guests()[kVmA].slot->dma_unmap(Range<Gpa>::everything(),
                                           [&](vfio::Status status) { unmapped = status.has_value(); });
  ASSERT_TRUE(rack.run_until([&] { return unmapped; }));
  expect_clean();  // a stale entry that leads to nothing is no reach
  auto second = guest(kVmB);
  ASSERT_EQ(memory_of(kVmB).first(), was.first());
  const auto report = audited();
  ASSERT_THAT(report.findings, SizeIs(1));
  EXPECT_EQ(report.findings[0].who, audit::Initiator(vf(1)));
  EXPECT_EQ(report.findings[0].targets, (audit::Interval{was.first().bits(), was.last().bits()}));
  machine().fabric().flush_iotlb(kCh1);
  expect_clean();
}

class QuarantineRack : public LiveRack {
 protected:
  QuarantineRack()
      : LiveRack(with(kTwoHosts, "mac: \"52:54:00:00:00:0b\"",
                      "mac: \"52:54:00:00:00:0b\", on_fault: quarantine")) {}
};

TEST_F(QuarantineRack, AVfInQuarantineIsGrantedNothing) {
  auto victim = guest(kVmA), attacker = guest(kVmB);
  namespace regs = spec::ixgbevf;
  const std::uint64_t theirs = memory_of(kVmA).first().bits();
  attacker->registers.write32(regs::kTx + regs::kQueueControl, 0);
  attacker->registers.write32(regs::kTx + regs::kBaseLow, static_cast<std::uint32_t>(theirs));
  attacker->registers.write32(regs::kTx + regs::kBaseHigh, static_cast<std::uint32_t>(theirs >> 32));
  attacker->registers.write32(regs::kTx + regs::kQueueControl, regs::kQueueEnable);
  attacker->registers.write32(regs::kTx + regs::kTail, 8);
  ASSERT_TRUE(rack.run_until([&] {
    const auto known = mh::read_journal(rack.journal());
    return known && !known->remembered.quarantined.empty();
  }));
  expect_clean();
}

TEST_F(LiveRack, AChangeUnderWayIsWaitedForAndThenNamed) {
  const auto known = mh::read_journal(rack.journal());
  ASSERT_TRUE(known);
  const Rack& file = machine().rack();
  const EngineView now = look_at(machine());
  EXPECT_EQ(under_way(file, known->remembered, now), "");

  auto other = known->remembered;
  other.settled = false;
  EXPECT_THAT(under_way(file, other, now), HasSubstr("applying a change"));
  other = known->remembered;
  other.pending = mh::RaiseLink{0};
  EXPECT_THAT(under_way(file, other, now), HasSubstr("applying a change"));
  other = known->remembered;
  other.plan.vfs.erase(mh::VfId{0, 1});
  EXPECT_THAT(under_way(file, other, now), HasSubstr("ch1 has not been told yet which VF its slot 0 has"));
  EngineView busy = now;
  busy.parts[1]->settled = false;
  EXPECT_THAT(under_way(file, known->remembered, busy), HasSubstr("memory of a guest of ch1"));
  busy.parts[1]->settled = true;
  busy.parts[1]->slots[1].assignment->registers += 4096;
  EXPECT_THAT(under_way(file, known->remembered, busy), HasSubstr("slot 1"));
}

TEST_F(LiveRack, AChangeThatDoesNotEndIsNamed) {
  rack.stop_management();
  std::ofstream(rack.journal(), std::ios::app) << "{\"change\":true}\n";
  const auto view = observed(std::chrono::milliseconds(50));
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error(),
            "the management host's program is applying a change, and that program is not running; ask again");
  rack.start_management();  // and its successor ends it
  ASSERT_TRUE(rack.run_until([&] { return machine().managed(); }));
  expect_clean();
}

// Somebody writes the journal between the plan and the tables: that pair is not taken.
TEST_F(LiveRack, APlanThatHasMovedOnIsReadAgain) {
  rack.stop_management();
  int looks = 0;
  between_looks = [&] {
    if (++looks < 4) std::ofstream(rack.journal(), std::ios::app) << "{\"settled\":true}\n";
  };
  expect_clean();
  EXPECT_EQ(looks, 4);
}

TEST(LiveView, WithoutAJournalThereIsNoPlan) {
  const Rack file;
  const auto view =
      observe({.rack = file, .journal = "/no/such/journal", .look = [] { return EngineView{}; }});
  ASSERT_FALSE(view);
  EXPECT_THAT(view.error(), HasSubstr("/no/such/journal: No such file"));
}

}  // namespace
}  // namespace ladon::machine
