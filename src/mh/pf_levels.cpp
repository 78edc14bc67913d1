// Service levels, packet memory and what a VF's owner may do, changed while the VF runs.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mh/pf_driver.h"
#include "spec/ixgbevf.h"

namespace ladon::mh {

namespace pf = spec::pf;
namespace vfr = spec::ixgbevf;

namespace {

constexpr std::uint32_t word(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, ~std::uint32_t{0}));
}

// Rates in bits are in thousands.
struct RateBlock {
  std::uint32_t at;
  RateRange ServiceLevel::* range;
  std::uint32_t unit;
};
constexpr std::array kRateBlocks{RateBlock{pf::kLevelReceive, &ServiceLevel::receive, pf::kRateUnit},
                                 RateBlock{pf::kLevelReceivePackets, &ServiceLevel::receive_packets, 1},
                                 RateBlock{pf::kLevelReceiveCost, &ServiceLevel::receive_cost, 1},
                                 RateBlock{pf::kLevelTransmit, &ServiceLevel::transmit, pf::kRateUnit}};

}  // namespace

std::string PfDriver::vf_name(std::uint16_t vf) const {
  return "NIC " + pcie::to_string(nic_.pf) + ": VF " + std::to_string(vf);
}

std::uint64_t PfDriver::equal_share() const {
  return nic_.packet_memory / std::max<std::uint64_t>(nic_.vfs, 1);
}

std::expected<ServiceLevel, DriverError> PfDriver::read_level(std::uint16_t vf) {
  store(pf::kLevel + pf::kLevelCommand, vf | pf::kLevelLoad);
  ServiceLevel level;
  for (const RateBlock& block : kRateBlocks) {
    const auto at = [&](std::uint32_t field) { return std::uint64_t{load(pf::kLevel + block.at + field)}; };
    level.*block.range = {at(pf::kRateGuaranteed) * block.unit, at(pf::kRateMost) * block.unit,
                          at(pf::kRateBurst)};
  }
  const auto turns = [&](std::uint32_t at) {
    const std::uint32_t value = load(pf::kLevel + at);
    return Turns{static_cast<std::uint8_t>(value), static_cast<std::uint16_t>(value >> 16)};
  };
  level.receive_turns = turns(pf::kLevelReceiveTurns);
  level.transmit_turns = turns(pf::kLevelTransmitTurns);
  level.memory = load(pf::kLevel + pf::kLevelMemory);
  level.memory_shared = load(pf::kLevel + pf::kLevelMemoryMost) - *level.memory;
  level.memory_lendable = load(pf::kLevel + pf::kLevelMemoryLendable);
  if (auto fine = outcome("read a service level"); !fine) return std::unexpected(fine.error());
  return level;
}

Done PfDriver::program_level(std::uint16_t vf, const ServiceLevel& level) {
  for (const RateBlock& block : kRateBlocks) {
    const RateRange& range = level.*block.range;
    store(pf::kLevel + block.at + pf::kRateGuaranteed, word(range.guaranteed / block.unit));
    store(pf::kLevel + block.at + pf::kRateMost, word(range.most / block.unit));
    store(pf::kLevel + block.at + pf::kRateBurst, word(range.burst));
  }
  const auto turns = [](const Turns& t) { return std::uint32_t{t.weight} << 16 | t.priority; };
  store(pf::kLevel + pf::kLevelReceiveTurns, turns(level.receive_turns));
  store(pf::kLevel + pf::kLevelTransmitTurns, turns(level.transmit_turns));
  const std::uint64_t memory = level.memory.value_or(equal_share());
  store(pf::kLevel + pf::kLevelMemory, word(memory));
  store(pf::kLevel + pf::kLevelMemoryMost, word(memory + level.memory_shared));
  store(pf::kLevel + pf::kLevelMemoryLendable, word(level.memory_lendable));
  store(pf::kLevel + pf::kLevelCommand, vf | pf::kLevelApply);
  const std::uint32_t refused = load(pf::kLevel + pf::kLevelResult);
  if (refused != 0 && !failed_)
    return std::unexpected(DriverError{
        fmt::format("{}: the device refuses its service level: reason {}, {} wanted, {} left", vf_name(vf),
                    refused, load(pf::kLevel + pf::kLevelWanted), load(pf::kLevel + pf::kLevelLeft))});
  return outcome("set the service level of VF " + std::to_string(vf));
}

Done PfDriver::set_level(std::uint16_t vf, const ServiceLevel& level) {
  VfState& state = vfs_[vf];
  const bool was_shut = is_shut(vf);
  if (auto done = program_level(vf, level); !done) return done;
  state.level = level;
  write_pages(vf);
  if (!state.grant || is_shut(vf) == was_shut) return outcome("set the service level");
  return was_shut ? reopen(vf) : shut(vf);
}

