// What `ladon vf set` and `ladon para set` are given, and what the first may change of a VF, in the words of
// a rack file and of `ip link`.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "console/message.h"
#include "mh/intent.h"

namespace ladon::machine {

using Settings = std::vector<std::pair<std::string, std::string>>;  // field and text
// Of a request: "settings": [[field, text], ...]. Throws what Json throws.
[[nodiscard]] Settings settings_in(const console::Json& arguments);

// The grant with all of it changed; or what is wrong, as a sentence that names the field and the mend.
[[nodiscard]] std::expected<mh::Grant, std::string> changed(mh::Grant grant, const Settings& settings);

}  // namespace ladon::machine
