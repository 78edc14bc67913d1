#include "host/control.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ladon::host::control {

namespace {

constexpr std::size_t kHeader = 0, kSession = 1, kAcknowledged = 2, kPayload = 3, kChecksum = 15;
constexpr std::size_t kPayloadWords = kChecksum - kPayload;

// On the wire from 1: the order of Message's alternatives.
constexpr std::uint8_t kind_of(const Message& message) {
  return static_cast<std::uint8_t>(message.index() + 1);
}

// FNV-1a over words: finds torn and stale halves; against a liar no checksum helps.
std::uint32_t checksum_of(const Half& half, std::size_t payload) {
  std::uint32_t sum = 2166136261u;
  const auto add = [&sum](std::uint32_t word) { sum = (sum ^ word) * 16777619u; };
  add(half[kHeader]);
  add(half[kSession]);
  for (std::size_t i = 0; i < payload; ++i) add(half[kPayload + i]);
  return sum;
}

std::uint32_t low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}
std::uint32_t high(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}
std::uint64_t both(std::uint32_t l, std::uint32_t h) {
  return l | static_cast<std::uint64_t>(h) << 32;
}

using Words = std::vector<std::uint32_t>;

struct ToWords {
  Words operator()(const Assign& m) const {
    return {std::uint32_t{m.slot} | static_cast<std::uint32_t>(m.vm) << 16,
            m.requester | std::uint32_t{m.vf_device} << 16,
            low(m.registers),
            high(m.registers),
            low(m.msix),
            high(m.msix),
            low(m.message_base),
            high(m.message_base),
            low(m.mac.bits()),
            high(m.mac.bits()) | static_cast<std::uint32_t>(m.segment) << 16};
  }
  Words operator()(const Ready& m) const { return {m.slots | std::uint32_t{m.fresh} << 16}; }
  Words operator()(const FaultReport& m) const {
    Words words = {m.slot | static_cast<std::uint32_t>(m.access) << 8 | std::uint32_t{m.reason} << 16,
                   low(m.address), high(m.address)};
    std::array<std::uint32_t, FaultReport::kText / 4> text{};
    std::memcpy(text.data(), m.text.data(), std::min(m.text.size(), FaultReport::kText));
    words.insert(words.end(), text.begin(), text.end());
    return words;
  }
  template <class OnlySlot>
  Words operator()(const OnlySlot& m) const {
    return {m.slot};
  }
};

using Payload = std::array<std::uint32_t, kPayloadWords>;

template <class OnlySlot>
Message only_slot(const Payload& w) {
  return OnlySlot{static_cast<std::uint8_t>(w[0])};
}

Message assign_of(const Payload& w) {
  return Assign{.slot = static_cast<std::uint8_t>(w[0]),
                .vm = static_cast<pcie::Vm>(w[0] >> 16),
                .requester = static_cast<std::uint16_t>(w[1]),
                .segment = static_cast<pcie::HostSegment>(w[9] >> 16),
                .vf_device = static_cast<std::uint16_t>(w[1] >> 16),
                .registers = both(w[2], w[3]),
                .msix = both(w[4], w[5]),
                .message_base = both(w[6], w[7]),
                .mac = MacAddress::from_bits(both(w[8], w[9] & 0xFFFF))};
}
Message ready_of(const Payload& w) {
  return Ready{static_cast<std::uint8_t>(w[0]), (w[0] >> 16 & 1) != 0};
}
Message fault_of(const Payload& w) {
  std::array<char, FaultReport::kText> text{};
  std::memcpy(text.data(), &w[3], text.size());
  const auto length = std::ranges::find(text, '\0') - text.begin();
  return FaultReport{.slot = static_cast<std::uint8_t>(w[0]),
                     .reason = static_cast<std::uint16_t>(w[0] >> 16),
                     .access = (w[0] >> 8 & 0xFF) == static_cast<std::uint32_t>(pcie::Access::write)
                                   ? pcie::Access::write
                                   : pcie::Access::read,
                     .address = both(w[1], w[2]),
                     .text = std::string(text.data(), static_cast<std::size_t>(length))};
}

