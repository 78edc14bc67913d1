#include "ch/vf_slot.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include "fakes/fake_rack.h"
#include "spec/ixgbevf.h"

namespace ladon::ch {
namespace {

namespace control = host::control;
namespace vfr = spec::ixgbevf;
using State = VfSlot::State;
using testing::ElementsAre;

constexpr std::uint64_t kPage = 4096;
constexpr BusAddr kRegisters{0x10'0000'0000};
constexpr std::uint64_t kMessageBase = 1ull << 46;

class SlotTest : public testing::Test {
 protected:
  SlotTest() {
    auto space = pcie::ConfigSpace::endpoint({.vendor = 1, .device = 2});
    space.add_bar(0, pcie::BarKind::memory64_prefetchable, 64 << 20);
    auto& function = bridge.add(space, 0);
    function.space.write(spec::pci::kBar0 + 4, 4, static_cast<std::uint32_t>(kRegisters.bits() >> 32));
    function.space.write(spec::pci::kCommand, 2, spec::pci::kCommandMemory);
    function.read = [this](int, unsigned, std::uint64_t offset) { return registers[offset]; };
    function.write = [this](int, unsigned, std::uint64_t offset, std::uint64_t value) {
      registers[offset] = value;
      bridge.log.push_back("write " + std::to_string(offset));
    };
    host.send = [this](const control::Message& m) { sent.push_back(m); };
    host.on_assigned = [this](std::uint8_t, bool there) { assignments.push_back(there); };
    slot = VfSlot::make(host, 2);
  }
  static control::Assign assign() {
    return {.slot = 2,
            .vm = pcie::Vm{1},
            .requester = 0x0A,
            .vf_device = 0x1565,
            .registers = 0x8000,
            .msix = 0xC000,
            .message_base = kMessageBase,
            .mac = {}};
  }
  VfSlot::Outcome map(std::uint64_t gpa, std::uint64_t length) {
    VfSlot::Outcome result = std::unexpected(SlotRefusal::busy);
    slot->map(Gpa(gpa), length, 5, gpa, pcie::kReadWrite, [&](VfSlot::Outcome o) { result = o; });
    return result;
  }
  VfSlot::Outcome unmap(std::uint64_t gpa, std::uint64_t length) {
    VfSlot::Outcome result = std::unexpected(SlotRefusal::busy);
    slot->unmap(*Range<Gpa>::of(Gpa(gpa), length), [&](VfSlot::Outcome o) { result = o; });
    return result;
  }
  void attached_with_vf() {
    slot->assign(assign());
    ASSERT_TRUE(slot->attach().has_value());
    ASSERT_TRUE(map(0, 16 * kPage).has_value());
    slot->set_bus_master(true);
  }
  template <class T>
  std::size_t count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(sent, [](const auto& m) { return std::holds_alternative<T>(m); }));
  }
  std::uint64_t entry(unsigned vector, unsigned word) { return registers[0xC000 + vector * 16 + word * 4]; }

  fakes::FakeHost bridge;
  std::map<std::uint64_t, std::uint64_t> registers;
  std::vector<control::Message> sent;
  std::vector<bool> assignments;
  SlotHost host{
      .bridge = bridge, .registers = kRegisters, .bus = pcie::Bdf(7, 0, 0), .send = {}, .on_assigned = {}};
  std::shared_ptr<VfSlot> slot;
};

