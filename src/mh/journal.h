// The management host's memory across its own death: an append-only file of JSON lines, each on disk before
// the step that it announces is done. A last line that was cut off is ignored.
//
//   {"epoch":3}                    a take-over
//   {"inventory":{...}}            enumeration is complete
//   {"begin":{action}}             about to be done
//   {"end":true,"space":7}         done; "space": handle of a created IOMMU domain
//   {"quarantine":[nic,vf]}        this VF stays disabled
//   {"start_over":true}            the hardware is new: all but the epoch is void
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
};

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

 private:
  Journal(FileDescriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  [[nodiscard]] std::expected<void, std::string> replay();
  [[nodiscard]] std::expected<void, std::string> follow_line(std::string_view line);
  void forget();  // all but the epoch
  void finish(std::optional<host::IoDomain> created);
  [[nodiscard]] bool append(const std::string& line);

  FileDescriptor file_;
  std::string path_;
  Remembered remembered_;
};

[[nodiscard]] std::string to_json(const Inventory& inventory);
[[nodiscard]] std::expected<Inventory, std::string> inventory_from_json(std::string_view text);

}  // namespace ladon::mh
