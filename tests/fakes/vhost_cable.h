// Two vhost-user backends back to back: what one guest sends, the other receives. A frame that the other has
// no buffer for waits in its sender's ring.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "vhost/backend.h"

namespace ladon::fakes {

class VhostCable {
 public:
  // Listens on both paths; throws std::runtime_error if it cannot.
  VhostCable(EventLoop& loop, const std::array<std::filesystem::path, 2>& paths,
             const vhost::Backend::Options& options) {
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      auto made = vhost::Backend::listen(paths[i], loop, ends_[i], options);
      if (!made) throw std::runtime_error(made.error());
      backends_[i] = std::move(*made);
    }
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      ends_[i].own = backends_[i].get();
      ends_[i].other = backends_[1 - i].get();
    }
  }

  [[nodiscard]] vhost::Backend& backend(std::size_t index) { return *backends_[index]; }

 private:
  struct End final : vhost::FramePort {
    vhost::Backend* own = nullptr;
    vhost::Backend* other = nullptr;

    bool take(const vhost::Frame& frame) override { return other->send(frame) != vhost::Delivery::busy; }
    void flush() override { other->flush(); }
    // This guest has buffers again: the other one's frames go on.
    void room() override { other->resume(); }
  };
  std::array<End, 2> ends_;
  std::array<std::unique_ptr<vhost::Backend>, 2> backends_;
};

}  // namespace ladon::fakes
