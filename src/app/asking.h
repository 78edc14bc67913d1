// What the commands have in common that ask a running rack: request, answer, mistakes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/commands.h"
#include "console/client.h"
#include "machine/vf_settings.h"

namespace ladon::app {

// Asks at the control socket; nothing after the mistake was printed.
[[nodiscard]] std::optional<console::Json> ask(const std::string& socket, const console::Json& request,
                                               const Common& common);
// Prints the answer: as JSON, or the text that came with it. What the rack has refused is a mistake of the
// words, a socket that is not there one of the path.
[[nodiscard]] int print_answer(const std::optional<console::Json>& answer, const Common& common);

// What is written as "KEY VALUE" or "KEY=VALUE"; nothing after the mistake was printed.
[[nodiscard]] std::optional<machine::Settings> settings_in(const std::vector<std::string>& words,
                                                           std::string_view command);

}  // namespace ladon::app
