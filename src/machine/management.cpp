#include "machine/management.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>

#include "base/descriptor.h"
#include "host/socket_bridge.h"
#include "machine/management_verbs.h"
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

// Events as lines, those of each VF at most kBurst a second: a guest's flood must not bury what others do.
class EventLog {
 public:
  EventLog(const Log& log, const Clock& clock) : log_(log), clock_(clock) {}

  void operator()(const mh::ServiceEvent& event) {
    std::string text = event.guest.empty() || event.text.empty() ? event.guest + event.text
                                                                 : event.guest + ": " + event.text;
    if (event.kind == Kind::fault || event.kind == Kind::refused) {
      auto& limit = limits_.try_emplace(event.guest, clock_, kBurst, std::chrono::seconds(1)).first->second;
      const auto left_out = limit.allow();
      if (!left_out) return;
      if (*left_out != 0)
        log_.warning("management: left out: {}: {} lines before the next", event.guest, *left_out);
    }
    log_.write_line(level(event.kind), fmt::format("management: {}: {}", mh::name(event.kind), text));
  }

 private:
  using Kind = mh::ServiceEvent::Kind;
  static constexpr std::uint32_t kBurst = 32;

  [[nodiscard]] static LogLevel level(Kind kind) {
    if (kind == Kind::refused) return LogLevel::info;
    return kind == Kind::fault || kind == Kind::quarantined || kind == Kind::failed || kind == Kind::drift
               ? LogLevel::warning
               : LogLevel::debug;
  }

  const Log& log_;
  const Clock& clock_;
  std::map<std::string, LogRateLimit> limits_;
};

// Until the bridge or a person has said something; false once the bridge is gone.
bool wait(host::SocketBridge& bridge, const ManagementConsole* console) {
  if (console == nullptr) return bridge.wait(kWaitMilliseconds);
  pollfd ready[2] = {{bridge.fd(), static_cast<short>(bridge.wants_write() ? POLLIN | POLLOUT : POLLIN), 0},
                     {console->fd(), POLLIN, 0}};
  (void)::poll(ready, 2, kWaitMilliseconds);
  return bridge.wait(0);
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

  const SteadyClock clock;
  EventLog log_event(log, clock);
  host::BlockingHost host(**bridge, [&] { return (*bridge)->wait(); });
  auto started = mh::Service::start(host, **journal, *intent,
                                    {.on_event = [&](const mh::ServiceEvent& event) { log_event(event); }});
  if (!started) return std::unexpected(started.error());
  const std::unique_ptr<mh::Service> service = std::move(*started);
  std::unique_ptr<ManagementConsole> console;
  if (!options.control.empty()) {
    auto opened = ManagementConsole::open(options.control, management_verbs(service, options.intent), log);
    if (!opened) return std::unexpected(opened.error());
    console = std::move(*opened);
  }
  auto next_tick = SteadyClock().now() + options.look_every;
  while (!stop.load(std::memory_order_relaxed)) {
    if (!wait(**bridge, console.get())) break;
    if (console) console->serve();
    service->run_once();
    if (const auto now = SteadyClock().now(); now >= next_tick) {
      service->tick();
      next_tick = now + options.look_every;
    }
  }
  return {};
}

std::expected<void, std::string> write_intent(const mh::Intent& intent, const std::string& path) {
  const std::string next = path + ".new", text = mh::to_json(intent) + '\n';
  const FileDescriptor file(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  std::size_t written = 0;
  while (file && written < text.size()) {
    const ssize_t done = ::write(file.get(), text.data() + written, text.size() - written);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) break;
    written += static_cast<std::size_t>(done);
  }
  if (!file || written < text.size() || ::fsync(file.get()) != 0 ||
      std::rename(next.c_str(), path.c_str()) != 0)
    return std::unexpected(fmt::format("{}: cannot be written", path));
  return {};
}

}  // namespace ladon::machine
