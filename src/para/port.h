// One guest's place at the switch: what was assigned to it, what it has sent and received, and what it waits
// for. A backend offers its guest's frames here.
#pragma once

#include <cstdint>
#include <optional>

#include "base/mac.h"
#include "base/time.h"
#include "para/drop.h"
#include "para/guest_link.h"
#include "para/policer.h"
#include "para/uplink.h"
#include "vhost/frame_port.h"

namespace ladon::para {

class Mux;

// What happens to a frame that the transmit limit does not cover.
enum class OverLimit : std::uint8_t {
  wait,  // it stays in the guest's ring, with all behind it, until it is covered
  drop,
};

// Null: no limit. They outlive the port or are replaced.
struct Limits {
  Policer* transmit = nullptr;
  OverLimit over_transmit = OverLimit::wait;
  Policer* receive = nullptr;  // of what has arrived: the host has done its part of the work by then
};

struct PortOptions {
  MacAddress mac;                // the only source address that passes
  std::uint16_t vlan = kNoVlan;  // the guest sees frames without a tag; outside they carry this one
  Limits limits;
};

struct PortTraffic {
  // What the guest sent and was accepted; to a group, counted once.
  std::uint64_t sent_frames = 0, sent_bytes = 0;
  std::uint64_t received_frames = 0, received_bytes = 0;
  Counters<SendDrop> send_drops;
  Counters<ReceiveDrop> receive_drops;
  // How often it had to wait.
  std::uint64_t waits_for_turn = 0, waits_for_limit = 0, waits_for_guest = 0;
};

class Port final : public vhost::FramePort {
 public:
  Port(Mux& mux, unsigned index, const PortOptions& options) : mux_(mux), index_(index), options_(options) {}
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  // Null: nobody serves the guest any more. The link outlives the port or is taken away.
  void connect(GuestLink* link);
  // From the next frame on.
  void set_limits(const Limits& limits);

  [[nodiscard]] const PortOptions& options() const { return options_; }
  [[nodiscard]] const PortTraffic& traffic() const { return traffic_; }
  [[nodiscard]] bool up() const { return link_ != nullptr && up_; }

  // vhost::FramePort
  [[nodiscard]] bool take(const vhost::Frame& frame) override;
  void flush() override;
  void room() override;
  void link(bool up) override;

 private:
  friend class Mux;
  // Until when the guest's ring is left alone, and for what.
  struct Wait {
    enum class For : std::uint8_t { nothing, limit, guest } reason = For::nothing;
    Instant until{};
    unsigned guest = 0;  // that the frame is for
  };

  Mux& mux_;
  unsigned index_;
  PortOptions options_;
  PortTraffic traffic_;
  GuestLink* link_ = nullptr;
  bool up_ = false;
  bool stalled_ = false;  // others have waited for its buffers long enough
  Wait wait_;
};

}  // namespace ladon::para
