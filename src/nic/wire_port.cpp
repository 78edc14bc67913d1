#include "nic/wire_port.h"

#include <algorithm>

#include "nic/dma_tag.h"
#include "nic/engine.h"

namespace ladon::nic {

namespace {
constexpr std::size_t kLongest = kMaxFrame + offload::kVlanTag;
constexpr std::size_t kStagingBytes = std::size_t{512} << 10;
}  // namespace

WirePort::WirePort(Engine& engine, Wire& wire)
    : engine_(engine), wire_(wire), source_(kWireSource, kStagingBytes), in_(kLongest), out_(kLongest) {}

std::size_t WirePort::run(std::size_t most) {
  std::size_t moved = 0;
  while (moved < most) {
    if (!waiting_) {
      const Taken taken = receive();
      if (taken == Taken::nothing) break;
      if (taken ==
          Taken::dropped) {  // work, too: nobody on the wire may keep the engine from its other queues
        ++moved;
        continue;
      }
    }
    waiting_ = engine_.forward(frame_, source_, nullptr) == Engine::Forwarded::wait;
    if (waiting_) break;
    ++moved;
  }
  return moved;
}

// Puts the next frame into frame_ if it is a good one.
WirePort::Taken WirePort::receive() {
  const std::size_t length = wire_.receive(in_);
  if (length == 0) return Taken::nothing;
  Bytes bytes = Bytes(in_).first(length);
  if (!enabled) {
    drops.add(WireDrop::disabled);
    return Taken::dropped;
  }
  const auto link = offload::parse_link(bytes);
  if (link.flaw != offload::FrameFlaw::none || length > kLongest) {
    drops.add(WireDrop::malformed);
    return Taken::dropped;
  }
  frame_ = {};
  frame_.verify = true;
  frame_.tagged = link.tagged;
  frame_.tag = link.tag;
  if (link.tagged) {
    std::memmove(bytes.data() + offload::kVlanTag, bytes.data(), 2 * sizeof(MacAddress::bytes));
    bytes = bytes.subspan(offload::kVlanTag);
  }
  frame_.head = bytes.first(std::min(bytes.size(), offload::kMaxSnapshot));
  rest_ = bytes.subspan(frame_.head.size());
  if (!rest_.empty()) frame_.rest = std::span(&rest_, 1);
  frame_.length = static_cast<std::uint32_t>(bytes.size());
  engine_.tap(TapPoint::wire_received, 0, frame_);
  return Taken::frame;
}

bool WirePort::send(const Frame& frame) {
  if (frame.length > kMaxFrame) return false;  // uncut, for a function that is gone
  std::size_t length = frame.length;
  if (frame.tagged) {
    insert_tag(frame, out_.data());
    length += offload::kVlanTag;
    copy_part(frame, static_cast<std::uint32_t>(frame.head.size()),
              frame.length - static_cast<std::uint32_t>(frame.head.size()),
              out_.data() + frame.head.size() + offload::kVlanTag);
  } else {
    copy_whole(frame, out_.data());
  }
  if (!wire_.send(ConstBytes(out_).first(length))) return false;
  engine_.tap(TapPoint::wire_sent, 0, frame);
  return true;
}

}  // namespace ladon::nic
