// A hostile virtio driver against the network device's rings: descriptors, indices and buffers of any kind,
// frames both ways, rings that start again, memory that changes. What lies outside the guest's memory stays
// untouched.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "client/shared_memory.h"
#include "input.h"
#include "spec/virtio.h"
#include "vhost/net_device.h"

namespace {

using namespace ladon;
namespace virtio = spec::virtio;
using fuzz::Input;
using fuzz::require;

// The file: a guard, two regions of guest memory that follow one another, a guard. The rings lie in the
// first.
constexpr std::uint64_t kGuard = 4096, kRegion = 32 << 10, kFile = 2 * kGuard + 2 * kRegion;
constexpr std::uint64_t kGuest = 0x10000, kUser = 0x50000, kUserGap = 0x100000;
constexpr std::uint64_t kRingBytes = 8192;  // of each of the two rings: table, available, used
constexpr std::byte kCanary{0xA5};
constexpr int kMostActions = 200;

class Port final : public vhost::FramePort {
 public:
  vhost::NetDevice* device = nullptr;
  int mood = 0;  // 0 takes, 1 is busy, 2 sends back
  std::vector<std::byte> copy = std::vector<std::byte>(vhost::kMaxFrame);

  bool take(const vhost::Frame& frame) override {
    require(frame.length >= vhost::kMinFrame && frame.length <= vhost::kMaxFrame);
    std::size_t bytes = frame.head.size();
    for (const ConstBytes piece : frame.rest) bytes += piece.size();
    require(bytes == frame.length);
    vhost::copy_whole(frame, copy.data());
    if (mood == 1) return false;
    if (mood == 2) return device->send(frame) != vhost::Delivery::busy;
    return true;
  }
};

class Driver {
 public:
  explicit Driver(Input& data) : data_(data), sealed_(data.flag()), file_(kFile, sealed_) {
    port_.device = &device_;
    std::ranges::fill(file_.bytes(), kCanary);
    std::ranges::fill(file_.bytes().subspan(kGuard, 2 * kRegion), std::byte{0});
    device_.set_features(data_.any<std::uint64_t>() & device_.offered());
    share();
    for (unsigned queue = 0; queue < 2; ++queue) start(queue);
  }

  void act() {
    switch (data_.between<int>(0, 9)) {
      case 0:
      case 1:
        return put_descriptor();
      case 2:
        return put_available();
      case 3:
        return set_index();
      case 4:
        return poke();
      case 5:
        port_.mood = data_.between<int>(0, 2);
        static_cast<void>(device_.transmit(port_, {.frames = 8, .bytes = 1 << 18}, data_.flag()));
        return;
      case 6:
        return send();
      case 7:
        device_.flush();
        if (data_.flag()) static_cast<void>(device_.receive_queue().wait_for_room());
        return;
      case 8: {
        const unsigned queue = data_.flag() ? 1 : 0;
        static_cast<void>(device_.vring(queue)->stop());
        return start(queue);
      }
      default:
        return share();
    }
  }
  void check() const {
    const Bytes all = file_.bytes();
    const auto untouched = [](Bytes guard) {
      return std::ranges::all_of(guard, [](std::byte b) { return b == kCanary; });
    };
    require(untouched(all.first(kGuard)) && untouched(all.last(kGuard)));
  }

 private:
  [[nodiscard]] Bytes ring(unsigned queue) const {
    return file_.bytes().subspan(kGuard + queue * kRingBytes, kRingBytes);
  }
  void share() {
    const std::array<vhost::MemoryRegion, 2> regions = {
        vhost::MemoryRegion{kGuest, kRegion, kUser, kGuard},
        vhost::MemoryRegion{kGuest + kRegion, kRegion, kUser + kUserGap, kGuard + kRegion}};
    std::array<FileDescriptor, 2> files = {FileDescriptor(::dup(file_.fd())),
                                           FileDescriptor(::dup(file_.fd()))};
    auto memory = vhost::GuestMemory::open(regions, files, {});
    require(memory.has_value());
    device_.set_memory(std::move(*memory));
  }
  void start(unsigned queue) {
    vhost::Vring& vring = *device_.vring(queue);
    size_ = 1u << data_.between<unsigned>(0, 6);
    const std::uint64_t at = kUser + queue * kRingBytes;
    require(vring.set_size(size_).has_value());
    require(vring.set_base(data_.flag() ? data_.any<std::uint16_t>() : 0).has_value());
    require(vring
                .set_addresses({.queue = queue, .descriptors = at, .used = at + 4096, .available = at + 2048},
                               device_.memory_or_null())
                .has_value());
    require(device_.start(vring).has_value());
    vring.set_enabled(true);
  }

  void put_descriptor() {
    // Likely values, or any at all.
    const Bytes table = ring(data_.flag() ? 1 : 0);
    std::byte* const at = table.data() + 16 * data_.between<int>(0, 70);
    const std::uint64_t inside = kGuest + data_.between<std::uint64_t>(0, 2 * kRegion + 16) - 8;
    store_le(at, data_.between<int>(0, 15) == 0 ? data_.any<std::uint64_t>() : inside);
    store_le(at + 8, data_.flag() ? data_.between<std::uint32_t>(0, 2048)
                                  : data_.any<std::uint32_t>() >> data_.between<int>(0, 31));
    store_le(at + 12, data_.between<std::uint16_t>(0, 7));
    store_le(at + 14, data_.between<std::uint16_t>(0, 70));
  }
  void put_available() {
    const Bytes available = ring(data_.flag() ? 1 : 0).subspan(2048);
    const auto at = data_.between<std::size_t>(0, 63);
    store_le(&available[4 + 2 * at], data_.between<std::uint16_t>(0, 66));
  }
  void set_index() {
    const Bytes available = ring(data_.flag() ? 1 : 0).subspan(2048);
    const auto now = load_le<std::uint16_t>(&available[2]);
    const auto by = data_.between<std::uint16_t>(0, 66);
    store_le(&available[2], static_cast<std::uint16_t>(now + by));
  }
  void poke() {
    const auto at = kGuard + data_.between<std::size_t>(0, 2 * kRegion - 1);
    file_.bytes()[at] = static_cast<std::byte>(data_.any<std::uint8_t>());
  }
  void send() {
    const auto length = data_.between<std::uint32_t>(0, 4000);
    vhost::Offload offload;
    if (data_.flag())
      offload = {.checksum = data_.flag(),
                 .verified = data_.flag(),
                 .checksum_start = data_.any<std::uint8_t>(),
                 .checksum_offset = 16,
                 .segmentation = static_cast<vhost::Segmentation>(data_.between<int>(0, 2)),
                 .segment_size = 1448,
                 .header_length = 54};
    static_cast<void>(device_.send(
        {.head = ConstBytes(frame_).first(length), .rest = {}, .length = length, .offload = offload}));
  }

  Input& data_;
  bool sealed_;
  client::SharedMemory file_;
  vhost::NetDevice device_{vhost::Offloads{}};
  Port port_;
  std::uint32_t size_ = 0;
  std::vector<std::byte> frame_ = std::vector<std::byte>(4096);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t length) {
  Input data(bytes, length);
  Driver driver(data);
  for (int i = 0; i < kMostActions && !data.empty(); ++i) driver.act();
  driver.check();
  return 0;
}
