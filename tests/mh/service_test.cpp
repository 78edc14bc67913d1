// The management host with the parts of its compute hosts, over registers that remember and nothing else.
#include "mh/service.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "ch/host_part.h"
#include "mh/sample.h"
#include "mh/temporary.h"
#include "spec/ixgbevf.h"

namespace ladon::mh {
namespace {

namespace control = host::control;
using Kind = ServiceEvent::Kind;
using testing::ElementsAre;

// A guest that is a bus master from the start.
bool guest_comes(ch::VfSlot& slot) {
  if (!slot.attach()) return false;
  slot.set_bus_master(true);
  return true;
}

// A rack, its parts and its management host.
struct World {
  World() = default;
  // On a journal that another rack has written.
  explicit World(const TemporaryFolder& of_another) : journal_path(of_another.file("journal")) {}

  // A management host as a process would have it: journal, connection, service. Kills its predecessor.
  std::expected<void, std::string> start(const Intent& intent) {
    stop();
    auto opened = Journal::open(journal_path);
    if (!opened) return std::unexpected(opened.error());
    journal = std::move(*opened);
    if (!next_epoch(*journal)) return std::unexpected(std::string("no epoch"));
    host = std::make_unique<host::BlockingHost>(rack.mh);
    auto started = Service::start(
        *host, *journal, intent,
        {.on_event = [this](const ServiceEvent& e) { events.push_back(e); }, .pause = [](auto) {}});
    if (!started) return std::unexpected(started.error());
    service = std::move(*started);
    settle();
    return {};
  }
  void stop() {
    service.reset();
    host.reset();
    journal.reset();
  }
  void add_parts() {
    for (auto& ch : rack.chs) {
      parts.push_back(std::make_unique<ch::HostPart>(*ch, ch::PartOptions{.slots = 4}));
      const auto started = parts.back()->start();
      ASSERT_TRUE(started.has_value()) << started.error();
    }
  }
  void settle() {
    for (int i = 0; i < 4; ++i) {
      if (service) service->run_once();
      for (auto& part : parts) part->poll();
      for (auto& ch : rack.chs) ch->release();
    }
  }
  std::vector<Kind> kinds() const {
    std::vector<Kind> all;
    for (const auto& e : events) all.push_back(e.kind);
    return all;
  }
  ch::VfSlot& slot(std::size_t host_number, std::uint8_t index) {
    return *parts[host_number - 1]->slot(index);
  }

  // Where the link side's control BAR of this host's NTB is, once its bus is enumerated.
  BusAddr control_bar_of(std::size_t host_number) {
    host::BlockingHost blocking(*rack.chs[host_number - 1]);
    const auto all = host::enumerate(blocking, rack.chs[host_number - 1]->description, {});
    return all ? all->back().bars[0].base : BusAddr(0);
  }

  // Everything on the hardware that decides who reaches what.
  std::string hardware() {
    std::string text;
    for (const auto& ntb : rack.ntbs)
      for (const auto& [at, value] : ntb->tables())
        text += std::to_string(at) + "=" + std::to_string(value) + " ";
    for (const auto& [rid, domain] : rack.mh.attached) {
      text += "\n" + pcie::to_string(rid) + ":";
      for (const auto& [iova, m] : rack.mh.domains.at(domain))
        text +=
            " " + std::to_string(iova) + ">" + std::to_string(m.to.bits()) + "+" + std::to_string(m.length);
    }
    for (std::uint16_t vf = 0; vf < 8; ++vf)
      text += "\nVF " + std::to_string(vf) + " " + std::to_string(rack.nic.enabled(vf)) + " " +
              std::to_string(rack.nic.mac(vf));
    return text;
  }

