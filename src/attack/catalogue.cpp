#include <array>
#include <set>

#include "attack/attack.h"

namespace ladon::attack {
namespace {

constexpr std::array kLeftOut = {
    LeftOut{"D9", "an OS's data beside a buffer", "native guests have no operating system's data"},
    LeftOut{"D11", "a device that never answers an invalidation", "no device here has a translation cache"},
    LeftOut{"I6", "interrupt storm against latency", "waits for simulated time"},
    LeftOut{"O1", "an interrupt before its data", "waits for simulated time"},
    LeftOut{"O2", "deadlock of two full NTBs", "waits for simulated time"},
    LeftOut{"O3", "poisoned and corrupted packets", "waits for simulated time: there are no physical links"},
    LeftOut{"Q2", "flood of posted register writes", "waits for simulated time"},
    LeftOut{"Q3", "outstanding reads and credits", "waits for simulated time"},
    LeftOut{"Q4", "a host that returns no credits", "waits for simulated time"},
    LeftOut{"Q6", "thrashing of look-up caches", "waits for simulated time"},
    LeftOut{"Q9", "fairness among greedy tenants", "waits for rates and scheduling in the NIC"},
    LeftOut{"R6", "a forged completion", "waits for simulated time: completions are not packets here"},
    LeftOut{"S1", "load seen through latency", "measured, not judged"},
    LeftOut{"V1", "a partition resized under load", "packet memory is an account of bytes: nothing to read"},
};

std::string_view row_of(std::string_view id) {
  return id.back() >= 'a' && id.back() <= 'z' ? id.substr(0, id.size() - 1) : id;
}

}  // namespace

std::string_view name(Party party) {
  static constexpr std::array<std::string_view, 5> kNames = {"vf", "vm", "ch", "mh", "wire"};
  return kNames[static_cast<std::size_t>(party)];
}

const std::vector<Attack>& catalogue() {
  static const std::vector<Attack> all = [] {
    std::vector<Attack> made;
    for (const auto& group : {dma_attacks(), requester_attacks(), peer_attacks(), ntb_attacks(),
                              interrupt_attacks(), config_attacks(), control_attacks(), lifecycle_attacks(),
                              hand_over_attacks(), queue_attacks(), processor_attacks()})
      made.insert(made.end(), group.begin(), group.end());
    return made;
  }();
  return all;
}

std::span<const LeftOut> left_out() {
  return kLeftOut;
}

std::size_t rows_tried() {
  std::set<std::string_view> rows;
  for (const Attack& attack : catalogue()) rows.insert(row_of(attack.id));
  return rows.size();
}

}  // namespace ladon::attack
