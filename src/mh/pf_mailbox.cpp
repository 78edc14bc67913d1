// The PF's half of the mailbox conversation with ixgbevf: messages and replies as in the Linux ixgbe driver
// (drivers/net/ethernet/intel/ixgbe: ixgbe_mbx.h for the words). Every word of a VF is untrusted.
#include <algorithm>
#include <utility>

#include "mh/pf_driver.h"
#include "spec/ixgbevf.h"

namespace ladon::mh {

namespace pf = spec::pf;
namespace vfr = spec::ixgbevf;

namespace {

constexpr std::uint32_t kInfoShift = 16, kInfoMask = 0xFF;
constexpr std::uint32_t kApi10 = 0, kApi11 = 2, kApi12 = 3, kApi13 = 4;
constexpr std::uint32_t kMostHashes = 30;  // two in a word, 15 words after the first
constexpr std::uint32_t kLongestFrame = 9728, kShortestFrame = 68;
constexpr std::uint32_t kFcs = 4, kVlanTag = 4;
// Which bits of a multicast address the VF hashes: 47:36 (82599 datasheet, MCSTCTRL.MO = 00b).
constexpr std::uint32_t kMulticastFilterType = 0;

std::uint32_t info(std::uint32_t word) {
  return word >> kInfoShift & kInfoMask;
}

}  // namespace

std::string_view name(MailboxRefusal refusal) {
  switch (refusal) {
    case MailboxRefusal::not_ready:
      return "not ready";
    case MailboxRefusal::answer:
      return "answer, not a request";
    case MailboxRefusal::unknown_message:
      return "unknown message";
    case MailboxRefusal::api_too_new:
      return "API too new";
    case MailboxRefusal::foreign_mac:
      return "foreign MAC";
    case MailboxRefusal::not_trusted:
      return "not trusted";
    case MailboxRefusal::bad_argument:
      return "bad argument";
    case MailboxRefusal::no_filter:
      return "no filter left";
    case MailboxRefusal::taken_mac:
      return "another VF's MAC";
    case MailboxRefusal::flood:
      return "flood";
    case MailboxRefusal::count_:
      break;
  }
  return "?";
}

void PfDriver::send(std::uint16_t vf, const std::vector<std::uint32_t>& words) {
  for (std::uint32_t i = 0; i < words.size(); ++i) store_vf(vf, pf::kVfMailboxMemory + 4 * i, words[i]);
  store_vf(vf, pf::kVfMailboxControl, pf::kMailboxSend);
  vfs_[vf].answered = true;
}

void PfDriver::serve_mailbox(std::uint16_t vf, std::vector<PfEvent>& events) {
  VfState& state = vfs_[vf];
  MessageWords message{};
  for (std::uint32_t i = 0; i < kWords; ++i) message[i] = load_vf(vf, pf::kVfMailboxMemory + 4 * i);
  store_vf(vf, pf::kVfMailboxControl, pf::kMailboxAck);
  if (failed_) return;
  if (++state.messages > mailbox_limit_) {
    // Not even answered: an answer is what a flood feeds on.
    state.refused.add(MailboxRefusal::flood);
    if (!std::exchange(state.flooding, true)) events.push_back({PfEvent::Kind::flood, vf, state.messages});
    return;
  }
  if ((message[0] & (vfr::kMessageAck | vfr::kMessageNack)) != 0)
    return state.refused.add(MailboxRefusal::answer);
  const bool owned = !is_shut(vf) && state.enabled;
  if (owned && message[0] == vfr::kMessageReset) return answer_reset(vf);
  if (!owned || !state.clear_to_send) {
    refuse(vf, MailboxRefusal::not_ready, events);
    // Without CTS, whatever the message says of itself: that makes the driver start anew.
    return send(vf, {(message[0] & ~vfr::kMessageCts) | vfr::kMessageNack});
  }
  const Answer reply = answer(vf, message);
  if (!reply) {
    refuse(vf, reply.error(), events);
    return send(vf, {message[0] | vfr::kMessageNack | vfr::kMessageCts});
  }
  auto words = *reply;
  // The driver looks at CTS in word 0 long after the answer: without it its link never comes up.
  words[0] |= vfr::kMessageAck | vfr::kMessageCts;
  send(vf, words);
}

void PfDriver::refuse(std::uint16_t vf, MailboxRefusal why, std::vector<PfEvent>& events) {
  VfState& state = vfs_[vf];
  state.refused.add(why);
  // Every driver begins with a version that is too new.
  const std::uint32_t bit = 1u << static_cast<std::uint32_t>(why);
  if (why == MailboxRefusal::api_too_new || (state.told & bit) != 0) return;
  state.told |= bit;
  events.push_back({PfEvent::Kind::refusal, vf, static_cast<std::uint32_t>(why)});
}

void PfDriver::answer_reset(std::uint16_t vf) {
  VfState& state = vfs_[vf];
  reset_state(vf);
  write_mac(vf, state.grant->mac);  // whatever a trusted guest has set before
  state.clear_to_send = true;
  state.silent_ticks = 0;
  const std::uint64_t mac = state.grant->mac.bits();
  const std::uint32_t result = state.grant->mac.is_zero() ? vfr::kMessageNack : vfr::kMessageAck;
  send(vf, {vfr::kMessageReset | result, static_cast<std::uint32_t>(mac),
            static_cast<std::uint32_t>(mac >> 32), kMulticastFilterType});
}

PfDriver::Answer PfDriver::answer(std::uint16_t vf, const MessageWords& message) {
  switch (message[0] & 0xFFFF) {
    case vfr::kMessageApi:
      return answer_api(vf, message);
    case vfr::kMessageGetQueues:
      return answer_queues(vf, message);
    case vfr::kMessageSetMac:
      return set_mac(vf, message);
    case vfr::kMessageSetMulticast:
      return set_multicast(vf, message);
    case vfr::kMessageSetVlan:
      return set_vlan(vf, message);
    case vfr::kMessageSetMaxFrame:
      return set_max_frame(vf, message);
    case vfr::kMessageSetMacVlan:
      return set_macvlan(vf, message);
    case vfr::kMessageUpdateXcast:
      return update_xcast(vf, message);
    case vfr::kMessageGetLinkState:
      return std::vector{message[0], 1u};
    default:
      return std::unexpected(MailboxRefusal::unknown_message);
  }
}

PfDriver::Answer PfDriver::answer_api(std::uint16_t vf, const MessageWords& message) {
  const std::uint32_t api = message[1];
  if (api != kApi10 && api != kApi11 && api != kApi12 && api != kApi13)
    return std::unexpected(MailboxRefusal::api_too_new);
  vfs_[vf].api = api;
  return std::vector{message[0]};
}

PfDriver::Answer PfDriver::answer_queues(std::uint16_t vf, const MessageWords& message) {
  if (vfs_[vf].api.value_or(kApi10) == kApi10) return std::unexpected(MailboxRefusal::bad_argument);
  const std::uint32_t translates_vlan = vfs_[vf].grant->vlan ? 1 : 0, default_queue = 0;
  return std::vector<std::uint32_t>{message[0], vfr::kQueues, vfr::kQueues, translates_vlan, default_queue};
}

PfDriver::Answer PfDriver::set_multicast(std::uint16_t vf, const MessageWords& message) {
  const std::uint32_t count = std::min(info(message[0]), kMostHashes);
  store_vf(vf, pf::kVfMulticast, 1u << 31);
  for (std::uint32_t i = 0; i < count; ++i)
    store_vf(vf, pf::kVfMulticast, message[1 + i / 2] >> (i % 2 * 16) & 0xFFF);
  set_receive_mode(vf, vfs_[vf].receive_mode | pf::kReceiveMulticast);
  return std::vector{message[0]};
}

PfDriver::Answer PfDriver::set_vlan(std::uint16_t vf, const MessageWords& message) {
  const bool add = info(message[0]) != 0;
  const std::uint32_t vlan = message[1] & 0xFFF;
  if (vfs_[vf].grant->vlan) return std::unexpected(MailboxRefusal::not_trusted);  // its VLAN is given
  // Untagged frames are VLAN 0; they cannot be given up.
  if (vlan != 0) store_vf(vf, pf::kVfVlanFilter, vlan | (add ? 1u << 30 : 0));
  return std::vector{message[0]};
}

PfDriver::Answer PfDriver::set_max_frame(std::uint16_t vf, const MessageWords& message) {
  const std::uint32_t longest = message[1];  // with FCS, without a VLAN tag
  if (longest < kShortestFrame || longest > kLongestFrame)
    return std::unexpected(MailboxRefusal::bad_argument);
  store_vf(vf, pf::kVfMaxFrame, longest - kFcs + kVlanTag);
  return std::vector{message[0]};
}

PfDriver::Answer PfDriver::update_xcast(std::uint16_t vf, const MessageWords& message) {
  constexpr std::uint32_t kNone = 0, kMulticast = 1, kAllMulticast = 2, kPromiscuous = 3;
  VfState& state = vfs_[vf];
  if (state.api.value_or(kApi10) < kApi12) return std::unexpected(MailboxRefusal::bad_argument);
  std::uint32_t mode = message[1];
  if (mode > kPromiscuous || (mode == kPromiscuous && *state.api < kApi13))
    return std::unexpected(MailboxRefusal::bad_argument);
  if (mode > kMulticast && !state.grant->trust) {
    // As Linux does: less than asked for, and the answer says so.
    state.refused.add(MailboxRefusal::not_trusted);
    mode = kMulticast;
  }
  std::uint32_t bits = pf::kReceiveBroadcast;
  if (mode != kNone) bits |= pf::kReceiveMulticast;
  if (mode >= kAllMulticast) bits |= pf::kReceiveAllMulticast;
  if (mode == kPromiscuous) bits |= pf::kReceivePromiscuous;
  set_receive_mode(vf, bits);
  return std::vector{message[0], mode};
}

}  // namespace ladon::mh
