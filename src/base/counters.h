// Counters by reason. A room lists its reasons as an enum class whose last member is `count_`, and names them
// with `constexpr std::string_view name(Reason)`; every drop and every refusal is one `add`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ladon {

template <class Reason>
class Counters {
 public:
  static constexpr std::size_t size = static_cast<std::size_t>(Reason::count_);

  void add(Reason reason, std::uint64_t by = 1) { values_[static_cast<std::size_t>(reason)] += by; }
  [[nodiscard]] std::uint64_t operator[](Reason reason) const {
    return values_[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const auto value : values_) sum += value;
    return sum;
  }
  Counters& operator+=(const Counters& other) {
    for (std::size_t i = 0; i < size; ++i) values_[i] += other.values_[i];
    return *this;
  }
  void clear() { values_.fill(0); }

  // Calls visit(reason, value) for every reason that is not zero.
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t i = 0; i < size; ++i)
      if (values_[i] != 0) visit(static_cast<Reason>(i), values_[i]);
  }

 private:
  std::array<std::uint64_t, size> values_{};
};

}  // namespace ladon
