// The way out over a virtual function that the host itself drives, its first pair of rings. Frames are copied
// into the driver's buffers - the device reaches the host's memory, not the guests' - and what a guest leaves
// to be done with them (checksums, the cutting of TCP segments) goes to the device in context descriptors.
// What arrives goes to the guests from the driver's buffers, with the device's word on its checksums.
//
// What the management software has to grant the function: trust, for more addresses than one (SET_MACVLAN)
// and for all multicasts (UPDATE_XCAST_MODE) - a guest's driver never says which groups it listens to; and a
// VLAN of its own only if no guest has one. Interrupts are the driver's, and its owner's to rearm.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>

#include "base/mac.h"
#include "base/time.h"
#include "client/vf_driver.h"
#include "para/tx_request.h"
#include "para/uplink.h"

namespace ladon::para {

class VfUplink final : public Uplink {
 public:
  struct Options {
    WireLimits wire;
    // A device that has completed nothing for so long, with its ring full, counts as down until it does: its
    // guests' frames are dropped then, for they could wait for ever, and those for one another with them.
    Duration stuck_after = std::chrono::milliseconds(100);
  };
  struct Station {
    MacAddress mac;
    std::uint16_t vlan = kNoVlan;
  };
  struct Traffic {
    std::uint64_t sent_frames = 0, sent_bytes = 0;  // as guests sent them
    std::uint64_t sent_segments = 0;                // as they went to the wire
    std::uint64_t received_frames = 0, received_bytes = 0;
    std::uint64_t full = 0;   // how often the ring had no room
    std::uint64_t stuck = 0;  // how often that lasted too long
  };

  // Driver and clock outlive the uplink. The driver's options say the same of the longest frame (with FCS) as
  // these, and strip VLAN tags.
  VfUplink(client::VfDriver& driver, const Clock& clock, const Options& options)
      : driver_(driver), clock_(clock), options_(options) {}

  // Control: these wait for the mailbox. Resets the function, opens its rings and asks for the guests'
  // addresses and VLANs; what was in the rings is lost. Also after check() has failed.
  [[nodiscard]] std::expected<void, client::VfError> start(std::span<const Station> guests);
  // Other guests than before, while frames move; for as long as the messages take, the function has some of
  // the addresses only. VLANs of guests that have gone are given up.
  [[nodiscard]] std::expected<void, client::VfError> set_stations(std::span<const Station> guests);
  // Looks after the link, as a driver's watchdog does. An error: the function has to be started again.
  [[nodiscard]] std::expected<bool, client::VfError> check();

  // Uplink
  [[nodiscard]] Outcome send(const vhost::Frame& frame, std::uint16_t vlan) override;
  void flush() override;
  [[nodiscard]] bool ready() override;
  [[nodiscard]] std::optional<Instant> deadline() const override;
  [[nodiscard]] bool receive(Arrival& into) override;

  [[nodiscard]] const Traffic& traffic() const { return traffic_; }
  [[nodiscard]] bool up() const { return up_; }

 private:
  static constexpr std::size_t kMostPieces = 32;
  [[nodiscard]] std::uint32_t longest() const;  // descriptors that one frame may take
  [[nodiscard]] bool has_room(std::uint32_t descriptors);
  [[nodiscard]] bool stuck();
  [[nodiscard]] bool copy(const vhost::Frame& frame, const client::TxOffload& request);

  client::VfDriver& driver_;
  const Clock& clock_;
  Options options_;
  Traffic traffic_;
  std::array<std::uint64_t, 64> vlans_{};  // bit v: the function is a member of VLAN v
  std::array<ConstBytes, kMostPieces> pieces_{};
  std::optional<client::FrameInPlace> held_;  // what the last receive() gave out
  std::optional<Instant> full_since_;
  bool up_ = false, stuck_ = false;
  bool rung_ = true;  // the device knows of all that was sent
};

}  // namespace ladon::para
