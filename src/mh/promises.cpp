#include "mh/promises.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace ladon::mh {

namespace {

// Takes `wanted` from `left`.
std::expected<void, Shortage> take(std::uint64_t& left, std::uint64_t wanted, std::size_t which,
                                   Resource resource) {
  if (wanted > left) return std::unexpected(Shortage{which, resource, wanted, left});
  left -= wanted;
  return {};
}

}  // namespace

std::string_view field_of(Resource resource) {
  switch (resource) {
    case Resource::receive_rate:
      return "rx_guaranteed";
    case Resource::transmit_rate:
      return "tx_share";
    case Resource::memory:
      return "memory";
  }
  return "?";
}

std::string to_string(const Shortage& shortage) {
  const auto amount = [&](std::uint64_t value) {
    return shortage.resource == Resource::memory ? format_size(value)
                                                 : format_rate(static_cast<double>(value));
  };
  return fmt::format("{}: {} wanted, {} left", field_of(shortage.resource), amount(shortage.wanted),
                     amount(shortage.left));
}

bool states_memory(std::span<const ServiceLevel> levels) {
  return std::ranges::any_of(levels, [](const ServiceLevel& level) { return level.memory.has_value(); });
}

std::expected<std::vector<ServiceLevel>, Shortage> resolve(const NicResources& nic,
                                                           std::span<const ServiceLevel> levels) {
  if (std::ranges::all_of(levels, [](const ServiceLevel& level) { return level == ServiceLevel{}; }))
    return std::vector<ServiceLevel>(levels.begin(), levels.end());
  NicResources left = nic;
  const auto is_unstated = [](const ServiceLevel& level) { return !level.memory; };
  const auto unstated = static_cast<std::uint64_t>(std::ranges::count_if(levels, is_unstated));
  // What they must have is not given to others.
  const std::uint64_t least = unstated * kLeastShare;
  if (least > left.memory)
    return std::unexpected(
        Shortage{static_cast<std::size_t>(std::ranges::find_if(levels, is_unstated) - levels.begin()),
                 Resource::memory, kLeastShare, left.memory / unstated});
  left.memory -= least;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (auto fits = take(left.receive, levels[i].receive.guaranteed, i, Resource::receive_rate); !fits)
      return std::unexpected(fits.error());
    if (auto fits = take(left.transmit, levels[i].transmit.guaranteed, i, Resource::transmit_rate); !fits)
      return std::unexpected(fits.error());
    if (auto fits = take(left.memory, levels[i].memory.value_or(0), i, Resource::memory); !fits)
      return std::unexpected(fits.error());
  }
  std::vector<ServiceLevel> resolved(levels.begin(), levels.end());
  if (unstated == 0) return resolved;
  std::uint64_t share = nic.memory / nic.vfs;
  if (states_memory(levels) || share < kLargestFrame)
    share =
        std::min(std::max(share, kLeastShare), (left.memory + least) / unstated) / kPacketPage * kPacketPage;
  for (ServiceLevel& level : resolved)
    if (!level.memory) level.memory = share;
  return resolved;
}

}  // namespace ladon::mh
