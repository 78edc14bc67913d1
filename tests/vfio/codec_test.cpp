#include "vfio/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cerrno>

#include "vfio_client.h"

namespace ladon::vfio {
namespace {

std::expected<Request, Refusal> decode(const Message& message) {
  const auto header = decode_header(std::span(message).first<kHeaderBytes>());
  if (!header) return std::unexpected(header.error());
  return decode_request(*header, ConstBytes(message).subspan(kHeaderBytes));
}
Refusal refusal(const Message& message) {
  const auto request = decode(message);
  return request ? Refusal::count_ : request.error();
}
template <class T>
Message with(Message message, std::size_t body_offset, T value) {
  std::memcpy(message.data() + kHeaderBytes + body_offset, &value, sizeof value);
  return message;
}
Message cut(Message message, std::size_t by) {
  message.resize(message.size() - by);
  return message;
}

TEST(Codec, HeaderSizeIsBounded) {
  const auto size = [](std::uint32_t bytes) {
    Message header = reset_message();
    std::memcpy(header.data() + 4, &bytes, sizeof bytes);
    return decode_header(std::span(header).first<kHeaderBytes>());
  };
  EXPECT_EQ(size(0).error(), Refusal::message_too_short);
  EXPECT_EQ(size(15).error(), Refusal::message_too_short);
  EXPECT_TRUE(size(16));
  EXPECT_TRUE(size(kMaxMessage));
  EXPECT_EQ(size(kMaxMessage + 1).error(), Refusal::message_too_long);
  EXPECT_EQ(size(~0U).error(), Refusal::message_too_long);
}

TEST(Codec, DecodesDmaMapAndRefusesItsMistakes) {
  const Message good = dma_map_message(0x10000, 0x2000, 0x3000, 1);
  const auto map = std::get<DmaMapRequest>(*decode(good));
  EXPECT_EQ(map.address, 0x10000u);
  EXPECT_EQ(map.size, 0x2000u);
  EXPECT_EQ(map.file_offset, 0x3000u);
  EXPECT_EQ(map.flags, 1u);
  EXPECT_EQ(refusal(with(good, 0, std::uint32_t{31})), Refusal::bad_argsz);
  EXPECT_EQ(refusal(with(good, 4, std::uint32_t{0})), Refusal::bad_flags);
  EXPECT_EQ(refusal(with(good, 4, std::uint32_t{4})), Refusal::bad_flags);
  EXPECT_EQ(refusal(cut(good, 1)), Refusal::bad_length);
}

TEST(Codec, DecodesDmaUnmapAndRefusesTheDirtyBitmap) {
  EXPECT_FALSE(std::get<DmaUnmapRequest>(*decode(dma_unmap_message(0x1000, 0x1000))).all);
  EXPECT_TRUE(std::get<DmaUnmapRequest>(*decode(dma_unmap_message(0, 0, 2))).all);
  EXPECT_EQ(refusal(dma_unmap_message(0x1000, 0x1000, 1)), Refusal::bad_flags);
  EXPECT_EQ(refusal(dma_unmap_message(0, 0, 3)), Refusal::bad_flags);
  EXPECT_EQ(refusal(dma_unmap_message(0x1000, 0x1000, 2)), Refusal::bad_flags);
  EXPECT_EQ(refusal(dma_unmap_message(0x1000, 0x1000, 4)), Refusal::bad_flags);
}

TEST(Codec, ArgszMustHoldTheFixedReplyAndMayBeLarger) {
  EXPECT_EQ(refusal(info_message(15)), Refusal::bad_argsz);
  EXPECT_EQ(refusal(info_message(~0U)), Refusal::count_);
  EXPECT_EQ(refusal(region_info_message(0, 31)), Refusal::bad_argsz);
  EXPECT_EQ(refusal(region_info_message(0, ~0U)), Refusal::count_);
  EXPECT_EQ(refusal(irq_info_message(0, 15)), Refusal::bad_argsz);
}

TEST(Codec, SetIrqsWantsOneKindOfDataAndOneAction) {
  const auto set = std::get<SetIrqsRequest>(*decode(set_irqs_message(0x24, 2, 1, 3)));
  EXPECT_EQ(set.data, SetIrqsRequest::Data::eventfd);
  EXPECT_EQ(set.action, SetIrqsRequest::Action::trigger);
  EXPECT_EQ(set.index, 2u);
  EXPECT_EQ(set.start, 1u);
  EXPECT_EQ(set.count, 3u);
  EXPECT_EQ(std::get<SetIrqsRequest>(*decode(set_irqs_message(0x09, 0, 0, 1))).action,
            SetIrqsRequest::Action::mask);
  EXPECT_EQ(std::get<SetIrqsRequest>(*decode(set_irqs_message(0x11, 0, 0, 1))).action,
            SetIrqsRequest::Action::unmask);
  for (const std::uint32_t flags : {0x00U, 0x01U, 0x20U, 0x23U, 0x31U, 0x61U, ~0U})
    EXPECT_EQ(refusal(set_irqs_message(flags, 2, 0, 1)), Refusal::bad_flags) << flags;
}

TEST(Codec, BooleansMustBeThereAllOfThem) {
  const std::vector<std::byte> three(3, std::byte{1});
  EXPECT_EQ(std::get<SetIrqsRequest>(*decode(set_irqs_message(0x22, 2, 0, 3, three))).booleans.size(), 3u);
  EXPECT_EQ(refusal(set_irqs_message(0x22, 2, 0, 4, three)), Refusal::bad_length);
  EXPECT_EQ(refusal(set_irqs_message(0x22, 2, 0, ~0U, three)), Refusal::bad_length);
  EXPECT_EQ(refusal(with(set_irqs_message(0x22, 2, 0, 3, three), 0, std::uint32_t{22})), Refusal::bad_argsz);
}

TEST(Codec, AWritesLengthMustBeItsCount) {
  const Message good = write_message(0, 8, std::vector<std::byte>(4));
  EXPECT_EQ(std::get<RegionWriteRequest>(*decode(good)).data.size(), 4u);
  EXPECT_EQ(refusal(cut(good, 1)), Refusal::bad_length);
  EXPECT_EQ(refusal(with(good, 12, std::uint32_t{5})), Refusal::bad_length);
  EXPECT_EQ(refusal(with(good, 12, ~0U)), Refusal::bad_length);
  EXPECT_EQ(refusal(cut(read_message(0, 0, 4), 1)), Refusal::bad_length);
}

TEST(Codec, WriteMultiCountsItsWrites) {
  const Message good = write_multi_message({{8, 0, 4, 0xAABBCCDD}, {16, 2, 9, 0}});
  const auto multi = std::get<WriteMultiRequest>(*decode(good));
  ASSERT_EQ(multi.count, 2u);
  const auto first = multi.at(0);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->offset, 8u);
  ASSERT_EQ(first->data.size(), 4u);
  EXPECT_EQ(load_le<std::uint32_t>(first->data.data()), 0xAABBCCDDu);
  EXPECT_FALSE(multi.at(1)) << "more than 8 bytes";
  EXPECT_EQ(refusal(with(good, 0, std::uint64_t{3})), Refusal::bad_length);
  EXPECT_EQ(refusal(with(good, 0, std::uint64_t{1})), Refusal::bad_length);
  EXPECT_EQ(refusal(with(good, 0, 0x0AAAAAAAAAAAAAACULL)), Refusal::bad_length) << "24 times it wraps around";
  EXPECT_EQ(refusal(cut(good, 1)), Refusal::bad_length);
}

TEST(Codec, OtherCommandsAreRefusedByName) {
  for (const auto command : std::initializer_list<std::uint16_t>{6, 11, 12, 14, 16, 17, 18})
    EXPECT_EQ(refusal(MessageMaker().finish(command)), Refusal::command_unsupported) << command;
  for (const auto command : std::initializer_list<std::uint16_t>{0, 19, 255, 65535})
    EXPECT_EQ(refusal(MessageMaker().finish(command)), Refusal::command_unknown) << command;
}

// Whatever the bytes are: an answer, and no access outside the body (the sanitizers watch).
RC_GTEST_PROP(Codec, DecodesAnything, (std::vector<std::uint8_t> bytes)) {
  const auto command = *rc::gen::inRange<std::uint16_t>(0, 20);
  const std::vector<std::uint8_t> exact(bytes);  // no spare capacity behind it
  const Header header{1, command, static_cast<std::uint32_t>(16 + exact.size()), 0, 0};
  const auto request = decode_request(header, std::as_bytes(std::span(exact)));
  if (!request) return;
  if (const auto* multi = std::get_if<WriteMultiRequest>(&*request))
    for (std::uint64_t i = 0; i < multi->count; ++i) static_cast<void>(multi->at(i));
}

constexpr Header kTo{.id = 0x1234, .command = 5, .size = 48, .flags = 0, .error = 0};

TEST(Codec, RepliesCarryTheRequestsIdAndCommand) {
  MessageBuffer out;
  encode_error(kTo, Error::exists, out);
  ASSERT_EQ(out.size(), kHeaderBytes);
  const auto header = decode_header(std::span(std::as_const(out)).first<kHeaderBytes>());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->id, 0x1234);
  EXPECT_EQ(header->command, 5);
  EXPECT_EQ(header->flags, Header::kReply | Header::kError);
  EXPECT_EQ(header->error, static_cast<std::uint32_t>(EEXIST));
}

