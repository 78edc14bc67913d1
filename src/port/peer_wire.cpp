#include "port/peer_wire.h"

#include <cstring>

namespace ladon::port {

InProcessPeer::InProcessPeer(const PeerOptions& options, std::size_t frames)
    : stack_(options), answers_(frames) {}

bool InProcessPeer::send(ConstBytes frame) {
  if (frame.size() > kMaxFrame) return count_refused(WireDrop::too_long);
  if (frame.size() < kMinFrame) return count_refused(WireDrop::too_short);
  const ConstBytes answer = stack_.handle(frame);
  if (!answer.empty() && !answers_.push(answer)) count_dropped(WireDrop::queue_full);
  // One acknowledgement wakes the reader; those that become due until it has come wait in the stack.
  if (answers_.front().empty())
    if (const ConstBytes ack = stack_.next_ack(); !ack.empty()) (void)answers_.push(ack);
  return count_sent(frame.size());
}

std::size_t InProcessPeer::receive(Bytes into) {
  for (;;) {
    ConstBytes frame = answers_.front();
    const bool queued = !frame.empty();
    if (!queued) frame = stack_.next_ack();
    if (frame.empty()) return 0;
    const std::size_t length = frame.size();
    const bool fits = length <= into.size();
    if (fits) std::memcpy(into.data(), frame.data(), length);
    if (queued) answers_.pop();
    if (fits) return count_received(length);
    count_dropped(WireDrop::too_long);
  }
}

}  // namespace ladon::port
