#include "experiment/load.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>

namespace ladon::experiment {
namespace {

constexpr double kGraceSeconds = 5;  // for statistics, after the interrupt

struct Client {
  port::RemoteCommand command;
  FileDescriptor output;
};

// An open load that would end by itself asks for longer than it is given.
std::expected<Client, std::string> start(port::RemoteHost& remote, const std::string& address,
                                         const Demand& demand, double seconds) {
  auto words = lab::httperf_command({.address = address,
                                     .clients = demand.clients,
                                     .rate = demand.rate,
                                     .timeout_seconds = demand.timeout_seconds},
                                    2 * seconds + 2);
  // httperf never sleeps; the guests go first.
  words.insert(words.begin(),
               {"nice", "-n", "5", "timeout", "--kill-after=3", "-s", "INT", fmt::format("{:.3f}", seconds)});
  FileDescriptor output(::memfd_create("httperf", MFD_CLOEXEC));
  if (!output) return std::unexpected("no memory for httperf's report");
  auto command = remote.spawn(words, {.in = -1, .out = output.get(), .error = output.get()});
  if (!command) return std::unexpected(command.error());
  return Client{std::move(*command), std::move(output)};
}

std::string text_of(const FileDescriptor& file) {
  std::string text(64 << 10, '\0');
  const ssize_t length = ::pread(file.get(), text.data(), text.size(), 0);
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return text;
}

std::expected<lab::HttperfResult, std::string> finish(Client& client, double seconds) {
  const auto most = std::chrono::milliseconds(static_cast<long long>((seconds + kGraceSeconds) * 1000));
  const auto status = client.command.wait(most);
  const std::string text = text_of(client.output);
  if (!status) return std::unexpected("httperf did not end");
  if (WIFEXITED(*status) && WEXITSTATUS(*status) == 127)
    return std::unexpected("there is no httperf; run tools/setup");
  const auto result = lab::parse_httperf(text);
  if (!result) return std::unexpected("httperf said: " + text);
  return *result;
}

Served served(const Demand& demand, const lab::HttperfResult& result, const VmCounters& before,
              const VmCounters& after) {
  // Requests are given up a timeout after they were made: in the first of a run there are none.
  const double counting = result.seconds - demand.timeout_seconds;
  // What the client itself was short of was never asked.
  const std::uint64_t given_up = result.timeouts + result.refused + result.reset;
  const double refused = counting > 0 ? static_cast<double>(given_up) / counting : 0;
  const auto rate = [&](std::uint64_t from, std::uint64_t to) {
    return static_cast<double>(to - from) / result.seconds;
  };
  return {.asked = static_cast<double>(result.connections) / result.seconds,
          .replies = static_cast<double>(result.ok) / result.seconds,
          .refused = refused,
          .device_bytes = rate(before.device_bytes, after.device_bytes),
          .device_frames = rate(before.device_frames, after.device_frames),
          .refused_by_host = rate(before.refused_by_host, after.refused_by_host),
          .refused_by_device = rate(before.refused_by_device, after.refused_by_device),
          .dropped = rate(before.without_memory + before.without_descriptor,
                          after.without_memory + after.without_descriptor),
          .reply_ms = result.reply_ms,
          .client_short = static_cast<double>(result.unavailable) / result.seconds};
}

}  // namespace

std::expected<Outcome, std::string> run_load(Testbed& testbed, const Demands& demands, double seconds) {
  const Counted before = testbed.counted();
  std::array<std::optional<Client>, kVms> clients;
  for (std::size_t vm = 0; vm < kVms; ++vm) {
    if (!demands[vm].any()) continue;
    auto client = start(testbed.remote(), testbed.guests()[vm].address, demands[vm], seconds);
    if (!client) return std::unexpected(client.error());
    clients[vm] = std::move(*client);
  }
  std::array<lab::HttperfResult, kVms> results;
  for (std::size_t vm = 0; vm < kVms; ++vm) {
    if (!clients[vm]) continue;
    auto result = finish(*clients[vm], seconds);
    if (!result) return std::unexpected(fmt::format("{}: {}", testbed.guests()[vm].name, result.error()));
    results[vm] = *result;
  }
  const Counted after = testbed.counted();
  Outcome outcome;
  for (std::size_t vm = 0; vm < kVms; ++vm)
    if (clients[vm] && results[vm].seconds > 0)
      outcome[vm] = served(demands[vm], results[vm], before[vm], after[vm]);
  return outcome;
}

std::expected<void, std::string> prepare_remote(port::RemoteHost& remote) {
  const auto done = remote.run({"sh", "-c",
                                "echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range && "
                                "echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse"},
                               std::chrono::seconds(5));
  if (!done) return std::unexpected(done.error());
  if (done->status != 0) return std::unexpected("the remote test host's network: " + done->text);
  return {};
}

}  // namespace ladon::experiment
