#include "port/pcapng.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace ladon::port {
namespace {

class PcapNgFile : public ::testing::Test {
 protected:
  std::string path = ::testing::TempDir() + "ladon-" +
                     ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".pcapng";
  void TearDown() override { std::filesystem::remove(path); }

  static std::vector<std::byte> packet_of(std::size_t length, std::uint8_t fill) {
    return std::vector<std::byte>(length, std::byte{fill});
  }
  [[nodiscard]] std::vector<std::byte> bytes() const {
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto view = std::as_bytes(std::span(text));
    return {view.begin(), view.end()};
  }
};

// libpcap reads pcapng too, as long as all interfaces are alike.
TEST_F(PcapNgFile, IsReadByLibpcap) {
  {
    auto file = PcapNg::open(path, {});
    ASSERT_TRUE(file) << file.error();
    const auto first = file->add({.name = "nic0 wire", .link_type = LinkType::ethernet});
    const auto second = file->add({.name = "nic0 VF 1", .link_type = LinkType::ethernet});
    file->write(first, std::chrono::seconds(1'700'000'000) + Duration(7), Direction::inbound,
                packet_of(61, 0xAB));
    file->write(second, std::chrono::seconds(1'700'000'001), Direction::unknown, packet_of(60, 0xCD));
    EXPECT_EQ(file->packets(), 2u);
    EXPECT_TRUE(file->flush());
  }
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  pcap_t* file =
      pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, error.data());
  ASSERT_NE(file, nullptr) << error.data();
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  ASSERT_EQ(pcap_next_ex(file, &header, &bytes), 1);
  EXPECT_EQ(header->ts.tv_sec, 1'700'000'000);
  EXPECT_EQ(header->ts.tv_usec, 7);
  EXPECT_EQ(header->caplen, 61u);
  EXPECT_EQ(bytes[60], 0xAB);
  ASSERT_EQ(pcap_next_ex(file, &header, &bytes), 1);
  EXPECT_EQ(header->ts.tv_sec, 1'700'000'001);
  EXPECT_EQ(header->caplen, 60u);
  EXPECT_EQ(pcap_next_ex(file, &header, &bytes), PCAP_ERROR_BREAK);
  pcap_close(file);
}

TEST_F(PcapNgFile, IsAChainOfBlocksWhoseLengthsAgree) {
  {
    auto file = PcapNg::open(path, {});
    ASSERT_TRUE(file);
    const auto fabric = file->add({.name = std::string(5000, 'n'), .link_type = LinkType::user0});
    for (std::size_t length = 0; length < 9; ++length)
      file->write(fabric, Duration(length), Direction::outbound, packet_of(length, 1));
  }
  const auto all = bytes();
  std::vector<std::uint32_t> types;
  for (std::size_t at = 0; at < all.size();) {
    ASSERT_LE(at + 12, all.size());
    types.push_back(load_le<std::uint32_t>(all.data() + at));
    const auto length = load_le<std::uint32_t>(all.data() + at + 4);
    ASSERT_EQ(length % 4, 0u);
    ASSERT_LE(at + length, all.size());
    ASSERT_EQ(load_le<std::uint32_t>(all.data() + at + length - 4), length);
    at += length;
  }
  ASSERT_EQ(types.size(), 11u);
  EXPECT_EQ(types[0], 0x0A0D0D0Au);
  EXPECT_EQ(types[1], 1u);
  EXPECT_EQ(types[2], 6u);
}

TEST_F(PcapNgFile, EndsAtItsLimitAndCountsTheRest) {
  constexpr std::uint64_t kLimit = 4096;
  auto file = PcapNg::open(path, {.limit = kLimit});
  ASSERT_TRUE(file);
  const auto wire = file->add({.name = "w", .link_type = LinkType::ethernet});
  for (int i = 0; i < 100; ++i) file->write(wire, Duration(i), Direction::inbound, packet_of(100, 1));
  EXPECT_TRUE(file->flush());
  EXPECT_GT(file->packets(), 20u);
  EXPECT_EQ(file->packets() + file->left_out(), 100u);
  EXPECT_LE(std::filesystem::file_size(path), kLimit);
}

TEST_F(PcapNgFile, SaysWhatCannotBeOpened) {
  const auto file = PcapNg::open("/nonexistent/rack.pcapng", {});
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error(), "/nonexistent/rack.pcapng: No such file or directory");
}

}  // namespace
}  // namespace ladon::port
