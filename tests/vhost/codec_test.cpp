#include "vhost/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "client/vhost_front_end.h"

namespace ladon::vhost {
namespace {

namespace wire = spec::vhost_user;
using client::VhostMessage;
using Kind = wire::Request;

std::expected<Request, Refusal> decode(const VhostMessage& message) {
  const auto header = decode_header(ConstBytes(message).first<kHeaderBytes>());
  if (!header) return std::unexpected(header.error());
  EXPECT_EQ(header->size, message.size() - kHeaderBytes);
  return decode_request(*header, ConstBytes(message).subspan(kHeaderBytes));
}
template <class Wanted>
Wanted decoded(const VhostMessage& message) {
  const auto request = decode(message);
  EXPECT_TRUE(request && std::holds_alternative<Wanted>(*request));
  return request ? std::get<Wanted>(*request) : Wanted{};
}

TEST(VhostCodec, RequestsWithoutPayload) {
  decoded<GetFeatures>(client::vhost_message(Kind::get_features));
  decoded<GetProtocolFeatures>(client::vhost_message(Kind::get_protocol_features));
  decoded<SetOwner>(client::vhost_message(Kind::set_owner));
  decoded<ResetOwner>(client::vhost_message(Kind::reset_owner));
  decoded<GetQueueNum>(client::vhost_message(Kind::get_queue_num));
  decoded<ResetDevice>(client::vhost_message(Kind::reset_device));
  decoded<GetStatus>(client::vhost_message(Kind::get_status));
}

TEST(VhostCodec, RequestsWithAValue) {
  EXPECT_EQ(decoded<SetFeatures>(client::vhost_u64(Kind::set_features, 0x1'2345'6789)).features,
            0x1'2345'6789u);
  EXPECT_EQ(decoded<SetProtocolFeatures>(client::vhost_u64(Kind::set_protocol_features, 9)).features, 9u);
  EXPECT_EQ(decoded<SetStatus>(client::vhost_u64(Kind::set_status, 15)).status, 15u);
  const auto kick = decoded<SetVringEvent>(client::vhost_u64(Kind::set_vring_kick, 1));
  EXPECT_EQ(kick.event, VringEvent::kick);
  EXPECT_EQ(kick.queue, 1u);
  EXPECT_FALSE(kick.none);
  const auto call = decoded<SetVringEvent>(client::vhost_u64(Kind::set_vring_call, 0x105));
  EXPECT_EQ(call.event, VringEvent::call);
  EXPECT_EQ(call.queue, 5u);
  EXPECT_TRUE(call.none);
  EXPECT_EQ(decoded<SetVringEvent>(client::vhost_u64(Kind::set_vring_err, 0)).event, VringEvent::error);
}

TEST(VhostCodec, RingStates) {
  const auto size = decoded<SetVringNum>(client::vhost_state(Kind::set_vring_num, 1, 256));
  EXPECT_EQ(size.queue, 1u);
  EXPECT_EQ(size.size, 256u);
  EXPECT_EQ(decoded<SetVringBase>(client::vhost_state(Kind::set_vring_base, 0, 77)).base, 77u);
  EXPECT_EQ(decoded<GetVringBase>(client::vhost_state(Kind::get_vring_base, 1, 0)).queue, 1u);
  EXPECT_EQ(decoded<SetVringEnable>(client::vhost_state(Kind::set_vring_enable, 1, 1)).enable, 1u);
  const auto at = decoded<SetVringAddr>(client::vhost_addresses(1, 0x1000, 0x3000, 0x2000));
  EXPECT_EQ(at.queue, 1u);
  EXPECT_EQ(at.descriptors, 0x1000u);
  EXPECT_EQ(at.available, 0x2000u);
  EXPECT_EQ(at.used, 0x3000u);
}

TEST(VhostCodec, EveryLengthButTheRightOneIsRefused) {
  for (const VhostMessage& right :
       {client::vhost_message(Kind::get_features), client::vhost_u64(Kind::set_features, 1),
        client::vhost_state(Kind::set_vring_num, 0, 1), client::vhost_u64(Kind::set_vring_kick, 0),
        client::vhost_addresses(0, 0, 0, 0)}) {
    ASSERT_TRUE(decode(right));
    for (std::size_t length = 0; length < 64; ++length) {
      VhostMessage other = right;
      other.resize(kHeaderBytes + length);
      store_le(&other[8], static_cast<std::uint32_t>(length));
      if (other.size() == right.size()) continue;
      EXPECT_EQ(decode(other).error(), Refusal::bad_length) << length;
    }
  }
}

TEST(VhostCodec, MemoryTablesOfAnyNumberOfRegions) {
  std::vector<client::VhostRegion> regions;
  for (std::uint64_t i = 0; i <= wire::kMaxRegions; ++i) {
    const auto table = decode(client::vhost_memory(regions));
    ASSERT_TRUE(table) << i;
    const auto& memory = std::get<SetMemTable>(*table);
    ASSERT_EQ(memory.count, i);
    for (std::size_t at = 0; at < i; ++at)
      EXPECT_EQ(memory.regions[at],
                (MemoryRegion{regions[at].guest, regions[at].size, regions[at].user, regions[at].offset}));
    regions.push_back({i << 20, 1 << 20, i << 30, i});
  }
  EXPECT_EQ(decode(client::vhost_memory(regions)).error(), Refusal::memory_regions);
}

// As QEMU sends it: room for eight regions, of which the first are there.
TEST(VhostCodec, AMemoryTableMayHaveRoomForMore) {
  VhostMessage message = client::vhost_memory(std::vector<client::VhostRegion>(8));
  store_le(&message[kHeaderBytes], std::uint32_t{2});
  EXPECT_EQ(decoded<SetMemTable>(message).count, 2u);
  message.resize(message.size() - 1);
  store_le(&message[8], static_cast<std::uint32_t>(message.size() - kHeaderBytes));
  EXPECT_EQ(decode(message).error(), Refusal::bad_length);
  VhostMessage cut = client::vhost_memory(std::vector<client::VhostRegion>(1));
  store_le(&cut[kHeaderBytes], std::uint32_t{2});
  EXPECT_EQ(decode(cut).error(), Refusal::bad_length);
}

TEST(VhostCodec, UnknownAndUnsupportedRequests) {
  for (const std::uint32_t request : {0u, 41u, 1000u, 0xFFFF'FFFFu})
    EXPECT_EQ(decode(client::vhost_message(static_cast<Kind>(request))).error(), Refusal::request_unknown);
  for (const Kind request : {Kind::set_log_base, Kind::get_config, Kind::iotlb_msg, Kind::net_set_mtu})
    EXPECT_EQ(decode(client::vhost_message(request)).error(), Refusal::request_unsupported);
}

TEST(VhostCodec, HeadersThatCannotBeFollowed) {
  EXPECT_EQ(decode(client::vhost_message(Kind::get_features, 0)).error(), Refusal::bad_version);
  EXPECT_EQ(decode(client::vhost_message(Kind::get_features, 2)).error(), Refusal::bad_version);
  VhostMessage longest = client::vhost_message(Kind::get_features);
  store_le(&longest[8], kMaxPayload + 1);
  EXPECT_EQ(decode(longest).error(), Refusal::message_too_long);
}

TEST(VhostCodec, AnswersHaveTheirRequestsNumberAndTheReplyFlag) {
  const Header header{11, 9, 8};
  const Answer value = encode_u64(header, 0x1122'3344'5566'7788);
  EXPECT_EQ(load_le<std::uint32_t>(value.data()), 11u);
  EXPECT_EQ(load_le<std::uint32_t>(&value[4]), wire::kVersion | wire::kReply);
  EXPECT_EQ(load_le<std::uint32_t>(&value[8]), 8u);
  EXPECT_EQ(load_le<std::uint64_t>(&value[12]), 0x1122'3344'5566'7788u);
  const Answer state = encode_vring_state(header, 1, 4711);
  EXPECT_EQ(load_le<std::uint32_t>(&state[12]), 1u);
  EXPECT_EQ(load_le<std::uint32_t>(&state[16]), 4711u);
}

RC_GTEST_PROP(VhostCodec, AnyBytesAreARequestOrARefusal, ()) {
  const auto request = *rc::gen::inRange<std::uint32_t>(0, 45);
  const auto payload = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
  const Header header{request, 1, static_cast<std::uint32_t>(payload.size())};
  const auto decoded = decode_request(header, std::as_bytes(std::span(payload)));
  if (decoded && std::holds_alternative<SetMemTable>(*decoded))
    RC_ASSERT(std::get<SetMemTable>(*decoded).count <= wire::kMaxRegions);
  if (!decoded) RC_ASSERT(!name(decoded.error()).empty());
}

}  // namespace
}  // namespace ladon::vhost
