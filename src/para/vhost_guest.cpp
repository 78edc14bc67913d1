#include "para/vhost_guest.h"

#include <utility>

namespace ladon::para {

std::expected<std::unique_ptr<VhostGuest>, std::string> VhostGuest::listen(
    const std::filesystem::path& path, EventLoop& loop, Port& port, const vhost::Backend::Options& options) {
  auto backend = vhost::Backend::listen(path, loop, port, options);
  if (!backend) return std::unexpected(backend.error());
  return std::unique_ptr<VhostGuest>(new VhostGuest(std::move(*backend), port));
}

VhostGuest::VhostGuest(std::unique_ptr<vhost::Backend> backend, Port& port)
    : backend_(std::move(backend)), port_(port) {
  port_.connect(this);
}

VhostGuest::~VhostGuest() {
  port_.connect(nullptr);
}

}  // namespace ladon::para
