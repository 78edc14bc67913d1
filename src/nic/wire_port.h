// The device's end of the wire: frames out, and frames in one at a time, kept while their receivers have no
// room yet.
#pragma once

#include <cstdint>
#include <vector>

#include "base/wire.h"
#include "nic/counters.h"
#include "nic/frame.h"

namespace ladon::nic {

class Engine;

class WirePort {
 public:
  WirePort(Engine& engine, Wire& wire);

  // Takes frames from the wire to the switch, at most `most`, those that are dropped at once included; how
  // many.
  std::size_t run(std::size_t most);
  // False if the wire did not take it.
  bool send(const Frame& frame);
  [[nodiscard]] bool carrier() const { return wire_.carrier(); }
  [[nodiscard]] FrameSource& source() { return source_; }

  bool enabled = false;
  Counters<WireDrop> drops;

 private:
  enum class Taken : std::uint8_t { nothing, dropped, frame };
  Taken receive();

  Engine& engine_;
  Wire& wire_;
  FrameSource source_;
  std::vector<std::byte> in_, out_;
  Frame frame_;  // in in_, if waiting_
  ConstBytes rest_;
  bool waiting_ = false;
};

}  // namespace ladon::nic
