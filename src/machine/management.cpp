#include "machine/management.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "host/socket_bridge.h"
#include "mh/service.h"

namespace ladon::machine {
namespace {

constexpr int kWaitMilliseconds = 200;

std::expected<mh::Intent, std::string> read_intent(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::unexpected(fmt::format("{}: cannot be read", path));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto intent = mh::intent_from_json(text);
  if (!intent) return std::unexpected(fmt::format("{}: {}", path, intent.error()));
  return intent;
}

// A predecessor whose epoch the journal has not seen makes ours too small: once more, then, from above it.
std::expected<std::unique_ptr<host::SocketBridge>, std::string> connect(const std::string& path,
                                                                        mh::Journal& journal) {
  for (;;) {
    const auto epoch = mh::next_epoch(journal);
    if (!epoch) return std::unexpected("the journal cannot be written");
    auto bridge = host::SocketBridge::connect(path, *epoch);
    if (bridge) return std::move(*bridge);
    const auto& newest = bridge.error().newest;
    if (!newest || *newest < *epoch) return std::unexpected(bridge.error().message);
    if (!journal.take_over(*newest)) return std::unexpected("the journal cannot be written");
  }
}

void log_event(const Log& log, const mh::ServiceEvent& event) {
  using Kind = mh::ServiceEvent::Kind;
  const bool matters = event.kind == Kind::fault || event.kind == Kind::quarantined ||
                       event.kind == Kind::failed || event.kind == Kind::drift;
  log.write_line(matters ? LogLevel::warning : LogLevel::debug,
                 fmt::format("management: {}: {}", mh::name(event.kind), event.text));
}

}  // namespace

std::expected<void, std::string> run_management(const ManagementOptions& options, const Log& log,
                                                const std::atomic<bool>& stop) {
  const auto intent = read_intent(options.intent);
  if (!intent) return std::unexpected(intent.error());
  auto journal = mh::Journal::open(options.journal);
  if (!journal) return std::unexpected(journal.error());
  auto bridge = connect(options.socket, **journal);
  if (!bridge) return std::unexpected(bridge.error());

  host::BlockingHost host(**bridge, [&] { return (*bridge)->wait(); });
  auto service = mh::Service::start(
      host, **journal, *intent, {.on_event = [&](const mh::ServiceEvent& event) { log_event(log, event); }});
  if (!service) return std::unexpected(service.error());
  auto next_tick = SteadyClock().now() + options.look_every;
  while (!stop.load(std::memory_order_relaxed)) {
    if (!(*bridge)->wait(kWaitMilliseconds)) break;
    (*service)->run_once();
    if (const auto now = SteadyClock().now(); now >= next_tick) {
      (*service)->tick();
      next_tick = now + options.look_every;
    }
  }
  return {};
}

std::expected<void, std::string> write_intent(const mh::Intent& intent, const std::string& path) {
  std::ofstream file(path);
  file << mh::to_json(intent) << '\n';
  file.close();
  if (!file) return std::unexpected(fmt::format("{}: cannot be written", path));
  return {};
}

}  // namespace ladon::machine