  TemporaryFolder folder;
  std::string journal_path = folder.file("journal");
  fakes::FakeRack rack;
  std::vector<std::unique_ptr<ch::HostPart>> parts;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<host::BlockingHost> host;
  std::unique_ptr<Service> service;
  std::vector<ServiceEvent> events;
};

class ServiceTest : public testing::Test, protected World {};

const Intent kIntent = sample_intent({grant(0, 1, 0), grant(1, 1, 1), grant(2, 2, 0), grant(3, 0, 0)});

TEST_F(ServiceTest, BringsAFabricUpAndAssignsWhatWasGranted) {
  add_parts();
  const auto started = start(kIntent);
  ASSERT_TRUE(started.has_value()) << started.error();
  EXPECT_TRUE(slot(1, 0).assignment() && slot(1, 1).assignment() && slot(2, 0).assignment());
  EXPECT_FALSE(slot(2, 1).assignment().has_value());
  EXPECT_EQ(slot(1, 1).assignment()->mac, grant(1, 1, 1).mac);
  EXPECT_EQ(slot(1, 1).requester(), parts[0]->ntb()->bdf.later(pcie::Bdf(0, 1, 1).bits));
  for (std::uint16_t vf = 0; vf < 4; ++vf) EXPECT_TRUE(rack.nic.enabled(vf));
  EXPECT_FALSE(rack.nic.enabled(4));
  EXPECT_EQ(rack.ntbs[0]->reg(spec::ntb::kLink), 1u);
}

TEST_F(ServiceTest, TheOrderInWhichTheTwoSidesStartDoesNotMatter) {
  ASSERT_TRUE(start(kIntent).has_value());
  add_parts();
  settle();
  EXPECT_TRUE(slot(1, 0).assignment() && slot(2, 0).assignment());
}

TEST_F(ServiceTest, EveryNtbsDoorbellIsRoutedAndRoutedAgainByASuccessor) {
  std::vector<const fakes::FakeFunction*> sides;
  for (const auto& f : rack.mh.functions)
    if (f->space.read(spec::pci::kDeviceId, 2) == spec::pci::kNtbDevice) sides.push_back(f.get());
  ASSERT_EQ(sides.size(), 2u);
  ASSERT_TRUE(start(kIntent).has_value());
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_EQ(rack.ntbs[i]->message(0, *sides[i]), control::kManagementControlVector);
  const auto routes = rack.mh.routes;
  for (const auto& ntb : service->inventory().ntbs)
    EXPECT_TRUE(routes.contains({ntb.bdf, control::kManagementControlVector}));
  // The predecessor died while it masked them.
  for (const auto& f : rack.mh.functions)
    if (const auto at = f->space.capability(spec::pci::kCapMsix))
      f->space.write(static_cast<std::uint16_t>(*at + spec::pci::kMsixControl), 2, 0);
  ASSERT_EQ(rack.ntbs[1]->message(0, *sides[1]), std::nullopt);
  ASSERT_TRUE(start(kIntent).has_value());
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_EQ(rack.ntbs[i]->message(0, *sides[i]), control::kManagementControlVector);
  EXPECT_EQ(rack.mh.routes, routes);
}

TEST_F(ServiceTest, TheLocalPartSpeaksOverAPage) {
  // Two programs on one host: the fake has one listener, so the interrupts are handed on by hand.
  ch::HostPart local(rack.mh, {.slots = 4, .management = true});
  ASSERT_TRUE(local.start().has_value());
  ASSERT_TRUE(start(kIntent).has_value());
  for (int i = 0; i < 4; ++i) local.poll(), service->tick();
  ASSERT_TRUE(local.slot(0)->assignment().has_value());
  EXPECT_EQ(local.slot(0)->requester(), service->inventory().nics[0].vf_bdf(3));
  EXPECT_EQ(local.slot(0)->assignment()->message_base, spec::pci::kInterruptBase);
}

TEST_F(ServiceTest, AGuestThatGoesIsQuiescedRevokedResetScrubbedInThatOrder) {
  add_parts();
  ASSERT_TRUE(start(kIntent).has_value());
  ASSERT_TRUE(guest_comes(slot(1, 1)));
  settle();
  rack.nic.history.clear();
  rack.chs[0]->log.clear();
  // The IOMMU answers only after a quiescent point; the reset must wait for it.
  rack.chs[0]->hold = true;
  bool gone = false;
  slot(1, 1).detach([&] { gone = true; });
  for (int i = 0; i < 3; ++i) service->run_once();
  EXPECT_THAT(rack.nic.history, ElementsAre("disable 1"));
  ASSERT_FALSE(rack.chs[0]->log.empty());
  EXPECT_THAT(rack.chs[0]->log[0], testing::StartsWith("detach"));
  rack.chs[0]->hold = false;
  settle();
  EXPECT_TRUE(gone);
  EXPECT_THAT(rack.nic.history, ElementsAre("disable 1", "flr 1", "scrub 1", "enable 1"));
  EXPECT_EQ(slot(1, 1).state(), ch::VfSlot::State::idle);
  EXPECT_TRUE(guest_comes(slot(1, 1)));
  settle();
  EXPECT_TRUE(slot(1, 1).connected());
  EXPECT_EQ(std::ranges::count(kinds(), Kind::free_again), 1);
}

TEST_F(ServiceTest, ARestartDisturbsNothing) {
  add_parts();
  ASSERT_TRUE(start(kIntent).has_value());
  ASSERT_TRUE(guest_comes(slot(1, 0)));
  settle();
  const std::string before = hardware();
  const auto history = rack.nic.history;
  const int writes = rack.ntbs[0]->writes + rack.ntbs[1]->writes;
  rack.mh.log.clear();
  const auto again = start(kIntent);
  ASSERT_TRUE(again.has_value()) << again.error();
  EXPECT_EQ(hardware(), before);
  EXPECT_EQ(rack.nic.history, history);
  EXPECT_EQ(rack.ntbs[0]->writes + rack.ntbs[1]->writes, writes);
  EXPECT_TRUE(rack.mh.log.empty());
  EXPECT_TRUE(slot(1, 0).connected());
  EXPECT_EQ(std::ranges::count(kinds(), Kind::drift), 0);
}

TEST_F(ServiceTest, KilledAfterAnyRequestItGetsThereAllTheSame) {
  std::string wanted;
  int requests = 0;
  {
    fakes::FakeRack complete;
    TemporaryFolder elsewhere;
    auto opened = Journal::open(elsewhere.file("journal"));
    host::BlockingHost blocking(complete.mh);
    ASSERT_TRUE(Service::start(blocking, **opened, kIntent, {.pause = [](auto) {}}).has_value());
    requests = complete.mh.requests;
  }
  ASSERT_TRUE(start(kIntent).has_value());
  wanted = hardware();
  for (int n = 0; n < requests; n += 7) {
    World fresh;
    fresh.rack.mh.requests_left = n;
    const bool whole = fresh.start(kIntent).has_value();
    if (fresh.journal) {
      EXPECT_EQ(read_journal(fresh.journal_path)->remembered.settled, whole) << n;
    }
    fresh.rack.mh.requests_left = -1;
    const auto again = fresh.start(kIntent);
    ASSERT_TRUE(again.has_value()) << n << ": " << again.error();
    ASSERT_EQ(fresh.hardware(), wanted) << n;
    EXPECT_TRUE(fresh.journal->remembered().settled) << n;
  }
}

TEST_F(ServiceTest, KilledWhileAGuestLeavesItsSuccessorFinishes) {
  add_parts();
  ASSERT_TRUE(start(kIntent).has_value());
  for (int n = 0; n < 60; ++n) {
    ASSERT_TRUE(guest_comes(slot(1, 0))) << n;
    settle();
    bool gone = false;
    slot(1, 0).detach([&] { gone = true; });
    rack.mh.requests_left = n;
    settle();
    rack.mh.requests_left = -1;
    ASSERT_TRUE(start(kIntent).has_value()) << n;
    settle();
    ASSERT_TRUE(gone) << n;
    ASSERT_TRUE(rack.nic.enabled(0)) << n;
  }
}

TEST_F(ServiceTest, ChangesTouchOnlyWhatChanges) {
  add_parts();
  ASSERT_TRUE(start(kIntent).has_value());
  ASSERT_TRUE(guest_comes(slot(1, 0)));
  ASSERT_TRUE(guest_comes(slot(1, 1)));
  settle();
  rack.nic.history.clear();
  // VF 1 moves from host 1 to host 2.
  ASSERT_TRUE(service->change(sample_intent({grant(0, 1, 0), grant(1, 2, 1), grant(2, 2, 0), grant(3, 0, 0)}))
                  .has_value());
  settle();
  EXPECT_THAT(rack.nic.history, ElementsAre("disable 1", "flr 1", "scrub 1", "enable 1"));
  EXPECT_TRUE(slot(1, 0).connected());
  EXPECT_FALSE(slot(1, 1).assignment().has_value());
  EXPECT_FALSE(slot(1, 1).connected());
  EXPECT_TRUE(slot(2, 1).assignment().has_value());
  // The guest without a VF can still go.
  bool gone = false;
  slot(1, 1).detach([&] { gone = true; });
  settle();
  EXPECT_TRUE(gone);
}

TEST_F(ServiceTest, ItsJournalSaysThatAChangeIsUnderWayUntilItIsWhole) {
  ASSERT_TRUE(start(kIntent).has_value());
  EXPECT_TRUE(journal->remembered().settled);
  const std::uint64_t length = journal_length(journal_path);
  ASSERT_TRUE(service->change(kIntent).has_value());  // to what is already
  EXPECT_EQ(journal_length(journal_path), length);
  const Intent other = sample_intent({grant(0, 2, 0), grant(1, 1, 1)});
  rack.mh.requests_left = 40;  // dies on the way
  ASSERT_FALSE(service->change(other).has_value());
  rack.mh.requests_left = -1;
  EXPECT_FALSE(read_journal(journal_path)->remembered.settled);
  ASSERT_TRUE(start(other).has_value());
  EXPECT_TRUE(journal->remembered().settled);
  EXPECT_EQ(read_journal(journal_path)->remembered.plan, service->plan());
}

TEST_F(ServiceTest, AViolationQuarantinesThatVfAlone) {
  add_parts();
  Intent intent = kIntent;
  intent.grants[0].on_fault = OnFault::quarantine;
  ASSERT_TRUE(start(intent).has_value());
  rack.nic.set_bit(spec::pf::kFaultPending, 0, true);
  rack.nic.set_bit(spec::pf::kFaultPending, 1, true);
  rack.nic.interrupt();
  settle();
  EXPECT_FALSE(rack.nic.enabled(0));
  EXPECT_EQ(rack.nic.vf_reg(0, spec::pf::kVfControl) & spec::pf::kVfLink, 0u);
  EXPECT_EQ(rack.nic.resets_told, 1);  // or else its driver would not look
  EXPECT_TRUE(rack.nic.enabled(1));
  EXPECT_EQ(std::ranges::count(kinds(), Kind::quarantined), 1);
  // It outlives the management host, until the VF is granted anew.
  ASSERT_TRUE(start(intent).has_value());
  EXPECT_FALSE(rack.nic.enabled(0));
  ASSERT_TRUE(service->change(sample_intent({})).has_value());
  ASSERT_TRUE(service->change(intent).has_value());
  EXPECT_TRUE(rack.nic.enabled(0));
}

TEST_F(ServiceTest, AViolationResetsAVfAndItsVectorsComeBack) {
  add_parts();
  Intent intent = kIntent;
  intent.grants[0].on_fault = OnFault::reset;
  ASSERT_TRUE(start(intent).has_value());
  ASSERT_TRUE(guest_comes(slot(1, 0)));
  slot(1, 0).set_vector(0, [] {});
  settle();
  std::vector<std::uint64_t> written;
  rack.ntbs[0]->window_write = [&](std::uint64_t offset, std::uint64_t) { written.push_back(offset); };
  rack.nic.history.clear();
  rack.nic.set_bit(spec::pf::kFaultPending, 0, true);
  rack.nic.interrupt();
  settle();
  EXPECT_THAT(rack.nic.history, ElementsAre("disable 0", "flr 0", "scrub 0", "enable 0"));
  EXPECT_THAT(written, testing::Contains(slot(1, 0).assignment()->msix + 12));
  // A driver that says nothing is told of it.
  const int before = rack.nic.resets_told;
  for (int i = 0; i < 4; ++i) service->tick();
  EXPECT_EQ(rack.nic.memory[0][0], spec::ixgbevf::kMessagePfControl | spec::ixgbevf::kMessageNack);
  EXPECT_GT(rack.nic.resets_told, before);
}

TEST_F(ServiceTest, ARefusedMessageIsToldOnceASecond) {
  Intent intent = kIntent;
  intent.grants[0].guest = "vm-a";
  ASSERT_TRUE(start(intent).has_value());
  const auto ask = [&](std::vector<std::uint32_t> words) {
    rack.nic.send(0, std::move(words));
    service->run_once();
  };
  ask({spec::ixgbevf::kMessageReset});
  for (int i = 0; i < 3; ++i) ask({spec::ixgbevf::kMessageSetMac, 0x1234'5602, 0x99});
  ask({spec::ixgbevf::kMessageApi, 99});  // every driver tries one that is too new
  EXPECT_EQ(std::ranges::count(kinds(), Kind::refused), 1);
  EXPECT_EQ(events.back().text, "mailbox: foreign MAC");
  EXPECT_THAT(events.back().guest, testing::StartsWith("vm-a (VF 0 of NIC 0"));
  service->tick();
  ask({spec::ixgbevf::kMessageSetMac, 0x1234'5602, 0x99});
  EXPECT_EQ(std::ranges::count(kinds(), Kind::refused), 2);
}

std::vector<std::string> told(const std::vector<ServiceEvent>& events, Kind kind) {
  std::vector<std::string> all;
  for (const auto& e : events)
    if (e.kind == kind) all.push_back(e.guest + ": " + e.text);
  return all;
}

TEST_F(ServiceTest, AFaultIsToldWithVfGuestAddressAndTable) {
  add_parts();
  Intent intent = kIntent;
  intent.grants[0].guest = "vm-a";
  intent.hosts[0].name = "ch1";
  ASSERT_TRUE(start(intent).has_value());
  // The host's own IOMMU refused something: its part tells the management host. A requester that is no VF of
  // its is not told of.
  const pcie::Sbdf proxy = *slot(1, 0).requester();
  rack.chs[0]->tell(host::Fault{proxy, 0x5000, pcie::Access::write, "ch1/iommu/DMA remapping: not mapped"});
  rack.chs[0]->tell(host::Fault{pcie::Bdf(9, 9, 1), 0x5000, pcie::Access::write, "ch1/iommu/x: y"});
  // The management host's own IOMMU did.
  const pcie::Sbdf vf = service->inventory().nics[0].vf_bdf(0);
  rack.mh.tell(host::Fault{vf, 0x12'0000'0000, pcie::Access::read, "mh/iommu/DMA remapping: not mapped"});
  // The same number in another segment is somebody else.
  const pcie::Sbdf other(pcie::HostSegment{1}, vf.bdf);
  rack.mh.tell(host::Fault{other, 0x6000, pcie::Access::read, "mh/iommu1/DMA remapping: not mapped"});
  // The NIC says what the VF did.
  rack.nic.set_bit(spec::pf::kFaultPending, 0, true);
  rack.nic.interrupt();
  settle();
  const std::string who = "vm-a (VF 0 of NIC 0, ch1): ";
  EXPECT_THAT(told(events, Kind::fault),
              testing::UnorderedElementsAre(
                  who + "ch1/iommu/DMA remapping: not mapped (write at 0x5000)",
                  who + "mh/iommu/DMA remapping: not mapped (read at 0x1200000000)",
                  ": " + pcie::to_string(other) + ": mh/iommu1/DMA remapping: not mapped (read at 0x6000)",
                  testing::StartsWith(who + "NIC: ")));
}

TEST_F(ServiceTest, HardwareThatDiffersIsMendedAfterARestart) {
  ASSERT_TRUE(start(kIntent).has_value());
  const std::string before = hardware();
  auto& ntb = *rack.ntbs[0];
  ntb.set(spec::ntb::kOutbound, 0);  // a window was closed
  ntb.set(spec::ntb::kLutOutbound + 9 * spec::ntb::kLutStride,
          spec::ntb::kLutValid | 0x1234);  // one too many
  ASSERT_TRUE(start(kIntent).has_value());
  EXPECT_EQ(hardware(), before);
  EXPECT_EQ(std::ranges::count(kinds(), Kind::drift), 2);
}

TEST_F(ServiceTest, AChangeThatTheDeviceRefusesIsTakenBack) {
  add_parts();
  ASSERT_TRUE(start(kIntent).has_value());
  Intent wanted = kIntent;
  wanted.grants[1].level.receive.most = 10'000'000;
  rack.nic.refuse_levels = true;
  EXPECT_FALSE(service->change(wanted).has_value());
  rack.nic.refuse_levels = false;
  const auto undone = service->change(kIntent);
  ASSERT_TRUE(undone.has_value()) << undone.error();
  ASSERT_TRUE(service->change(wanted).has_value());
  const auto again = start(wanted);
  ASSERT_TRUE(again.has_value()) << again.error();
  EXPECT_EQ(std::ranges::count(kinds(), Kind::drift), 0);
}

TEST_F(ServiceTest, WhatTheDeviceRefusesDoesNotKeepASuccessorFromStarting) {
  add_parts();
  ASSERT_TRUE(start(kIntent).has_value());
  Intent wanted = kIntent;
  wanted.grants[1].level.receive.most = 10'000'000;
  rack.nic.refuse_levels = true;
  EXPECT_FALSE(service->change(wanted).has_value());
  const auto again = start(kIntent);
  ASSERT_TRUE(again.has_value()) << again.error();
  EXPECT_GT(std::ranges::count(kinds(), Kind::drift), 0);
}

TEST_F(ServiceTest, NewHardwareUnderAnOldJournalIsEnumeratedAnew) {
  ASSERT_TRUE(start(kIntent).has_value());
  const std::string before = hardware();
  stop();
  World other(folder);
  ASSERT_TRUE(other.start(kIntent).has_value());
  EXPECT_EQ(other.hardware(), before);
}

TEST_F(ServiceTest, AHostThatLiesAboutOrderOrSlotsHurtsItselfAlone) {
  ASSERT_TRUE(start(kIntent).has_value());
  control::Channel liar(control::ntb_port(*rack.chs[0], control_bar_of(1)), control::Side::part);
  liar.start([] {}, [](const control::Message&) {});
  rack.nic.history.clear();
  for (int i = 0; i < 256; ++i) {
    liar.send(control::Revoked{static_cast<std::uint8_t>(i)});
    liar.send(control::Detach{static_cast<std::uint8_t>(i)});
    liar.send(control::Ready{255, true});
    settle();
    liar.poll();
  }
  for (const auto& step : rack.nic.history)
    EXPECT_THAT(step, testing::AnyOf(testing::EndsWith(" 0"), testing::EndsWith(" 1")));
  EXPECT_TRUE(rack.nic.enabled(2) && rack.nic.enabled(3));
}

TEST_F(ServiceTest, AnIntentThatDoesNotFitChangesNothing) {
  ASSERT_TRUE(start(kIntent).has_value());
  const std::string before = hardware();
  const auto refused = service->change(sample_intent({grant(9, 1, 0)}));
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error(), testing::HasSubstr("VF 9"));
  EXPECT_EQ(hardware(), before);
}

}  // namespace
}  // namespace ladon::mh
