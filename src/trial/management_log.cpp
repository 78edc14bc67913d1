#include "trial/management_log.h"

#include <fstream>
#include <iterator>

namespace ladon::trial {
namespace {

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::vector<ManagementLine> parse_management(std::string_view text) {
  constexpr std::string_view kMark = "management: ", kOwner = " (VF ", kEnd = ")";
  std::vector<ManagementLine> all;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto begin = line.find(kMark), owner = line.find(kOwner);
    if (begin == std::string_view::npos || owner == std::string_view::npos || owner < begin) continue;
    const std::string_view head = line.substr(begin + kMark.size(), owner - begin - kMark.size());
    const auto colon = head.find(": ");
    const auto end = line.find(kEnd, owner);
    if (colon == std::string_view::npos || end == std::string_view::npos) continue;
    std::string_view rest = line.substr(end + kEnd.size());
    if (rest.starts_with(": ")) rest.remove_prefix(2);
    all.push_back({.kind = std::string(head.substr(0, colon)),
                   .guest = std::string(head.substr(colon + 2)),
                   .text = std::string(rest),
                   .whole = std::string(line.substr(begin))});
  }
  return all;
}

void ManagementLog::begin() {
  from_ = read_all(path_).size();
}

std::vector<ManagementLine> ManagementLog::lines() const {
  const std::string text = read_all(path_);
  return parse_management(std::string_view(text).substr(std::min(text.size(), from_)));
}

std::vector<ManagementLine> ManagementLog::lines(std::string_view guest) const {
  auto all = lines();
  std::erase_if(all, [&](const ManagementLine& line) { return line.guest != guest; });
  return all;
}

}  // namespace ladon::trial
