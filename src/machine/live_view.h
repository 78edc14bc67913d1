// A running rack as the audit takes it: one snapshot of the hardware's tables, and what its software had
// granted at that moment. The engine hands out values between two batches and waits for nobody.
//
//   auto seen = observe({.rack = rack, .journal = path, .look = [&] { return runner.on_engine(look_at); }});
//   audit::audit(*seen->tables, seen->grants);
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "audit/grant.h"
#include "base/time.h"
#include "ch/holdings.h"
#include "fabric/tables.h"
#include "machine/machine.h"
#include "mh/journal.h"

namespace ladon::machine {

// What the engine's thread knows.
struct EngineView {
  std::shared_ptr<const fabric::Tables> tables;
  std::vector<std::optional<ch::PartHoldings>> parts;  // by domain; nullopt where no guest is
  bool managed = false;                                // the management host's program is connected
};
// On the engine's thread.
[[nodiscard]] EngineView look_at(const Machine& machine);

struct LiveSources {
  const Rack& rack;
  std::string journal;               // the management host's: its inventory and plan
  std::function<EngineView()> look;  // from the caller's thread
  // While a change is being applied, tables and plan do not belong together: how long to wait for its end.
  Duration patience = std::chrono::seconds(3);
  Duration between = std::chrono::milliseconds(20);  // two looks
};

struct LiveView {
  std::shared_ptr<const fabric::Tables> tables;
  std::vector<audit::Grant> grants;
  bool managed = false;  // otherwise these are the grants of its last plan
};
// The error says what was still under way, or that there is no plan yet.
[[nodiscard]] std::expected<LiveView, std::string> observe(const LiveSources& sources);

// What keeps this look and that plan from belonging together; empty if they do. Parts are told of an
// assignment after it is made.
[[nodiscard]] std::string under_way(const Rack& rack, const mh::Remembered& management,
                                    const EngineView& engine);

}  // namespace ladon::machine
