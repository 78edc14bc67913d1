// A capture of a whole rack: frames at both functions and the wire, and every access hop by hop.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/bytes.h"
#include "client/frames.h"
#include "machine/rack_fixture.h"

namespace ladon::machine {
namespace {

constexpr std::size_t kVmA = 1, kBare = 3;

// Packets by the name of their interface. Believes what it reads: tests/port/pcapng_test.cpp checks the
// blocks.
std::map<std::string, std::vector<std::vector<std::byte>>> read_capture(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto all = std::as_bytes(std::span(text));
  std::vector<std::string> names;
  std::map<std::string, std::vector<std::vector<std::byte>>> packets;
  for (std::size_t at = 0; at + 12 <= all.size();) {
    const auto type = load_le<std::uint32_t>(all.data() + at);
    const auto length = load_le<std::uint32_t>(all.data() + at + 4);
    if (type == 1)  // the name is the first option, behind eight bytes of fields
      names.emplace_back(text.substr(at + 20, load_le<std::uint16_t>(all.data() + at + 18)));
    if (type == 6) {
      const auto body = all.subspan(at + 28, load_le<std::uint32_t>(all.data() + at + 20));
      packets[names.at(load_le<std::uint32_t>(all.data() + at + 8))].emplace_back(body.begin(), body.end());
    }
    at += length;
  }
  return packets;
}

class RackCaptureTest : public testing::Test {
 protected:
  std::string path = testing::TempDir() + "ladon-" +
                     testing::UnitTest::GetInstance()->current_test_info()->name() + ".pcapng";
  void TearDown() override { std::filesystem::remove(path); }

  // Sends a frame from vm-a to the bare host's guest and reads what was captured.
  auto captured(const std::string& fabric) {
    {
      RunningRack rack(std::string(kTwoHosts) + "capture: {file: " + path + ", fabric: " + fabric + "}\n");
      EXPECT_TRUE(rack.wait_assigned()) << rack.management_error();
      const auto sender = rack.client(kVmA), receiver = rack.client(kBare);
      frame = client::make_frame({.destination = receiver->driver.mac(), .source = sender->driver.mac()});
      sender->driver.tx().fill(frame);
      EXPECT_EQ(sender->driver.tx().transmit_batch(1), 1u);
      EXPECT_TRUE(rack.run_until([&] { return receiver->driver.rx().receive_batch(8) == 1; }));
    }
    return read_capture(path);
  }
  std::vector<std::byte> frame;
};

TEST_F(RackCaptureTest, HasAFrameAtBothFunctions) {
  const auto packets = captured("off");
  EXPECT_THAT(packets.at("nic0 VF 1"), testing::Contains(frame));
  EXPECT_THAT(packets.at("nic0 VF 3"), testing::Contains(frame));
  EXPECT_FALSE(packets.contains("ch1/iommu"));
}

TEST_F(RackCaptureTest, HasEveryAccessAtEveryComponentItPassed) {
  const auto packets = captured("on");
  EXPECT_THAT(packets.at("nic0 VF 3"), testing::Contains(frame));
  for (const char* component : {"nic0", "mh/iommu", "ch1/iommu", "ntb1/management", "ch2/iommu"})
    EXPECT_TRUE(packets.contains(component)) << component;
  // A hop of the frame's own bytes, read by the device in vm-a's memory: by their length.
  const auto of_frame = [&](const std::vector<std::byte>& hop) {
    return hop[1] == std::byte{1} && load_le<std::uint32_t>(hop.data() + 32) == frame.size();
  };
  EXPECT_THAT(packets.at("ch1/iommu"), testing::Contains(testing::Truly(of_frame)));
}

}  // namespace
}  // namespace ladon::machine
