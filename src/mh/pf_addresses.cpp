// Which unicast addresses a VF may have beside the one that it was given: a trusted VF's are its own choice,
// as long as it takes neither another's address nor all of the filters.
#include <algorithm>

#include "mh/pf_driver.h"
#include "spec/ixgbevf.h"

namespace ladon::mh {

namespace pf = spec::pf;

namespace {

template <class Words>
MacAddress mac_in(const Words& message) {
  return MacAddress::from_bits(message[1] | static_cast<std::uint64_t>(message[2] & 0xFFFF) << 32);
}

constexpr std::uint32_t filter_at(std::size_t i) {
  return pf::kFilters + static_cast<std::uint32_t>(i) * pf::kFilterStride;
}

// Given VLANs that differ: no frame is for both.
bool kept_apart(const std::optional<Grant>& one, const std::optional<Grant>& other) {
  return one && other && one->vlan && other->vlan && *one->vlan != *other->vlan;
}

}  // namespace

bool PfDriver::anothers(std::uint16_t vf, const MacAddress& mac) const {
  if (any_address_) return false;
  for (std::uint16_t other = 0; other < vfs_.size(); ++other) {
    const VfState& state = vfs_[other];
    if (other == vf || !state.grant || kept_apart(state.grant, vfs_[vf].grant)) continue;
    const bool filtered = std::ranges::any_of(
        filters_, [&](const Filter& filter) { return filter.owner == other + 1 && filter.mac == mac; });
    // What it was given, too: it may come back to that at any time.
    if (state.mac == mac || state.grant->mac == mac || filtered) return true;
  }
  return false;
}

void PfDriver::keep_addresses_apart() {
  for (std::uint16_t vf = 0; vf < vfs_.size(); ++vf) {
    const VfState& state = vfs_[vf];
    if (!state.grant || state.mac == state.grant->mac || !anothers(vf, state.mac)) continue;
    write_mac(vf, state.grant->mac);
    reset_state(vf);
    tell_of_reset(vf);
    tell_if_silent(vf);
  }
  for (std::size_t i = 0; i < filters_.size(); ++i) {
    if (filters_[i].owner == 0) continue;
    if (!anothers(static_cast<std::uint16_t>(filters_[i].owner - 1), filters_[i].mac)) continue;
    store(filter_at(i) + pf::kFilterVf, 0);
    filters_[i] = {};
  }
}

void PfDriver::write_mac(std::uint16_t vf, const MacAddress& mac) {
  vfs_[vf].mac = mac;
  store_vf(vf, pf::kVfMacHigh, 0);  // never a mixture of two addresses
  store_vf(vf, pf::kVfMacLow, static_cast<std::uint32_t>(mac.bits()));
  store_vf(vf, pf::kVfMacHigh, static_cast<std::uint32_t>(mac.bits() >> 32) | 1u << 31);
}

PfDriver::Answer PfDriver::set_mac(std::uint16_t vf, const MessageWords& message) {
  const Grant& grant = *vfs_[vf].grant;
  const MacAddress wanted = mac_in(message);
  if (wanted.is_multicast() || wanted.is_zero()) return std::unexpected(MailboxRefusal::bad_argument);
  if (wanted != grant.mac && !grant.trust) return std::unexpected(MailboxRefusal::foreign_mac);
  if (wanted != grant.mac && anothers(vf, wanted)) return std::unexpected(MailboxRefusal::taken_mac);
  write_mac(vf, wanted);
  return std::vector{message[0]};
}

// ---- additional filters

bool PfDriver::may_filter(std::uint16_t vf) const {
  return any_address_ || std::ranges::count(filters_, vf + 1, &Filter::owner) <
                             std::ranges::count(filters_, 0, &Filter::owner);
}

PfDriver::Answer PfDriver::set_macvlan(std::uint16_t vf, const MessageWords& message) {
  const std::uint32_t index = message[0] >> 16 & 0xFF;
  if (index <= 1) clear_filters(vf);  // 0: none any more; 1: the first of a new list
  if (index == 0) return std::vector{message[0]};
  const MacAddress mac = mac_in(message);
  if (!vfs_[vf].grant->trust) return std::unexpected(MailboxRefusal::foreign_mac);
  if (mac.is_multicast() || mac.is_zero()) return std::unexpected(MailboxRefusal::bad_argument);
  if (anothers(vf, mac)) return std::unexpected(MailboxRefusal::taken_mac);
  const auto free = std::ranges::find(filters_, 0, &Filter::owner);
  if (free == filters_.end() || !may_filter(vf)) return std::unexpected(MailboxRefusal::no_filter);
  *free = {.owner = static_cast<std::uint16_t>(vf + 1), .mac = mac};
  const std::uint32_t at = filter_at(static_cast<std::size_t>(free - filters_.begin()));
  store(at + pf::kFilterMacLow, static_cast<std::uint32_t>(mac.bits()));
  store(at + pf::kFilterMacHigh, static_cast<std::uint32_t>(mac.bits() >> 32));
  store(at + pf::kFilterVf, vf | 1u << 31);
  return std::vector{message[0]};
}

void PfDriver::clear_filters(std::uint16_t vf) {
  for (std::size_t i = 0; i < filters_.size(); ++i) {
    if (filters_[i].owner != vf + 1) continue;
    store(filter_at(i) + pf::kFilterVf, 0);
    filters_[i] = {};
  }
}

// What a predecessor of this driver has set.
void PfDriver::adopt_filters() {
  for (std::size_t i = 0; i < filters_.size(); ++i) {
    const std::uint32_t owner = load(filter_at(i) + pf::kFilterVf);
    if (failed_ || (owner >> 31) == 0) continue;
    filters_[i] = {.owner = static_cast<std::uint16_t>((owner & 0x3F) + 1),
                   .mac = MacAddress::from_bits(
                       load(filter_at(i) + pf::kFilterMacLow) |
                       static_cast<std::uint64_t>(load(filter_at(i) + pf::kFilterMacHigh) & 0xFFFF) << 32)};
  }
}

}  // namespace ladon::mh
