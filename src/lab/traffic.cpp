#include "lab/traffic.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

namespace ladon::lab {

std::string ping_command(std::string_view address, unsigned count) {
  return fmt::format("ping -c {} -W 2 {}", count, address);
}

std::optional<PingResult> parse_ping(std::string_view output) {
  // "3 packets transmitted, 3 packets received, 0% packet loss" (iputils: "3 received"), then
  // "round-trip min/avg/max = 0.5/0.6/0.7 ms" (iputils: "rtt min/avg/max/mdev = ...").
  const std::string text(output);
  PingResult result;
  const auto counts = text.find(" packets transmitted, ");
  if (counts == std::string::npos) return std::nullopt;
  const auto line = text.rfind('\n', counts);
  if (std::sscanf(text.c_str() + (line == std::string::npos ? 0 : line + 1), "%u packets transmitted, %u",
                  &result.sent, &result.received) != 2)
    return std::nullopt;
  const auto times = text.find(" = ", counts);
  double least = 0;
  if (times != std::string::npos)
    (void)std::sscanf(text.c_str() + times, " = %lf/%lf", &least, &result.average_ms);
  return result;
}

std::string iperf_command(std::string_view address, unsigned seconds) {
  return fmt::format("iperf3 -c {} -t {} -i 0 -J", address, seconds);
}

std::optional<double> parse_iperf(std::string_view output) {
  const auto json = nlohmann::json::parse(output, nullptr, false);
  const nlohmann::json::json_pointer arrived("/end/sum_received/bits_per_second");
  if (!json.is_object() || !json.contains(arrived) || !json[arrived].is_number()) return std::nullopt;
  return json[arrived].get<double>();
}

std::string sink_command(std::string_view address, std::uint64_t bytes) {
  return fmt::format("tcpsend {} 9 {}", address, bytes);
}

std::optional<double> parse_sink(std::string_view output) {
  unsigned long long bytes = 0;
  double seconds = 0;
  const std::string text(output);
  if (std::sscanf(text.c_str(), "sent=%llu seconds=%lf", &bytes, &seconds) != 2 || seconds <= 0)
    return std::nullopt;
  return 8.0 * static_cast<double>(bytes) / seconds;
}

}  // namespace ladon::lab
