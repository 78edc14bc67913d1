// What the guests, the management software and the world do.
#include "mailbox/correspondence.h"
#include "nic/mailbox.h"
#include "spec/ixgbevf.h"
#include "spec/pf.h"

namespace ladon::fuzz::mailbox {

namespace pf = spec::pf;
namespace vfr = spec::ixgbevf;

// ---- the guests

// A whole message, as a driver writes it, and perhaps its answer.
void Correspondence::say(Input& input) {
  const std::uint16_t vf = guest(input);
  const std::size_t words = 1 + input.below(16);
  const bool answered = input.flag();
  for (std::uint32_t i = 0; i < words; ++i) vf_write(vf, vfr::kMailboxMemory + 4 * i, input.u32());
  request(vf);
  if (answered) service();
}

void Correspondence::write_word(Input& input) {
  const std::uint16_t vf = guest(input);
  const auto word = static_cast<std::uint32_t>(input.below(vfr::kMailboxWords));
  vf_write(vf, vfr::kMailboxMemory + 4 * word, input.u32());
}

void Correspondence::write_control(Input& input) {
  const std::uint16_t vf = guest(input);
  const std::uint32_t value = input.u8();
  if ((value & vfr::kMailboxReq) != 0) request(vf);
  vf_write(vf, vfr::kMailbox, value & ~vfr::kMailboxReq);
}

void Correspondence::read_control(Input& input) {
  static_cast<void>(vf_read(guest(input), vfr::kMailbox));
}

void Correspondence::reset(Input& input) {
  const std::uint16_t vf = guest(input);
  vf_write(vf, vfr::kControl, vfr::kControlReset);
  known_[vf].written = true;
}

void Correspondence::function_reset(Input& input) {
  const std::uint16_t vf = guest(input);
  pcie::Function& function = rig_.function(vf);
  if (const auto express = client::find_capability(function, spec::pci::kCapExpress))
    function.config_write(static_cast<std::uint16_t>(*express + spec::pci::kExpressDeviceControl), 2,
                          spec::pci::kDeviceControlFlr);
  known_[vf].written = true;
}

// Single requests of the native driver.
void Correspondence::drive(Input& input) {
  const std::uint16_t vf = guest(input);
  const std::uint8_t which = input.u8();
  using W = std::vector<std::uint32_t>;
  const MacAddress own = grant(vf).mac;
  const auto low = static_cast<std::uint32_t>(own.bits()),
             high = static_cast<std::uint32_t>(own.bits() >> 32);
  const std::uint16_t number = input.u16();
  static constexpr std::uint32_t kOne = 1u << 16;
  const std::array<W, 11> messages{W{vfr::kMessageReset},
                                   W{vfr::kMessageApi, number & 7u, 0},
                                   W{vfr::kMessageGetQueues, 0, 0, 0, 0},
                                   W{vfr::kMessageSetMac, low, high},
                                   W{vfr::kMessageSetMacVlan | kOne, low ^ number, high},
                                   W{vfr::kMessageSetMacVlan | 2 * kOne, low ^ number, high},
                                   W{vfr::kMessageSetVlan | kOne, number},
                                   W{vfr::kMessageSetMaxFrame, number},
                                   W{vfr::kMessageUpdateXcast, number & 3u},
                                   W{vfr::kMessageSetMulticast | 2 * kOne, number},
                                   W{vfr::kMessageGetLinkState, 0}};
  const W& words = messages[which % messages.size()];
  for (std::uint32_t i = 0; i < words.size(); ++i) vf_write(vf, vfr::kMailboxMemory + 4 * i, words[i]);
  request(vf);
  service();
}

// More than anybody may say: the device stops taking them, and the software answering.
void Correspondence::flood(Input& input) {
  const std::uint16_t vf = guest(input);
  const bool served = input.flag();
  for (std::size_t left = input.u8() * 3u; left > 0; --left) {
    request(vf);
    if (served && pending(vf)) service();
  }
}

// ---- the management software and the world

void Correspondence::serve(Input&) {
  service();
}

void Correspondence::tick(Input&) {
  // A driver that has missed a reset is told, in word 0.
  driver_.tick();
}

void Correspondence::administer(Input& input) {
  const std::uint16_t vf = guest(input);
  Known& known = known_[vf];
  switch (input.below(5)) {
    case 0:
      require(driver_.quiesce(vf).has_value());
      known.enabled = false;
      break;
    case 1:
      require(driver_.quiesce(vf).has_value());
      require(driver_.reset_and_scrub(vf).has_value());
      known = {.enabled = false, .accepted = known.accepted};
      break;
    case 2:
      require(driver_.quarantine(vf).has_value());
      known.enabled = known.cleared = false;
      break;
    case 3:
      require(driver_.enable(vf, grant(vf)).has_value());
      if (!known.enabled) known.cleared = false;
      known.enabled = true;
      break;
    default:
      require(driver_.resume(vf).has_value());
      if (!known.enabled && !driver_.quarantined(vf)) known = {.enabled = true, .accepted = known.accepted};
  }
}

void Correspondence::carrier(Input& input) {
  rig_.wire().up = input.flag();
  rig_.nic().poll();
}

void Correspondence::advance(Input& input) {
  rig_.clock().advance(std::chrono::milliseconds(input.u8()));
}

}  // namespace ladon::fuzz::mailbox
