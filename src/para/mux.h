// The switch in a host's software by which several guests share one virtual NIC that the host owns: among
// them and one way out. Frames are copied once, from the sender's memory to the receiver's or to the uplink's
// buffers; nothing is allocated for a frame, nothing is locked - one thread owns it.
//
//   Mux mux(uplink, clock, {});
//   Port& port = **mux.attach({.mac = ...});        // std::expected<Port*, AttachError>
//   auto guest = VhostGuest::listen("/run/vm.sock", loop, port, {});
//   while (running) loop.run_once(mux.poll() ? Duration::zero() : until(mux.next_deadline()));
//
// Addresses are what was assigned: a guest's frames carry its own as their source, and a frame for an address
// that no guest has goes outside and nowhere else. Frames to a group go to everybody in the VLAN; each copy
// is charged to its receiver. Guests that find no room at the uplink wait, with their frames in their own
// rings, and take turns (turns.h). A frame for a guest without buffers is dropped, or its sender waits for at
// most Options::patience.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "para/address_table.h"
#include "para/port.h"
#include "para/turns.h"
#include "para/uplink.h"

namespace ladon::para {

enum class AttachError : std::uint8_t { bad_address, bad_vlan, address_taken, too_many_guests };
[[nodiscard]] std::string_view name(AttachError error);

class Mux {
 public:
  struct Options {
    std::uint32_t quantum = 16U << 10;  // bytes of a guest's turn at the uplink
    unsigned arrivals = 64;             // frames from outside that one poll() takes
    // How long a guest's frames wait for another guest's buffers, and not again until that one offers some.
    // The frames behind wait too, whoever they are for: only for guests that trust one another.
    Duration patience = Duration::zero();
  };

  // All outlive the switch.
  Mux(Uplink& uplink, const Clock& clock, const Options& options);
  ~Mux();
  Mux(const Mux&) = delete;
  Mux& operator=(const Mux&) = delete;

  // The port stays where it is until it is detached; the uplink's function must have its address and VLAN
  // too. Its link is taken away first.
  [[nodiscard]] std::expected<Port*, AttachError> attach(const PortOptions& options);
  void detach(Port& port);

  // Takes some of what has arrived, and gives a turn to each of those that waited. True if there is more to
  // do at once. To be called after every turn of the loop, and when the uplink's function has interrupted.
  bool poll();
  // When poll() must be called at the latest though neither a guest nor the device says anything.
  [[nodiscard]] std::optional<Instant> next_deadline() const;

  [[nodiscard]] const Counters<ArrivalDrop>& arrival_drops() const { return arrival_drops_; }
  [[nodiscard]] std::uint64_t arrivals() const { return arrivals_; }
  [[nodiscard]] unsigned guests() const;

 private:
  friend class Port;
  using Mask = std::uint64_t;  // bit g: guest g

  // ---- a guest's frame (forward.cpp)
  [[nodiscard]] bool take(Port& from, const vhost::Frame& frame);
  [[nodiscard]] bool send_outside(Port& from, const vhost::Frame& frame, const Load& load, Mask copies);
  [[nodiscard]] bool send_to_guest(Port& from, Port& to, const vhost::Frame& frame, const Load& load);
  // Its limit covers the frame, or it has been dropped, or it waits.
  enum class Verdict : std::uint8_t { pass, dropped, wait };
  [[nodiscard]] Verdict judge(Port& from, const Load& load, Instant now);
  void account(Port& from, const vhost::Frame& frame, const Load& load, Instant now);
  // Whoever has no limit does not pay for reading the clock.
  [[nodiscard]] Instant instant_for(const Policer* limit) const;
  // Takes the frame and counts why it goes nowhere.
  bool drop(Port& from, const Load& load, SendDrop reason);

  // ---- a frame for guests
  vhost::Delivery deliver(Port& to, const vhost::Frame& frame, const Load& load, bool may_wait);
  void deliver_copies(Mask to, const vhost::Frame& frame, const Load& load);
  void arrive(const Arrival& arrival);
  [[nodiscard]] Mask members(std::uint16_t vlan) const;

  // ---- waiting (mux.cpp)
  bool take_arrivals();
  void wake_expired();
  void wake_senders_to(unsigned guest);
  void serve_turns();
  [[nodiscard]] Turns::End serve(Port& port);
  void wait(Port& port, Port::Wait::For reason, Instant until, unsigned guest);
  void wake(Port& port);
  void forget_waits(Port& port);  // what it waited for is no more
  void flush();

  Uplink& uplink_;
  const Clock& clock_;
  Options options_;
  AddressTable table_;
  std::array<std::unique_ptr<Port>, kMaxGuests> ports_;
  Mask attached_ = 0;
  Mask dirty_ = 0;     // have received frames that they have not been told of
  Mask sleeping_ = 0;  // wait_ says for what
  Turns turns_;
  Counters<ArrivalDrop> arrival_drops_;
  std::uint64_t arrivals_ = 0;
};

}  // namespace ladon::para
