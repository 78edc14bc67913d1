// What `ladon vf set` may change of a VF, in the words of a rack file and of `ip link`.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "mh/intent.h"

namespace ladon::machine {

using VfSettings = std::vector<std::pair<std::string, std::string>>;  // field and text

// The grant with all of it changed; or what is wrong, as a sentence that names the field and the mend.
[[nodiscard]] std::expected<mh::Grant, std::string> changed(mh::Grant grant, const VfSettings& settings);

}  // namespace ladon::machine
