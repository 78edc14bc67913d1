// The kit as another project uses it: through its public headers alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "machine/two_hosts.h"
#include "testkit/rack.h"

namespace ladon::testkit {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Frame frame(const Mac& to, const Mac& from, std::size_t length = 200) {
  Frame made(length, std::byte{0x5A});
  for (std::size_t i = 0; i < to.size(); ++i) made[i] = std::byte{to[i]}, made[6 + i] = std::byte{from[i]};
  made[12] = std::byte{0x88}, made[13] = std::byte{0xB5};  // local experimental
  return made;
}

class Kit : public ::testing::Test {
 protected:
  Kit()
      : rack(Rack::from_text(machine::kTwoHosts).value()),
        a(rack.guest("vm-a")),
        bare(rack.guest("ch2-os")) {}

  // One frame; what the receiver has of it within so many turns.
  std::optional<Frame> pass(Guest& from, Guest& to, unsigned turns = 1000) {
    EXPECT_TRUE(from.send(frame(to.mac(), from.mac())));
    std::optional<Frame> got;
    (void)rack.run_until([&] { return (got = to.receive()).has_value(); }, turns);
    return got;
  }
  void open_both() {
    for (Guest* guest : {&a, &bare}) {
      const auto done = guest->open();
      ASSERT_TRUE(done.has_value()) << done.error();
    }
  }

