// The web benchmark httperf (Mosberger and Jin): how it is called and what it prints, read back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ladon::lab {

struct HttperfLoad {
  std::string address;  // of the server
  std::string uri = "/index.html";
  unsigned port = 80;
  // Closed: so many clients, each with one request under way at any time, for as long as httperf runs.
  unsigned clients = 0;
  // Open, if clients is 0: so many requests a second, answered or not.
  double rate = 0;
  double timeout_seconds = 0;  // a request that has no answer by then is an error; 0: it waits
};

// The program and its arguments, one word each. Each request has a connection of its own, which the server
// closes. It ends, and prints its statistics, at an interrupt (SIGINT); an open load also after `seconds`.
[[nodiscard]] std::vector<std::string> httperf_command(const HttperfLoad& load, double seconds);

struct HttperfResult {
  std::uint64_t connections = 0, requests = 0, replies = 0;
  double seconds = 0;
  double request_bytes = 0, reply_bytes = 0;  // of HTTP, averages
  double reply_ms = 0;                        // from the request to the reply's first byte
  std::uint64_t ok = 0;                       // replies with status 2xx
  std::uint64_t errors = 0, timeouts = 0, refused = 0, reset = 0;
  std::uint64_t unavailable = 0;  // no descriptor, port or table entry left in the client

  [[nodiscard]] double replies_per_second() const {
    return seconds > 0 ? static_cast<double>(replies) / seconds : 0;
  }
};
// nullopt: that is not all of httperf's report.
[[nodiscard]] std::optional<HttperfResult> parse_httperf(std::string_view output);

}  // namespace ladon::lab
