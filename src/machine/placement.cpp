#include "machine/placement.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "ch/host_part.h"
#include "mh/plan.h"
#include "mh/promises.h"
#include "para/address_table.h"
#include "spec/ixgbevf.h"
#include "spec/pf.h"

namespace ladon::machine {
namespace {

bool guaranteed(const GuestSpec& guest) {
  return guest.network->guaranteed();
}

class Placer {
 public:
  explicit Placer(const Rack& rack) : rack_(rack) {
    for (const NicSpec& nic : rack.nics) {
      free_.emplace_back();
      for (std::uint16_t vf = 0; vf < nic.vfs; ++vf) free_.back().insert(vf);
      filters_.push_back(spec::pf::kFilterCount);
    }
    for (const HostSpec& host : rack.hosts) slots_.push_back(slots_of(host));
  }

  Placement run() {
    take_named();
    each_wish([&](At at) {
      if (guaranteed(guest(at))) give_own(at, Why::guaranteed);
    });
    each_wish([&](At at) {
      if (!guaranteed(guest(at)) && wish(at).path == NetworkPath::own) give_own(at, Why::asked);
    });
    each_wish([&](At at) {
      if (wish(at).path == NetworkPath::shared) share(at, Why::asked);
    });
    place_rest();
    return finish();
  }

 private:
  struct At {
    std::size_t host, guest;
  };
  using Pair = std::pair<std::size_t, std::size_t>;  // host, NIC

  const GuestSpec& guest(At at) const { return rack_.hosts[at.host].guests[at.guest]; }
  const NetworkSpec& wish(At at) const { return *guest(at).network; }
  Pair pair_of(At at) const { return {at.host, wish(at).nic}; }
  static bool open(const NetworkSpec& wish, const GuestSpec& guest) {
    return wish.path == NetworkPath::any && !guaranteed(guest);
  }

  template <class Do>
  void each_guest(Do what) const {
    for (std::size_t h = 0; h < rack_.hosts.size(); ++h)
      for (std::size_t g = 0; g < rack_.hosts[h].guests.size(); ++g) what(At{h, g});
  }
  template <class Do>
  void each_wish(Do what) const {
    each_guest([&](At at) {
      if (guest(at).network) what(at);
    });
  }

  void take_named() {
    each_guest([&](At at) {
      if (guest(at).network) {
        if (wish(at).mac) macs_.insert(wish(at).mac->bits());
        return;
      }
      const auto& vf = guest(at).vf;
      if (!vf) return;
      macs_.insert(vf->mac.bits());
      free_[vf->nic].erase(vf->index);
      if (slots_[at.host] > 0) --slots_[at.host];  // what is short here, the file's check has said
      add(at, vf->nic, vf->index, vf->mac, Why::named);
    });
  }

  void refuse(At at, Short what, std::uint64_t needed, std::uint64_t there) {
    made_.shortages.push_back({at.host, at.guest, wish(at).nic, what, needed, there});
  }
  void add(At at, std::size_t nic, std::uint16_t vf, const MacAddress& mac, Why why, bool shared = false) {
    made_.guests.push_back({at.host, at.guest, nic, shared, vf, mac, why});
  }

  // A function of the NIC for this host; refuses for this guest if there is none.
  std::optional<std::uint16_t> take_function(At at) {
    const std::size_t nic = wish(at).nic;
    if (free_[nic].empty()) {
      refuse(at, Short::functions, rack_.nics[nic].vfs + 1u, rack_.nics[nic].vfs);
      return std::nullopt;
    }
    if (slots_[at.host] == 0) {
      const std::size_t there = slots_of(rack_.hosts[at.host]);
      refuse(at, Short::slots, there + 1, there);
      return std::nullopt;
    }
    --slots_[at.host];
    return free_[nic].extract(free_[nic].begin()).value();
  }

