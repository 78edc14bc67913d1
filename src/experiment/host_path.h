// The shared path: both virtual machines have stock virtio-net devices, and their host's software switches
// them onto functions that it drives - one for both, or one each, so that the device can tell them apart.
#pragma once

#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/event_loop.h"
#include "experiment/driven_nic.h"
#include "experiment/request_policer.h"
#include "experiment/testbed.h"
#include "machine/run_directory.h"
#include "machine/wires.h"
#include "para/mux.h"
#include "para/vf_uplink.h"
#include "para/vhost_guest.h"

namespace ladon::experiment {

// Where VM2 is limited.
enum class LimitAt : std::uint8_t {
  host,    // in the host's software, when the device has received the frame; the machines share a function
  device,  // in the device, before it takes the frame; each machine has a function, which the host drives
};

class HostPath final : public Testbed {
 public:
  // To be called before other threads exist. The error is a sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<HostPath>, std::string> start(LimitAt limit_at,
                                                                                   const lab::Assets& assets,
                                                                                   const std::string& logs);
  ~HostPath() override;

  [[nodiscard]] port::RemoteHost& remote() override { return remote_; }
  [[nodiscard]] std::array<WebGuest, kVms>& guests() override { return *guests_; }
  void set_capacity(const DeviceCapacity& capacity) override;
  void set_limit(const std::optional<Limit>& limit) override;
  [[nodiscard]] Counted counted() override;

 private:
  HostPath(LimitAt limit_at, machine::RunDirectory directory, port::RemoteHost remote);
  [[nodiscard]] std::expected<void, std::string> attach();
  [[nodiscard]] std::expected<void, std::string> boot(const lab::Assets& assets, const std::string& logs);
  void turn();
  [[nodiscard]] Duration until_deadline() const;
  // Runs `task` on the engine's thread and waits for it.
  void on_engine(const std::function<void()>& task);
  [[nodiscard]] std::uint16_t function_of(std::size_t vm) const {
    return limit_at_ == LimitAt::host ? std::uint16_t{0} : static_cast<std::uint16_t>(vm);
  }

  const LimitAt limit_at_;
  SteadyClock clock_;
  machine::RunDirectory directory_;
  port::RemoteHost remote_;
  std::unique_ptr<port::TapWire> tap_;
  machine::ReadyWire wire_;
  DrivenNic device_;
  EpollLoop loop_;
  struct Path {
    std::unique_ptr<para::VfUplink> uplink;
    std::unique_ptr<para::Mux> mux;
  };
  std::vector<Path> paths_;  // by function
  std::array<para::Port*, kVms> ports_{};
  std::unique_ptr<RequestPolicer> policer_;
  std::uint64_t refused_frames_ = 0, refused_bytes_ = 0;  // by policers that are gone
  std::array<std::unique_ptr<para::VhostGuest>, kVms> links_;
  std::unique_ptr<std::array<WebGuest, kVms>> guests_;
  std::mutex tasks_mutex_;
  std::vector<std::move_only_function<void()>> tasks_;
  std::atomic<bool> stopped_{false};
  std::thread engine_;
};

}  // namespace ladon::experiment
