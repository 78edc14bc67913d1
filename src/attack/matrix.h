// The matrix: every attack under every set of defences that are switched off, and with the check taken away
// that no switch controls. It shows what each defence is worth - and that the suite can succeed at all.
#pragma once

#include <array>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "attack/suite.h"

namespace ladon::attack {

using Outcomes = std::array<Outcome, kDefenceSets>;  // by OffSet::bits

struct MatrixRow {
  const Attack* attack = nullptr;
  Outcomes plain{};
  Outcomes mutant{};  // with the attack's mutant; all skipped if it has none
  // The smallest sets under which it succeeds.
  std::vector<Control> minimal;
  bool tried = false;         // not skipped with all defences on
  bool vacuous = false;       // it never succeeds: it attacks nothing
  bool control_holds = true;  // what it names as its control is one of `minimal`
};

struct Matrix {
  std::vector<MatrixRow> rows;
  std::vector<Defence> idle;  // defences whose removal changes no outcome
  // All refused with everything on, no row vacuous, every control proven, no defence idle.
  [[nodiscard]] bool sound() const;
};

// `attacks` outlive the matrix. `complete`: they are all there are, and must show what every defence is
// worth. `progress` is told how many of how many rows are done. The error is a sentence: a rack did not come
// up.
[[nodiscard]] std::expected<Matrix, std::string> make_matrix(
    const Build& build, const std::vector<Attack>& attacks, bool complete,
    const std::function<void(std::size_t, std::size_t)>& progress = {});

}  // namespace ladon::attack
