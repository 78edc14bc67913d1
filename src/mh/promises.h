// Whether a NIC has what its VFs are promised together, and what that makes of the levels in which no
// packet memory is stated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "mh/service_level.h"

namespace ladon::mh {

// What a NIC has to promise.
struct NicResources {
  std::uint16_t vfs = 0;
  std::uint64_t memory = 0;                                 // bytes of packet memory
  std::uint64_t receive = kLinkRate, transmit = kLinkRate;  // bits a second
};

enum class Resource : std::uint8_t { receive_rate, transmit_rate, memory };
struct Shortage {
  std::size_t which = 0;  // of the levels: the first that does not fit beside those before it
  Resource resource{};
  std::uint64_t wanted = 0, left = 0;
};
[[nodiscard]] std::string_view field_of(Resource resource);  // as a rack file has it
// "rx_guaranteed: 3.00 Gb/s wanted, 2.00 Gb/s left"
[[nodiscard]] std::string to_string(const Shortage& shortage);

// Some packet memory is stated: then only the VFs that somebody has get any.
[[nodiscard]] bool states_memory(std::span<const ServiceLevel> levels);

// The levels of the VFs that somebody has, each with its packet memory: as stated, or an equal share of the
// NIC's, or of what the others leave if that is less. As they are if none says anything.
[[nodiscard]] std::expected<std::vector<ServiceLevel>, Shortage> resolve(
    const NicResources& nic, std::span<const ServiceLevel> levels);

}  // namespace ladon::mh
