#include "experiment/host_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <stdexcept>

#include "experiment/device_level.h"

namespace ladon::experiment {
namespace {

constexpr Duration kLongestWait = std::chrono::milliseconds(10);

MacAddress mac_of(std::size_t vm) {
  return {{0x52, 0x54, 0, 0x60, 0, static_cast<std::uint8_t>(vm + 1)}};
}

}  // namespace

HostPath::HostPath(LimitAt limit_at, machine::RunDirectory directory, port::RemoteHost remote)
    : limit_at_(limit_at),
      directory_(std::move(directory)),
      remote_(std::move(remote)),
      tap_(remote_.take_wire()),
      wire_(*tap_),
      device_(limit_at == LimitAt::host ? 1 : kVms, clock_, wire_),
      loop_(clock_) {
  loop_.add(tap_->fd(), Events::readable, [this](Events) { wire_.readable(); });
}

std::expected<std::unique_ptr<HostPath>, std::string> HostPath::start(LimitAt limit_at,
                                                                      const lab::Assets& assets,
                                                                      const std::string& logs) {
  auto directory = machine::RunDirectory::create();
  if (!directory) return std::unexpected(directory.error());
  auto remote = port::RemoteHost::start({.address = parse_ipv4_interface(kRemoteAddress).value()});
  if (!remote) return std::unexpected(remote.error());
  std::unique_ptr<HostPath> path(new HostPath(limit_at, std::move(*directory), std::move(*remote)));
  if (auto attached = path->attach(); !attached) return std::unexpected(attached.error());
  path->engine_ = std::thread([raw = path.get()] {
    while (!raw->stopped_.load(std::memory_order_relaxed)) raw->turn();
  });
  if (auto booted = path->boot(assets, logs); !booted) return std::unexpected(booted.error());
  return path;
}

HostPath::~HostPath() {
  guests_.reset();
  stopped_ = true;
  loop_.wake();
  if (engine_.joinable()) engine_.join();
}

std::expected<void, std::string> HostPath::attach() {
  const std::uint16_t functions = device_.nic().vfs();
  for (std::uint16_t vf = 0; vf < functions; ++vf) {
    Path path{.uplink =
                  std::make_unique<para::VfUplink>(device_.driver(vf), clock_, para::VfUplink::Options{})};
    path.mux = std::make_unique<para::Mux>(*path.uplink, clock_, para::Mux::Options{});
    paths_.push_back(std::move(path));
  }
  std::vector<std::vector<para::VfUplink::Station>> stations(functions);
  for (std::size_t vm = 0; vm < kVms; ++vm) {
    const auto port = paths_[function_of(vm)].mux->attach({.mac = mac_of(vm)});
    if (!port) return std::unexpected(std::string(para::name(port.error())));
    ports_[vm] = *port;
    auto link =
        para::VhostGuest::listen(fmt::format("{}/vm{}.sock", directory_.path(), vm + 1), loop_, **port, {});
    if (!link) return std::unexpected(link.error());
    links_[vm] = std::move(*link);
    stations[function_of(vm)].push_back({mac_of(vm)});
  }
  for (std::uint16_t vf = 0; vf < functions; ++vf)
    if (!paths_[vf].uplink->start(stations[vf])) return std::unexpected("the host's function did not start");
  return {};
}

std::expected<void, std::string> HostPath::boot(const lab::Assets& assets, const std::string& logs) {
  std::vector<WebGuest> started;
  for (std::size_t vm = 0; vm < kVms; ++vm) {
    const std::string name = fmt::format("vm{}", vm + 1);
    auto guest = start_virtio_guest(assets, {.name = name,
                                             .address = kAddresses[vm],
                                             .mac = mac_of(vm),
                                             .socket = fmt::format("{}/{}.sock", directory_.path(), name),
                                             .directory = directory_.path(),
                                             .logs = logs});
    if (!guest) return std::unexpected(guest.error());
    started.push_back(std::move(*guest));
  }
  for (auto& guest : started) {
    if (auto up = wait_up(guest); !up) return std::unexpected(up.error());
    if (auto serving = start_server(guest); !serving) return std::unexpected(serving.error());
  }
  guests_ = std::make_unique<std::array<WebGuest, kVms>>(
      std::array<WebGuest, kVms>{std::move(started[0]), std::move(started[1])});
  return {};
}

// ---- the engine's thread

void HostPath::turn() {
  bool busy = device_.poll();
  for (Path& path : paths_) busy |= path.mux->poll();
  busy |= device_.poll();
  std::vector<std::move_only_function<void()>> tasks;
  {
    const std::scoped_lock lock(tasks_mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
  loop_.run_once(busy ? Duration::zero() : until_deadline());
}

Duration HostPath::until_deadline() const {
  const Instant now = clock_.now();
  Duration wait = kLongestWait;
  const auto consider = [&](const std::optional<Instant>& due) {
    if (due) wait = std::min(wait, std::max(Duration::zero(), *due - now));
  };
  consider(const_cast<DrivenNic&>(device_).nic().next_deadline());
  for (const Path& path : paths_) consider(path.mux->next_deadline());
  return wait;
}

void HostPath::on_engine(const std::function<void()>& task) {
  std::packaged_task<void()> packaged(task);
  auto done = packaged.get_future();
  {
    const std::scoped_lock lock(tasks_mutex_);
    tasks_.emplace_back([&packaged] { packaged(); });
  }
  loop_.wake();
  done.get();
}

// ---- what is measured

void HostPath::set_capacity(const DeviceCapacity& capacity) {
  on_engine([&] {
    for (std::uint16_t vf = 0; vf < device_.nic().vfs(); ++vf)
      limit_function(device_.nic(), vf, std::nullopt, capacity);
    limit_device(device_.nic(), capacity);
  });
}

void HostPath::set_limit(const std::optional<Limit>& limit) {
  on_engine([&] {
    if (limit_at_ == LimitAt::device) return limit_function(device_.nic(), function_of(1), limit, {});
    if (policer_) {
      refused_frames_ += policer_->refused_frames();
      refused_bytes_ += policer_->refused_bytes();
    }
    auto policer =
        limit ? std::make_unique<RequestPolicer>(limit->replies, burst_of(*limit), clock_.now()) : nullptr;
    ports_[1]->set_limits({.receive = policer.get()});
    policer_ = std::move(policer);
  });
}

Counted HostPath::counted() {
  Counted all;
  on_engine([&] {
    for (std::size_t vm = 0; vm < kVms; ++vm) {
      const para::PortTraffic& traffic = ports_[vm]->traffic();
      all[vm] = {.device_frames = traffic.received_frames, .device_bytes = traffic.received_bytes};
      // Of a shared function nobody can tell whom the frames were for.
      if (limit_at_ == LimitAt::device || vm == 0) count_drops(device_.nic(), function_of(vm), all[vm]);
    }
    VmCounters& limited = all[1];
    limited.refused_by_host = refused_frames_ + (policer_ ? policer_->refused_frames() : 0);
    limited.device_frames += limited.refused_by_host;
    limited.device_bytes += refused_bytes_ + (policer_ ? policer_->refused_bytes() : 0);
  });
  return all;
}

}  // namespace ladon::experiment