  Rack rack;
  Guest a, bare;
};

TEST_F(Kit, KnowsItsGuests) {
  EXPECT_THAT(rack.guests(), ElementsAre("vm-m", "vm-a", "vm-b", "ch2-os"));
  EXPECT_EQ(a.host(), "ch1");
  EXPECT_EQ(a.memory().size(), 64u << 20);
  EXPECT_THROW((void)rack.guest("nobody"), std::invalid_argument);
  EXPECT_THROW((void)rack.take_link_down("mh"), std::invalid_argument);
}

TEST(KitFile, MistakesAreNamed) {
  EXPECT_THAT(Rack::from_text("name: x\n").error(), HasSubstr("nics"));
  EXPECT_FALSE(Rack::from_file("/no/such/rack.yaml"));
}

TEST_F(Kit, FramesPassAndNobodyReachesMore) {
  open_both();
  EXPECT_TRUE(a.link_up());
  EXPECT_EQ(pass(a, bare), frame(bare.mac(), a.mac()));
  EXPECT_TRUE(pass(bare, a));
  EXPECT_THAT(rack.audit(), IsEmpty());
}

TEST_F(Kit, TheWireIsTheCallers) {
  open_both();
  const Mac outside{0x02, 0, 0, 0, 0, 0x99};
  ASSERT_TRUE(a.send(frame(outside, a.mac())));
  std::vector<Frame> sent;
  EXPECT_TRUE(rack.run_until([&] { return !(sent = rack.take_sent()).empty(); }));
  EXPECT_THAT(sent, Contains(frame(outside, a.mac())));
  rack.inject(0, frame(a.mac(), outside));
  std::optional<Frame> got;
  EXPECT_TRUE(rack.run_until([&] { return (got = a.receive()).has_value(); }));
  EXPECT_EQ(got, frame(a.mac(), outside));
}

TEST_F(Kit, AnAccessIsFollowedHopByHop) {
  const Path read = a.dma(0x1000, Access::read);
  EXPECT_FALSE(read.refused) << to_string(read);
  EXPECT_TRUE(read.passes("ntb1/management"));
  EXPECT_TRUE(read.passes("ch1/iommu"));
  EXPECT_FALSE(read.passes("ntb2/management"));
  EXPECT_THAT(read.outcome, HasSubstr("memory of ch1"));
  for (const Guest& guest : {a, bare}) {
    EXPECT_FALSE(guest.register_access(8, Access::read).refused);
    EXPECT_THAT(guest.interrupt(0).outcome, HasSubstr("interrupt"));
  }
  const Path beyond = a.dma(65u << 20, Access::write);
  EXPECT_EQ(beyond.verdict, "isolation");
}

TEST_F(Kit, AReturnEntryThatIsLostIsOneWayTraffic) {
  {
    const Fault lost = rack.lose_entry("vm-a", Way::completion);
    EXPECT_FALSE(a.dma(0x1000, Access::write).refused);
    const Path read = a.dma(0x1000, Access::read);
    EXPECT_EQ(read.verdict, "missing") << to_string(read);
    EXPECT_THAT(read.mend, HasSubstr("add requester 00:00.0"));
    EXPECT_THAT(rack.audit(), Contains(HasSubstr("granted and not reachable")));
    EXPECT_THROW((void)rack.lose_entry("vm-a", Way::completion), std::invalid_argument);
  }
  EXPECT_FALSE(a.dma(0x1000, Access::read).refused);
  EXPECT_THAT(rack.audit(), IsEmpty());
}

TEST_F(Kit, ALookUpMissStopsOneAndNobodyElse) {
  open_both();
  auto b = rack.guest("vm-b");
  ASSERT_TRUE(b.open());
  Fault lost = rack.lose_entry("vm-a", Way::request);
  EXPECT_THAT(a.dma(0x1000, Access::write).fault, HasSubstr("ntb1/management/outbound requester-ID LUT"));
  EXPECT_FALSE(pass(a, bare, 200));
  EXPECT_TRUE(pass(b, bare));
  lost.mend();
  EXPECT_FALSE(a.dma(0x1000, Access::write).refused);
}

TEST_F(Kit, ALinkThatIsDownStopsItsHost) {
  {
    const Fault down = rack.take_link_down("ch1");
    EXPECT_THAT(a.dma(0, Access::write).fault, HasSubstr("link is down"));
    EXPECT_THAT(rack.guest("vm-b").register_access(8, Access::read).fault, HasSubstr("link is down"));
    EXPECT_FALSE(bare.dma(0, Access::write).refused);
  }
  EXPECT_FALSE(a.dma(0, Access::write).refused);
}

TEST_F(Kit, ACompletionMayBeLate) {
  open_both();
  ASSERT_TRUE(pass(a, bare));
  Fault late = rack.delay_completions("vm-a");
  // What it has sent is not on its way before its descriptor has been read.
  EXPECT_FALSE(pass(a, bare, 50));
  late.mend();
  std::optional<Frame> got;
  EXPECT_TRUE(rack.run_until([&] { return (got = bare.receive()).has_value(); }));
  EXPECT_EQ(got, frame(bare.mac(), a.mac()));
}

TEST_F(Kit, AnInterruptMayBeLost) {
  open_both();
  ASSERT_TRUE(pass(a, bare));
  const auto before = bare.interrupts(0);
  EXPECT_GT(before, 0u);
  {
    const Fault lost = rack.lose_interrupts("ch2-os");
    EXPECT_TRUE(pass(a, bare));  // who polls gets it all the same
    rack.advance(std::chrono::seconds(1));
    rack.run();
    EXPECT_GT(bare.lost_interrupts(0), 0u);
    EXPECT_EQ(bare.interrupts(0), before);
  }
  EXPECT_TRUE(pass(a, bare));
  rack.advance(std::chrono::seconds(1));
  rack.run();
  EXPECT_GT(bare.interrupts(0), before);
}

TEST_F(Kit, FaultsOfAKindLastAsLongAsOneOfThem) {
  open_both();
  Fault first = rack.take_link_down("ch2");
  {
    const Fault second = rack.take_link_down("ch2");
  }
  EXPECT_TRUE(bare.dma(0, Access::write).refused);
  first.mend();
  EXPECT_FALSE(bare.dma(0, Access::write).refused);
  Fault lost = rack.lose_interrupts("ch2-os");
  rack.lose_interrupts("ch2-os").mend();
  const auto before = bare.interrupts(0);
  ASSERT_TRUE(pass(a, bare));
  EXPECT_EQ(bare.interrupts(0), before);
}

TEST_F(Kit, AnEntryThatWasGivenToAnotherIsNotTakenBack) {
  open_both();
  Fault lost = rack.lose_entry("vm-a", Way::request);
  ASSERT_TRUE(a.detach());
  ASSERT_TRUE(a.attach());
  lost.mend();
  EXPECT_THAT(rack.audit(), IsEmpty());
}

TEST_F(Kit, WhatWasAccessedIsRecorded) {
  open_both();
  rack.record(true);
  ASSERT_TRUE(pass(a, bare));
  const auto all = rack.take_transactions();
  bool read = false, written = false;
  for (const Transaction& one : all) {
    EXPECT_FALSE(one.refused) << one.who << ": " << one.outcome;
    read |= one.who == "VF 1 of nic0 (vm-a)" && one.access == Access::read;
    written |= one.who == "VF 3 of nic0 (ch2-os)" && one.access == Access::write;
  }
  EXPECT_TRUE(read);
  EXPECT_TRUE(written);
  rack.record(false);
  ASSERT_TRUE(pass(a, bare));
  EXPECT_THAT(rack.take_transactions(), IsEmpty());
}

TEST_F(Kit, AGuestGoesAndComesAgain) {
  open_both();
  ASSERT_TRUE(a.detach());
  EXPECT_TRUE(a.dma(0, Access::write).refused);
  ASSERT_TRUE(a.attach());
  ASSERT_TRUE(a.open());
  EXPECT_TRUE(pass(a, bare));
}

TEST_F(Kit, AProcessorReachesItsMemoryAndItsRegisters) {
  a.memory()[0x2000] = std::byte{0x77};
  EXPECT_EQ(a.load(0x2000), 0x77u);
  EXPECT_TRUE(a.store(0x2000, 0x12345678));
  EXPECT_EQ(a.memory()[0x2000], std::byte{0x78});
  EXPECT_EQ(a.load(Guest::kRegisters + 8), a.read_register(8));
  EXPECT_FALSE(a.load(1ull << 40));
}

TEST_F(Kit, AHandleKeepsItsRack) {
  auto other = std::make_unique<Rack>(Rack::from_text(machine::kTwoHosts).value());
  Guest guest = other->guest("vm-a");
  Fault down = other->take_link_down("ch1");
  other.reset();
  EXPECT_TRUE(guest.dma(0, Access::write).refused);
  down.mend();
  EXPECT_FALSE(guest.dma(0, Access::write).refused);
}

}  // namespace
}  // namespace ladon::testkit