  // `vf`: for whom it is made; nobody else has it.
  MacAddress own_mac(std::size_t nic, std::uint16_t vf) {
    MacAddress mac = made_mac(nic, vf);
    while (!macs_.insert(mac.bits()).second) mac.bytes[4] = static_cast<std::uint8_t>(mac.bytes[4] + 2);
    return mac;
  }
  MacAddress sharing_mac(At at) {
    MacAddress mac{{0x52, 0x54, 0x01, static_cast<std::uint8_t>(at.host),
                    static_cast<std::uint8_t>(at.host >> 8), static_cast<std::uint8_t>(at.guest)}};
    while (!macs_.insert(mac.bits()).second) mac.bytes[4] = static_cast<std::uint8_t>(mac.bytes[4] + 4);
    return mac;
  }

  void give_own(At at, Why why) {
    const auto vf = take_function(at);
    if (!vf) return;
    add(at, wish(at).nic, *vf, wish(at).mac ? *wish(at).mac : own_mac(wish(at).nic, *vf), why);
  }

  void share(At at, Why why) {
    const std::size_t nic = wish(at).nic;
    auto found = shared_.find(pair_of(at));
    if (found == shared_.end()) {
      const auto vf = take_function(at);
      if (!vf) return;
      found = shared_.emplace(pair_of(at), PlacedFunction{at.host, nic, *vf, own_mac(nic, *vf), 0}).first;
    }
    PlacedFunction& function = found->second;
    if (function.guests == para::kMaxGuests)
      return refuse(at, Short::ports, para::kMaxGuests + 1, para::kMaxGuests);
    if (!filters_suffice(nic, function.guests + 1))
      return refuse(at, Short::filters, spec::pf::kFilterCount + 1, spec::pf::kFilterCount);
    --filters_[nic];
    ++function.guests;
    add(at, nic, function.vf, wish(at).mac ? *wish(at).mac : sharing_mac(at), why, true);
  }

  // One more for a function that has `guests` then. The PF driver gives a function a filter as long as it has
  // fewer than are free (mh/pf_addresses.cpp); whoever starts last must still get all of its own.
  [[nodiscard]] bool filters_suffice(std::size_t nic, std::size_t guests) const {
    std::size_t most = guests;
    for (const auto& [pair, function] : shared_)
      if (pair.second == nic) most = std::max<std::size_t>(most, function.guests);
    const std::size_t taken = spec::pf::kFilterCount - filters_[nic] + 1;
    return taken + most <= spec::pf::kFilterCount + 1;
  }

  // Those who take what comes. One function is set aside for each host and NIC that has some of them and no
  // shared function yet: whether the last of them has it alone or several share it, nobody goes without.
  void place_rest() {
    std::map<Pair, std::size_t> waiting;  // of those pairs
    each_wish([&](At at) {
      if (open(wish(at), guest(at)) && !shared_.contains(pair_of(at))) ++waiting[pair_of(at)];
    });
    std::vector<std::size_t> aside_nic(rack_.nics.size()), aside_host(rack_.hosts.size());
    for (const auto& [pair, guests] : waiting) ++aside_host[pair.first], ++aside_nic[pair.second];
    each_wish([&](At at) {
      if (!open(wish(at), guest(at))) return;
      const auto [host, nic] = pair_of(at);
      const auto mine = waiting.find(pair_of(at));
      const bool last = mine != waiting.end() && mine->second == 1;
      if (mine != waiting.end()) --mine->second;
      if (last) {  // what was set aside is for it alone
        --aside_host[host], --aside_nic[nic];
        waiting.erase(mine);
        return give_own(at, Why::left_over);
      }
      const bool nic_left = free_[nic].size() > aside_nic[nic], host_left = slots_[host] > aside_host[host];
      if (nic_left && host_left) return give_own(at, Why::left_over);
      if (mine != waiting.end()) {  // what was set aside is shared from now on
        --aside_host[host], --aside_nic[nic];
        waiting.erase(mine);
      }
      share(at, nic_left ? Why::host_used_up : Why::nic_used_up);
    });
  }

