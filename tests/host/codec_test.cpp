#include "host/codec.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

namespace ladon::host {
namespace {

using Bytes_ = std::vector<std::byte>;

Range<BusAddr> range(std::uint64_t first, std::uint64_t last) {
  return *Range<BusAddr>::between(BusAddr(first), BusAddr(last));
}

// One of every message.
std::vector<Message> samples() {
  const pcie::Sbdf bdf(pcie::HostSegment{3}, pcie::Bdf(5, 16, 2));
  const Request requests[] = {
      ConfigRead{bdf, 0x10, 4},
      ConfigWrite{bdf, 0x4, 2, 0x106},
      Load{BusAddr(0x1122'3344'5566), 8},
      Store{BusAddr(0xFFF0), 4, 0xAABB},
      ReadMemory{BusAddr(4096), 65536},
      WriteMemory{BusAddr(4096), Bytes_(100, std::byte{7})},
      PinMemory{3, 4096, 8192, BusAddr(1 << 20)},
      Unpin{Pin{9}},
      CreateIoDomain{},
      DestroyIoDomain{IoDomain{2}},
      AttachRid{IoDomain{2}, bdf},
      DetachRid{bdf},
      IommuMap{IoDomain{2}, Iova(0), BusAddr(1ull << 37), 1ull << 36, pcie::kReadWrite},
      IommuUnmap{IoDomain{2}, Iova(4096), 4096},
      RouteInterrupt{bdf, 33},
      UnrouteInterrupt{bdf, 33},
      SelfInterrupt{248},
      Describe{}};
  const Response responses[] = {
      Done{},
      Value{~0ull},
      Memory{Bytes_(3, std::byte{1})},
      Pinned{Pin{1}, BusAddr(4096)},
      DomainCreated{IoDomain{7}},
      MessageRoute{0xFEE0'0010, 5},
      Description{pcie::Domain{2}, range(0, 99), range(0, 9), range(100, 200), range(1000, 2000), 4}};
  std::vector<Message> all{Hello{Epoch{3}}, Welcome{Epoch{9}, true}, EventMessage{Interrupt{12}},
                           EventMessage{Fault{bdf, 0x1234, pcie::Access::write, "mh-iommu/dma: not mapped"}},
                           ResponseMessage{5, std::unexpected(Error::stale_epoch)}};
  for (const auto& request : requests) all.emplace_back(RequestMessage{77, Epoch{4}, request});
  for (const auto& response : responses) all.emplace_back(ResponseMessage{78, response});
  return all;
}

int fd_of(const Message& message) {
  return descriptor_of(message);
}

TEST(Codec, EveryMessageComesBackAsItWas) {
  for (const Message& message : samples()) {
    const auto bytes = encode(message);
    const auto back = decode(bytes, fd_of(message));
    ASSERT_TRUE(back.has_value()) << name(back.error());
    EXPECT_EQ(back->index(), message.index());
    EXPECT_EQ(encode(*back), bytes);
  }
}

TEST(Codec, NothingMayBeMissingAndNothingMayFollow) {
  for (const Message& message : samples()) {
    auto bytes = encode(message);
    for (std::size_t n = 0; n < bytes.size(); ++n)
      ASSERT_FALSE(decode(std::span(bytes).first(n), fd_of(message)).has_value()) << n;
    bytes.push_back({});
    EXPECT_EQ(decode(bytes, fd_of(message)).error(), CodecError::trailing_bytes);
  }
}

TEST(Codec, ADescriptorBelongsToAPinAndOnlyThere) {
  const auto pin = encode(RequestMessage{1, Epoch{1}, PinMemory{3, 0, 4096, {}}});
  EXPECT_EQ(decode(pin, -1).error(), CodecError::descriptor);
  const auto decoded = decode(pin, 42);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(descriptor_of(*decoded), 42);
  EXPECT_EQ(decode(encode(Hello{Epoch{1}}), 42).error(), CodecError::descriptor);
}

TEST(Codec, BoundsHold) {
  EXPECT_EQ(decode(encode(RequestMessage{1, Epoch{1}, ReadMemory{BusAddr(0), kMaxBulk + 1}})).error(),
            CodecError::out_of_bounds);
  EXPECT_EQ(
      decode(encode(RequestMessage{1, Epoch{1}, WriteMemory{BusAddr(0), Bytes_(kMaxBulk + 1)}})).error(),
      CodecError::out_of_bounds);
  const auto whole = encode(RequestMessage{1, Epoch{1}, WriteMemory{BusAddr(0), Bytes_(kMaxBulk)}});
  EXPECT_LE(whole.size(), kMaxMessage);
  EXPECT_TRUE(decode(whole).has_value());
  // A long reason is cut.
  const auto cut = decode(encode(EventMessage{Fault{{}, 0, pcie::Access::read, std::string(1000, 'x')}}));
  ASSERT_TRUE(cut.has_value());
  EXPECT_EQ(std::get<Fault>(std::get<EventMessage>(*cut).event).reason.size(), kMaxReason);
}

TEST(Codec, WrongHeadersAreNamed) {
  auto bytes = encode(Hello{Epoch{1}});
  bytes[0] = std::byte{0};
  EXPECT_EQ(decode(bytes).error(), CodecError::bad_magic);
  bytes = encode(Hello{Epoch{1}});
  bytes[4] = std::byte{kCodecVersion + 1};
  EXPECT_EQ(decode(bytes).error(), CodecError::bad_version);
  bytes = encode(Hello{Epoch{1}});
  bytes[6] = std::byte{200};
  EXPECT_EQ(decode(bytes).error(), CodecError::unknown_kind);
  bytes = encode(RequestMessage{1, Epoch{1}, Describe{}});
  bytes[7] = std::byte{99};
  EXPECT_EQ(decode(bytes).error(), CodecError::unknown_type);
}

TEST(Codec, NoBytesWhateverBreakIt) {
  const auto all = samples();
  EXPECT_TRUE(
      rc::check("a message with flipped bytes decodes to what encodes to the same bytes, or not at all", [&] {
        const Message& message = all[*rc::gen::inRange<std::size_t>(0, all.size())];
        auto bytes = encode(message);
        const auto flips = *rc::gen::inRange(1, 6);
        for (int i = 0; i < flips; ++i)
          bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] =
              std::byte{*rc::gen::arbitrary<std::uint8_t>()};
        for (const int fd : {-1, 5})
          if (const auto decoded = decode(bytes, fd)) RC_ASSERT(decode(encode(*decoded), fd).has_value());
      }));
}

}  // namespace
}  // namespace ladon::host
