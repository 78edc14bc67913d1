// What a long command is doing, on standard error.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <string_view>

namespace ladon::app {

// One line a step, with the time since the start.
class Progress {
 public:
  void step(std::string_view what) const {
    fmt::print(stderr, "[{:5.1f} s] {}\n", seconds(), what);
    std::fflush(stderr);
  }
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace ladon::app
