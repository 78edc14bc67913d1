// A stock virtio-net guest at the switch: a port, and the backend on whose socket QEMU connects.
#pragma once

#include <expected>
#include <filesystem>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "para/guest_link.h"
#include "para/port.h"
#include "vhost/backend.h"

namespace ladon::para {

class VhostGuest final : public GuestLink {
 public:
  // As Backend::listen. `port` outlives the guest; what is offered to the driver is what the uplink can do.
  [[nodiscard]] static std::expected<std::unique_ptr<VhostGuest>, std::string> listen(
      const std::filesystem::path& path, EventLoop& loop, Port& port, const vhost::Backend::Options& options);
  ~VhostGuest() override;
  VhostGuest(const VhostGuest&) = delete;
  VhostGuest& operator=(const VhostGuest&) = delete;

  [[nodiscard]] vhost::Backend& backend() { return *backend_; }
  [[nodiscard]] Port& port() { return port_; }

  // GuestLink
  [[nodiscard]] vhost::Delivery send(const vhost::Frame& frame) override { return backend_->send(frame); }
  void flush() override { backend_->flush(); }
  void resume() override { backend_->resume(); }
  bool poll() override { return backend_->poll(); }

 private:
  VhostGuest(std::unique_ptr<vhost::Backend> backend, Port& port);

  std::unique_ptr<vhost::Backend> backend_;
  Port& port_;
};

}  // namespace ladon::para
