// The remote test host for machines without privileges: a PeerStack at the other end of an in-process wire.
// Used by one thread.
#pragma once

#include "port/counted_wire.h"
#include "port/frame_queue.h"
#include "port/peer_stack.h"

namespace ladon::port {

class InProcessPeer final : public CountedWire {
 public:
  // `frames`: how many answers may wait to be fetched; what does not fit is lost and counted (queue_full).
  explicit InProcessPeer(const PeerOptions& options, std::size_t frames = 256);

  bool send(ConstBytes frame) override;
  std::size_t receive(Bytes into) override;
  [[nodiscard]] bool carrier() const override { return true; }
  [[nodiscard]] int fd() const override { return answers_.fd(); }

  [[nodiscard]] const PeerStack& stack() const { return stack_; }

 private:
  PeerStack stack_;
  FrameQueue answers_;
};

}  // namespace ladon::port
