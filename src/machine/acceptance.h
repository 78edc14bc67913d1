// Which findings of an audit a rack file accepts.
//
// An entry for a defence accepts what nobody could reach if that defence were on; with several of them, if
// all of these were. An entry for one finding accepts it if initiator, domain, kind, access and range are the
// same; in a rack that runs, where guests come and go, also a part of it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "audit/audit.h"
#include "machine/blame.h"
#include "machine/rack_file.h"

namespace ladon::machine {

// Which entry of Rack::accept accepts each finding, by finding; nullopt: none.
using AcceptedBy = std::vector<std::optional<std::size_t>>;
[[nodiscard]] bool all_accepted(const AcceptedBy& accepted);

enum class Match : std::uint8_t { exact, within };

struct Judgement {
  AcceptedBy accepted;
  std::vector<bool> used;  // by entry: it accepts something
};
// `report` is the audit of `input`.
[[nodiscard]] Judgement judge(const Rack& rack, const AuditInput& input, const audit::Report& report,
                              Match match);

// The entry that accepts exactly this finding, but for its `why`.
[[nodiscard]] std::string entry_for(const Rack& rack, const audit::Finding& finding);

}  // namespace ladon::machine
