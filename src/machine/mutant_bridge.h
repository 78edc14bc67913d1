// A host's bridge with one check of hardware or software left out, as attack::Mutant says: requests are
// swallowed, changed, or answered otherwise. For racks that show what that check is worth.
#pragma once

#include <optional>
#include <vector>

#include "attack/defences.h"
#include "attack/testbed.h"
#include "fabric/fabric.h"
#include "host/host_bridge.h"

namespace ladon::machine {

// Where things are; filled once the management host has found them.
struct MutantFacts {
  fabric::Fabric* fabric = nullptr;
  std::vector<attack::Nic> nics;
  std::vector<attack::Ntb> ntbs;
};

class MutantBridge final : public host::HostBridge {
 public:
  // `inner` and `facts` outlive this.
  MutantBridge(host::HostBridge& inner, pcie::Domain host, attack::Mutant mutant, const MutantFacts& facts)
      : inner_(inner), host_(host), mutant_(mutant), facts_(facts) {}

  void submit(host::Request request, Reply reply) override;
  void listen(Listener listener) override { inner_.listen(std::move(listener)); }

 private:
  // An answer of the mutant's own instead of the host's; may change the request.
  [[nodiscard]] std::optional<host::Result> answer(host::Request& request);
  [[nodiscard]] bool swallows(const host::Store& store) const;
  [[nodiscard]] bool swallows(const host::ConfigWrite& write) const;
  // Bits that a load shows set besides those that are.
  [[nodiscard]] std::uint64_t lies(const host::Load& load) const;

  host::HostBridge& inner_;
  pcie::Domain host_;
  attack::Mutant mutant_;
  const MutantFacts& facts_;
};

}  // namespace ladon::machine
