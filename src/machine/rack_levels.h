// The fields of a service level, in a rack file and in words of a command alike: what they are called, what
// may be written, which of them mean the same. doc/rack-file.md lists them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "machine/rack_fields.h"
#include "mh/service_level.h"

namespace ladon::machine {

// Takes fields one by one into a level.
class LevelReader {
 public:
  explicit LevelReader(mh::ServiceLevel& level) : level_(level) {}

  [[nodiscard]] static bool is_field(std::string_view name);
  [[nodiscard]] static const std::vector<std::string_view>& fields();

  // `name` is one of the fields. A mistake changes nothing: text that is not understood, or a synonym that
  // has been given another value.
  [[nodiscard]] std::optional<mh::LevelMistake> take(std::string_view name, std::string_view text);
  // What the level is as a whole; the mistake names the field as it was given.
  [[nodiscard]] std::optional<mh::LevelMistake> check() const;

 private:
  struct Given {
    std::string_view name;  // the synonym that was used
    std::uint64_t value = 0;
  };
  mh::ServiceLevel& level_;
  std::map<std::string_view, Given> given_;  // by the name that is ours or devlink's
};

// All fields of a level that a section has, with every mistake noted.
[[nodiscard]] mh::ServiceLevel read_level(Section& section);

}  // namespace ladon::machine