struct Kind {
  std::size_t words;
  Message (*read)(const Payload&);
};
// In the order of Message's alternatives.
constexpr std::array<Kind, std::variant_size_v<Message>> kKinds{{{10, assign_of},
                                                                 {1, only_slot<Revoke>},
                                                                 {1, only_slot<Quiesced>},
                                                                 {1, only_slot<Scrubbed>},
                                                                 {1, ready_of},
                                                                 {1, only_slot<Attached>},
                                                                 {1, only_slot<Detach>},
                                                                 {1, only_slot<Revoked>},
                                                                 {12, fault_of}}};

// The message in a half whose header is not zero; nullopt if it is none.
std::optional<Message> read(const Half& half) {
  const std::size_t kind = half[kHeader] >> 8 & 0xFF, words = half[kHeader] & 0xFF;
  if (kind == 0 || kind > kKinds.size() || words != kKinds[kind - 1].words) return std::nullopt;
  if (half[kChecksum] != checksum_of(half, words)) return std::nullopt;
  Payload payload{};
  for (std::size_t i = 0; i < words; ++i) payload[i] = half[kPayload + i];
  return kKinds[kind - 1].read(payload);
}

WordWrite put(std::size_t word, std::uint32_t value) {
  return {static_cast<std::uint8_t>(word), value};
}

}  // namespace

Link::Link(std::uint16_t session) : session_(session) {}

std::uint16_t Link::next_session(std::uint32_t previous_session_word) {
  const auto next = static_cast<std::uint16_t>((previous_session_word >> 16) + 1);
  return next == 0 ? std::uint16_t{1} : next;
}

std::uint32_t Link::session_word() const {
  return std::uint32_t{session_} << 16 | peer_;
}

std::vector<WordWrite> Link::open() const {
  return {put(kHeader, 0), put(kAcknowledged, 0), put(kSession, session_word())};
}

void Link::send(const Message& message) {
  // A peer that never acknowledges must not fill our memory; what it misses it is told anew when it starts.
  if (queue_.size() < kMaxQueue) queue_.push_back(message);
}

Link::Step Link::step(const Half& peer) {
  Step result;
  const auto peer_session = static_cast<std::uint16_t>(peer[kSession] >> 16);
  if (peer_session == 0) return result;
  if (peer_session != peer_) {
    peer_ = peer_session;
    sent_ = received_ = 0;
    in_flight_ = false;
    queue_.clear();
    result.peer_started = true;
    result.writes = open();
  }
  if (in_flight_ && peer[kAcknowledged] == (std::uint32_t{session_} << 16 | sent_)) in_flight_ = false;
  const auto sequence = static_cast<std::uint16_t>(peer[kHeader] >> 16);
  const bool for_us = static_cast<std::uint16_t>(peer[kSession]) == session_;
  if (peer[kHeader] != 0 && for_us && sequence != received_) {
    result.received = read(peer);
    if (result.received) {
      received_ = sequence;
      result.writes.push_back(put(kAcknowledged, std::uint32_t{peer_} << 16 | sequence));
    } else {
      ++malformed_;
    }
  }
  put_next(result.writes);
  return result;
}

void Link::put_next(std::vector<WordWrite>& writes) {
  if (in_flight_ || queue_.empty() || peer_ == 0) return;
  const Message message = queue_.front();
  queue_.pop_front();
  in_flight_ = true;
  if (++sent_ == 0) sent_ = 1;  // 0 is what a new link has received
  const Words words = std::visit(ToWords{}, message);
  Half half{};
  half[kHeader] = std::uint32_t{sent_} << 16 | std::uint32_t{kind_of(message)} << 8 |
                  static_cast<std::uint32_t>(words.size());
  half[kSession] = session_word();
  for (std::size_t i = 0; i < words.size(); ++i) {
    half[kPayload + i] = words[i];
    writes.push_back(put(kPayload + i, words[i]));
  }
  writes.push_back(put(kChecksum, checksum_of(half, words.size())));
  writes.push_back(put(kHeader, half[kHeader]));
}

}  // namespace ladon::host::control
