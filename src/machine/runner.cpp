#include "machine/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "console/client.h"
#include "machine/management.h"

namespace ladon::machine {

Runner::Runner(RunDirectory directory, RunnerOptions options, Log log)
    : directory_(std::move(directory)), options_(std::move(options)), log_(std::move(log)) {}

std::expected<std::unique_ptr<Runner>, std::string> Runner::start(const Rack& rack,
                                                                  const RunnerOptions& options,
                                                                  const Log& log) {
  auto directory = RunDirectory::create();
  if (!directory) return std::unexpected(directory.error());
  std::unique_ptr<Runner> runner(new Runner(std::move(*directory), options, log));
  auto wires = make_wires(rack, runner->clock_, log);
  if (!wires) return std::unexpected(wires.error());
  auto machine =
      Machine::build(rack, std::move(*wires), {.directory = runner->directory()}, runner->clock_, log);
  if (!machine) return std::unexpected(machine.error());
  runner->machine_ = std::move(*machine);
  if (auto written = write_intent(intent_of(rack), runner->directory() + "/intent.json"); !written)
    return std::unexpected(written.error());
  if (auto started = runner->start_management(); !started) return std::unexpected(started.error());
  runner->engine_ = std::thread([machine = runner->machine_.get()] { machine->run(); });
  return runner;
}

Runner::~Runner() {
  stop_management();
  if (engine_.joinable()) {
    machine_->stop();
    engine_.join();
  }
}

std::expected<void, std::string> Runner::start_management() {
  const ManagementOptions options{.socket = machine_->management_socket(),
                                  .intent = directory() + "/intent.json",
                                  .journal = journal(),
                                  .control = management_control()};
  if (options_.program.empty()) {
    stop_management_ = false;
    management_thread_ = std::thread([this, options] {
      if (auto served = run_management(options, log_, stop_management_); !served)
        log_.error("management host: {}", served.error());
    });
    return {};
  }
  auto process = Process::start(
      {.command = {options_.program, "--log", options_.log_level, "mh", "--bridge", options.socket,
                   "--intent", options.intent, "--journal", options.journal, "--control", options.control},
       .output = options_.management_log,
       .share_error = options_.management_log.empty()});
  if (!process) return std::unexpected(process.error());
  management_ = std::make_unique<Process>(std::move(*process));
  return {};
}

void Runner::stop_management() {
  stop_management_ = true;
  if (management_thread_.joinable()) management_thread_.join();
  management_.reset();
}

std::expected<void, std::string> Runner::keep_managed() {
  if (!management_ || !management_->poll() || clock_.now() < next_start_) return {};
  log_.warning("the management host's program has ended; starting it again");
  next_start_ = clock_.now() + std::chrono::seconds(1);
  return start_management();
}

std::expected<console::Json, std::string> Runner::ask_management(const console::Json& request) const {
  constexpr Duration kPatience = std::chrono::seconds(10), kLongestChange = std::chrono::seconds(30);
  const Instant deadline = clock_.now() + kPatience;
  // Only what may be asked twice is asked until it is answered.
  while (!console::ask(management_control(), {{"verb", "help"}}, kPatience)) {
    if (clock_.now() > deadline)
      return std::unexpected("the management host's program does not answer; nothing was changed");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  auto result = console::ask(management_control(), request, kLongestChange);
  // Whose socket it was is nothing to whoever asked at another.
  const std::string prefix = management_control() + ": ";
  if (!result && result.error().starts_with(prefix)) result.error().erase(0, prefix.size());
  return result;
}

bool Runner::set_shared_limits(const std::string& guest, const SharedLimits& limits) {
  for (const SharedPlace& place : machine_->shared_guests())
    if (place.guest->name == guest) return machine_->software(place.domain)->set_limits(guest, limits);
  return false;
}

std::vector<SharedFunctionReport> Runner::shared_functions() {
  std::vector<SharedFunctionReport> all;
  for (std::size_t d = 0; d < machine_->rack().hosts.size(); ++d)
    if (auto* software = machine_->software(pcie::Domain{static_cast<std::uint16_t>(d)}))
      std::ranges::move(software->report(), std::back_inserter(all));
  return all;
}

std::expected<void, std::string> Runner::wait_assigned() {
  // Some 20 steps a guest, each on disk before it is taken.
  constexpr Duration kSetUp = std::chrono::seconds(10), kGuest = std::chrono::milliseconds(100);
  const Instant deadline = clock_.now() + kSetUp + kGuest * machine_->guests().size();
  while (!on_engine([](Machine& machine) { return machine.all_assigned(); })) {
    if (management_ && management_->poll())
      return std::unexpected("the management host's program has ended; see its messages above");
    if (clock_.now() > deadline)
      return std::unexpected("the management host has not given every guest its VF in time");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return {};
}

}  // namespace ladon::machine
