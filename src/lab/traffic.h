// Traffic between guests with the tools people know - ping and iperf3 - and what they print, read back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ladon::lab {

[[nodiscard]] std::string ping_command(std::string_view address, unsigned count);
struct PingResult {
  unsigned sent = 0, received = 0;
  double average_ms = 0;
};
// From busybox' or iputils' summary; nullopt if there is none.
[[nodiscard]] std::optional<PingResult> parse_ping(std::string_view output);

// A client that sends TCP for `seconds` to the iperf3 server at `address`, and prints JSON.
[[nodiscard]] std::string iperf_command(std::string_view address, unsigned seconds);
// Bits per second that arrived at the receiver; nullopt if the run failed.
[[nodiscard]] std::optional<double> parse_iperf(std::string_view output);

// The same with guest/tcpsend.c, to a host that takes TCP on every port and says nothing, as the in-process
// peer does.
[[nodiscard]] std::string sink_command(std::string_view address, std::uint64_t bytes);
// Bits per second; nullopt if it did not run to its end.
[[nodiscard]] std::optional<double> parse_sink(std::string_view output);

}  // namespace ladon::lab
