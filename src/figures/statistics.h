// What repetitions of a measurement say together.
#pragma once

#include <span>

namespace ladon::figures {

// A mean and the interval in which it lies with 95 % confidence, if the repetitions are independent and
// about normal (Student's t). Of one repetition the interval is that value alone, and says nothing.
struct Estimate {
  double mean = 0, low = 0, high = 0;
  unsigned repetitions = 0;

  friend bool operator==(const Estimate&, const Estimate&) = default;
};

[[nodiscard]] Estimate estimate(std::span<const double> values);

}  // namespace ladon::figures
