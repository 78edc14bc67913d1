// ladon attack --matrix.
#pragma once

#include <string>
#include <vector>

#include "app/commands.h"
#include "attack/matrix.h"

namespace ladon::app {

struct MatrixOptions {
  std::string rack;    // its name
  std::string svg;     // file for the picture; empty: none
  bool prices = true;  // measure them
};

[[nodiscard]] int attack_matrix(const attack::Build& build, const std::vector<attack::Attack>& attacks,
                                const MatrixOptions& options, const Common& common);

}  // namespace ladon::app
