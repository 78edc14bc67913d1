#include "lab/httperf.h"

#include <gmock/gmock.h>

namespace ladon::lab {
namespace {

using ::testing::Contains;
using ::testing::IsSupersetOf;
using ::testing::Not;

// httperf 0.9.0-9 of Debian 12, interrupted after three seconds of 50 clients.
constexpr std::string_view kClosed =
    R"(httperf --client=0/1 --server=127.0.0.1 --port=8181 --uri=/index.html --http-version=1.0 --rate=1000 --send-buffer=4096 --recv-buffer=16384 --add-header='Connection: close\n' --wsess=50,1000000,0.000
Maximum connect burst length: 50

Total: connections 49806 requests 49769 replies 49769 test-duration 2.999 s

Connection rate: 16610.2 conn/s (0.1 ms/conn, <=50 concurrent connections)
Connection time [ms]: min 0.1 avg 1.6 max 9.0 median 1.5 stddev 0.4
Connection time [ms]: connect 0.9
Connection length [replies/conn]: 1.000

Request rate: 16597.9 req/s (0.1 ms/req)
Request size [B]: 115.0

Reply rate [replies/s]: min 0.0 avg 0.0 max 0.0 stddev 0.0 (0 samples)
Reply time [ms]: response 0.6 transfer 0.0
Reply size [B]: header 212.0 content 100.0 footer 0.0 (total 312.0)
Reply status: 1xx=0 2xx=49769 3xx=0 4xx=0 5xx=0

CPU time [s]: user 0.20 system 2.75 (user 6.8% system 91.6% total 98.4%)
Net I/O: 6921.2 KB/s (56.7*10^6 bps)

Errors: total 0 client-timo 0 socket-timo 0 connrefused 0 connreset 0
Errors: fd-unavail 0 addrunavail 0 ftab-full 0 other 0

Session rate [sess/s]: min 0.00 avg 0.00 max 0.00 stddev 0.00 (0/0)
Session: avg 0.00 connections/session
Session lifetime [s]: 0.0
Session failtime [s]: 0.0
Session length histogram: 0
)";

TEST(Httperf, ReadsAReport) {
  const auto result = parse_httperf(kClosed);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->connections, 49806u);
  EXPECT_EQ(result->replies, 49769u);
  EXPECT_EQ(result->ok, 49769u);
  EXPECT_DOUBLE_EQ(result->seconds, 2.999);
  EXPECT_DOUBLE_EQ(result->request_bytes, 115);
  EXPECT_DOUBLE_EQ(result->reply_bytes, 312);
  EXPECT_DOUBLE_EQ(result->reply_ms, 0.6);
  EXPECT_EQ(result->errors, 0u);
  EXPECT_NEAR(result->replies_per_second(), 16595, 1);
}

TEST(Httperf, CountsErrorsByTheirKind) {
  std::string text(kClosed);
  const std::string none = "Errors: total 0 client-timo 0 socket-timo 0 connrefused 0 connreset 0\n";
  text.replace(text.find(none), none.size(),
               "Errors: total 17 client-timo 9 socket-timo 1 connrefused 2 connreset 3\n");
  const std::string shortage = "Errors: fd-unavail 0 addrunavail 0 ftab-full 0 other 0";
  text.replace(text.find(shortage), shortage.size(),
               "Errors: fd-unavail 1 addrunavail 1 ftab-full 0 other 0");
  const auto result = parse_httperf("httperf: warning: open file limit > FD_SETSIZE\n" + text);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->errors, 17u);
  EXPECT_EQ(result->timeouts, 10u);
  EXPECT_EQ(result->refused, 2u);
  EXPECT_EQ(result->reset, 3u);
  EXPECT_EQ(result->unavailable, 2u);
}

TEST(Httperf, WantsTheWholeReport) {
  EXPECT_FALSE(parse_httperf(""));
  EXPECT_FALSE(parse_httperf("httperf: no such host\n"));
  const std::string_view half = kClosed.substr(0, kClosed.find("Errors: fd-unavail"));
  EXPECT_FALSE(parse_httperf(half));
}

TEST(Httperf, ARunWithoutRepliesIsAReport) {
  std::string text(kClosed);
  const std::string total = "requests 49769 replies 49769";
  text.replace(text.find(total), total.size(), "requests 12 replies 0");
  const auto result = parse_httperf(text);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->replies_per_second(), 0);
}

TEST(Httperf, AsksForAnOpenLoadOrForClients) {
  const auto open = httperf_command({.address = "10.0.0.1", .rate = 112.5, .timeout_seconds = 0.5}, 4);
  EXPECT_THAT(open, IsSupersetOf({"10.0.0.1", "112.500", "450", "0.500"}));
  EXPECT_THAT(open, Not(Contains("--wsess")));
  const auto closed = httperf_command({.address = "10.0.0.1", .clients = 50}, 4);
  EXPECT_THAT(closed, IsSupersetOf({"--wsess", "50,1000000,0"}));
  EXPECT_THAT(closed, Not(Contains("--timeout")));
}

}  // namespace
}  // namespace ladon::lab
