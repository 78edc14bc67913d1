#include "machine/host_software.h"

#include <algorithm>
#include <utility>

namespace ladon::machine {
namespace {

// While a driver waits for its function, and at most while nothing is to do.
constexpr Duration kPause = std::chrono::milliseconds(1), kLongest = std::chrono::milliseconds(100);

std::vector<const GuestSpec*> sharing(const HostSpec& host, std::size_t nic) {
  std::vector<const GuestSpec*> guests;
  for (const GuestSpec& guest : host.guests)
    if (guest.shared && guest.shared->nic == nic) guests.push_back(&guest);
  return guests;
}

}  // namespace

std::expected<std::unique_ptr<HostSoftware>, std::string> HostSoftware::make(
    const Rack& rack, std::size_t host, ch::HostPart& part, const Options& options, const Clock& clock,
    const Log& log) {
  std::unique_ptr<HostSoftware> made(new HostSoftware(clock));
  const HostSpec& spec = rack.hosts[host];
  for (const PlacedGuest& placed : placed_guests(rack)) {
    if (!placed.software || placed.host != &spec) continue;
    const std::size_t nic = placed.guest->vf->nic;
    auto function = SharedFunction::make({.host = spec.name,
                                          .nic = rack.nics[nic].name,
                                          .directory = options.directory,
                                          .software = placed,
                                          .guests = sharing(spec, nic),
                                          .wake_engine = options.wake_engine,
                                          .idle = [self = made.get()] { self->pause(); }},
                                         part.slot(placed.slot), made->loop_, clock, log);
    if (!function) return std::unexpected(function.error());
    (*function)->assigned(part.slot(placed.slot)->assignment().has_value());
    made->functions_.push_back({placed.slot, std::move(*function)});
  }
  return made;
}

HostSoftware::~HostSoftware() {
  stopped_.store(true, std::memory_order_release);
  for (const Entry& entry : functions_) entry.function->close();
  loop_.wake();
  if (thread_.joinable()) thread_.join();
}

void HostSoftware::run() {
  thread_ = std::thread([this] {
    while (!stopped_.load(std::memory_order_acquire)) {
      for (const Entry& entry : functions_) entry.function->control();
      turn(kLongest, true);
    }
    run_tasks();
  });
}

// Also called by a driver that waits: what it may not touch then, SharedFunction knows.
void HostSoftware::pause() {
  const Instant end = clock_.now() + kPause;
  do turn(std::max(Duration::zero(), end - clock_.now()), false);
  while (clock_.now() < end && !stopped_.load(std::memory_order_acquire));
}

void HostSoftware::turn(Duration longest, bool controls) {
  bool more = false;
  Instant next = clock_.now() + longest;
  for (const Entry& entry : functions_) {
    more |= entry.function->poll();
    next = std::min(next, entry.function->next_deadline(controls));
  }
  if (stopped_.load(std::memory_order_acquire)) return;
  loop_.run_once(more ? Duration::zero() : std::max(Duration::zero(), next - clock_.now()));
  run_tasks();
}

void HostSoftware::run_tasks() {
  std::vector<std::move_only_function<void()>> tasks;
  {
    const std::scoped_lock lock(tasks_mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
}

bool HostSoftware::serve() {
  bool any = false;
  for (const Entry& entry : functions_) any |= entry.function->serve();
  return any;
}

void HostSoftware::assigned(std::uint8_t slot, bool is) {
  for (const Entry& entry : functions_)
    if (entry.slot == slot) {
      entry.function->assigned(is);
      loop_.wake();
    }
}

template <class Task>
auto HostSoftware::call(Task task) -> decltype(task()) {
  std::packaged_task<decltype(task())()> packaged(std::move(task));
  auto result = packaged.get_future();
  {
    const std::scoped_lock lock(tasks_mutex_);
    tasks_.emplace_back([&packaged] { packaged(); });
  }
  loop_.wake();
  return result.get();
}

bool HostSoftware::set_limits(const std::string& guest, const SharedLimits& limits) {
  return call([&] {
    return std::ranges::any_of(functions_,
                               [&](const Entry& entry) { return entry.function->set_limits(guest, limits); });
  });
}

std::vector<SharedFunctionReport> HostSoftware::report() {
  return call([&] {
    std::vector<SharedFunctionReport> all;
    for (const Entry& entry : functions_) all.push_back(entry.function->report());
    return all;
  });
}

}  // namespace ladon::machine
