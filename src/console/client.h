// Asks a running rack something at its control socket.
#pragma once

#include <expected>
#include <string>

#include "base/time.h"
#include "console/message.h"

namespace ladon::console {

// `request` names its verb. Waits for the answer; the error is a sentence for a person: the rack's own, or
// why there is none.
[[nodiscard]] std::expected<Json, std::string> ask(const std::string& path, const Json& request,
                                                   Duration longest = std::chrono::minutes(5));

}  // namespace ladon::console
