// What one vNIC is promised and allowed, as people ask for it: a plain value of intents and plans. The device
// that keeps it has the same quantities in its registers (spec/pf.h, kLevel). doc/rack-file.md names its
// fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ladon::mh {

// Units a second, and the burst in which they may come: bits and bytes, or packets, or cost in both.
struct RateRange {
  std::uint64_t guaranteed = 0;
  std::uint64_t most = 0;   // 0: no limit
  std::uint64_t burst = 0;  // 0: as the device chooses
  bool operator==(const RateRange&) const = default;
};

// Whose turn it is when several wait.
struct Turns {
  std::uint8_t priority = 0;  // 0 to 7, the highest first
  std::uint16_t weight = 1;   // 1 to 100, within the priority
  bool operator==(const Turns&) const = default;
};

// The default: nothing is promised, nothing is limited, and the packet memory is an equal share.
struct ServiceLevel {
  RateRange receive, transmit;  // bits a second, multiples of 1000; bursts in bytes
  RateRange receive_packets;    // packets a second; bursts in packets
  RateRange receive_cost;       // units of the device's processing a second (doc/hardware/nic.md); units
  Turns receive_turns, transmit_turns;
  // Bytes of packet memory that are its own. 0, and nothing shared: the VF has no partition, so its link is
  // down. nullopt: an equal share.
  std::optional<std::uint64_t> memory;
  std::uint64_t memory_shared = 0;    // bytes that it may borrow besides, of what nobody is guaranteed
  std::uint64_t memory_lendable = 0;  // bytes of `memory` that others may borrow while it does not need them
  bool operator==(const ServiceLevel&) const = default;

  [[nodiscard]] bool has_partition() const { return memory.value_or(1) + memory_shared != 0; }
};

inline constexpr std::uint8_t kMostPriority = 7;
inline constexpr std::uint16_t kMostWeight = 100;
// The device's; a burst or a partition that is smaller would let nothing pass.
inline constexpr std::uint64_t kLargestFrame = 9728;
// What a NIC is able to in each direction where nothing less is stated, bits a second (X550: 10GBASE-T).
inline constexpr std::uint64_t kLinkRate = 10'000'000'000;
inline constexpr std::uint64_t kPacketPage = 4096;  // packet memory is given in pages of so many bytes
// The least that a partition may have: the largest frame, in whole pages.
inline constexpr std::uint64_t kLeastShare = (kLargestFrame + kPacketPage - 1) / kPacketPage * kPacketPage;

// What is wrong with a level, whatever else is promised. For a person: which field, what, and how to mend it.
struct LevelMistake {
  std::string field;  // as a rack file has it; of synonyms the one that is ours or devlink's
  std::string message, mend;
};
[[nodiscard]] std::optional<LevelMistake> mistake_in(const ServiceLevel& level);

}  // namespace ladon::mh