TEST_F(SlotTest, GivesTheVfTheGuestsMemoryAtItsOwnAddresses) {
  attached_with_vf();
  const pcie::Sbdf rid = pcie::Bdf(7, 1, 2);
  EXPECT_EQ(slot->requester(), rid);
  ASSERT_TRUE(bridge.attached.contains(rid));
  const auto& mappings = bridge.domains.at(bridge.attached.at(rid));
  ASSERT_EQ(mappings.size(), 1u);
  EXPECT_EQ(mappings.at(0).length, 16 * kPage);
  EXPECT_EQ(mappings.at(0).to, BusAddr(0x1000'0000));
  EXPECT_EQ(count<control::Attached>(), 1u);
}

TEST_F(SlotTest, AVfThatComesLaterFindsTheGuestReady) {
  ASSERT_TRUE(slot->attach().has_value());
  ASSERT_TRUE(map(0, kPage).has_value());
  slot->set_vector(1, [] {});
  slot->set_bus_master(true);
  EXPECT_TRUE(bridge.attached.empty());
  EXPECT_EQ(slot->register_read(0, 0, 4), 0xFFFF'FFFFu);
  slot->assign(assign());
  EXPECT_TRUE(slot->connected());
  EXPECT_EQ(entry(1, 3), 0u);
  EXPECT_THAT(assignments, ElementsAre(true));
}

TEST_F(SlotTest, ABareHostsMemoryLiesWhereTheGuestSaysIt) {
  host.bare = true;
  slot = VfSlot::make(host, 0);
  ASSERT_TRUE(slot->attach().has_value());
  ASSERT_TRUE(map(0x10'0000, kPage).has_value());
  EXPECT_EQ(bridge.pins.begin()->second.at, BusAddr(0x10'0000));
}

TEST_F(SlotTest, MapsAreCheckedAndCounted) {
  attached_with_vf();
  EXPECT_EQ(map(8 * kPage, kPage).error(), SlotRefusal::bad_map);                 // overlaps
  EXPECT_EQ(map(32 * kPage + 1, kPage).error(), SlotRefusal::bad_map);            // unaligned
  EXPECT_EQ(map(32 * kPage, 100).error(), SlotRefusal::bad_map);                  // not whole pages
  EXPECT_EQ(map(32 * kPage, 0).error(), SlotRefusal::bad_map);                    // empty
  EXPECT_EQ(map(~0ull & ~(kPage - 1), 2 * kPage).error(), SlotRefusal::bad_map);  // wraps
  bridge.fail_pins = true;
  EXPECT_EQ(map(32 * kPage, kPage).error(), SlotRefusal::host_error);
  bridge.fail_pins = false;
  EXPECT_TRUE(map(32 * kPage, kPage).has_value());
  EXPECT_EQ(slot->refusals()[SlotRefusal::bad_map], 5u);
}

TEST_F(SlotTest, UnmapsAreExactAndUnpinOnlyAfterTheLastAccess) {
  attached_with_vf();
  ASSERT_TRUE(map(32 * kPage, kPage).has_value());
  EXPECT_EQ(unmap(4 * kPage, kPage).error(), SlotRefusal::bad_unmap);
  EXPECT_EQ(unmap(0, 15 * kPage).error(), SlotRefusal::bad_unmap);
  EXPECT_EQ(slot->memory().mappings(), 2u);
  EXPECT_TRUE(unmap(100 * kPage, kPage).has_value());  // nothing there
  bridge.log.clear();
  bridge.hold = true;
  bool done = false;
  slot->unmap(*Range<Gpa>::of(Gpa(0), 64 * kPage), [&](VfSlot::Outcome o) { done = o.has_value(); });
  EXPECT_THAT(bridge.log, ElementsAre("unmap", "unmap"));
  EXPECT_FALSE(done);
  EXPECT_FALSE(slot->memory().settled());
  EXPECT_THAT(slot->holdings().memory, testing::IsEmpty());
  bridge.release();
  EXPECT_TRUE(done);
  EXPECT_TRUE(slot->memory().settled());
  EXPECT_THAT(bridge.log, ElementsAre("unmap", "unmap", "unpin", "unpin"));
  EXPECT_TRUE(bridge.pins.empty());
}

TEST_F(SlotTest, RegistersAreReachedThroughTheWindowAndNothingElse) {
  attached_with_vf();
  registers[0x8000 + vfr::kLinks] = 0x4000'0000;
  EXPECT_EQ(slot->register_read(0, vfr::kLinks, 4), 0x4000'0000u);
  slot->register_write(0, 0x1018, 4, 17);
  EXPECT_EQ(registers[0x8000 + 0x1018], 17u);
  EXPECT_EQ(slot->register_read(3, 8, 4), registers[0xC008]);
  const auto before = registers;
  for (const auto& [bar, offset, width] : {std::tuple{0, 0x4000, 4},
                                           {0, 0x3FFE, 4},
                                           {1, 0, 4},
                                           {3, 0x4000, 1},
                                           {0, 2, 4},
                                           {0, 0, 3},
                                           {0, 0, 0}}) {
    (void)slot->register_read(static_cast<std::uint8_t>(bar), static_cast<std::uint64_t>(offset),
                              static_cast<std::uint8_t>(width));
    slot->register_write(static_cast<std::uint8_t>(bar), static_cast<std::uint64_t>(offset),
                         static_cast<std::uint8_t>(width), 1);
  }
  EXPECT_EQ(registers, before);
  EXPECT_EQ(slot->refusals()[SlotRefusal::bad_register], 14u);
  EXPECT_EQ(slot->register_read(0, ~0ull - 3, 4), 0xFFFF'FFFFu);
}

TEST_F(SlotTest, AVectorIsRoutedWrittenAndUnmaskedInThatOrder) {
  attached_with_vf();
  bridge.log.clear();
  int rung = 0;
  EXPECT_TRUE(slot->set_vector(1, [&] { ++rung; }));
  // The VF emits another address than this host's, with the same offset.
  EXPECT_EQ(entry(1, 0) | entry(1, 1) << 32, kMessageBase + 0x10);
  EXPECT_EQ(entry(1, 2), slot->host_vector(1));
  EXPECT_EQ(entry(1, 3), 0u);
  EXPECT_EQ(bridge.log.front(), "write " + std::to_string(0xC000 + 16 + 12));  // masked first
  EXPECT_EQ(bridge.log.back(), "write " + std::to_string(0xC000 + 16 + 12));
  EXPECT_TRUE(bridge.routes.contains({pcie::Bdf(7, 1, 2), slot->host_vector(1)}));
  slot->interrupt(1);
  slot->interrupt(0);
  EXPECT_EQ(rung, 1);
  slot->set_vector(1, {});
  EXPECT_EQ(entry(1, 3), 1u);
  slot->interrupt(1);
  EXPECT_EQ(rung, 1);
  EXPECT_FALSE(slot->set_vector(3, [] {}));
}

TEST_F(SlotTest, ResetsWithoutTheManagementHost) {
  attached_with_vf();
  slot->set_vector(0, [] {});
  const auto before = sent.size();
  slot->reset();
  EXPECT_EQ(registers[0x8000], vfr::kControlReset);
  EXPECT_EQ(entry(0, 3), 0u);  // its vectors stay armed, as VFIO keeps them
  EXPECT_EQ(sent.size(), before);
  EXPECT_TRUE(slot->connected());
}

TEST_F(SlotTest, DetachesInOrderAndOnlyThenTakesTheNextGuest) {
  attached_with_vf();
  slot->set_vector(0, [] {});
  bridge.log.clear();
  bridge.hold = true;
  int gone = 0;
  slot->detach([&] { ++gone; });
  EXPECT_EQ(slot->state(), State::quiescing);
  EXPECT_EQ(count<control::Detach>(), 1u);
  EXPECT_TRUE(bridge.log.empty());  // the VF still runs: nothing is taken from under it
  EXPECT_EQ(slot->attach().error(), SlotRefusal::busy);
  EXPECT_EQ(map(64 * kPage, kPage).error(), SlotRefusal::busy);
  slot->quiesced();
  EXPECT_EQ(slot->state(), State::revoking);
  EXPECT_EQ(count<control::Revoked>(), 0u);
  bridge.release();
  EXPECT_THAT(bridge.log, ElementsAre("write " + std::to_string(0xC000 + 12), "unroute", "detach 07:01.2",
                                      "unmap", "unpin", "destroy"));
  EXPECT_EQ(count<control::Revoked>(), 1u);
  EXPECT_EQ(slot->state(), State::scrubbing);
  EXPECT_EQ(gone, 0);
  slot->detach([&] { ++gone; });  // asked twice, answered twice
  slot->scrubbed();
  EXPECT_EQ(gone, 2);
  EXPECT_TRUE(bridge.pins.empty() && bridge.routes.empty() && bridge.attached.empty());
  bridge.hold = false;
  EXPECT_TRUE(slot->attach().has_value());
  EXPECT_FALSE(slot->connected());  // the next guest is no bus master yet
  slot->set_bus_master(true);
  EXPECT_TRUE(slot->connected());
}

TEST_F(SlotTest, AGuestThatIsNoBusMasterIsNotReached) {
  attached_with_vf();
  slot->set_vector(0, [] {});
  const auto before = sent.size();
  slot->set_bus_master(false);
  EXPECT_FALSE(slot->connected());
  EXPECT_TRUE(bridge.attached.empty() && bridge.routes.empty());
  EXPECT_EQ(entry(0, 3), 1u);
  EXPECT_EQ(slot->memory().mappings(), 1u);
  EXPECT_EQ(registers[0x8000], 0u);
  slot->set_bus_master(true);
  EXPECT_TRUE(slot->connected());
  EXPECT_TRUE(bridge.attached.contains(pcie::Bdf(7, 1, 2)));
  EXPECT_EQ(entry(0, 3), 0u);
  EXPECT_EQ(sent.size(), before);  // an affair of this host alone
}

TEST_F(SlotTest, BusMasteringThatEndsBeforeTheHostAnswersIsNotGranted) {
  slot->assign(assign());
  ASSERT_TRUE(slot->attach().has_value());
  bridge.hold = true;
  slot->set_bus_master(true);
  slot->set_bus_master(false);
  bridge.release();
  EXPECT_TRUE(bridge.attached.empty());
  EXPECT_FALSE(slot->connected());
}

TEST_F(SlotTest, DetachesWithoutAVfWithoutAskingAnyone) {
  ASSERT_TRUE(slot->attach().has_value());
  ASSERT_TRUE(map(0, kPage).has_value());
  bool gone = false;
  slot->detach([&] { gone = true; });
  EXPECT_TRUE(gone);
  EXPECT_TRUE(sent.empty());
  EXPECT_TRUE(bridge.pins.empty());
  slot->detach([&] { gone = false; });
  EXPECT_FALSE(gone);
}

TEST_F(SlotTest, ARevokedVfLetsGoAndTheGuestKeepsItsMemory) {
  attached_with_vf();
  slot->set_vector(0, [] {});
  slot->revoke();
  EXPECT_EQ(count<control::Revoked>(), 1u);
  EXPECT_TRUE(bridge.attached.empty() && bridge.routes.empty());
  EXPECT_EQ(slot->memory().mappings(), 1u);
  EXPECT_EQ(slot->register_read(0, 0, 4), 0xFFFF'FFFFu);
  EXPECT_THAT(assignments, ElementsAre(true, false));
  // Another VF takes its place, vectors included.
  auto other = assign();
  other.requester = 0x0C;
  slot->assign(other);
  EXPECT_TRUE(bridge.attached.contains(pcie::Bdf(7, 1, 4)));
  EXPECT_TRUE(bridge.routes.contains({pcie::Bdf(7, 1, 4), slot->host_vector(0)}));
}

TEST_F(SlotTest, SaysTheSameThingTwiceToANewManagementHost) {
  attached_with_vf();
  slot->assign(assign());  // known already
  EXPECT_EQ(count<control::Attached>(), 1u);
  slot->restate();
  EXPECT_EQ(count<control::Attached>(), 2u);
  slot->detach([] {});
  slot->restate();
  EXPECT_EQ(count<control::Detach>(), 2u);
  slot->quiesced();
  slot->restate();
  EXPECT_EQ(count<control::Revoked>(), 2u);
}

TEST_F(SlotTest, AnswersAfterTheSlotIsGoneFindNobody) {
  attached_with_vf();
  bridge.hold = true;
  bool told = false;
  slot->unmap(*Range<Gpa>::of(Gpa(0), 16 * kPage), [&](VfSlot::Outcome) { told = true; });
  slot->detach([] {});
  slot->quiesced();
  slot.reset();
  bridge.release();
  EXPECT_TRUE(told);
  EXPECT_TRUE(bridge.pins.empty());  // what was pinned is not lost with its slot
}

// The VF is taken and the guest goes before the host has made the I/O space that was asked for first.
TEST(Slot, ADetachEndsThoughAnAttachStillWaitedForItsSpace) {
  fakes::FakeHost bridge;
  SlotHost host{.bridge = bridge,
                .registers = BusAddr(0),
                .bus = pcie::Bdf(7, 0, 0),
                .send = [](const control::Message&) {},
                .on_assigned = {}};
  const auto slot = VfSlot::make(host, 0);
  bridge.hold = true;
  slot->assign({.requester = 8, .mac = {}});
  EXPECT_TRUE(slot->attach());
  slot->set_bus_master(true);
  slot->revoke();
  bool gone = false;
  slot->detach([&] { gone = true; });
  bridge.release();
  EXPECT_TRUE(gone);
  EXPECT_TRUE(bridge.attached.empty() && bridge.domains.empty());
}

// Whatever a guest and a management host do, in whatever order the host answers: a guest that is gone has
// left nothing, and no VF reaches memory whose guest is leaving without being quiesced.
TEST(SlotProperty, NothingOfAGuestIsLeft) {
  EXPECT_TRUE(rc::check("random lives", [] {
    fakes::FakeHost bridge;
    std::vector<control::Message> sent;
    SlotHost host{.bridge = bridge,
                  .registers = BusAddr(0),
                  .bus = pcie::Bdf(7, 0, 0),
                  .send = [&](const control::Message& m) { sent.push_back(m); },
                  .on_assigned = {}};
    const auto slot = VfSlot::make(host, 0);
    const auto ops = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 13));
    bridge.hold = *rc::gen::arbitrary<bool>();
    std::uint64_t next = 0;
    for (const int op : ops) {
      if (op == 0) (void)slot->attach();
      if (op == 1) slot->map(Gpa(next++ * kPage), kPage, 3, 0, pcie::kReadWrite, [](VfSlot::Outcome) {});
      if (op == 2) slot->unmap(*Range<Gpa>::of(Gpa(0), 4 * kPage), [](VfSlot::Outcome) {});
      if (op == 3) slot->set_vector(static_cast<std::uint16_t>(next % 3), [] {});
      if (op == 4) slot->detach([] {});
      if (op == 5) slot->assign({.requester = static_cast<std::uint16_t>(8 + next % 2), .mac = {}});
      if (op == 6) slot->revoke();
      if (op == 7) slot->quiesced();
      if (op == 8) slot->scrubbed();
      if (op == 9) bridge.release();
      if (op == 10) slot->reset();
      if (op > 10) slot->set_bus_master(op == 11);
      if (!slot->connected() && bridge.held.empty()) RC_ASSERT(bridge.attached.empty());
      if (slot->state() == State::idle) RC_ASSERT(bridge.pins.empty() && bridge.attached.empty());
    }
    bool gone = false;
    slot->detach([&] { gone = true; });
    for (int i = 0; i < 4; ++i) {
      slot->quiesced();
      bridge.release();
      slot->scrubbed();
    }
    RC_ASSERT(gone);
    RC_ASSERT(bridge.pins.empty() && bridge.attached.empty() && bridge.routes.empty() &&
              bridge.domains.empty());
  }));
}

}  // namespace
}  // namespace ladon::ch
