// The switch between fakes: what waits, who goes on, and that no frame is lost, doubled or uncounted.
#include "para/mux.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <memory>

#include "client/frames.h"
#include "fakes.h"

namespace ladon::para {
namespace {

constexpr MacAddress kOut{{0x02, 0xEE, 0, 0, 0, 1}};
constexpr MacAddress kAll{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};

MacAddress mac(unsigned index) {
  return {{0x52, 0x54, 0, 0, 1, static_cast<std::uint8_t>(index)}};
}

struct Bed {
  explicit Bed(unsigned count, const Mux::Options& options = {}) : mux(uplink, clock, options) {
    for (unsigned i = 0; i < count; ++i) {
      ports.push_back(*mux.attach({.mac = mac(i)}));
      guests.push_back(std::make_unique<FakeGuest>(*ports.back()));
    }
  }
  [[nodiscard]] Payload frame(const MacAddress& from, const MacAddress& to, std::size_t payload = 18) {
    client::FrameSpec spec;
    spec.source = from;
    spec.destination = to;
    spec.payload = payload;
    spec.seed = ++seed;
    return client::make_frame(spec);
  }
  void send(unsigned from, const MacAddress& to, std::size_t payload = 18) {
    guests[from]->ring.push_back(frame(mac(from), to, payload));
  }
  void run(int times = 8) {
    for (int i = 0; i < times; ++i) {
      for (const auto& guest : guests) guest->poll();
      while (mux.poll()) {
      }
    }
  }

