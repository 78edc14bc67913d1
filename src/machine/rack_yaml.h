// YAML as a tree with places in the file, and with limits: no aliases, no tags, bounded depth and size, so
// that no file is expensive to read.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace ladon::machine {

struct YamlPlace {
  std::size_t line = 0, column = 0;  // from 1; 0: the file as a whole
  auto operator<=>(const YamlPlace&) const = default;
};

struct YamlNode {
  enum class Kind { null, scalar, sequence, map };
  struct Entry;

  Kind kind = Kind::null;
  YamlPlace place;
  std::string text;             // of a scalar
  std::vector<YamlNode> items;  // of a sequence
  std::vector<Entry> entries;   // of a map, in the order of the file; keys are scalars, perhaps repeated
};
struct YamlNode::Entry {
  std::string key;
  YamlPlace place;  // of the key
  YamlNode value;
};

struct YamlError {
  YamlPlace place;
  std::string message, mend;
};

inline constexpr std::size_t kMaxYamlNodes = 250'000, kMaxYamlDepth = 16;

// The single document in `text`. A file without one, or with a second, is an error.
[[nodiscard]] std::expected<YamlNode, YamlError> read_yaml(std::string_view text);

}  // namespace ladon::machine
