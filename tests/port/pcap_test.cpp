#include "port/pcap.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "port/link_wire.h"

namespace ladon::port {
namespace {

class Pcap : public ::testing::Test {
 protected:
  std::string path = ::testing::TempDir() + "ladon-" +
                     ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".pcap";
  void TearDown() override { std::filesystem::remove(path); }
  static std::vector<std::byte> frame_of(std::size_t length, std::uint8_t fill) {
    return std::vector<std::byte>(length, std::byte{fill});
  }
};

TEST_F(Pcap, KeepsNanosecondsAndBytes) {
  ManualClock clock;
  {
    auto tap = PcapTap::open(path, clock, std::chrono::seconds(1'700'000'000));
    ASSERT_TRUE(tap) << tap.error();
    clock.advance(Duration(1'000'000'007));
    tap->write(frame_of(60, 0xAB));
    EXPECT_TRUE(tap->flush());
    EXPECT_EQ(tap->frames(), 1u);
  }
  std::array<char, PCAP_ERRBUF_SIZE> error;
  pcap_t* file =
      pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, error.data());
  ASSERT_NE(file, nullptr) << error.data();
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  ASSERT_EQ(pcap_next_ex(file, &header, &bytes), 1);
  EXPECT_EQ(header->ts.tv_sec, 1'700'000'001);
  EXPECT_EQ(header->ts.tv_usec, 7);
  EXPECT_EQ(header->caplen, 60u);
  EXPECT_EQ(bytes[59], 0xAB);
  pcap_close(file);
}

TEST_F(Pcap, ACapturedWireReplays) {
  ManualClock clock;
  std::array<std::byte, kMaxFrame> buffer;
  {
    auto [near, far] = LinkWire::make_pair(4);
    CapturedWire wire(std::move(near), *PcapTap::open(path, clock));
    EXPECT_TRUE(wire.send(frame_of(60, 1)));
    EXPECT_FALSE(wire.send(frame_of(5, 2)));  // refused: not on the wire, not in the file
    EXPECT_TRUE(far->send(frame_of(70, 3)));
    EXPECT_EQ(wire.receive(buffer), 70u);
    EXPECT_EQ(wire.stats().drops[WireDrop::too_short], 1u);
  }
  auto replay = PcapReplay::open(path);
  ASSERT_TRUE(replay) << replay.error();
  EXPECT_EQ((*replay)->receive(buffer), 60u);
  EXPECT_TRUE((*replay)->carrier());
  EXPECT_EQ((*replay)->receive(buffer), 70u);
  EXPECT_EQ(buffer[69], std::byte{3});
  EXPECT_EQ((*replay)->receive(buffer), 0u);
  EXPECT_FALSE((*replay)->carrier());
}

TEST_F(Pcap, AFileCutShortEndsTheReplay) {
  ManualClock clock;
  {
    auto tap = PcapTap::open(path, clock);
    tap->write(frame_of(60, 1));
    tap->write(frame_of(60, 2));
  }
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 10);
  auto replay = PcapReplay::open(path);
  ASSERT_TRUE(replay);
  std::array<std::byte, kMaxFrame> buffer;
  EXPECT_EQ((*replay)->receive(buffer), 60u);
  EXPECT_EQ((*replay)->receive(buffer), 0u);
  EXPECT_EQ((*replay)->stats().drops[WireDrop::system_error], 1u);
}

TEST_F(Pcap, ErrorsNameTheFile) {
  ManualClock clock;
  EXPECT_NE(PcapTap::open("/nowhere/x.pcap", clock).error().find("/nowhere/x.pcap"), std::string::npos);
  EXPECT_NE(PcapReplay::open("/nowhere/x.pcap").error().find("/nowhere/x.pcap"), std::string::npos);
  std::ofstream(path) << "not a capture";
  EXPECT_FALSE(PcapReplay::open(path));
}

}  // namespace
}  // namespace ladon::port
