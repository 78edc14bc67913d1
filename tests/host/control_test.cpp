#include "host/control.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include "fakes/fake_host.h"
#include "host/control_channel.h"

namespace ladon::host::control {
namespace {

const Assign kAssign{.slot = 3,
                     .vm = pcie::Vm{7},
                     .requester = 0x0B,
                     .vf_device = 0x1565,
                     .registers = 0x1'2345'6000,
                     .msix = 0x8000,
                     .message_base = 1ull << 46,
                     .mac = {{0x02, 1, 2, 3, 4, 5}}};
const std::vector<Message> kAll{
    kAssign,
    Revoke{1},
    Quiesced{2},
    Scrubbed{3},
    Ready{4, true},
    Attached{5},
    Detach{6},
    Revoked{7},
    FaultReport{8, 999, pcie::Access::write, 0x1'4000'0040, "DMA remapping: not mapped"}};

// One side: its link and its half of the words.
struct End {
  explicit End(std::uint16_t session) : link(session) {
    for (const auto& w : link.open()) half[w.word] = w.value;
  }
  void restart() {
    const auto session = Link::next_session(half[1]);
    link = Link(session);
    for (const auto& w : link.open()) half[w.word] = w.value;
    received.clear();
  }
  void look(const End& peer) {
    const auto step = link.step(peer.half);
    for (const auto& w : step.writes) half[w.word] = w.value;
    if (step.peer_started) ++starts, received.clear();
    if (step.received) received.push_back(*step.received);
  }
  Link link;
  Half half{};
  int starts = 0;
  std::vector<Message> received;
};

void meet(End& a, End& b) {
  for (int i = 0; i < 3; ++i) a.look(b), b.look(a);
}

TEST(ControlLink, EveryMessageArrivesOnceInOrder) {
  End a(1), b(1);
  meet(a, b);
  EXPECT_EQ(a.starts, 1);
  EXPECT_EQ(b.starts, 1);
  for (const auto& m : kAll) a.link.send(m);
  for (int i = 0; i < 100; ++i) a.look(b), b.look(a);
  EXPECT_EQ(b.received, kAll);
  EXPECT_EQ(a.link.queued(), 0u);
}

TEST(ControlLink, LookingTwiceReceivesOnce) {
  End a(1), b(1);
  meet(a, b);
  a.link.send(Revoke{1});
  a.look(b);
  for (int i = 0; i < 5; ++i) b.look(a);
  EXPECT_EQ(b.received.size(), 1u);
}

TEST(ControlLink, ATornMessageIsNotReceivedUntilItIsWhole) {
  End a(1), b(1);
  meet(a, b);
  a.link.send(kAssign);
  const auto step = a.link.step(b.half);
  ASSERT_FALSE(step.writes.empty());
  for (const auto& w : step.writes) {
    EXPECT_TRUE(b.received.empty());
    a.half[w.word] = w.value;
    b.look(a);
  }
  EXPECT_EQ(b.received, std::vector<Message>{kAssign});
  EXPECT_EQ(b.link.malformed(), 0u);
}

TEST(ControlLink, WhatWasMeantForAPredecessorIsNotReceived) {
  End a(1), b(1);
  meet(a, b);
  a.link.send(Ready{1, true});
  a.look(b);
  b.restart();
  b.look(a);
  EXPECT_TRUE(b.received.empty());
  meet(a, b);
  EXPECT_EQ(a.starts, 2);
  a.link.send(Ready{1, false});
  meet(a, b);
  EXPECT_EQ(b.received, (std::vector<Message>{Ready{1, false}}));
}

TEST(ControlLink, AnyWordsWhateverAreNoMessageOrACountedMistake) {
  EXPECT_TRUE(rc::check("a peer that writes anything breaks nothing", [] {
    End a(1), b(1);
    meet(a, b);
    const auto writes = *rc::gen::inRange(1, 20);
    for (int i = 0; i < writes; ++i) {
      a.half[*rc::gen::inRange<std::size_t>(0, kHalfWords)] = *rc::gen::arbitrary<std::uint32_t>();
      b.look(a);
    }
    RC_ASSERT(b.link.queued() == 0u);
  }));
}

TEST(ControlLink, RestartsAndMissedLooksLoseNothingOfTheNewestSession) {
  EXPECT_TRUE(rc::check("after the last restart everything sent arrives, once, in order", [] {
    End a(1), b(1);
    meet(a, b);
    const auto ops = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 6));
    std::uint8_t next = 0;
    std::vector<Message> expected;
    for (const int op : ops) {
      if (op == 0) a.look(b);
      if (op == 1) b.look(a);
      if (op == 2 || op == 3) a.link.send(Revoke{next++});
      if (op == 4) a.restart();
      if (op == 5) b.restart();
    }
    meet(a, b);
    meet(a, b);
    // A fresh start: drop what is under way, then speak.
    a.restart();
    meet(a, b);
    b.received.clear();
    for (std::uint8_t i = 0; i < 5; ++i) {
      a.link.send(Attached{i});
      expected.emplace_back(Attached{i});
    }
    for (int i = 0; i < 40; ++i) a.look(b), b.look(a);
    RC_ASSERT(b.received == expected);
  }));
}

TEST(ControlLink, AQueueThatNobodyReadsIsBounded) {
  Link link(1);
  for (int i = 0; i < 10'000; ++i) link.send(Revoke{1});
  EXPECT_LE(link.queued(), 256u);
}

TEST(ControlLink, SessionsNeverRepeatAtOnceAndAreNeverZero) {
  EXPECT_EQ(Link::next_session(0), 1);
  EXPECT_EQ(Link::next_session(1u << 16), 2);
  EXPECT_EQ(Link::next_session(0xFFFFu << 16), 1);
}

// Two programs of one host, over a page of its memory.
TEST(ControlChannel, CrossesAPageOfMemory) {
  fakes::FakeHost host;
  const BusAddr page = local_page(host.description);
  std::vector<Message> at_part, at_management;
  int starts = 0;
  Channel management(page_port(host, page, kPartControlVector), Side::management);
  Channel part(page_port(host, page, kManagementControlVector), Side::part);
  host.on_self_interrupt = [&](std::uint32_t vector) {
    if (vector == kPartControlVector) part.poll();
    if (vector == kManagementControlVector) management.poll();
  };
  part.start([&] { ++starts; }, [&](const Message& m) { at_part.push_back(m); });
  management.start([&] { ++starts; }, [&](const Message& m) { at_management.push_back(m); });
  EXPECT_EQ(starts, 2);
  for (const auto& m : kAll) management.send(m), part.send(m);
  EXPECT_EQ(at_part, kAll);
  EXPECT_EQ(at_management, kAll);
}

TEST(ControlChannel, AnsweringFromTheCallbackWorks) {
  fakes::FakeHost host;
  const BusAddr page = local_page(host.description);
  int received = 0;
  Channel a(page_port(host, page, 1), Side::management), b(page_port(host, page, 2), Side::part);
  host.on_self_interrupt = [&](std::uint32_t vector) { (vector == 1 ? b : a).poll(); };
  b.start([] {}, [&](const Message&) { b.send(Attached{1}); });
  a.start([] {},
          [&](const Message&) {
            if (++received < 50) a.send(Revoke{1});
          });
  a.send(Revoke{1});
  for (int i = 0; i < 20; ++i) a.poll(), b.poll();
  EXPECT_EQ(received, 50);
}

}  // namespace
}  // namespace ladon::host::control
