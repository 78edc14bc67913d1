#include "lab/httperf.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ladon::lab {
namespace {

// The numbers of the first line that begins with `head`, in their order; empty if there is none. A number
// within a word ("2xx=5") counts from the equals sign.
std::vector<double> numbers_of(std::string_view output, std::string_view head) {
  while (!output.empty()) {
    const auto end = output.find('\n');
    std::string_view line = output.substr(0, end);
    output = end == std::string_view::npos ? std::string_view{} : output.substr(end + 1);
    if (!line.starts_with(head)) continue;
    line.remove_prefix(head.size());
    std::vector<double> numbers;
    for (std::size_t at = 0; at < line.size();) {
      const bool begins = at == 0 || line[at - 1] == ' ' || line[at - 1] == '=';
      double value = 0;
      const auto [rest, error] = std::from_chars(line.data() + at, line.data() + line.size(), value);
      const bool word = rest != line.data() + line.size() && *rest == 'x';  // "2xx"
      if (begins && error == std::errc{} && !word && std::isfinite(value)) {
        numbers.push_back(value);
        at = static_cast<std::size_t>(rest - line.data());
      } else {
        ++at;
      }
    }
    return numbers;
  }
  return {};
}

std::uint64_t count(double value) {
  return value > 0 ? static_cast<std::uint64_t>(std::llround(value)) : 0;
}

}  // namespace

std::vector<std::string> httperf_command(const HttperfLoad& load, double seconds) {
  std::vector<std::string> command = {"httperf",    "--hog",        "--close-with-reset",      "--server",
                                      load.address, "--port",       std::to_string(load.port), "--uri",
                                      load.uri,     "--add-header", "Connection: close\\n"};
  if (load.clients != 0) {
    // More requests than any run has time for, from all clients within a few milliseconds. As HTTP 1.0, for
    // a client of 1.1 would be failed by a connection that closes between its requests.
    command.insert(command.end(), {"--http-version", "1.0", "--rate", "2000", "--wsess",
                                   fmt::format("{},1000000,0", load.clients)});
  } else {
    command.insert(command.end(),
                   {"--rate", fmt::format("{:.3f}", load.rate), "--num-conns",
                    std::to_string(std::max<long long>(1, std::llround(load.rate * seconds)))});
  }
  if (load.timeout_seconds > 0)
    command.insert(command.end(), {"--timeout", fmt::format("{:.3f}", load.timeout_seconds)});
  return command;
}

std::optional<HttperfResult> parse_httperf(std::string_view output) {
  const auto total = numbers_of(output, "Total: connections ");
  const auto reply_time = numbers_of(output, "Reply time [ms]: response ");
  const auto request_size = numbers_of(output, "Request size [B]: ");
  const auto reply_size = numbers_of(output, "Reply size [B]: header ");
  const auto status = numbers_of(output, "Reply status: ");
  const auto errors = numbers_of(output, "Errors: total ");
  const auto shortages = numbers_of(output, "Errors: fd-unavail ");
  if (total.size() != 4 || reply_time.empty() || request_size.empty() || reply_size.size() < 3 ||
      status.size() != 5 || errors.size() != 5 || shortages.size() != 4)
    return std::nullopt;
  return HttperfResult{.connections = count(total[0]),
                       .requests = count(total[1]),
                       .replies = count(total[2]),
                       .seconds = total[3],
                       .request_bytes = request_size[0],
                       .reply_bytes = reply_size[0] + reply_size[1] + reply_size[2],
                       .reply_ms = reply_time[0],
                       .ok = count(status[1]),
                       .errors = count(errors[0]),
                       .timeouts = count(errors[1]) + count(errors[2]),
                       .refused = count(errors[3]),
                       .reset = count(errors[4]),
                       .unavailable = count(shortages[0]) + count(shortages[1]) + count(shortages[2])};
}

}  // namespace ladon::lab
