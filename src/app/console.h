// The control socket of a rack that runs under this program, and what it answers there.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "base/log.h"
#include "console/server.h"
#include "machine/runner.h"

namespace ladon::app {

// Below the runner's directory. To be destroyed before the runner, whose engine the verbs ask. The error is a
// sentence for a person.
[[nodiscard]] std::expected<std::unique_ptr<console::Server>, std::string> open_console(
    machine::Runner& runner, const Log& log);

}  // namespace ladon::app