Done PfDriver::default_levels() {
  // Shrunk first, as everywhere.
  for (const std::uint64_t memory : {std::uint64_t{0}, equal_share()})
    for (std::uint16_t vf = 0; vf < nic_.vfs; ++vf) {
      // Nobody is without a partition meanwhile.
      const ServiceLevel level{.memory = memory, .memory_shared = equal_share() - memory};
      if (auto done = set_level(vf, level); !done) return done;
      if (memory != 0) vfs_[vf].level.reset();
    }
  return {};
}

Done PfDriver::set_capacity(const NicCapacity& capacity) {
  const auto set = [&](std::uint32_t at, std::uint64_t rate) {
    const std::uint32_t value = word(rate / pf::kRateUnit);
    store(at, value);
    return load(at) == value;
  };
  const bool receive = set(pf::kCapacityReceive, capacity.receive);
  const bool transmit = set(pf::kCapacityTransmit, capacity.transmit);
  if (!failed_ && !(receive && transmit))
    return std::unexpected(DriverError{"NIC " + pcie::to_string(nic_.pf) +
                                       ": the device refuses a capacity below what it guarantees"});
  return outcome("set the capacity");
}

// ---- packet memory's pages

void PfDriver::write_pages(std::uint16_t vf) {
  // Of a VF that nobody has there is nothing to tell.
  const ServiceLevel level = vfs_[vf].level.value_or(ServiceLevel{});
  const std::uint64_t bytes = vfs_[vf].grant ? level.memory.value_or(equal_share()) : 0;
  const PageTable before = pages_.table(vf);
  pages_.resize(vf, static_cast<std::uint32_t>(bytes / vfr::kPageBytes));
  const PageTable& now = pages_.table(vf);
  const auto at = [&](std::size_t extent) {
    return pf::kPageTables + vf * pf::kPageTableStride + static_cast<std::uint32_t>(extent) * 8;
  };
  for (std::size_t i = 0; i < std::max(before.size(), now.size()); ++i) {
    if (i < before.size() && i < now.size() && before[i] == now[i]) continue;
    store(at(i) + 4, 0);  // an extent is changed only while it says nothing
    if (i >= now.size()) continue;
    store(at(i), now[i].first);
    store(at(i) + 4, now[i].count | vfr::kPageValid);
  }
}

void PfDriver::adopt_pages(std::uint16_t vf) {
  PageTable table;
  for (std::uint32_t i = 0; i < vfr::kPageExtents && !failed_; ++i) {
    const std::uint32_t at = pf::kPageTables + vf * pf::kPageTableStride + 8 * i;
    const std::uint32_t count = load(at + 4);
    if ((count & vfr::kPageValid) == 0) break;
    table.push_back({load(at), count & ~vfr::kPageValid});
  }
  pages_.adopt(vf, std::move(table));
}

// ---- a VF whose owner stays

bool PfDriver::is_shut(std::uint16_t vf) const {
  const VfState& state = vfs_[vf];
  return !state.grant || state.quarantined || state.grant->disabled ||
         (state.level && !state.level->has_partition());
}

Done PfDriver::shut(std::uint16_t vf) {
  vfs_[vf].clear_to_send = false;
  Done done = quiesce(vf);
  // ixgbevf looks for its link anew when it sees RSTD, and not before.
  store_vf(vf, pf::kVfMailboxControl, pf::kMailboxResetDone);
  return done;
}

Done PfDriver::reopen(std::uint16_t vf) {
  if (auto done = quiesce(vf); !done) return done;
  if (auto done = reset_and_scrub(vf); !done) return done;
  if (auto done = resume(vf); !done) return done;
  tell_if_silent(vf);
  reopened_.push_back(vf);
  return {};
}

Done PfDriver::recover(std::uint16_t vf) {
  vfs_[vf].quarantined = false;
  if (is_shut(vf)) return {};
  Done done = reopen(vf);
  if (!done) vfs_[vf].quarantined = true;  // to be tried again
  return done;
}

Done PfDriver::change(std::uint16_t vf, const Grant& grant) {
  VfState& state = vfs_[vf];
  const bool was_shut = is_shut(vf);
  const Grant before = std::exchange(state.grant, grant).value_or(grant);
  if (is_shut(vf)) return was_shut ? Done{} : shut(vf);
  if (was_shut) return reopen(vf);
  if (grant.vlan != before.vlan) {
    store_vf(vf, pf::kVfVlanFilter, 1u << 31);
    store_vf(vf, pf::kVfVlan, grant.vlan ? *grant.vlan | 1u << 31 : 0);
  }
  store_vf(vf, pf::kVfControl, control_bits(vf));
  if (grant.mac != before.mac || grant.trust != before.trust) {
    // Its driver starts the VF anew, as with ixgbe; what it must not have any more it loses at once.
    write_mac(vf, grant.mac);
    reset_state(vf);
    tell_of_reset(vf);
    tell_if_silent(vf);
  } else if (grant.link_forced != before.link_forced) {
    announce_link(vf);
  }
  if (grant.mac != before.mac || grant.vlan != before.vlan) keep_addresses_apart();
  return outcome("change VF " + std::to_string(vf));
}

}  // namespace ladon::mh
