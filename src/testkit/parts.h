// What is behind the kit's handles; not installed.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "audit/grant.h"
#include "client/vf_driver.h"
#include "explain/explain.h"
#include "host/blocking_host.h"
#include "machine/attack_rack.h"
#include "testkit/rack.h"

namespace ladon::testkit {

class RackParts {
 public:
  static constexpr std::size_t kMostRecorded = 65'536;

  // With every guest attached; what its tables hold then is what is wanted of them.
  explicit RackParts(std::unique_ptr<machine::AttackRack> rack);
  ~RackParts();

  std::unique_ptr<machine::AttackRack> bed;
  std::shared_ptr<const fabric::Tables> wanted;
  std::vector<audit::Grant> grants;
  host::BlockingHost management;
  std::vector<std::unique_ptr<client::VfDriver>> drivers;  // by guest; null before open()
  bool recording = false;
  std::vector<Transaction> recorded;
  std::set<std::size_t> deaf;  // guests whose interrupts are lost

  [[nodiscard]] const attack::Guest& guest(std::size_t index) const { return bed->guests()[index]; }
  [[nodiscard]] std::size_t index_of(std::string_view name) const;  // throws
  [[nodiscard]] fabric::FunctionId function_of(std::size_t guest) const;
  [[nodiscard]] const attack::Ntb& ntb_of(pcie::Domain host) const;  // throws where there is none

  // Faults of a kind are in force while there is one of them.
  [[nodiscard]] bool begins(const std::string& fault);  // true: it is the first
  [[nodiscard]] bool ends(const std::string& fault);    // true: it was the last

  void step();
  // Sorts out what has arrived since the last call: called before a loss begins and ends.
  void take_interrupts();
  struct Arrived {
    std::uint64_t seen = 0, lost = 0;
  };
  [[nodiscard]] Arrived arrived(std::size_t guest, std::uint16_t vector);

  [[nodiscard]] Path follow(const pcie::Transaction& transaction) const;
  [[nodiscard]] std::string name_of(const audit::Initiator& who) const;

 private:
  void note(const fabric::Tables& tables, const pcie::Transaction& transaction,
            const fabric::Resolution& way);

  std::map<std::string, unsigned> in_force_;
  std::size_t interrupts_read_ = 0;
  std::map<std::pair<std::size_t, std::uint32_t>, Arrived> arrived_;  // by guest and its host's vector
};

}  // namespace ladon::testkit
