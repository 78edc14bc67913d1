#include "client/vf_driver.h"

#include <algorithm>
#include <array>

#include "spec/ixgbevf.h"

namespace ladon::client {

namespace ixgbevf = spec::ixgbevf;

namespace {

constexpr std::uint32_t kInfoShift = 16;                                   // a message's parameter in word 0
constexpr std::array<std::uint16_t, 8> kVersions{8, 7, 6, 5, 4, 2, 1, 0};  // 1.7 first; 3 is version 2.0
constexpr std::uint16_t kVersion11 = 2;

[[nodiscard]] std::uint32_t low_word(const MacAddress& mac) {
  return static_cast<std::uint32_t>(mac.bits());
}
[[nodiscard]] std::uint32_t high_word(const MacAddress& mac) {
  return static_cast<std::uint32_t>(mac.bits() >> 32);
}

}  // namespace

VfDriver::VfDriver(Mmio& registers, GuestMemory memory, const VfOptions& options)
    : registers_(registers), options_(options), arena_(memory), mailbox_(registers) {}

std::expected<void, VfError> VfDriver::say(std::span<const std::uint32_t> words) {
  const auto answer = mailbox_.request(words);
  if (!answer) return std::unexpected(answer.error());
  return {};
}

std::expected<void, VfError> VfDriver::reset() {
  for (std::uint16_t q = 0; q < ixgbevf::kQueues; ++q) {
    registers_.write32(ixgbevf::kRx + q * ixgbevf::kQueueStride + ixgbevf::kQueueControl, 0);
    registers_.write32(ixgbevf::kTx + q * ixgbevf::kQueueStride + ixgbevf::kQueueControl, 0);
  }
  registers_.write32(ixgbevf::kEimc, (1u << ixgbevf::kVectors) - 1);
  static_cast<void>(registers_.read32(ixgbevf::kEicr));
  registers_.write32(ixgbevf::kControl, ixgbevf::kControlReset);
  static_cast<void>(registers_.read32(ixgbevf::kStatus));
  int tries = 200;
  while (mailbox_.take_reset() && tries > 0) --tries, registers_.pause();
  if (tries == 0) return std::unexpected(VfError::reset_pending);

  const std::array<std::uint32_t, 1> message{ixgbevf::kMessageReset};
  const auto answer = mailbox_.exchange(message);
  if (!answer) return std::unexpected(answer.error());
  const std::uint32_t result = (*answer)[0] & ~ixgbevf::kMessageCts;
  if (result != (ixgbevf::kMessageReset | ixgbevf::kMessageAck) &&
      result != (ixgbevf::kMessageReset | ixgbevf::kMessageNack))
    return std::unexpected(VfError::refused);
  // A NACK says that no address is assigned; the driver would choose one of its own.
  mac_assigned_ = (result & ixgbevf::kMessageAck) != 0;
  mac_ = MacAddress::from_bits((*answer)[1] | std::uint64_t{(*answer)[2] & 0xFFFF} << 32);
  return {};
}

std::expected<void, VfError> VfDriver::negotiate() {
  for (const std::uint16_t version : kVersions) {
    const std::array<std::uint32_t, 3> message{ixgbevf::kMessageApi, version, 0};
    const auto answer = say(message);
    if (answer) {
      api_ = version;
      return {};
    }
    if (answer.error() != VfError::refused) return answer;
  }
  return std::unexpected(VfError::refused);
}

std::expected<void, VfError> VfDriver::query_queues() {
  offered_ = 1;
  if (api_ < kVersion11) return {};
  const std::array<std::uint32_t, 5> message{ixgbevf::kMessageGetQueues};
  const auto answer = mailbox_.request(message);
  if (!answer) return std::unexpected(answer.error());
  offered_ = static_cast<std::uint16_t>(
      std::clamp<std::uint32_t>(std::min((*answer)[1], (*answer)[2]), 1, ixgbevf::kQueues));
  return {};
}

std::expected<void, VfError> VfDriver::probe() {
  if (const auto done = reset(); !done) return done;
  if (const auto done = negotiate(); !done) return done;
  return query_queues();
}

std::expected<void, VfError> VfDriver::open() {
  close();
  if (const auto done = set_max_frame(options_.max_frame); !done) return done;
  tx_.clear();
  rx_.clear();
  arena_.clear();
  const std::uint16_t queues = std::min(options_.queues, offered_);
  for (std::uint16_t q = 0; q < queues; ++q) {
    auto tx = TxRing::make(registers_, q, options_.tx_size, arena_, options_.report_every);
    if (!tx) return std::unexpected(tx.error());
    tx_.push_back(std::move(*tx));
    auto rx = RxRing::make(registers_, q, options_.rx, arena_);
    if (!rx) return std::unexpected(rx.error());
    rx_.push_back(*rx);
  }
  for (TxRing& ring : tx_)
    if (const auto done = ring.start(); !done) return done;
  if (queues > 1) set_up_rss();
  for (RxRing& ring : rx_)
    if (const auto done = ring.start(); !done) return done;
  if (mac_assigned_)
    if (const auto done = set_mac(mac_); !done) return done;
  route_interrupts();
  return {};
}

void VfDriver::close() {
  mask_interrupts();
  for (RxRing& ring : rx_) ring.stop();
  for (TxRing& ring : tx_) ring.stop();
}

std::expected<void, VfError> VfDriver::set_mac(const MacAddress& mac) {
  const std::array<std::uint32_t, 3> message{ixgbevf::kMessageSetMac, low_word(mac), high_word(mac)};
  const auto done = say(message);
  if (done) mac_ = mac;
  return done;
}

std::expected<void, VfError> VfDriver::add_mac(const MacAddress& mac) {
  const std::array<std::uint32_t, 3> message{ixgbevf::kMessageSetMacVlan | 1u << kInfoShift, low_word(mac),
                                             high_word(mac)};
  return say(message);
}

std::expected<void, VfError> VfDriver::set_macs(std::span<const MacAddress> macs) {
  // Index 0 ends the old list, 1 begins a new one.
  const std::array<std::uint32_t, 3> none{ixgbevf::kMessageSetMacVlan};
  if (macs.empty()) return say(none);
  std::uint32_t index = 0;
  for (const MacAddress& mac : macs) {
    const std::array<std::uint32_t, 3> message{ixgbevf::kMessageSetMacVlan | ++index << kInfoShift,
                                               low_word(mac), high_word(mac)};
    if (const auto done = say(message); !done) return done;
  }
  return {};
}

std::expected<void, VfError> VfDriver::set_receive_mode(ReceiveMode mode) {
  const std::array<std::uint32_t, 2> message{ixgbevf::kMessageUpdateXcast, static_cast<std::uint32_t>(mode)};
  return say(message);
}

std::expected<void, VfError> VfDriver::set_max_frame(std::uint16_t bytes) {
  const std::array<std::uint32_t, 2> message{ixgbevf::kMessageSetMaxFrame, bytes};
  return say(message);
}

std::expected<void, VfError> VfDriver::set_vlan(std::uint16_t vlan, bool member) {
  const std::array<std::uint32_t, 2> message{ixgbevf::kMessageSetVlan | (member ? 1u : 0u) << kInfoShift,
                                             vlan};
  return say(message);
}

std::expected<void, VfError> VfDriver::set_multicast(std::span<const MacAddress> groups) {
  VfMailbox::Message message{};
  const std::size_t count = std::min<std::size_t>(groups.size(), 2 * (message.size() - 1));
  message[0] = ixgbevf::kMessageSetMulticast | static_cast<std::uint32_t>(count) << kInfoShift;
  for (std::size_t i = 0; i < count; ++i) {
    // Filter type 0: bits 47..36 of the address.
    const std::uint32_t hash = static_cast<std::uint32_t>(groups[i].bits() >> 36) & 0xFFF;
    message[1 + i / 2] |= hash << (i % 2 * 16);
  }
  return say(message);
}

std::expected<bool, VfError> VfDriver::link_up() {
  if (mailbox_.take_reset()) return std::unexpected(VfError::reset_pending);
  if ((registers_.read32(ixgbevf::kLinks) & ixgbevf::kLinkUp) == 0) return false;
  const auto word = mailbox_.peek();
  if (!word) return false;  // the driver asks again at its next tick
  if ((*word & ixgbevf::kMessageCts) == 0) {
    if ((*word & ixgbevf::kMessageNack) != 0) return std::unexpected(VfError::not_cleared);
    return false;
  }
  return true;
}

std::expected<bool, VfError> VfDriver::link_stays() {
  // The answer to the driver's own reset shows as one too, when nobody looks for it any more.
  const bool reset = mailbox_.take_reset();
  const auto word = mailbox_.peek();
  if (!word && reset) return std::unexpected(VfError::reset_pending);
  if (word && (*word & ixgbevf::kMessageCts) == 0)
    return std::unexpected(reset ? VfError::reset_pending : VfError::not_cleared);
  return (registers_.read32(ixgbevf::kLinks) & ixgbevf::kLinkUp) != 0;
}

void VfDriver::route_interrupts() {
  const std::uint16_t misc = static_cast<std::uint16_t>(tx_.size());
  for (std::uint32_t q = 0; q < tx_.size(); ++q) {
    // Two queues a register, receive then transmit, a byte each.
    const std::uint32_t at = ixgbevf::kIvar + q / 2 * 4, shift = q % 2 * 16;
    const std::uint32_t both = (q | ixgbevf::kIvarValid) | (q | ixgbevf::kIvarValid) << 8;
    registers_.write32(at, (registers_.read32(at) & ~(0xFFFFu << shift)) | both << shift);
  }
  registers_.write32(ixgbevf::kIvarMisc, misc | ixgbevf::kIvarValid);
  const std::uint32_t all = (2u << misc) - 1;
  static_cast<void>(registers_.read32(ixgbevf::kEicr));
  registers_.write32(ixgbevf::kEiam, all);
  registers_.write32(ixgbevf::kEiac, all);
  registers_.write32(ixgbevf::kEims, all);
}

std::uint32_t VfDriver::take_causes() {
  return registers_.read32(ixgbevf::kEicr);
}

void VfDriver::rearm(std::uint32_t vectors) {
  registers_.write32(ixgbevf::kEims, vectors);
}

void VfDriver::mask_interrupts() {
  registers_.write32(ixgbevf::kEimc, (1u << ixgbevf::kVectors) - 1);
}

void VfDriver::set_interval(std::uint16_t vector, std::uint32_t microseconds) {
  // Bits 11:3 count 2 us; bit 31 keeps the running counter.
  registers_.write32(ixgbevf::kEitr + 4u * vector, (microseconds / 2 << 3 & 0xFF8) | 1u << 31);
}

void VfDriver::set_up_rss() {
  for (std::uint32_t i = 0; i < 10; ++i)
    registers_.write32(ixgbevf::kRssKey + 4 * i, 0x6D5A56DA * (2 * i + 1));
  for (std::uint32_t i = 0; i < 16; ++i) registers_.write32(ixgbevf::kReta + 4 * i, 0x0100'0100);
  registers_.write32(ixgbevf::kMrqc, 1u | 1u << 16 | 1u << 17 | 1u << 20 | 1u << 21);
}

}  // namespace ladon::client
