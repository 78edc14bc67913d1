// One attack's scene: who attacks, whose memory and registers are the targets, neighbours that talk all the
// while, and the few moves that most attacks are made of.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "attack/canary.h"
#include "attack/raw_rings.h"
#include "attack/testbed.h"
#include "client/vf_driver.h"
#include "host/blocking_host.h"

namespace ladon::attack {

using Frame = std::vector<std::byte>;

enum class Outcome : std::uint8_t { refused, succeeded, skipped };
[[nodiscard]] std::string_view name(Outcome outcome);

// What an attack reports. `by` and `attributed_to` are filled in from what the rack recorded, unless the
// attack knows better.
struct Verdict {
  Outcome outcome{};
  std::string reason;  // what was seen
  std::string by = {}, attributed_to = {};
};
[[nodiscard]] Verdict judge(bool succeeded, std::string seen, std::string otherwise);
[[nodiscard]] Verdict skipped(std::string reason);

// The guests of a rack by the part that they play; nullopt where the rack has nobody for it.
struct Cast {
  std::optional<std::size_t> attacker;  // a VM of a compute host, one with another VM if there is such
  std::optional<std::size_t> sibling;   // another VM of that host
  std::optional<std::size_t> stranger;  // a guest of another compute host
  std::optional<std::size_t> peer;      // another guest with a VF of the same NIC; the sibling if it has one
};
[[nodiscard]] Cast cast(const Testbed& bed);

class Scene {
 public:
  // `bed` outlives it. Opens every guest's driver; neighbours talk from now on.
  Scene(Testbed& bed, const Cast& parts);
  ~Scene();

  Testbed& bed;
  const Cast parts;
  [[nodiscard]] const Guest& guest(std::size_t index) const { return bed.guests()[index]; }
  [[nodiscard]] std::size_t me() const { return *parts.attacker; }
  [[nodiscard]] const Guest& self() const { return guest(me()); }
  [[nodiscard]] const Ntb* ntb_of(pcie::Domain host) const;
  [[nodiscard]] client::VfDriver& driver(std::size_t guest);
  // A host's bridge, for calls that wait.
  [[nodiscard]] host::BlockingHost& host(pcie::Domain domain);

  // ---- targets
  // A page of a host's memory that is no guest's; of a guest's memory. Throws std::runtime_error if there is
  // no room: a rack cannot be so small.
  [[nodiscard]] Canary canary_at(pcie::Domain host);
  [[nodiscard]] Canary canary_of(std::size_t guest);
  // A register of a VF that holds a value of ours and is nobody's to change but its owner's.
  void mark_registers(std::size_t guest);
  [[nodiscard]] bool marks_hold(std::size_t guest);
  static constexpr std::uint32_t kMarkedRegister = 0x3100;  // RSSRK
  static constexpr std::uint32_t kMark = 0x5EC2E7CA;

  // Where the attacker gets a page more than it has, and how much.
  static constexpr std::uint64_t kExtra = 2 << 20;
  [[nodiscard]] Gpa extra() const { return Gpa((self().memory + 2 * kExtra) & ~(kExtra - 1)); }

  // ---- moves
  // A guest's VF is reset and negotiates anew: a queue that was stopped runs again.
  void refresh(std::size_t guest);
  // The VF writes `bytes` (at most 400) to `at`: its second receive buffer is there, and a frame from the
  // wire ends in them.
  void write_by_dma(std::size_t guest, Iova at, ConstBytes bytes);
  void write_by_dma(std::size_t guest, Iova at, std::uint32_t word);
  // The VF sends what is at `at`; what the wire saw of it, empty if nothing came.
  [[nodiscard]] Frame read_by_dma(std::size_t guest, Iova at, std::uint32_t length);
  [[nodiscard]] RawRings& rings(std::size_t guest);
  // Memory of the guest's own, for buffers.
  [[nodiscard]] client::GuestMemory own(std::size_t guest, std::size_t bytes);
  // A frame from the wire to this guest, or of this guest to the wire.
  [[nodiscard]] Frame frame_to(const MacAddress& to, const MacAddress& from, std::size_t bytes) const;
  [[nodiscard]] static MacAddress outside() { return {{0x02, 0xFF, 0, 0, 0, 0x01}}; }

  // Frames of attackers that the wire has seen since the last call.
  [[nodiscard]] std::vector<Frame> seen_by_wire();
  // Interrupts that arrived since the scene began.
  [[nodiscard]] std::span<const Interrupt> interrupts() const;

  // ---- time: the rack moves and neighbours talk
  void run(unsigned rounds = 4);
  // Called after every turn of the hardware from now on; empty: nothing.
  void each_turn(std::function<void()> task) { task_ = std::move(task); }
  // Frames that neighbours sent or were sent, and that did not arrive. Lets everything settle first.
  [[nodiscard]] std::uint64_t lost();
  // Turns of the hardware that the slowest of the neighbours' frames was on its way: before the play, and
  // since.
  struct Latency {
    std::uint64_t before = 0, since = 0;
  };
  [[nodiscard]] Latency latency() const { return latency_; }
  // This guest is part of the play from here on: its frames are not counted.
  void leave_out(std::size_t guest);

 private:
  struct Station;
  void open(std::size_t guest);
  void talk(Station& station);
  void listen();
  void arrived(ConstBytes frame);

  std::vector<std::unique_ptr<Station>> stations_;
  std::vector<std::unique_ptr<host::BlockingHost>> hosts_;
  std::vector<Frame> seen_;
  std::size_t first_interrupt_ = 0;
  std::function<void()> task_;
  Latency latency_;
  bool begun_ = false;
  std::uint64_t canaries_ = 0;
};

}  // namespace ladon::attack
