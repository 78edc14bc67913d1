// What the switch needs of the way out: one virtual NIC that all guests share. vf_uplink.h has it over a
// virtual function.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "vhost/frame.h"

namespace ladon::para {

// VLAN identifiers are 1 to 4094 (IEEE 802.1Q 9.6); 0 is none.
inline constexpr std::uint16_t kNoVlan = 0, kLastVlan = 4094;

struct Arrival {
  vhost::Frame frame;  // good until the next receive(); of length 0 if it was no frame
  std::uint16_t vlan = kNoVlan;
};

class Uplink {
 public:
  virtual ~Uplink() = default;

  enum class Outcome : std::uint8_t {
    sent,  // after flush()
    busy,  // no room now; ready() says when to try again
    down,  // what follows is said of a frame whether the uplink is down or not
    too_long,
    segments_too_short,
    checksum_unsupported,
    segmentation_unsupported,
  };
  // Copies the frame, which comes from a guest and may ask for anything.
  [[nodiscard]] virtual Outcome send(const vhost::Frame& frame, std::uint16_t vlan) = 0;
  // The last frame of a batch has been sent.
  virtual void flush() = 0;
  // No frame would be told `busy`.
  [[nodiscard]] virtual bool ready() = 0;
  // When ready() changes though the device does nothing.
  [[nodiscard]] virtual std::optional<Instant> deadline() const = 0;

  // The next frame from outside; false if there is none.
  [[nodiscard]] virtual bool receive(Arrival& into) = 0;
};

}  // namespace ladon::para
