// A driver that keeps to the rules, against a model that is two queues of frames: none is lost, none comes
// twice, none changes, none overtakes - whatever the shapes of rings and buffers, whoever waits for whom, and
// while rings stop and start and the memory table is sent anew.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>

#include "fixture.h"

namespace ladon::vhost {
namespace {

using Payload = std::vector<std::byte>;

class Model {
 public:
  Model()
      : options_(choose()),
        backend_(*Backend::listen(folder_ / "vm.sock", loop_, port_,
                                  {.budget = {.frames = *rc::gen::inRange(1u, 9u), .bytes = 4096}})),
        vm_(folder_ / "vm.sock", [this] { turn(); }, options_, *rc::gen::arbitrary<bool>()) {
    RC_ASSERT(vm_.start());
    vm_.fill();
    turn();
  }

  void act() {
    switch (*rc::gen::inRange(0, 11)) {
      case 0:
      case 1:
      case 2:
        return guest_sends();
      case 3:
      case 4:
        return port_sends();
      case 5:
      case 6:
        return guest_receives();
      case 7:
        port_.busy = !port_.busy;
        if (!port_.busy) backend_->resume();
        return;
      case 8:
        return restart_ring(*rc::gen::inRange(0u, 2u));
      case 9:
        RC_ASSERT(vm_.front_end.share(Guest::kBase, vm_.memory.bytes().size(), vm_.memory.fd()));
        return;
      default:
        turn();
    }
  }

  void finish() {
    port_.busy = false;
    backend_->resume();
    for (int i = 0; i < 400; ++i) turn();
    guest_receives();
    RC_ASSERT(to_port_.empty());
    RC_ASSERT(to_guest_.empty());
    vm_.net.reclaim();
    RC_ASSERT(vm_.net.free_tx_buffers() == options_.tx_size);
    RC_ASSERT(!vm_.net.broken());
    RC_ASSERT(backend_->flaws().total() == 0u);
    RC_ASSERT(backend_->refusals().total() == 0u);
    RC_ASSERT(backend_->traffic().drops.total() == 0u);
  }

 private:
  static client::VirtioNetOptions choose() {
    std::uint64_t features = virtio::kVersion1;
    for (const std::uint64_t bit : {virtio::kRingEventIdx, virtio::kRingIndirect, virtio::kNetMergeable})
      if (*rc::gen::arbitrary<bool>()) features |= bit;
    client::VirtioNetOptions options{.features = features};
    options.rx_size = static_cast<std::uint16_t>(1u << *rc::gen::inRange(3, 7));
    options.tx_size = static_cast<std::uint16_t>(1u << *rc::gen::inRange(0, 7));
    options.rx_buffer = (features & virtio::kNetMergeable) != 0 ? *rc::gen::inRange(400u, 2048u) : 2048;
    options.rx_pieces = *rc::gen::inRange(1u, 5u);
    return options;
  }
  static Payload any_frame() {
    Payload frame(*rc::gen::inRange<std::size_t>(14, 1500));
    auto state = *rc::gen::arbitrary<std::uint32_t>();
    for (auto& byte : frame) byte = static_cast<std::byte>((state = state * 1664525 + 1013904223) >> 24);
    return frame;
  }

  void turn() {
    loop_.run_once(Duration::zero());
    for (const auto& taken : port_.frames) {
      RC_ASSERT(!to_port_.empty());
      RC_ASSERT(taken.bytes == to_port_.front());
      to_port_.pop_front();
    }
    port_.frames.clear();
  }
  void guest_sends() {
    const Payload frame = any_frame();
    std::vector<std::uint32_t> cuts;
    for (int i = *rc::gen::inRange(0, 5); i > 0; --i) cuts.push_back(*rc::gen::inRange(1u, 400u));
    if (vm_.send(frame, {}, cuts)) to_port_.push_back(frame);
  }
  void port_sends() {
    const Payload frame = any_frame();
    const std::size_t cut = *rc::gen::inRange<std::size_t>(0, frame.size());
    const std::array<ConstBytes, 2> rest = {ConstBytes(frame).subspan(cut, (frame.size() - cut) / 2),
                                            ConstBytes(frame).subspan(cut + (frame.size() - cut) / 2)};
    const Delivery delivery = backend_->send({.head = ConstBytes(frame).first(cut),
                                              .rest = rest,
                                              .length = static_cast<std::uint32_t>(frame.size()),
                                              .offload = {}});
    RC_ASSERT(delivery != Delivery::dropped);
    if (delivery == Delivery::delivered) to_guest_.push_back(frame);
    if (*rc::gen::arbitrary<bool>()) backend_->flush();
  }
  void guest_receives() {
    backend_->flush();
    while (const auto received = vm_.net.receive()) {
      RC_ASSERT(!to_guest_.empty());
      RC_ASSERT(received->bytes == to_guest_.front());
      to_guest_.pop_front();
    }
    vm_.fill();
  }
  void restart_ring(unsigned queue) {
    const auto base = vm_.front_end.stop(queue);
    RC_ASSERT(base.has_value());
    RC_ASSERT(vm_.front_end.start(queue, queue == 0 ? vm_.net.rx() : vm_.net.tx(), *base));
  }

  fakes::ScratchFolder folder_;
  ManualClock clock_;
  EpollLoop loop_{clock_};
  RecordingPort port_;
  client::VirtioNetOptions options_;
  std::unique_ptr<Backend> backend_;
  Guest vm_;
  std::deque<Payload> to_port_, to_guest_;
};

RC_GTEST_PROP(VhostModel, FramesAreNeitherLostNorChangedNorReordered, ()) {
  Model model;
  const int steps = *rc::gen::inRange(1, 120);
  for (int i = 0; i < steps; ++i) model.act();
  model.finish();
}

}  // namespace
}  // namespace ladon::vhost
