#include "figures/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace ladon::figures {
namespace {

// Two-sided 95 % quantiles of Student's t with 1, 2, ... degrees of freedom; beyond the table the
// quantile of 16, which errs to the wide side.
constexpr std::array kStudent = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                                 2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131};
constexpr double kBeyond = 2.120;

}  // namespace

Estimate estimate(std::span<const double> values) {
  if (values.empty()) return {};
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  Estimate made{.mean = mean, .low = mean, .high = mean, .repetitions = static_cast<unsigned>(values.size())};
  if (values.size() < 2) return made;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const std::size_t freedom = values.size() - 1;
  const double quantile = freedom <= kStudent.size() ? kStudent[freedom - 1] : kBeyond;
  const double half = quantile * std::sqrt(squares / static_cast<double>(freedom) / count);
  made.low = mean - half;
  made.high = mean + half;
  return made;
}

}  // namespace ladon::figures
