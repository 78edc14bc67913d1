// What can be seen of a running rack from outside the guests: frames that arrive, interrupts, refusals, what
// was counted against whom. It watches from its construction to its end, and changes nothing.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "attack/testbed.h"
#include "machine/runner.h"

namespace ladon::trial {

// EtherTypes for local experiments (IEEE 802): what tx-read sends; frames that are looked for; frames that an
// attacker's buffers are filled with, which nobody looks at. MAC control is looked at too.
inline constexpr std::uint16_t kLoot = 0x88B5, kPlay = 0x88B6, kFill = 0x88B7, kMacControl = 0x8808;

struct SeenFrame {
  bool on_wire = false;           // else a VF has received it
  std::uint16_t nic = 0, vf = 0;  // where
  std::vector<std::byte> bytes;

  [[nodiscard]] std::uint16_t type() const { return load_be<std::uint16_t>(&bytes[12]); }
  [[nodiscard]] MacAddress to() const { return mac_at(0); }
  [[nodiscard]] MacAddress from() const { return mac_at(6); }

 private:
  [[nodiscard]] MacAddress mac_at(std::size_t at) const;
};

class Witness {
 public:
  // The runner outlives it.
  explicit Witness(machine::Runner& runner);
  ~Witness();
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

  // All that follows is what happened since the last begin().
  void begin();
  // Of kLoot, kPlay and kMacControl, where they arrived: at a VF, or out on a wire.
  [[nodiscard]] std::vector<SeenFrame> frames();
  [[nodiscard]] std::vector<attack::Interrupt> interrupts();
  // Of devices' requests; a storm is one entry.
  [[nodiscard]] std::vector<attack::Refusal> refusals();
  // What NICs and hosts' parts have counted against guests, as far as it grew.
  [[nodiscard]] std::vector<attack::Count> counts();

 private:
  struct Ear;
  static constexpr std::size_t kMost = 4096;
  using Counted = std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t>;
  [[nodiscard]] static Counted counted(machine::Machine& machine);
  void note(machine::Machine& machine, const pcie::Transaction& access, const fabric::Fault& fault);

  machine::Runner& runner_;
  // The engine's thread alone touches these.
  std::vector<std::unique_ptr<Ear>> ears_;  // one a NIC
  std::deque<SeenFrame> frames_;
  std::deque<attack::Interrupt> interrupts_;
  std::deque<attack::Refusal> refusals_;
  Counted before_;
};

}  // namespace ladon::trial
