// What the management host and a host's own part say to each other about virtual functions, and how it fits
// into 32 scratchpads: half of them for each way, stop and wait, a sequence number and a checksum a message,
// a session number a side so that either may start anew at any time. Pure: words in, words out.
//
// A half: word 0 header (sequence << 16 | kind << 8 | payload words; 0: nothing), 1 session (own << 16 |
// addressee's), 2 acknowledged (sender's session << 16 | sequence), 3..14 payload, 15 checksum over words 0,
// 1 and the payload. The header is written last.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/mac.h"
#include "pcie/transaction.h"

namespace ladon::host::control {

// ---- management host -> host part
// This virtual function belongs to this slot. Offsets and `requester` are relative for a compute host (bytes
// in the NTB's register BAR; device/function on the NTB's link-side bus) and absolute on the management host
// itself (BusAddr; requester ID and its segment).
struct Assign {
  std::uint8_t slot = 0;
  pcie::Vm vm{};
  std::uint16_t requester = 0;
  pcie::HostSegment segment{};     // of the requester; 0 at a compute host, which has no other
  std::uint16_t vf_device = 0;     // device ID that the guest sees
  std::uint64_t registers = 0;     // BAR 0 of the VF
  std::uint64_t msix = 0;          // BAR 3 of the VF
  std::uint64_t message_base = 0;  // what the VF must emit instead of 0xFEE00000
  MacAddress mac;
  bool operator==(const Assign&) const = default;
};
// The virtual function is taken away; answered with Revoked once the host part has let go.
struct Revoke {
  std::uint8_t slot = 0;
  bool operator==(const Revoke&) const = default;
};
// Answer to Detach: the VF is disabled and has no DMA outstanding.
struct Quiesced {
  std::uint8_t slot = 0;
  bool operator==(const Quiesced&) const = default;
};
// Answer to Revoked: the VF was reset and scrubbed, and may be attached again.
struct Scrubbed {
  std::uint8_t slot = 0;
  bool operator==(const Scrubbed&) const = default;
};
// ---- host part -> management host
// This part is there, with so many slots. `fresh`: it holds nothing (first word after its start).
struct Ready {
  std::uint8_t slots = 0;
  bool fresh = false;
  bool operator==(const Ready&) const = default;
};
struct Attached {
  std::uint8_t slot = 0;
  bool operator==(const Attached&) const = default;
};
// The guest is gone: quiesce its VF.
struct Detach {
  std::uint8_t slot = 0;
  bool operator==(const Detach&) const = default;
};
// IOMMU mappings and interrupt routes of the slot are gone: reset and scrub the VF.
struct Revoked {
  std::uint8_t slot = 0;
  bool operator==(const Revoked&) const = default;
};
// ---- both ways: the VF of this slot did something refused. From the management host: `reason` is
// spec::pf::VfFault. From a part: what its host's IOMMU or interrupt remapping recorded.
struct FaultReport {
  static constexpr std::size_t kText = 36;  // bytes of `text` that arrive
  std::uint8_t slot = 0;
  std::uint16_t reason = 0;
  pcie::Access access = pcie::Access::read;
  std::uint64_t address = 0;
  std::string text = {};  // "DMA remapping: not mapped"
  bool operator==(const FaultReport&) const = default;
};

using Message =
    std::variant<Assign, Revoke, Quiesced, Scrubbed, Ready, Attached, Detach, Revoked, FaultReport>;

inline constexpr std::size_t kHalfWords = 16;
using Half = std::array<std::uint32_t, kHalfWords>;
struct WordWrite {
  std::uint8_t word = 0;  // within the writer's half
  std::uint32_t value = 0;
  bool operator==(const WordWrite&) const = default;
};

// One side of the conversation.
class Link {
 public:
  // `session` is not 0 and differs from the one this side used before (previous + 1, skipping 0).
  explicit Link(std::uint16_t session);
  [[nodiscard]] static std::uint16_t next_session(std::uint32_t previous_session_word);

  // What to write first of all: an empty half that carries the session.
  [[nodiscard]] std::vector<WordWrite> open() const;

  // Queued; goes out when the peer is known and has acknowledged what went before.
  void send(const Message& message);

  struct Step {
    std::vector<WordWrite> writes;  // in this order; if not empty, ring the peer afterwards
    std::optional<Message> received;
    bool peer_started = false;  // the peer is new: what was queued or unacknowledged is forgotten
  };
  // Looks at the peer's half as read just now.
  [[nodiscard]] Step step(const Half& peer);

  [[nodiscard]] std::size_t queued() const { return queue_.size() + (in_flight_ ? 1 : 0); }
  [[nodiscard]] std::uint64_t malformed() const { return malformed_; }

 private:
  void put_next(std::vector<WordWrite>& writes);
  [[nodiscard]] std::uint32_t session_word() const;

  static constexpr std::size_t kMaxQueue = 256;
  std::uint16_t session_, peer_ = 0;
  std::uint16_t sent_ = 0, received_ = 0;  // sequence numbers
  bool in_flight_ = false;
  std::deque<Message> queue_;
  std::uint64_t malformed_ = 0;
};

// Host vectors (RouteInterrupt, SelfInterrupt) by purpose. Below 32 lie the processor's exceptions; all fit
// eight bits, because without interrupt remapping a message carries no more.
inline constexpr std::uint32_t kPartControlVector = 32;         // control channel, at the host part
inline constexpr std::uint32_t kFirstSlotVector = 33;           // host part: slot * vectors + vector
inline constexpr std::uint32_t kManagementPfVector = 224;       // management: the first of 24 for PFs
inline constexpr std::uint32_t kManagementControlVector = 248;  // management: all control channels
// Of a NIC's PF. Racks with more NICs let some share one.
inline constexpr std::uint32_t kPfVectors = kManagementControlVector - kManagementPfVector;
[[nodiscard]] constexpr std::uint32_t pf_vector(std::size_t nic) {
  return kManagementPfVector + static_cast<std::uint32_t>(nic % kPfVectors);
}

}  // namespace ladon::host::control
