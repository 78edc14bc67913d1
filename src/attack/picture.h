// The matrix as a picture: a row an attack, a column a set of switched-off defences, and below each column
// what its accesses cost.
#pragma once

#include <string>
#include <vector>

#include "attack/matrix.h"
#include "attack/price.h"

namespace ladon::attack {

struct Picture {
  std::string rack;  // its name
  const Matrix& matrix;
  std::vector<Hops> hops;     // by ordered_sets(); empty: not drawn
  std::vector<Price> prices;  // likewise
};

// SVG. Without `prices` the same matrix and hops give the same bytes; what is measured follows the comment
// "prices".
[[nodiscard]] std::string draw(const Picture& picture);

}  // namespace ladon::attack
