#include "trial/attacks.h"

#include <algorithm>

#include "attack/attack.h"

namespace ladon::trial {
namespace {

const attack::Attack* row(const GuestAttack& attack) {
  const auto& all = attack::catalogue();
  const auto found = std::ranges::find(all, attack.id, &attack::Attack::id);
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

std::vector<GuestAttack> guest_attacks() {
  std::vector<GuestAttack> all;
  for (const auto group :
       {memory_attacks(), peer_attacks(), interrupt_attacks(), control_attacks(), queue_attacks()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

std::string_view title(const GuestAttack& attack) {
  const auto* known = row(attack);
  return attack.title.empty() && known != nullptr ? known->title : attack.title;
}

std::string control(const GuestAttack& attack) {
  const auto* known = row(attack);
  return known == nullptr ? std::string{} : to_string(known->control);
}

}  // namespace ladon::trial