TEST(Codec, RegionInfoNeverPromisesCapabilitiesThatAreNotThere) {
  RegionInfo info{.size = 0x4000,
                  .readable = true,
                  .writable = true,
                  .fd = 3,
                  .areas = {{0x1000, 0x1000}, {0x2000, 0x1000}}};
  MessageBuffer out;
  const auto field = [&out](std::size_t at) {
    return load_le<std::uint32_t>(out.data() + kHeaderBytes + at);
  };

  encode_region_info(kTo, {.argsz = 79, .index = 0}, info, out);
  EXPECT_EQ(out.size(), kHeaderBytes + 32);
  EXPECT_EQ(field(0), 80u) << "what it takes";
  EXPECT_EQ(field(4), 1u | 2u | 4u) << "no CAPS";
  EXPECT_EQ(field(12), 0u);

  encode_region_info(kTo, {.argsz = 80, .index = 0}, info, out);
  EXPECT_EQ(out.size(), kHeaderBytes + 80);
  EXPECT_EQ(field(4), 1u | 2u | 4u | 8u);
  EXPECT_EQ(field(12), 32u) << "the capability lies behind the fixed part";
  EXPECT_EQ(field(32), 0x00010001u) << "sparse mmap, version 1";
  EXPECT_EQ(field(36), 0u) << "no next";
  EXPECT_EQ(field(40), 2u) << "areas";
  EXPECT_EQ(field(64), 0x2000u);

  info.fd = -1;
  encode_region_info(kTo, {.argsz = 200, .index = 0}, info, out);
  EXPECT_EQ(field(0), 32u);
  EXPECT_EQ(field(4), 1u | 2u) << "nothing to map without a descriptor";
}

TEST(Refusals, AllHaveNamesAndErrors) {
  for (std::size_t i = 0; i < Refusals::size; ++i) {
    EXPECT_FALSE(name(static_cast<Refusal>(i)).empty());
    EXPECT_GT(errno_of(error_of(static_cast<Refusal>(i))), 0);
  }
}

}  // namespace
}  // namespace ladon::vfio
