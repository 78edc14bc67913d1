#include "host/control_channel.h"

#include "base/bytes.h"
#include "spec/ntb.h"

namespace ladon::host::control {

namespace ntb = spec::ntb;

namespace {

constexpr std::uint64_t kHalfBytes = kHalfWords * 4;
constexpr std::uint64_t offset_of(Side side, std::size_t word) {
  return (side == Side::management ? 0 : kHalfBytes) + 4 * word;
}

void ignore(const Result&) {}

class NtbPort final : public Port {
 public:
  NtbPort(HostBridge& bridge, BusAddr control_bar) : bridge_(bridge), bar_(control_bar) {}

  void read_half(Side side, HalfRead done) override {
    struct Reading {
      Half half{};
      std::size_t left = kHalfWords;
      bool failed = false;
      HalfRead done;
    };
    const auto reading = std::make_shared<Reading>();
    reading->done = std::move(done);
    // The header is read first: a message that is being replaced meanwhile then fails its checksum.
    for (std::size_t i = 0; i < kHalfWords; ++i)
      bridge_.submit(Load{at(ntb::kScratchpads + offset_of(side, i)), 4}, [reading, i](const Result& result) {
        const auto* value = result ? std::get_if<Value>(&*result) : nullptr;
        if (value != nullptr)
          reading->half[i] = static_cast<std::uint32_t>(value->value);
        else
          reading->failed = true;
        if (--reading->left == 0)
          reading->done(reading->failed ? std::nullopt : std::optional(reading->half));
      });
  }
  void write(Side side, WordWrite w) override {
    bridge_.submit(Store{at(ntb::kScratchpads + offset_of(side, w.word)), 4, w.value}, ignore);
  }
  void ring_peer() override { bridge_.submit(Store{at(ntb::kDoorbellPeer), 4, 1}, ignore); }
  void clear_ring() override { bridge_.submit(Store{at(ntb::kDoorbellStatus), 4, 0xFFFF'FFFF}, ignore); }

 private:
  // The BAR is 64 KiB and placed: it does not wrap.
  [[nodiscard]] BusAddr at(std::uint64_t offset) const { return BusAddr(bar_.bits() + offset); }
  HostBridge& bridge_;
  BusAddr bar_;
};

class PagePort final : public Port {
 public:
  PagePort(HostBridge& bridge, BusAddr page, std::uint32_t peer_vector)
      : bridge_(bridge), page_(page), peer_vector_(peer_vector) {}

  void read_half(Side side, HalfRead done) override {
    bridge_.submit(ReadMemory{at(side, 0), kHalfBytes}, [done = std::move(done)](Result result) mutable {
      const auto* memory = result ? std::get_if<Memory>(&*result) : nullptr;
      if (memory == nullptr || memory->bytes.size() != kHalfBytes) return done(std::nullopt);
      Half half{};
      for (std::size_t i = 0; i < kHalfWords; ++i) half[i] = load_le<std::uint32_t>(&memory->bytes[4 * i]);
      done(half);
    });
  }
  void write(Side side, WordWrite w) override { bridge_.submit(Store{at(side, w.word), 4, w.value}, ignore); }
  void ring_peer() override { bridge_.submit(SelfInterrupt{peer_vector_}, ignore); }
  void clear_ring() override {}

 private:
  [[nodiscard]] BusAddr at(Side side, std::size_t word) const {
    return BusAddr(page_.bits() + offset_of(side, word));
  }
  HostBridge& bridge_;
  BusAddr page_;
  std::uint32_t peer_vector_;
};

Side other(Side side) {
  return side == Side::management ? Side::part : Side::management;
}

}  // namespace

std::unique_ptr<Port> ntb_port(HostBridge& bridge, BusAddr control_bar) {
  return std::make_unique<NtbPort>(bridge, control_bar);
}

std::unique_ptr<Port> page_port(HostBridge& bridge, BusAddr page, std::uint32_t peer_vector) {
  return std::make_unique<PagePort>(bridge, page, peer_vector);
}

BusAddr local_page(const Description& host) {
  return BusAddr(host.own_memory.first().bits() + 4096);
}

Channel::Channel(std::unique_ptr<Port> port, Side side) : port_(std::move(port)), side_(side) {}

void Channel::start(PeerStarted peer_started, Received received) {
  peer_started_ = std::move(peer_started);
  received_ = std::move(received);
  // What this side wrote in its last life says which session must not be used again.
  port_->read_half(side_, [this, alive = std::weak_ptr(alive_)](std::optional<Half> own) {
    if (alive.expired()) return;
    link_.emplace(Link::next_session(own ? (*own)[1] : 0));
    write_all(link_->open());
    for (const Message& message : early_) link_->send(message);
    early_.clear();
    poll();
  });
}

void Channel::send(const Message& message) {
  if (!link_) return early_.push_back(message);
  link_->send(message);
  poll();
}

void Channel::poll() {
  if (!link_) return;
  look_again_ = true;
  budget_ = kBudget;
  if (!looking_) look();
}

void Channel::look() {
  looking_ = true;
  look_again_ = false;
  --budget_;
  port_->clear_ring();
  port_->read_half(other(side_), [this, alive = std::weak_ptr(alive_)](std::optional<Half> half) {
    if (!alive.expired()) took(half);
  });
}

void Channel::took(const std::optional<Half>& half) {
  if (half) {
    const Link::Step step = link_->step(*half);
    write_all(step.writes);
    const std::weak_ptr alive(alive_);
    if (step.peer_started && peer_started_) peer_started_();
    if (!alive.expired() && step.received && received_) received_(*step.received);
    if (alive.expired()) return;
    // Something has moved: the peer may already have gone on.
    if (step.peer_started || step.received) look_again_ = true;
  }
  looking_ = false;
  // A peer that never stops talking must not hold this side for ever; the next poll goes on.
  if (look_again_ && budget_ > 0) look();
}

void Channel::write_all(const std::vector<WordWrite>& writes) {
  for (const WordWrite& write : writes) port_->write(side_, write);
  if (!writes.empty()) port_->ring_peer();
}

}  // namespace ladon::host::control
