// The latest refusals of a rack that runs under this program, explained: what its control socket answers.
#pragma once

#include <expected>
#include <string>

#include "console/message.h"
#include "machine/runner.h"

namespace ladon::app {

// `arguments`: "count", at most so many, newest first; "text": as text.
[[nodiscard]] std::expected<console::Json, std::string> explain_live(machine::Runner& runner,
                                                                     const console::Json& arguments);

}  // namespace ladon::app
