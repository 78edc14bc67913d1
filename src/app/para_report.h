// What is known about guests that share a function, and how their limits are changed: for `ladon para` and
// the control socket.
#pragma once

#include <string>
#include <vector>

#include "console/message.h"
#include "machine/counter_report.h"
#include "machine/runner.h"

namespace ladon::app {

[[nodiscard]] console::Json to_json(const std::vector<machine::SharedFunctionReport>& functions);
[[nodiscard]] std::string to_text(const std::vector<machine::SharedFunctionReport>& functions);

// Every drop that is not zero, as the machine's counters have theirs: at "one/virtio", or "VF 3 of
// nic0/shared".
[[nodiscard]] std::vector<machine::CounterLine> counter_lines(
    const std::vector<machine::SharedFunctionReport>& functions);

// Verbs of the control socket. para_show: `text` (for a person, instead). para_set: `guest`, and `settings`,
// pairs of field and text.
[[nodiscard]] std::expected<console::Json, std::string> para_show(machine::Runner& runner,
                                                                  const console::Json& arguments);
[[nodiscard]] std::expected<console::Json, std::string> para_set(machine::Runner& runner,
                                                                 const console::Json& arguments);

}  // namespace ladon::app
