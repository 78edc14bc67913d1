// Refused accesses with their cause and mend, as people and programs read them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "explain/explain.h"

namespace ladon::app {

struct Explained {
  std::string access;  // "read of 4 bytes at 0x1000"; of a line of a log: the line
  explain::Explanation explanation;
  std::uint64_t count = 1;
  double seconds_ago = 0;  // the latest; of a running rack
};

[[nodiscard]] nlohmann::json to_json(const Explained& explained);
[[nodiscard]] std::string to_text(const Explained& explained);

// Some entry is missing that the plan wants.
[[nodiscard]] bool finds(const std::vector<Explained>& all);

// "read of 4 bytes at 0x1000".
[[nodiscard]] std::string access_text(const pcie::Transaction& transaction);

}  // namespace ladon::app
