// Two guests that say anything through their mailboxes - one trusted by its grant, one not - to the NIC and
// the management host's PF driver, and a third between them that nothing may happen to.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "host/blocking_host.h"
#include "input.h"
#include "mailbox/nic_bridge.h"
#include "mh/pf_driver.h"
#include "nic/rig.h"

namespace ladon::fuzz::mailbox {

class Correspondence {
 public:
  explicit Correspondence(Input& input);

  // One action, as the input says, and what must hold after each.
  void act();
  // The third guest's driver is still answered.
  void check();

 private:
  static constexpr std::uint16_t kPlain = 0, kVictim = 1, kTrusted = 2, kVfs = 3;
  using Words = std::array<std::uint32_t, 16>;
  struct Known {
    bool enabled = true;         // by the management software
    bool cleared = false;        // RESET was answered, and nothing has reset the VF since
    bool written = true;         // the guest has written word 0 since the last answer
    std::uint64_t accepted = 0;  // requests that the device has taken
  };

  // ---- the guests
  void say(Input& input);
  void write_word(Input& input);
  void write_control(Input& input);
  void read_control(Input& input);
  void reset(Input& input);
  void function_reset(Input& input);
  void drive(Input& input);
  void flood(Input& input);
  // ---- the management software and the world
  void serve(Input& input);
  void tick(Input& input);
  void administer(Input& input);
  void carrier(Input& input);
  void advance(Input& input);

  std::uint16_t guest(Input& input);
  void request(std::uint16_t vf);
  void service();
  // Whether an answer to `word` is what the conversation so far asks for.
  void check_answer(std::uint16_t vf, std::uint32_t word, std::uint64_t refused_before);
  void check_policies();
  [[nodiscard]] std::vector<std::uint32_t> victim_state();
  [[nodiscard]] std::uint32_t pf_read(std::uint16_t vf, std::uint32_t offset);
  [[nodiscard]] std::uint32_t vf_read(std::uint16_t vf, std::uint32_t offset);
  void vf_write(std::uint16_t vf, std::uint32_t offset, std::uint32_t value);
  [[nodiscard]] bool pending(std::uint16_t vf);
  [[nodiscard]] mh::Grant grant(std::uint16_t vf) const;

  Input& input_;
  nic::testing::Rig rig_;
  NicBridge bridge_;
  host::BlockingHost host_;
  mh::PfDriver driver_;
  std::array<Known, kVfs> known_{};
  std::vector<std::uint32_t> victim_;
};

}  // namespace ladon::fuzz::mailbox
