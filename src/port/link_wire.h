// A cable between two NICs of one process: what one end sends the other receives. Each end may be used by a
// thread of its own.
#pragma once

#include <memory>
#include <utility>

#include "port/counted_wire.h"
#include "port/frame_queue.h"

namespace ladon::port {

class LinkWire final : public CountedWire {
 public:
  // `frames`: how many may wait in each direction. An end that is destroyed takes the other's carrier away.
  [[nodiscard]] static std::pair<std::unique_ptr<LinkWire>, std::unique_ptr<LinkWire>> make_pair(
      std::size_t frames = 256);
  ~LinkWire() override;

  bool send(ConstBytes frame) override;
  std::size_t receive(Bytes into) override;
  [[nodiscard]] bool carrier() const override;
  [[nodiscard]] int fd() const override { return in_->fd(); }

 private:
  struct Cable {
    std::atomic<bool> whole{true};
  };
  LinkWire(std::shared_ptr<FrameQueue> in, std::shared_ptr<FrameQueue> out, std::shared_ptr<Cable> cable);

  std::shared_ptr<FrameQueue> in_, out_;
  std::shared_ptr<Cable> cable_;
};

}  // namespace ladon::port
