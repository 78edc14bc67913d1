// The management host's memory across its own death: an append-only file of JSON lines, each on disk before
// the step that it announces is done. A last line that was cut off is ignored.
//
//   {"epoch":3}                    a take-over
//   {"inventory":{...}}            enumeration is complete
//   {"begin":{action}}             about to be done
//   {"end":true,"space":7}         done; "space": handle of a created IOMMU domain
//   {"quarantine":[nic,vf]}        this VF stays disabled
//   {"recover":[nic,vf]}           and is in use again
//   {"start_over":true}            the hardware is new: all but the epoch is void
//   {"change":true}                the way from one plan to another begins
//   {"settled":true}               and has ended: the plan is in force
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/descriptor.h"
#include "mh/actions.h"

namespace ladon::mh {

// What a journal says when it is read from its beginning.
struct Remembered {
  host::Epoch epoch{0};  // the newest
  std::optional<Inventory> inventory;
  Plan plan;                      // after every finished action
  std::optional<Action> pending;  // begun, and nobody knows how far it got
  std::map<DomainId, host::IoDomain> spaces;
  std::set<VfId> quarantined;
  bool settled = false;  // no change is under way; false before the first plan is in force
};

// What a journal says now, read beside the management host that writes it. An action is announced before it
// is done: if two readings have the same length, nothing was done to the tables between them.
struct JournalReading {
  Remembered remembered;
  std::uint64_t whole_lines = 0, length = 0;  // bytes
};
// 0 if it cannot be read.
[[nodiscard]] std::uint64_t journal_length(const std::string& path);
// The error is a sentence for a person.
[[nodiscard]] std::expected<JournalReading, std::string> read_journal(const std::string& path);

class Journal {
 public:
  // Opens or creates the file, and locks it against a second management host. The error is a sentence for a
  // person.
  [[nodiscard]] static std::expected<std::unique_ptr<Journal>, std::string> open(const std::string& path);

  [[nodiscard]] const Remembered& remembered() const { return remembered_; }
  // The hardware is new: what was remembered is void. The epoch stays.
  [[nodiscard]] bool start_over();

  // Each returns once the line is on disk; false if it could not be written (then the step must not be done).
  [[nodiscard]] bool take_over(host::Epoch epoch);
  [[nodiscard]] bool note(const Inventory& inventory);
  [[nodiscard]] bool begin(const Action& action);
  [[nodiscard]] bool end(std::optional<host::IoDomain> created = {});
  [[nodiscard]] bool quarantine(VfId vf);
  [[nodiscard]] bool recover(VfId vf);
  [[nodiscard]] bool begin_change();
  [[nodiscard]] bool settle();

 private:
  explicit Journal(FileDescriptor file) : file_(std::move(file)) {}
  [[nodiscard]] bool append(const std::string& line);

  FileDescriptor file_;
  Remembered remembered_;
};

[[nodiscard]] std::string to_json(const Inventory& inventory);
[[nodiscard]] std::expected<Inventory, std::string> inventory_from_json(std::string_view text);

}  // namespace ladon::mh
