// ladon attack --matrix.
#pragma once

#include <vector>

#include "app/commands.h"
#include "attack/matrix.h"

namespace ladon::app {

[[nodiscard]] int attack_matrix(const attack::Build& build, const std::vector<attack::Attack>& attacks,
                                const Common& common);

}  // namespace ladon::app
