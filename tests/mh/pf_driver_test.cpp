#include "mh/pf_driver.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include "mh/sample.h"
#include "spec/ixgbevf.h"

namespace ladon::mh {
namespace {

namespace pf = spec::pf;
namespace vfr = spec::ixgbevf;
using testing::ElementsAre;

constexpr std::uint32_t kOk = vfr::kMessageAck | vfr::kMessageCts, kNo = vfr::kMessageNack | vfr::kMessageCts;

class PfTest : public testing::Test {
 protected:
  void SetUp() override { start(grant(0, 1, 0)); }
  void start(const Grant& g) {
    auto inventory = take_inventory(host);
    ASSERT_TRUE(inventory.has_value());
    driver = std::make_unique<PfDriver>(host, inventory->nics[0], [this](auto) { ++pauses; });
    ASSERT_TRUE(driver->start(false).has_value());
    ASSERT_TRUE(driver->enable(0, g).has_value());
    ASSERT_TRUE(driver->enable(1, grant(1, 1, 1)).has_value());
  }
  // What the VF finds in its mailbox after sending `words`.
  std::uint32_t ask(std::vector<std::uint32_t> words, std::uint16_t vf = 0) {
    rack.nic.send(vf, std::move(words));
    EXPECT_TRUE(driver->service().has_value());
    return rack.nic.memory[vf][0];
  }
  void negotiate(std::uint16_t vf = 0) {
    ASSERT_EQ(ask({vfr::kMessageReset}, vf), vfr::kMessageReset | vfr::kMessageAck);
    ASSERT_EQ(ask({vfr::kMessageApi, 4}, vf), vfr::kMessageApi | kOk);
  }

