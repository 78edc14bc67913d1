// One attacker among real guests: who plays which part, where the targets are, and the few moves that most
// attacks are made of. The attacker's VF is in its own hands: no driver has it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "attack/scene.h"
#include "trial/guests.h"
#include "trial/management_log.h"
#include "trial/places.h"
#include "trial/witness.h"

namespace ladon::trial {

using attack::Frame;

// What a program printed as key=value.
struct Answer {
  bool done = false;  // it ran, and ended well
  std::map<std::string, std::string> values;
  std::string text;
  [[nodiscard]] std::uint64_t number(const std::string& key) const;
};

// Whoever of the others each part falls to; null where there is nobody.
struct Parts {
  RunningGuest* attacker = nullptr;
  RunningGuest* sibling = nullptr;  // another guest of the same host
  RunningGuest* stranger =
      nullptr;  // a guest of another compute host, one above the attacker's if there is one
  RunningGuest* helper =
      nullptr;  // a guest with a VF of the same NIC: what the attacker receives comes from it
};
// `shut`: whose VFs are in quarantine; from them comes no help.
[[nodiscard]] Parts cast(std::vector<RunningGuest>& guests, RunningGuest& attacker,
                         const std::vector<const RunningGuest*>& shut);

class Stage {
 public:
  // All outlive it. Takes the driver off the attacker's VF, plants targets in the guests' memory, and has the
  // helper send the attacker frames all the while. The error is a sentence.
  [[nodiscard]] static std::expected<Stage, std::string> set(machine::Runner& runner, Witness& witness,
                                                             ManagementLog& log, const Parts& parts);

  const Parts parts;
  Witness& witness;
  ManagementLog& log;
  [[nodiscard]] pcie::Domain home() const { return parts.attacker->place->placed.domain; }
  [[nodiscard]] const machine::GuestPlace& self() const { return *parts.attacker->place; }
  [[nodiscard]] MacAddress mac_of(const RunningGuest& guest) const {
    return guest.place->placed.guest->vf->mac;
  }
  template <class Look>
  auto look(Look at) {
    return runner_.on_engine(at);
  }

  // ---- targets, with a new secret each time
  [[nodiscard]] Target& host_page(pcie::Domain domain, std::size_t index = 0);
  [[nodiscard]] Target& page_of(RunningGuest& guest);
  [[nodiscard]] bool intact(const Target& target);

  // ---- moves
  Answer poke(const std::string& arguments);
  // The same in two halves, for what others do meanwhile.
  void begin_poke(const std::string& arguments);
  Answer end_poke();
  // Frames of 1 KiB and 4 bytes come; the four bytes go to each of these addresses in turn, `rounds` times.
  Answer write_by_dma(std::span<const std::uint64_t> addresses, unsigned rounds = 1);
  Answer write_by_dma(std::uint64_t address, unsigned rounds = 1);
  // The VF sends what is there; what was seen of it anywhere.
  [[nodiscard]] std::vector<Frame> read_by_dma(std::span<const std::uint64_t> addresses, std::uint32_t bytes);
  [[nodiscard]] std::vector<Frame> read_by_dma(std::uint64_t address, std::uint32_t bytes);
  // The address at which a host's memory appears in the management host's domain.
  [[nodiscard]] std::uint64_t in_window(pcie::Domain host, BusAddr at);
  [[nodiscard]] std::vector<std::uint32_t> vectors_of(const RunningGuest& guest) const;
  // The VF is reset and does what it is told; false once the management host has shut it: an attack that
  // begins then would be refused for nothing.
  [[nodiscard]] bool ready();

  // What the attacker touched, for the management host's log to name: see Evidence.
  void remember(std::uint64_t address) { tried_.push_back(address); }
  [[nodiscard]] std::vector<std::uint64_t> take_tried() { return std::exchange(tried_, {}); }
  // A guest other than the attacker to whom something happens on purpose during this attack.
  void excuse(const RunningGuest& guest) { excused_.insert(guest.name()); }
  [[nodiscard]] std::set<std::string> take_excused() { return std::exchange(excused_, {}); }

  // The helper stops, and the attacker's driver takes the VF back. False if the VF does not come up again.
  [[nodiscard]] bool strike();

 private:
  Stage(machine::Runner& runner, Witness& own_witness, ManagementLog& own_log, const Parts& own_parts)
      : parts(own_parts), witness(own_witness), log(own_log), runner_(runner) {}
  [[nodiscard]] std::expected<void, std::string> plant(RunningGuest& guest);
  [[nodiscard]] std::string fill_words() const;

  machine::Runner& runner_;
  std::string function_;  // the VF in its guest: 0000:00:01.0
  std::map<std::pair<pcie::Domain, std::size_t>, Target> host_pages_;
  std::map<const RunningGuest*, Target> guest_pages_;
  std::uint64_t secrets_ = 0;
  std::vector<std::uint64_t> tried_;
  std::set<std::string> excused_;
  bool alive_ = true;
};

[[nodiscard]] Answer run(RunningGuest& guest, const std::string& command);
// Tries a condition of the guest's shell until it holds: by our clock, for an emulated guest's may run at
// another speed.
[[nodiscard]] bool comes_true(RunningGuest& guest, const std::string& condition, Duration patience);
// Its driver is loaded and the VF in its hands; what the interface needs beyond that.
[[nodiscard]] bool bring_up(RunningGuest& guest);

}  // namespace ladon::trial
