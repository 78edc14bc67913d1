// Executes actions on hardware, each journaled before it is done. Every action may be done twice: after a
// crash the one that was begun is simply done again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mh/actions.h"
#include "mh/journal.h"
#include "mh/ntb_driver.h"
#include "mh/pf_driver.h"

namespace ladon::mh {

class Applier {
 public:
  // `pfs`: one driver a NIC, in the order of the inventory. All outlive the applier. Starts from what the
  // journal remembers.
  Applier(host::BlockingHost& host, const Inventory& inventory, Journal& journal,
          std::vector<std::unique_ptr<PfDriver>>& pfs);

  // Finishes an action that a predecessor had begun, and makes windows, look-up tables and service levels
  // what the plan says where they are not (closing first). Returns what was found different, for the log.
  [[nodiscard]] std::expected<std::vector<std::string>, DriverError> recover();

  // Stops at the first failure; what was done stays done and remembered.
  [[nodiscard]] Done apply(const std::vector<Action>& actions);
  [[nodiscard]] const Plan& now() const { return now_; }

 private:
  struct Perform;
  [[nodiscard]] std::expected<std::optional<host::IoDomain>, DriverError> perform(const Action& action);
  // Does a begun action and notes its end.
  [[nodiscard]] Done finish(const Action& action);
  // One direction of one NTB: closes what the plan does not have, or opens what is missing.
  [[nodiscard]] Done mend(std::uint16_t ntb, Direction direction, bool opening,
                          std::vector<std::string>& drift);
  // Service levels and capacities likewise.
  [[nodiscard]] Done mend_levels(std::vector<std::string>& drift);
  [[nodiscard]] std::expected<host::IoDomain, DriverError> space(DomainId id) const;
  [[nodiscard]] PfDriver& pf(VfId vf);

  host::BlockingHost& host_;
  const Inventory& inventory_;
  Journal& journal_;
  std::vector<std::unique_ptr<PfDriver>>& pfs_;
  std::vector<NtbDriver> ntbs_;
  Plan now_;
};

}  // namespace ladon::mh