  fakes::FakeRack rack;
  host::BlockingHost host{rack.mh};
  std::unique_ptr<PfDriver> driver;
  int pauses = 0;
};

TEST_F(PfTest, GivesAVfItsIdentityBeforeItRuns) {
  EXPECT_TRUE(rack.nic.enabled(0));
  EXPECT_EQ(rack.nic.mac(0), grant(0, 1, 0).mac.bits());
  EXPECT_NE(rack.nic.vf_reg(0, pf::kVfMacHigh) & 1u << 31, 0u);
  EXPECT_NE(rack.nic.vf_reg(0, pf::kVfControl) & pf::kVfSpoofCheck, 0u);
  const auto& vf = rack.mh.functions.back()->vfs[0];
  EXPECT_TRUE(vf.bus_master());
  EXPECT_NE(vf.read(*vf.capability(spec::pci::kCapMsix) + 2, 2) & spec::pci::kMsixControlEnable, 0u);
  EXPECT_FALSE(rack.nic.enabled(2));
  EXPECT_FALSE(rack.mh.functions.back()->vfs[2].bus_master());
}

TEST_F(PfTest, AnswersResetWithTheMacAndWithoutCts) {
  EXPECT_EQ(ask({vfr::kMessageReset}), vfr::kMessageReset | vfr::kMessageAck);
  const auto& words = rack.nic.memory[0];
  EXPECT_EQ(words[1], 0x0000'0002u);
  EXPECT_EQ(words[2] & 0xFFFF, 0u);
  EXPECT_EQ(words[3], 0u);
  EXPECT_EQ(rack.nic.replies, 1);
}

TEST_F(PfTest, RefusesEverythingBeforeReset) {
  const auto answer = ask({vfr::kMessageApi, 4});
  EXPECT_EQ(answer, vfr::kMessageApi | vfr::kMessageNack);  // no CTS: the driver resets
  EXPECT_EQ(driver->refusals(0)[MailboxRefusal::not_ready], 1u);
  EXPECT_EQ(ask({vfr::kMessageApi | vfr::kMessageCts, 4}), vfr::kMessageApi | vfr::kMessageNack);
}

TEST_F(PfTest, TellsADriverThatMissedAReset) {
  negotiate();
  const auto reset = [&] {
    rack.nic.set_bit(pf::kFlrPending, 0, true);
    ASSERT_TRUE(driver->service().has_value());
  };
  // One that resets its VF itself says RESET within a tick and hears nothing else.
  reset();
  driver->tick();
  negotiate();
  const int replies = rack.nic.replies;
  for (int i = 0; i < 5; ++i) driver->tick();
  EXPECT_EQ(rack.nic.replies, replies);
  // A function-level reset behind its back: told once, without CTS, so that it starts anew.
  reset();
  driver->tick();
  EXPECT_EQ(rack.nic.replies, replies);
  for (int i = 0; i < 5; ++i) driver->tick();
  EXPECT_EQ(rack.nic.replies, replies + 1);
  EXPECT_EQ(rack.nic.memory[0][0], vfr::kMessagePfControl | vfr::kMessageNack);
  EXPECT_GT(rack.nic.resets_told, 0);
  // A VF that never had a driver is told nothing.
  EXPECT_EQ(rack.nic.memory[1][0], 0u);
}

TEST_F(PfTest, NegotiatesUpToApi13) {
  ASSERT_EQ(ask({vfr::kMessageReset}), vfr::kMessageReset | vfr::kMessageAck);
  for (const std::uint32_t newer : {8u, 7u, 6u, 5u, 1u, 99u})
    EXPECT_EQ(ask({vfr::kMessageApi, newer}), vfr::kMessageApi | kNo);
  EXPECT_EQ(ask({vfr::kMessageApi, 4}), vfr::kMessageApi | kOk);
  EXPECT_EQ(driver->refusals(0)[MailboxRefusal::api_too_new], 6u);
}

TEST_F(PfTest, KeepsCtsInWordZero) {
  negotiate();
  ask({vfr::kMessageGetLinkState});
  EXPECT_NE(rack.nic.memory[0][0] & vfr::kMessageCts, 0u);
  ask({0x12});
  EXPECT_EQ(rack.nic.memory[0][0], 0x12 | kNo);
}

TEST_F(PfTest, TellsTheQueues) {
  negotiate();
  EXPECT_EQ(ask({vfr::kMessageGetQueues}), vfr::kMessageGetQueues | kOk);
  EXPECT_EQ(rack.nic.memory[0][1], 2u);
  EXPECT_EQ(rack.nic.memory[0][2], 2u);
  EXPECT_EQ(rack.nic.memory[0][3], 0u);
  EXPECT_EQ(rack.nic.memory[0][4], 0u);
}

TEST_F(PfTest, AMacIsTakenOnlyIfItIsTheGivenOne) {
  negotiate();
  const std::uint32_t own_high = 0;  // 02:00:00:00:00:00
  EXPECT_EQ(ask({vfr::kMessageSetMac, 2, own_high}), vfr::kMessageSetMac | kOk);
  EXPECT_EQ(ask({vfr::kMessageSetMac, 2, 0x0100}), vfr::kMessageSetMac | kNo);
  EXPECT_EQ(ask({vfr::kMessageSetMac, 3, 0}), vfr::kMessageSetMac | kNo);  // multicast
  EXPECT_EQ(rack.nic.mac(0), 2u);
  EXPECT_EQ(driver->refusals(0)[MailboxRefusal::foreign_mac], 1u);
}

TEST_F(PfTest, ATrustedVfMayChangeItsMacUntilItIsReset) {
  Grant trusted = grant(0, 1, 0);
  trusted.trust = true;
  start(trusted);
  negotiate();
  EXPECT_EQ(ask({vfr::kMessageSetMac, 0x1234'5602, 0x789A}), vfr::kMessageSetMac | kOk);
  EXPECT_EQ(rack.nic.mac(0), 0x789A'1234'5602u);
  negotiate();
  EXPECT_EQ(rack.nic.mac(0), 2u);
}

TEST_F(PfTest, MulticastVlanAndFrameLength) {
  negotiate();
  EXPECT_EQ(ask({vfr::kMessageSetMulticast | 3 << 16, 0x0ABC'0123, 0x0000'0FFF}),
            (vfr::kMessageSetMulticast | 3 << 16) | kOk);
  EXPECT_THAT(rack.nic.multicast, ElementsAre(0x123, 0xABC, 0xFFF));
  EXPECT_NE(rack.nic.vf_reg(0, pf::kVfReceiveMode) & pf::kReceiveMulticast, 0u);
  rack.nic.vlans.clear();
  EXPECT_EQ(ask({vfr::kMessageSetVlan | 1 << 16, 100}), (vfr::kMessageSetVlan | 1 << 16) | kOk);
  EXPECT_EQ(ask({vfr::kMessageSetVlan, 100}), vfr::kMessageSetVlan | kOk);
  EXPECT_EQ(ask({vfr::kMessageSetVlan | 1 << 16, 0}), (vfr::kMessageSetVlan | 1 << 16) | kOk);
  EXPECT_THAT(rack.nic.vlans, ElementsAre(100u | 1u << 30, 100u));
  EXPECT_EQ(ask({vfr::kMessageSetMaxFrame, 9018}), vfr::kMessageSetMaxFrame | kOk);
  EXPECT_EQ(rack.nic.vf_reg(0, pf::kVfMaxFrame), 9018u);  // minus FCS, plus a tag
  for (const std::uint32_t bad : {0u, 67u, 9729u, ~0u})
    EXPECT_EQ(ask({vfr::kMessageSetMaxFrame, bad}), vfr::kMessageSetMaxFrame | kNo);
}

TEST_F(PfTest, AGivenVlanIsNotTheGuestsToChange) {
  Grant tagged = grant(0, 1, 0);
  tagged.vlan = 7;
  start(tagged);
  negotiate();
  EXPECT_EQ(rack.nic.vf_reg(0, pf::kVfVlan), 7u | 1u << 31);
  EXPECT_EQ(ask({vfr::kMessageSetVlan | 1 << 16, 100}), (vfr::kMessageSetVlan | 1 << 16) | kNo);
  EXPECT_EQ(ask({vfr::kMessageGetQueues}), vfr::kMessageGetQueues | kOk);
  EXPECT_EQ(rack.nic.memory[0][3], 1u);
}

TEST_F(PfTest, WithoutTrustLessIsGrantedThanAskedFor) {
  negotiate();
  EXPECT_EQ(ask({vfr::kMessageUpdateXcast, 3}), vfr::kMessageUpdateXcast | kOk);
  EXPECT_EQ(rack.nic.memory[0][1], 1u);
  EXPECT_EQ(rack.nic.vf_reg(0, pf::kVfReceiveMode), pf::kReceiveBroadcast | pf::kReceiveMulticast);
  EXPECT_EQ(ask({vfr::kMessageUpdateXcast, 0}), vfr::kMessageUpdateXcast | kOk);
  EXPECT_EQ(rack.nic.vf_reg(0, pf::kVfReceiveMode), pf::kReceiveBroadcast);
  EXPECT_EQ(ask({vfr::kMessageUpdateXcast, 4}), vfr::kMessageUpdateXcast | kNo);
  EXPECT_EQ(ask({vfr::kMessageSetMacVlan | 1 << 16, 2, 5}), (vfr::kMessageSetMacVlan | 1 << 16) | kNo);
}

TEST_F(PfTest, AdditionalMacsEndWithTheVfsReset) {
  Grant trusted = grant(0, 1, 0);
  trusted.trust = true;
  start(trusted);
  negotiate();
  const auto valid = [&](std::uint32_t i) {
    return (rack.nic.registers[pf::kFilters + i * pf::kFilterStride + pf::kFilterVf] >> 31) != 0;
  };
  // As many as are left for the others.
  for (std::uint32_t i = 0; i < pf::kFilterCount / 2; ++i)
    ASSERT_EQ(ask({vfr::kMessageSetMacVlan | 2 << 16, 2, 100 + i}),
              (vfr::kMessageSetMacVlan | 2 << 16) | kOk);
  EXPECT_EQ(ask({vfr::kMessageSetMacVlan | 2 << 16, 2, 999}), (vfr::kMessageSetMacVlan | 2 << 16) | kNo);
  EXPECT_EQ(driver->refusals(0)[MailboxRefusal::no_filter], 1u);
  EXPECT_TRUE(valid(0) && valid(63));
  EXPECT_FALSE(valid(64));
  driver->tick();
  negotiate();
  EXPECT_FALSE(valid(0) || valid(63));
}

class TrustedPf : public PfTest {
 protected:
  void SetUp() override {
    trusted = grant(0, 1, 0);
    trusted.trust = true;
    start(trusted);
    negotiate();
  }
  std::uint32_t set_mac(std::uint32_t low, std::uint32_t high, std::uint16_t vf = 0) {
    return ask({vfr::kMessageSetMac, low, high}, vf);
  }
  std::uint32_t add_filter(std::uint32_t low, std::uint32_t high, std::uint16_t vf = 0) {
    return ask({vfr::kMessageSetMacVlan | 2 << 16, low, high}, vf) & ~(2u << 16);
  }
  Grant trusted;
};

TEST_F(TrustedPf, AnothersAddressIsNotTaken) {
  const std::uint64_t other = grant(1, 1, 1).mac.bits();
  const auto low = static_cast<std::uint32_t>(other), high = static_cast<std::uint32_t>(other >> 32);
  EXPECT_EQ(set_mac(low, high), vfr::kMessageSetMac | kNo);
  EXPECT_EQ(add_filter(low, high), vfr::kMessageSetMacVlan | kNo);
  EXPECT_EQ(driver->refusals(0)[MailboxRefusal::taken_mac], 2u);
  EXPECT_EQ(rack.nic.mac(0), grant(0, 1, 0).mac.bits());
  // Nor one that another has chosen for itself, nor one of its filters.
  Grant second = grant(1, 1, 1);
  second.trust = true;
  ASSERT_TRUE(driver->quiesce(1).has_value());
  ASSERT_TRUE(driver->enable(1, second).has_value());
  negotiate(1);
  EXPECT_EQ(set_mac(0x02, 0x77, 1), vfr::kMessageSetMac | kOk);
  EXPECT_EQ(add_filter(0x02, 0x88, 1), vfr::kMessageSetMacVlan | kOk);
  EXPECT_EQ(set_mac(0x02, 0x77), vfr::kMessageSetMac | kNo);
  EXPECT_EQ(set_mac(0x02, 0x88), vfr::kMessageSetMac | kNo);
  EXPECT_EQ(set_mac(low, high), vfr::kMessageSetMac | kNo) << "given to it, though it has another now";
  EXPECT_EQ(driver->refusals(0)[MailboxRefusal::taken_mac], 5u);
  EXPECT_EQ(set_mac(0x02, 0x99), vfr::kMessageSetMac | kOk);
}

TEST_F(TrustedPf, InAVlanOfItsOwnAnAddressIsFree) {
  const std::uint64_t other = grant(1, 1, 1).mac.bits();
  const auto low = static_cast<std::uint32_t>(other), high = static_cast<std::uint32_t>(other >> 32);
  Grant first = trusted, second = grant(1, 1, 1);
  for (const auto& [one, two, result] :
       {std::tuple{7, 8, kOk}, std::tuple{7, 7, kNo}, std::tuple{7, 0, kNo}}) {
    first.vlan = static_cast<std::uint16_t>(one);
    second.vlan.reset();
    if (two != 0) second.vlan = static_cast<std::uint16_t>(two);
    for (std::uint16_t vf = 0; vf < 2; ++vf) {
      ASSERT_TRUE(driver->quiesce(vf).has_value());
      ASSERT_TRUE(driver->enable(vf, vf == 0 ? first : second).has_value());
    }
    negotiate();
    EXPECT_EQ(set_mac(low, high), vfr::kMessageSetMac | result) << one << " and " << two;
  }
}

TEST_F(TrustedPf, WhatVlansNoLongerKeepApartIsTakenBack) {
  Grant second = grant(1, 1, 1);
  const std::uint64_t other = second.mac.bits();
  const auto low = static_cast<std::uint32_t>(other), high = static_cast<std::uint32_t>(other >> 32);
  const auto filter = [&] { return rack.nic.registers[pf::kFilters + pf::kFilterVf] >> 31; };
  trusted.vlan = 7, second.vlan = 8;
  ASSERT_TRUE(driver->change(0, trusted).has_value());
  ASSERT_TRUE(driver->quiesce(1).has_value());
  ASSERT_TRUE(driver->enable(1, second).has_value());
  negotiate();
  EXPECT_EQ(set_mac(low, high), vfr::kMessageSetMac | kOk);
  second.vlan = 7;
  ASSERT_TRUE(driver->change(1, second).has_value());
  EXPECT_EQ(rack.nic.mac(0), trusted.mac.bits());
  EXPECT_EQ(rack.nic.mac(1), other);
  // The same of an additional address.
  second.vlan = 8;
  ASSERT_TRUE(driver->change(1, second).has_value());
  negotiate();
  EXPECT_EQ(add_filter(low, high), vfr::kMessageSetMacVlan | kOk);
  EXPECT_EQ(filter(), 1u);
  second.vlan = 7;
  ASSERT_TRUE(driver->change(1, second).has_value());
  EXPECT_EQ(filter(), 0u);
}

TEST_F(TrustedPf, FiltersSurviveTheDriver) {
  ASSERT_EQ(add_filter(0x02, 0x88), vfr::kMessageSetMacVlan | kOk);
  auto inventory = take_inventory(host);
  driver = std::make_unique<PfDriver>(host, inventory->nics[0], [](auto) {});
  ASSERT_TRUE(driver->start(true).has_value());
  ASSERT_TRUE(driver->adopt(0, trusted).has_value());
  Grant second = grant(1, 1, 1);
  second.trust = true;
  ASSERT_TRUE(driver->adopt(1, second).has_value());
  EXPECT_EQ(add_filter(0x02, 0x88, 1), vfr::kMessageSetMacVlan | kNo);
  EXPECT_EQ(add_filter(0x02, 0x99, 1), vfr::kMessageSetMacVlan | kOk);
  const auto owner = [&](std::uint32_t i) {
    return rack.nic.registers[pf::kFilters + i * pf::kFilterStride + pf::kFilterVf];
  };
  EXPECT_EQ(owner(0), 0u | 1u << 31) << "not overwritten";
  EXPECT_EQ(owner(1), 1u | 1u << 31);
}

TEST_F(PfTest, AResetOfTheVfIsAnswered) {
  negotiate();
  rack.nic.set_bit(pf::kFlrPending, 0, true);
  ASSERT_TRUE(driver->service().has_value());
  EXPECT_EQ(rack.nic.registers[pf::kFlrPending], 0u);
  EXPECT_EQ(ask({vfr::kMessageGetQueues}), vfr::kMessageGetQueues | vfr::kMessageNack);
  negotiate();
}

TEST_F(PfTest, AResetAndItsFirstMessageAreSeenInThatOrder) {
  negotiate();
  rack.nic.set_bit(pf::kFlrPending, 0, true);
  EXPECT_EQ(ask({vfr::kMessageReset}), vfr::kMessageReset | vfr::kMessageAck);
  EXPECT_EQ(ask({vfr::kMessageApi, 4}), vfr::kMessageApi | kOk);
}

TEST_F(PfTest, AFloodIsCountedAndToldOnceAndTheOthersAreAnswered) {
  negotiate(1);
  std::size_t floods = 0;
  for (std::uint32_t i = 0; i < PfDriver::kMailboxLimit + 50; ++i) {
    rack.nic.send(0, {vfr::kMessageGetLinkState});
    const auto events = driver->service();
    ASSERT_TRUE(events.has_value());
    for (const auto& event : *events) floods += event.kind == PfEvent::Kind::flood;
  }
  EXPECT_EQ(floods, 1u);
  EXPECT_EQ(driver->refusals(0)[MailboxRefusal::flood], 50u);
  EXPECT_EQ(ask({vfr::kMessageGetLinkState}, 1), vfr::kMessageGetLinkState | kOk);
  driver->tick();
  negotiate();
}

TEST_F(PfTest, AnAnswerInsteadOfARequestIsCountedAndNotAnswered) {
  negotiate();
  const int replies = rack.nic.replies;
  for (const std::uint32_t bit : {vfr::kMessageAck, vfr::kMessageNack}) {
    rack.nic.send(0, {vfr::kMessageGetLinkState | bit});
    ASSERT_TRUE(driver->service().has_value());
  }
  EXPECT_EQ(rack.nic.replies, replies);
  EXPECT_EQ(driver->refusals(0)[MailboxRefusal::answer], 2u);
}

TEST_F(PfTest, FaultsAndLinkAreEvents) {
  negotiate();
  rack.nic.registers[pf::kVf + 1 * pf::kVfStride + pf::kVfFault] = 6;
  rack.nic.set_bit(pf::kFaultPending, 1, true);
  rack.nic.registers[pf::kStatus] = 1;
  const int replies = rack.nic.replies;
  const auto events = driver->service();
  ASSERT_TRUE(events.has_value());
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ((*events)[0].vf, 1);
  EXPECT_EQ((*events)[0].reason, 6u);
  EXPECT_EQ((*events)[1].kind, PfEvent::Kind::link);
  EXPECT_EQ(rack.nic.registers[pf::kFaultPending], 0u);
  // Both VFs hear that something about the PF has changed.
  EXPECT_EQ(rack.nic.replies, replies + 2);
  EXPECT_EQ(rack.nic.memory[0][0], vfr::kMessagePfControl | vfr::kMessageCts);
}

TEST_F(PfTest, WhatIsAnnouncedCoversNoAnswer) {
  negotiate();
  negotiate(1);
  // Asked and the link changed at once: the answer is the last that is written.
  rack.nic.registers[pf::kStatus] = 1;
  EXPECT_EQ(ask({vfr::kMessageGetLinkState}), vfr::kMessageGetLinkState | kOk);
  EXPECT_EQ(rack.nic.memory[1][0], vfr::kMessagePfControl | vfr::kMessageCts);
  // Answered, and the link changes before the VF has read that.
  rack.nic.acknowledges = false;
  rack.nic.registers[pf::kStatus] = 0;
  ASSERT_TRUE(driver->service().has_value());
  EXPECT_EQ(rack.nic.memory[0][0], vfr::kMessageGetLinkState | kOk);
}

TEST_F(PfTest, TakesAVfAwayInOrder) {
  rack.nic.history.clear();
  ASSERT_TRUE(driver->quiesce(0).has_value());
  EXPECT_FALSE(rack.mh.functions.back()->vfs[0].bus_master());
  ASSERT_TRUE(driver->reset_and_scrub(0).has_value());
  ASSERT_TRUE(driver->resume(0).has_value());
  EXPECT_THAT(rack.nic.history, ElementsAre("disable 0", "flr 0", "scrub 0", "enable 0"));
  EXPECT_TRUE(rack.mh.functions.back()->vfs[0].bus_master());
  EXPECT_EQ(rack.nic.registers[pf::kFlrPending], 0u);
}

TEST_F(PfTest, AVfThatDoesNotComeToRestIsAnError) {
  rack.nic.never_quiesces = true;
  const auto done = driver->quiesce(0);
  ASSERT_FALSE(done.has_value());
  EXPECT_THAT(done.error().message, testing::HasSubstr("does not come to rest"));
  EXPECT_EQ(pauses, 1000);
}

TEST_F(PfTest, AQuarantinedVfStaysOffAndIsRefused) {
  negotiate();
  ASSERT_TRUE(driver->quarantine(0).has_value());
  EXPECT_FALSE(rack.nic.enabled(0));
  EXPECT_EQ(rack.nic.vf_reg(0, pf::kVfControl) & pf::kVfLink, 0u);
  EXPECT_EQ(ask({vfr::kMessageReset}), vfr::kMessageReset | vfr::kMessageNack);
  ASSERT_TRUE(driver->resume(0).has_value());
  EXPECT_FALSE(rack.nic.enabled(0));
  EXPECT_TRUE(rack.nic.enabled(1));
  ASSERT_TRUE(driver->enable(0, grant(0, 1, 0)).has_value());
  negotiate();
}

TEST_F(PfTest, AnAdoptedVfGoesOnAsNegotiated) {
  negotiate();
  const auto before = rack.nic.registers;
  auto inventory = take_inventory(host);
  PfDriver successor(host, inventory->nics[0], [](auto) {});
  ASSERT_TRUE(successor.adopt(0, grant(0, 1, 0)).has_value());
  EXPECT_EQ(rack.nic.registers, before);
  rack.nic.send(0, {vfr::kMessageGetQueues});
  ASSERT_TRUE(successor.service().has_value());
  EXPECT_EQ(rack.nic.memory[0][0], vfr::kMessageGetQueues | kOk);
}

TEST_F(PfTest, AHostThatIsGoneIsAnErrorNotAVf) {
  rack.mh.requests_left = 3;
  EXPECT_FALSE(driver->service().has_value());
  EXPECT_FALSE(driver->quiesce(0).has_value());
}

TEST_F(PfTest, AnyMailboxWhateverNeitherMovesOthersNorItsOwnMac) {
  EXPECT_TRUE(rc::check("random messages", [this] {
    const auto mac = rack.nic.mac(0), other = rack.nic.mac(1);
    const auto control = rack.nic.vf_reg(1, pf::kVfControl), mode = rack.nic.vf_reg(1, pf::kVfReceiveMode);
    driver->tick();
    const auto count = *rc::gen::inRange(1, 20);
    for (int i = 0; i < count; ++i) {
      auto words = *rc::gen::container<std::vector<std::uint32_t>>(16, rc::gen::arbitrary<std::uint32_t>());
      words[0] =
          *rc::gen::oneOf(rc::gen::just(1u), rc::gen::inRange(0u, 32u), rc::gen::arbitrary<std::uint32_t>());
      rack.nic.send(0, words);
      RC_ASSERT(driver->service().has_value());
    }
    RC_ASSERT(rack.nic.mac(0) == mac);
    RC_ASSERT(rack.nic.mac(1) == other);
    RC_ASSERT(rack.nic.vf_reg(1, pf::kVfControl) == control);
    RC_ASSERT(rack.nic.vf_reg(1, pf::kVfReceiveMode) == mode);
    RC_ASSERT((rack.nic.vf_reg(0, pf::kVfReceiveMode) &
               (pf::kReceivePromiscuous | pf::kReceiveAllMulticast)) == 0u);
  }));
}

}  // namespace
}  // namespace ladon::mh
