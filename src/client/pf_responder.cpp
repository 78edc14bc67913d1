#include "client/pf_responder.h"

#include <algorithm>

#include "spec/ixgbevf.h"

namespace ladon::client {

namespace pf = spec::pf;
namespace ixgbevf = spec::ixgbevf;

namespace {
constexpr std::uint32_t kReceiveModeAlways = pf::kReceiveBroadcast;
}

void PfResponder::set_mac(std::uint16_t vf, const MacAddress& mac) {
  pf_.write32(reg(vf, pf::kVfMacLow), static_cast<std::uint32_t>(mac.bits()));
  pf_.write32(reg(vf, pf::kVfMacHigh), static_cast<std::uint32_t>(mac.bits() >> 32) | 1u << 31);
}

void PfResponder::bring_up() {
  pf_.write32(pf::kControl, pf::kControlReset);
  pf_.write32(pf::kControl, options_.wire ? pf::kControlWire : 0);
  for (std::uint16_t vf = 0; vf < options_.vfs; ++vf) {
    set_mac(vf, mac_of(vf));
    pf_.write32(reg(vf, pf::kVfMaxFrame), 1514);
    pf_.write32(reg(vf, pf::kVfReceiveMode), kReceiveModeAlways);
    pf_.write32(reg(vf, pf::kVfControl), pf::kVfEnable | pf::kVfLink |
                                             (options_.spoof_check ? pf::kVfSpoofCheck : 0) |
                                             (options_.trust ? pf::kVfTrust : 0));
  }
  pf_.write32(pf::kMask, pf::kCauseMailbox | pf::kCauseFault | pf::kCauseLink | pf::kCauseFlr);
}

bool PfResponder::poll() {
  if (silent_) return false;
  const std::uint32_t cause = pf_.read32(pf::kCause);
  pf_.write32(pf::kCause, cause);
  bool worked = false;
  for (std::uint32_t word = 0; word < 2; ++word) {
    const std::uint32_t resets = pf_.read32(pf::kFlrPending + 4 * word);
    const std::uint32_t requests = pf_.read32(pf::kMailboxPending + 4 * word);
    if (resets != 0) pf_.write32(pf::kFlrPending + 4 * word, resets);
    for (std::uint16_t bit = 0; bit < 32 && ((resets | requests) >> bit) != 0; ++bit) {
      const auto vf = static_cast<std::uint16_t>(word * 32 + bit);
      if (vf >= options_.vfs) break;
      if ((resets >> bit & 1) != 0) cleared_[vf] = false;
      if ((requests >> bit & 1) != 0) answer(vf);
      worked |= ((resets | requests) >> bit & 1) != 0;
    }
  }
  return worked;
}

void PfResponder::answer(std::uint16_t vf) {
  ++requests_;
  Message message;
  for (std::uint32_t i = 0; i < message.size(); ++i)
    message[i] = pf_.read32(reg(vf, pf::kVfMailboxMemory) + 4 * i);
  pf_.write32(reg(vf, pf::kVfMailboxControl), pf::kMailboxAck);
  const std::uint32_t kind = message[0] & 0xFFFF;
  const bool accepted = (kind == ixgbevf::kMessageReset || cleared_[vf]) && handle(vf, message);
  if (!accepted) ++refusals_;
  // Once cleared to send, every answer says so, and the word stays in the buffer for the link check.
  message[0] = (message[0] & 0x1FFF'FFFF) | (accepted ? ixgbevf::kMessageAck : ixgbevf::kMessageNack) |
               (cleared_[vf] ? ixgbevf::kMessageCts : 0);
  for (std::uint32_t i = 0; i < message.size(); ++i)
    pf_.write32(reg(vf, pf::kVfMailboxMemory) + 4 * i, message[i]);
  pf_.write32(reg(vf, pf::kVfMailboxControl), pf::kMailboxSend);
}

bool PfResponder::handle_receive_mode(std::uint16_t vf, std::uint32_t mode) {
  std::uint32_t bits = kReceiveModeAlways;
  if (mode >= 1) bits |= pf::kReceiveMulticast;
  if (mode >= 2) bits |= pf::kReceiveAllMulticast;
  if (mode >= 3 && !options_.trust) return false;
  if (mode >= 3) bits |= pf::kReceivePromiscuous;
  pf_.write32(reg(vf, pf::kVfReceiveMode), bits);
  return true;
}

bool PfResponder::handle_multicast(std::uint16_t vf, const Message& message) {
  const std::uint32_t count = message[0] >> 16 & 0xFF;
  pf_.write32(reg(vf, pf::kVfMulticast), 1u << 31);
  for (std::uint32_t i = 0; i < count && 1 + i / 2 < message.size(); ++i)
    pf_.write32(reg(vf, pf::kVfMulticast), message[1 + i / 2] >> (i % 2 * 16) & 0xFFF);
  return true;
}

bool PfResponder::handle_macvlan(std::uint16_t vf, const Message& message) {
  if (!options_.trust) return false;
  const auto filter = [](std::size_t index) {
    return pf::kFilters + static_cast<std::uint32_t>(index) * pf::kFilterStride;
  };
  // Index 0 ends the function's list, 1 begins a new one.
  const std::uint32_t index = message[0] >> 16 & 0xFF;
  for (std::size_t i = 0; i < filter_owner_.size() && index <= 1; ++i) {
    if (filter_owner_[i] != vf + 1) continue;
    filter_owner_[i] = 0;
    pf_.write32(filter(i) + pf::kFilterVf, 0);
  }
  if (index == 0) return true;
  const auto free = std::ranges::find(filter_owner_, 0);
  if (free == filter_owner_.end()) return false;
  *free = static_cast<std::uint16_t>(vf + 1);
  const std::uint32_t at = filter(static_cast<std::size_t>(free - filter_owner_.begin()));
  pf_.write32(at + pf::kFilterMacLow, message[1]);
  pf_.write32(at + pf::kFilterMacHigh, message[2] & 0xFFFF);
  pf_.write32(at + pf::kFilterVf, vf | 1u << 31);
  return true;
}

bool PfResponder::handle(std::uint16_t vf, Message& message) {
  const MacAddress own = mac_of(vf);
  switch (message[0] & 0xFFFF) {
    case ixgbevf::kMessageReset:
      cleared_[vf] = true;
      message[0] = ixgbevf::kMessageReset;
      message[1] = static_cast<std::uint32_t>(own.bits());
      message[2] = static_cast<std::uint32_t>(own.bits() >> 32);
      message[3] = 0;
      return true;
    case ixgbevf::kMessageApi:
      return message[1] <= options_.api && message[1] != 3;
    case ixgbevf::kMessageGetQueues:
      message[1] = message[2] = options_.queues;
      message[3] = message[4] = 0;
      return true;
    case ixgbevf::kMessageSetMac:
      return MacAddress::from_bits(message[1] | std::uint64_t{message[2] & 0xFFFF} << 32) == own;
    case ixgbevf::kMessageSetMaxFrame:
      // The message counts the FCS, the register does not.
      if (message[1] < 64 || message[1] > 9728) return false;
      pf_.write32(reg(vf, pf::kVfMaxFrame), message[1] - 4);
      return true;
    case ixgbevf::kMessageUpdateXcast:
      return handle_receive_mode(vf, message[1]);
    case ixgbevf::kMessageSetMulticast:
      return handle_multicast(vf, message);
    case ixgbevf::kMessageSetMacVlan:
      return handle_macvlan(vf, message);
    case ixgbevf::kMessageSetVlan:
      if ((message[1] & 0xFFF) != 0)
        pf_.write32(reg(vf, pf::kVfVlanFilter),
                    (message[1] & 0xFFF) | ((message[0] >> 16 & 0xFF) != 0 ? 1u << 30 : 0));
      return true;
    case ixgbevf::kMessageGetLinkState:
      return true;
    default:
      return false;
  }
}

void PfResponder::set_link(std::uint16_t vf, bool up) {
  const std::uint32_t control = pf_.read32(reg(vf, pf::kVfControl));
  pf_.write32(reg(vf, pf::kVfControl), up ? control | pf::kVfLink : control & ~pf::kVfLink);
  pf_.write32(reg(vf, pf::kVfMailboxMemory),
              ixgbevf::kMessagePfControl | (cleared_[vf] ? ixgbevf::kMessageCts : 0));
  pf_.write32(reg(vf, pf::kVfMailboxControl), pf::kMailboxSend);
}

}  // namespace ladon::client