  // Whether the NIC has what the guests with functions of its are promised together, and what it has left.
  void check_promises(std::size_t nic) {
    const mh::NicResources all = resources_of(rack_.nics[nic]);
    std::vector<mh::ServiceLevel> levels;
    std::vector<At> whose;
    for (const PlacedNetwork& placed : made_.guests) {
      const At at{placed.host, placed.guest};
      if (placed.nic != nic || placed.shared) continue;
      levels.push_back(guest(at).network ? wish(at).level : guest(at).vf->level);
      whose.push_back(at);
    }
    Placement::NicLeft left{free_[nic].size(), filters_[nic], all.receive, all.transmit, all.memory};
    for (const mh::ServiceLevel& level : levels) {
      left.receive -= std::min(left.receive, level.receive.guaranteed);
      left.transmit -= std::min(left.transmit, level.transmit.guaranteed);
      left.memory -= std::min(left.memory, level.memory.value_or(0));
    }
    made_.nics.push_back(left);
    for (const auto& [pair, function] : shared_)
      if (pair.second == nic) levels.emplace_back();
    const auto resolved = mh::resolve(all, levels);
    if (resolved) return;
    const mh::Shortage& shortage = resolved.error();
    constexpr std::array kWhat = {Short::receive_rate, Short::transmit_rate, Short::memory};
    const At at = shortage.which < whose.size() ? whose[shortage.which] : first_sharing(nic);
    made_.shortages.push_back({at.host, at.guest, nic, kWhat[static_cast<std::size_t>(shortage.resource)],
                               shortage.wanted, shortage.left});
  }
  At first_sharing(std::size_t nic) const {
    const auto found = std::ranges::find_if(
        made_.guests, [nic](const PlacedNetwork& placed) { return placed.nic == nic && placed.shared; });
    return {found->host, found->guest};
  }

  Placement finish() {
    const auto in_order = [](const auto& a) { return std::pair(a.host, a.guest); };
    std::ranges::sort(made_.guests, {}, in_order);
    for (const auto& [pair, function] : shared_) made_.shared.push_back(function);
    for (std::size_t n = 0; n < rack_.nics.size(); ++n) check_promises(n);
    std::ranges::sort(made_.shortages, {},
                      [](const Shortage& a) { return std::tuple(a.host, a.guest, a.what); });
    made_.host_slots = slots_;
    return std::move(made_);
  }

  const Rack& rack_;
  std::vector<std::set<std::uint16_t>> free_;  // by NIC
  std::vector<std::size_t> filters_, slots_;   // left: by NIC, by host
  std::map<Pair, PlacedFunction> shared_;
  std::set<std::uint64_t> macs_;  // taken
  Placement made_;
};

}  // namespace

Placement place(const Rack& rack) {
  return Placer(rack).run();
}

std::size_t slots_of(const HostSpec& host) {
  constexpr std::uint64_t kRegisters = spec::ixgbevf::kBarSize + spec::ixgbevf::kMsixBarSize;
  if (host.role == HostRole::management) return ch::HostPart::kMaxSlots;
  // Behind a part without a requester-ID table a host's VFs cannot be told apart.
  const bool table = host.ntb.part->requesters != spec::ntb::Requesters::none;
  return std::min({std::size_t{ch::HostPart::kMaxSlots}, std::size_t{table ? host.ntb.lut : 1u},
                   std::size_t{host.ntb.windows} / mh::kWindowsPerSlot,
                   static_cast<std::size_t>(host.ntb.register_window / kRegisters)});
}

MacAddress made_mac(std::size_t nic, std::uint16_t vf) {
  // The locally administered range that QEMU uses too.
  return {{0x52, 0x54, 0x00, static_cast<std::uint8_t>(nic), static_cast<std::uint8_t>(0x10 + (nic >> 8)),
           static_cast<std::uint8_t>(vf)}};
}

}  // namespace ladon::machine
