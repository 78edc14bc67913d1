#include "vfio/version.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "vfio_client.h"

namespace ladon::vfio {
namespace {

std::expected<VersionReply, Refusal> answer(const Message& message) {
  const auto request = decode_version(ConstBytes(message).subspan(16));
  if (!request) return std::unexpected(request.error());
  return negotiate(*request);
}
Refusal refusal(std::string_view json) {
  const auto reply = answer(version_message(json));
  return reply ? Refusal::count_ : reply.error();
}

TEST(Version, AgreesOnTheSmallerOfWhatBothCan) {
  const auto reply = answer(version_message(
      R"({"capabilities":{"max_msg_fds":200,"max_data_xfer_size":4096,"max_dma_maps":10,"pgsizes":12288,"write_multiple":true}})"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(
      nlohmann::json::parse(reply->data),
      nlohmann::json::parse(
          R"({"capabilities":{"max_msg_fds":16,"max_data_xfer_size":4096,"max_dma_maps":10,"pgsizes":4096,"write_multiple":true}})"));
  EXPECT_EQ(reply->max_transfer, 4096u);
  EXPECT_EQ(reply->max_dma_maps, 10u);
  EXPECT_TRUE(reply->write_multiple);
}

TEST(Version, NamesNothingThatWasNotOffered) {
  EXPECT_EQ(answer(version_message(""))->data, "");
  EXPECT_EQ(answer(version_message("{}"))->data, "{}");
  EXPECT_EQ(answer(version_message(R"({"capabilities":{}})"))->data, R"({"capabilities":{}})");
  EXPECT_EQ(answer(version_message(
                       R"({"capabilities":{"migration":{"pgsize":4096},"twin_socket":{"supported":true}}})"))
                ->data,
            R"({"capabilities":{}})");
  EXPECT_FALSE(answer(version_message("{}"))->write_multiple);
}

// A client that waits for the reply in the buffer of its request has no room for more.
TEST(Version, TheReplyIsNeverLongerThanTheRequest) {
  for (const std::string_view json :
       {std::string_view{"{}"}, std::string_view{R"({"capabilities":{"max_msg_fds":1}})"},
        std::string_view{R"({"capabilities":{"max_dma_maps":65536,"write_multiple":false,"pgsizes":4096}})"}})
    EXPECT_LE(answer(version_message(json))->data.size(), json.size());
}

TEST(Version, RefusesWhatItCannotRead) {
  Message unterminated = version_message("{}");
  unterminated.pop_back();
  EXPECT_EQ(answer(unterminated).error(), Refusal::version_no_nul);
  EXPECT_EQ(refusal("{"), Refusal::version_no_json);
  EXPECT_EQ(refusal("[]"), Refusal::version_no_json);
  EXPECT_EQ(refusal("\xff"), Refusal::version_no_json);
  EXPECT_EQ(refusal(std::string_view("\0", 1)), Refusal::version_no_json);
  EXPECT_EQ(refusal(R"({"capabilities":3})"), Refusal::bad_capability);
  EXPECT_EQ(refusal(R"({"capabilities":{"max_msg_fds":-1}})"), Refusal::bad_capability);
  EXPECT_EQ(refusal(R"({"capabilities":{"max_data_xfer_size":"many"}})"), Refusal::bad_capability);
  EXPECT_EQ(refusal(R"({"capabilities":{"write_multiple":1}})"), Refusal::bad_capability);
  EXPECT_EQ(refusal(R"({"capabilities":{"pgsizes":2097152}})"), Refusal::bad_capability) << "no 4 KiB pages";
  EXPECT_EQ(refusal(std::string(5000, ' ')), Refusal::bad_length);
  EXPECT_EQ(refusal(std::string(4000, '[')), Refusal::version_no_json);
  EXPECT_EQ(decode_version({}).error(), Refusal::bad_length);
}

TEST(Version, RefusesAnotherMajorVersion) {
  EXPECT_EQ(answer(version_message("{}", 1)).error(), Refusal::major_version);
}

}  // namespace
}  // namespace ladon::vfio
