// Fencing: software that was thought dead and comes back must not touch what its successor owns. Each
// take-over brings a greater epoch; only the newest may act.
#pragma once

#include "host/messages.h"

namespace ladon::host {

class Fence {
 public:
  // False, and nothing changes, unless `epoch` is newer than every one seen.
  bool take_over(Epoch epoch) {
    if (epoch <= newest_) return false;
    newest_ = epoch;
    return true;
  }
  [[nodiscard]] bool allows(Epoch epoch) const { return epoch == newest_ && epoch != Epoch{0}; }
  [[nodiscard]] Epoch newest() const { return newest_; }

 private:
  Epoch newest_{0};
};

}  // namespace ladon::host
