// A backend on a socket in a fresh folder, a port that remembers what came, and guests that are drivers
// without one.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/time.h"
#include "client/frames.h"
#include "client/shared_memory.h"
#include "client/vhost_front_end.h"
#include "client/virtio_net.h"
#include "fakes/scratch_folder.h"
#include "spec/vhost_user.h"
#include "spec/virtio.h"
#include "vhost/backend.h"

namespace ladon::vhost {

namespace wire = spec::vhost_user;
namespace virtio = spec::virtio;
using client::vhost_addresses;
using client::vhost_memory;
using client::vhost_message;
using client::vhost_state;
using client::vhost_u64;
using Kind = wire::Request;

inline constexpr std::uint64_t kAllFeatures =
    virtio::kVersion1 | virtio::kRingEventIdx | virtio::kRingIndirect | virtio::kNetMergeable |
    virtio::kNetChecksum | virtio::kNetGuestChecksum | virtio::kNetHostTso4 | virtio::kNetHostTso6 |
    virtio::kNetGuestTso4 | virtio::kNetGuestTso6;

class RecordingPort final : public FramePort {
 public:
  struct Taken {
    std::vector<std::byte> bytes;
    Offload offload;
  };
  std::vector<Taken> frames;
  std::string log;  // f: flush, r: room, u: link up, d: link down
  bool busy = false;
  std::move_only_function<void()> on_take;

  bool take(const Frame& frame) override {
    if (on_take) on_take();
    if (busy) return false;
    Taken taken{std::vector<std::byte>(frame.length), frame.offload};
    copy_whole(frame, taken.bytes.data());
    frames.push_back(std::move(taken));
    return true;
  }
  void flush() override { log += 'f'; }
  void room() override { log += 'r'; }
  void link(bool up) override { log += up ? 'u' : 'd'; }
};

// What a guest is to the backend: memory, a driver, and its front end.
class Guest {
 public:
  static constexpr std::uint64_t kBase = 0x10'0000;  // the memory's guest address

  Guest(const std::filesystem::path& path, std::function<void()> turn, client::VirtioNetOptions options,
        bool sealed = true, std::uint64_t memory_bytes = 4 << 20)
      : memory(memory_bytes, sealed),
        net(options, {Iova(kBase), memory.bytes()}),
        front_end(path, std::move(turn)),
        features(options.features) {}

  // The whole handshake and both rings.
  [[nodiscard]] bool start() {
    return front_end.open() && front_end.set_features(features) &&
           front_end.share(kBase, memory.bytes().size(), memory.fd()) &&
           front_end.start(virtio::kReceiveQueue, net.rx()) &&
           front_end.start(virtio::kTransmitQueue, net.tx());
  }
  // Sends and kicks as a driver does.
  [[nodiscard]] bool send(ConstBytes frame, const client::VirtioNetHeader& header = {},
                          std::span<const std::uint32_t> cuts = {}) {
    net.reclaim();
    if (!net.send(frame, header, cuts)) return false;
    if (net.publish()) front_end.kick(virtio::kTransmitQueue);
    return true;
  }
  void fill() {
    if (net.fill()) front_end.kick(virtio::kReceiveQueue);
  }

  client::SharedMemory memory;
  client::VirtioNet net;
  client::VhostFrontEnd front_end;
  std::uint64_t features;
};

[[nodiscard]] inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

[[nodiscard]] inline client::Frame frame_of(std::size_t payload, std::uint32_t seed = 1) {
  client::FrameSpec spec;
  spec.payload = payload;
  spec.seed = seed;
  return client::make_frame(spec);
}
// As the backend's consumer has it: in one piece.
[[nodiscard]] inline Frame whole(ConstBytes bytes, const Offload& offload = {}) {
  return {.head = bytes, .rest = {}, .length = static_cast<std::uint32_t>(bytes.size()), .offload = offload};
}

class BackendTest : public testing::Test {
 protected:
  fakes::ScratchFolder folder;
  std::filesystem::path path = folder / "vm.sock";
  ManualClock clock;
  EpollLoop loop{clock};
  RecordingPort port;
  Backend::Options options;
  std::unique_ptr<Backend> backend = listen();

  [[nodiscard]] std::unique_ptr<Backend> listen() {
    auto made = Backend::listen(path, loop, port, options);
    EXPECT_TRUE(made) << made.error();
    return made ? std::move(*made) : nullptr;
  }
  // With other options, before the first guest.
  void restart() {
    backend.reset();
    backend = listen();
  }
  void turn(int times = 1) {
    for (int i = 0; i < times; ++i) loop.run_once(Duration::zero());
  }
  [[nodiscard]] std::function<void()> turner() {
    return [this] { turn(); };
  }
  [[nodiscard]] client::VhostFrontEnd connect() { return {path, turner()}; }
  [[nodiscard]] std::unique_ptr<Guest> guest(client::VirtioNetOptions net = {.features = kAllFeatures},
                                             bool sealed = true) {
    return std::make_unique<Guest>(path, turner(), net, sealed);
  }
  // One whose rings run, with its receive buffers there.
  [[nodiscard]] std::unique_ptr<Guest> started(client::VirtioNetOptions net = {.features = kAllFeatures},
                                               bool sealed = true) {
    auto made = guest(net, sealed);
    EXPECT_TRUE(made->start());
    made->fill();
    turn(3);
    return made;
  }
  [[nodiscard]] std::uint64_t refused(Refusal reason) const { return backend->refusals()[reason]; }
  [[nodiscard]] std::uint64_t flawed(RingFlaw flaw) const { return backend->flaws()[flaw]; }
  [[nodiscard]] std::uint64_t dropped(FrameDrop reason) const { return backend->traffic().drops[reason]; }
};

}  // namespace ladon::vhost
