#include "lab/traffic.h"

#include <gtest/gtest.h>

#include "lab/qemu.h"

namespace ladon::lab {
namespace {

TEST(Ping, ReadsBusyboxAndIputilsSummaries) {
  const auto busybox = parse_ping(
      "PING 10.10.0.12 (10.10.0.12): 56 data bytes\n"
      "64 bytes from 10.10.0.12: seq=0 ttl=64 time=1.2 ms\n\n--- 10.10.0.12 ping statistics ---\n"
      "3 packets transmitted, 2 packets received, 33% packet loss\nround-trip min/avg/max = "
      "0.500/0.625/0.750 ms\n");
  ASSERT_TRUE(busybox);
  EXPECT_EQ(busybox->sent, 3u);
  EXPECT_EQ(busybox->received, 2u);
  EXPECT_DOUBLE_EQ(busybox->average_ms, 0.625);

  const auto iputils = parse_ping(
      "--- 10.10.0.12 ping statistics ---\n3 packets transmitted, 3 received, 0% packet loss, time 402ms\n"
      "rtt min/avg/max/mdev = 0.4/0.5/0.6/0.1 ms\n");
  ASSERT_TRUE(iputils);
  EXPECT_EQ(iputils->received, 3u);
  EXPECT_DOUBLE_EQ(iputils->average_ms, 0.5);
}

TEST(Ping, NoAnswerAtAllIsStillASummary) {
  const auto lost = parse_ping("3 packets transmitted, 0 packets received, 100% packet loss\n");
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->received, 0u);
  EXPECT_FALSE(parse_ping("ping: bad address 'x'\n"));
}

TEST(Iperf, TakesWhatTheReceiverSaw) {
  EXPECT_EQ(
      parse_iperf(R"({"end":{"sum_sent":{"bits_per_second":2e9},"sum_received":{"bits_per_second":1.5e9}}})"),
      1.5e9);
  EXPECT_FALSE(parse_iperf(R"({"error":"unable to connect to server"})"));
  EXPECT_FALSE(parse_iperf("iperf3: not found"));
}

TEST(Sink, CountsWhatWasSentByTheTimeItTook) {
  EXPECT_EQ(sink_command("10.0.0.1", 125'000'000), "tcpsend 10.0.0.1 9 125000000");
  EXPECT_DOUBLE_EQ(*parse_sink("sent=125000000 seconds=2.000000\n"), 5e8);
  EXPECT_FALSE(parse_sink("sent=125000000 seconds=0.000000"));
  EXPECT_FALSE(parse_sink("tcpsend: connect: Connection refused"));
}

TEST(ShellLine, QuotesWhatAShellWouldRead) {
  EXPECT_EQ(shell_line({"qemu", "-m", "256M", R"({"a":"b c"})", "it's"}),
            R"(qemu -m 256M '{"a":"b c"}' 'it'\''s')");
}

}  // namespace
}  // namespace ladon::lab
