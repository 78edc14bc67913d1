#include "attack/matrix.h"

#include <algorithm>
#include <utility>

namespace ladon::attack {
namespace {

bool succeeds(const Outcomes& outcomes, OffSet off) {
  return outcomes[off.bits] == Outcome::succeeded;
}

std::expected<Outcomes, std::string> outcomes(const Build& build, const Attack& attack, Mutant mutant) {
  Outcomes all{};
  for (unsigned off = 0; off < kDefenceSets; ++off) {
    const auto result = try_attack(build, attack, OffSet(off), mutant);
    if (!result) return std::unexpected(result.error());
    all[off] = result->outcome;
  }
  return all;
}

// Sets that succeed and have no smaller one in them that does.
std::vector<OffSet> smallest(const Outcomes& outcomes) {
  std::vector<OffSet> found;
  for (unsigned off = 0; off < kDefenceSets; ++off) {
    if (!succeeds(outcomes, OffSet(off))) continue;
    bool least = true;
    for (unsigned less = 0; less < kDefenceSets; ++less)
      if (less != off && OffSet(less).within(OffSet(off)) && succeeds(outcomes, OffSet(less))) least = false;
    if (least) found.emplace_back(off);
  }
  std::ranges::sort(found, {}, [](OffSet set) { return std::pair(set.size(), set.bits); });
  return found;
}

void judge_row(MatrixRow& row) {
  row.tried = row.plain[0] != Outcome::skipped;
  for (const OffSet off : smallest(row.plain)) row.minimal.push_back({off, Mutant::none});
  // With the mutant only what does not succeed without it.
  for (const OffSet off : smallest(row.mutant))
    if (!succeeds(row.plain, off)) row.minimal.push_back({off, row.attack->control.mutant});
  row.vacuous = row.tried && row.minimal.empty();
  row.control_holds = !row.tried || std::ranges::any_of(row.minimal, [&](const Control& control) {
    return control.off == row.attack->control.off && control.mutant == row.attack->control.mutant;
  });
}

bool changes_something(const MatrixRow& row, Defence defence) {
  for (unsigned off = 0; off < kDefenceSets; ++off) {
    const unsigned without = off | 1u << static_cast<unsigned>(defence);
    if (row.plain[off] != row.plain[without] || row.mutant[off] != row.mutant[without]) return true;
  }
  return false;
}

}  // namespace

bool Matrix::sound() const {
  return idle.empty() && std::ranges::all_of(rows, [](const MatrixRow& row) {
           return row.plain[0] != Outcome::succeeded && !row.vacuous && row.control_holds;
         });
}

std::expected<Matrix, std::string> make_matrix(
    const Build& build, const std::vector<Attack>& attacks, bool complete,
    const std::function<void(std::size_t, std::size_t)>& progress) {
  Matrix matrix;
  for (const Attack& attack : attacks) {
    MatrixRow row{.attack = &attack};
    auto plain = outcomes(build, attack, Mutant::none);
    if (!plain) return std::unexpected(plain.error());
    row.plain = *plain;
    row.mutant.fill(Outcome::skipped);
    if (attack.control.mutant != Mutant::none) {
      auto mutant = outcomes(build, attack, attack.control.mutant);
      if (!mutant) return std::unexpected(mutant.error());
      row.mutant = *mutant;
    }
    judge_row(row);
    matrix.rows.push_back(std::move(row));
    if (progress) progress(matrix.rows.size(), attacks.size());
  }
  if (!complete) return matrix;
  for (unsigned i = 0; i < kDefences; ++i) {
    const Defence defence{static_cast<std::uint8_t>(i)};
    if (std::ranges::none_of(matrix.rows,
                             [&](const MatrixRow& row) { return changes_something(row, defence); }))
      matrix.idle.push_back(defence);
  }
  return matrix;
}

}  // namespace ladon::attack
