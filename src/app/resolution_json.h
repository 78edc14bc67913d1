// A resolution as the commands' JSON has it.
#pragma once

#include <nlohmann/json.hpp>

#include "fabric/resolve.h"
#include "fabric/tables.h"

namespace ladon::app {

// One object a hop: the request's, then the completion's.
[[nodiscard]] nlohmann::json hops_json(const fabric::Tables& tables, const fabric::Resolution& way);

}  // namespace ladon::app