  ManualClock clock;
  FakeUplink uplink;
  Mux mux;
  std::vector<Port*> ports;
  std::vector<std::unique_ptr<FakeGuest>> guests;
  std::uint32_t seed = 0;
};

TEST(Mux, AFullUplinkLetsGuestsWaitInTheirRings) {
  Bed bed(2);
  for (int i = 0; i < 5; ++i) bed.send(0, kOut), bed.send(1, kOut);
  bed.uplink.room = 3;
  bed.run();
  EXPECT_EQ(bed.uplink.sent.size(), 3u);
  EXPECT_EQ(bed.guests[0]->ring.size() + bed.guests[1]->ring.size(), 7u);
  bed.uplink.room = 100;
  bed.run();
  EXPECT_EQ(bed.uplink.sent.size(), 10u);
  EXPECT_EQ(bed.ports[0]->traffic().send_drops.total(), 0u);
}

TEST(Mux, AGuestThatIsTakenAwayWhileItWaitsIsForgotten) {
  Bed bed(3);
  for (unsigned guest = 0; guest < 3; ++guest) bed.send(guest, kOut);
  bed.run();
  bed.guests.erase(bed.guests.begin() + 1);
  bed.mux.detach(*bed.ports[1]);
  bed.uplink.room = 10;
  bed.run();
  EXPECT_EQ(bed.uplink.sent.size(), 2u);
}

TEST(Mux, AnUplinkThatIsDownHoldsNobodyUp) {
  Bed bed(2);
  bed.guests[1]->buffers = 10;
  bed.send(0, kOut);
  bed.send(0, mac(1));
  bed.run();
  EXPECT_TRUE(bed.guests[1]->received.empty()) << "it waits behind the other";
  bed.uplink.down = true;
  bed.run();
  EXPECT_EQ(bed.guests[1]->received.size(), 1u);
  EXPECT_EQ(bed.ports[0]->traffic().send_drops[SendDrop::uplink_down], 1u);
}

TEST(Mux, AGroupFrameThatFindsNoRoomOutsideIsCopiedOnceAllTheSame) {
  Bed bed(3);
  for (auto& guest : bed.guests) guest->buffers = 10;
  bed.send(0, kAll);
  bed.run();
  EXPECT_TRUE(bed.guests[1]->received.empty());
  bed.uplink.room = 1;
  bed.run();
  EXPECT_EQ(bed.guests[1]->received.size(), 1u);
  EXPECT_EQ(bed.guests[2]->received.size(), 1u);
  bed.uplink.down = true;
  bed.send(0, kAll);
  bed.run();
  EXPECT_EQ(bed.guests[1]->received.size(), 2u) << "those here get it though it cannot leave";
}

TEST(Mux, WithoutPatienceAGuestWithoutBuffersHoldsNobodyUp) {
  Bed bed(3);
  bed.guests[2]->buffers = 10;
  bed.send(0, mac(1));
  bed.send(0, mac(2));
  bed.run();
  EXPECT_EQ(bed.guests[2]->received.size(), 1u);
  EXPECT_EQ(bed.ports[1]->traffic().receive_drops[ReceiveDrop::no_buffers], 1u);
}

TEST(Mux, WithPatienceItHoldsThemUpOnce) {
  Bed bed(3, {.patience = std::chrono::milliseconds(10)});
  bed.guests[2]->buffers = 10;
  for (int i = 0; i < 3; ++i) bed.send(0, mac(1)), bed.send(0, mac(2));
  bed.run();
  EXPECT_TRUE(bed.guests[2]->received.empty());
  EXPECT_EQ(bed.mux.next_deadline(), bed.clock.now() + std::chrono::milliseconds(10));
  bed.clock.advance(std::chrono::milliseconds(10));
  bed.run();
  EXPECT_EQ(bed.guests[2]->received.size(), 3u);
  EXPECT_EQ(bed.ports[1]->traffic().receive_drops[ReceiveDrop::no_buffers], 3u);
  EXPECT_FALSE(bed.mux.next_deadline());

  bed.guests[1]->offer(1);  // it is worth waiting for again
  bed.send(0, mac(1));
  bed.send(0, mac(1));
  bed.run();
  EXPECT_EQ(bed.guests[1]->received.size(), 1u);
  EXPECT_TRUE(bed.mux.next_deadline());
  bed.guests[1]->offer(1);
  bed.run();
  EXPECT_EQ(bed.guests[1]->received.size(), 2u);
  bed.send(0, mac(1));
  bed.run();
  bed.ports[1]->link(false);  // nor is it waited for once it has gone
  bed.run();
  EXPECT_TRUE(bed.guests[0]->ring.empty());
}

TEST(Mux, FramesThatAreDroppedAsFastAsTheyComeDoNotKeepTheSwitch) {
  Bed bed(2);
  bed.guests[0]->endless = true;
  bed.send(0, kOut);
  bed.guests[0]->poll();  // no room
  bed.uplink.down = true;
  EXPECT_TRUE(bed.mux.poll());
  bed.guests[1]->buffers = 1;
  bed.uplink.arriving.push_back(bed.frame(kOut, mac(1)));
  EXPECT_TRUE(bed.mux.poll());
  EXPECT_EQ(bed.guests[1]->received.size(), 1u);
}

// A second in which some have no end of frames, and the uplink has room for some of them now and then.
TEST(Mux, FloodsDoNotStarveTheOthers) {
  Bed bed(5);
  const std::array<std::size_t, 4> payload{18, 400, 1400, 1400};
  std::array<std::uint64_t, 5> bytes{};
  for (int step = 0; step < 4000; ++step) {
    for (unsigned guest = 0; guest < 4; ++guest)
      while (bed.guests[guest]->ring.size() < 512) bed.send(guest, kOut, payload[guest]);
    if (step % 10 == 0) bed.send(4, kOut, 100);  // one that sends little
    bed.uplink.room = 40;
    bed.run(1);
    for (const Payload& sent : bed.uplink.sent) bytes[std::to_integer<unsigned>(sent[11])] += sent.size();
    bed.uplink.sent.clear();
  }
  for (unsigned guest = 1; guest < 4; ++guest) {
    EXPECT_NEAR(static_cast<double>(bytes[guest]), static_cast<double>(bytes[0]), 16 * 1024 + 3000) << guest;
  }
  EXPECT_GT(bytes[0], 5'000'000u);
  EXPECT_LE(bed.guests[4]->ring.size(), 2u) << "whoever sends less than its share loses nothing";
}

// Everything at random, against a model: each frame arrives once, in order, where it was for - or one counter
// says why not.
class Model {
 public:
  Model() : bed_(4, {.quantum = *rc::gen::inRange(1u, 5000u), .patience = patience()}) {}

