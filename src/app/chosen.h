// Rows of a catalogue by their ids.
#pragma once

#include <algorithm>
#include <expected>
#include <string>
#include <vector>

namespace ladon::app {

// All of them if no id is given; the error is an id that none has.
template <class Row>
[[nodiscard]] std::expected<std::vector<Row>, std::string> chosen(const std::vector<Row>& all,
                                                                  const std::vector<std::string>& ids) {
  if (ids.empty()) return all;
  for (const std::string& id : ids)
    if (std::ranges::find(all, id, &Row::id) == all.end()) return std::unexpected(id);
  std::vector<Row> rows;
  for (const Row& row : all)
    if (std::ranges::find(ids, row.id) != ids.end()) rows.push_back(row);
  return rows;
}

}  // namespace ladon::app