  void act() {
    const unsigned guest = *rc::gen::inRange(0u, 4u);
    switch (*rc::gen::inRange(0, 9)) {
      case 0:
      case 1:
      case 2:
        return offer(guest);
      case 3:
        bed_.guests[guest]->offer(*rc::gen::inRange(1u, 5u));
        return;
      case 4:
        bed_.uplink.room = *rc::gen::inRange(0u, 6u);
        return;
      case 5:
        return arrive(guest);
      case 6:
        bed_.clock.advance(std::chrono::milliseconds(*rc::gen::inRange(0, 4)));
        return;
      default:
        return bed_.run(1);
    }
  }
  void finish() {
    bed_.uplink.room = 1 << 20;
    for (int i = 0; i < 200; ++i) {
      bed_.clock.advance(std::chrono::milliseconds(5));
      bed_.run(2);
    }
    std::uint64_t drops = 0, received = 0;
    for (unsigned i = 0; i < 4; ++i) {
      RC_ASSERT(bed_.guests[i]->ring.empty());
      drops += bed_.ports[i]->traffic().receive_drops.total();
      RC_ASSERT(bed_.ports[i]->traffic().send_drops[SendDrop::to_itself] == to_itself_[i]);
      RC_ASSERT(bed_.ports[i]->traffic().send_drops.total() == to_itself_[i]);
      received += bed_.guests[i]->received.size();
    }
    RC_ASSERT(received + drops == copies_);
    RC_ASSERT(bed_.uplink.sent.size() == out_);
    RC_ASSERT(bed_.mux.arrivals() == arrivals_);
    RC_ASSERT(bed_.mux.arrival_drops().total() == for_nobody_);
    RC_ASSERT(!bed_.mux.next_deadline());
    in_order(bed_.uplink.sent);
    for (const auto& guest : bed_.guests) in_order(guest->received);
  }

 private:
  static Duration patience() { return std::chrono::milliseconds(*rc::gen::inRange(0, 5)); }
  MacAddress any_destination(unsigned guest) {
    return *rc::gen::element(kOut, kAll, mac(guest), mac((guest + 1) % 4), mac((guest + 2) % 4));
  }
  void offer(unsigned guest) {
    const MacAddress to = any_destination(guest);
    bed_.send(guest, to);
    if (to == mac(guest))
      ++to_itself_[guest];
    else if (to == kAll)
      copies_ += 3, ++out_;
    else if (to == kOut)
      ++out_;
    else
      ++copies_;
  }
  void arrive(unsigned guest) {
    const MacAddress to = any_destination(guest);
    bed_.uplink.arriving.push_back(bed_.frame(kOut, to));
    ++arrivals_;
    if (to == kAll)
      copies_ += 4;
    else if (to == kOut)
      ++for_nobody_;
    else
      ++copies_;
  }
  // Frames of one sender to one receiver carry rising seeds, hence the check by the order they were made in.
  void in_order(const std::vector<Payload>& frames) {
    std::map<Payload, std::uint32_t> made;
    client::FrameSpec spec;
    for (std::uint32_t seed = 1; seed <= bed_.seed; ++seed) {
      spec.seed = seed;
      const auto frame = client::make_frame(spec);
      made[Payload(frame.end() - 18, frame.end())] = seed;
    }
    std::map<std::uint64_t, std::uint32_t> last;  // by source
    for (const Payload& frame : frames) {
      const auto found = made.find(Payload(frame.end() - 18, frame.end()));
      RC_ASSERT(found != made.end());
      std::uint32_t& before = last[load_le<std::uint64_t>(frame.data() + 4) >> 16];
      RC_ASSERT(found->second > before);
      before = found->second;
    }
  }

  Bed bed_;
  std::uint64_t arrivals_ = 0, for_nobody_ = 0, copies_ = 0, out_ = 0;
  std::array<std::uint64_t, 4> to_itself_{};
};

RC_GTEST_PROP(Mux, EveryFrameIsWhereItBelongsOrCounted, ()) {
  Model model;
  for (int i = *rc::gen::inRange(10, 300); i > 0; --i) model.act();
  model.finish();
}

}  // namespace
}  // namespace ladon::para
