// Bytes by which an attack is judged: nobody else has them, and nobody may change them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

namespace ladon::attack {

class Canary {
 public:
  static constexpr std::size_t kSecret = 16;  // bytes, repeated over the whole target

  // Fills `bytes`, which lie at `at` in their host's domain.
  Canary(BusAddr at, Bytes bytes, std::uint64_t number) : at_(at), bytes_(bytes) {
    store_le(secret_.data(), std::uint64_t{0xC0FFEE5EC2E7CA5E});
    store_le(secret_.data() + 8, number * 0x9E37'79B9'7F4A'7C15 | 1);
    for (std::size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = secret_[i % kSecret];
  }

  [[nodiscard]] BusAddr at() const { return at_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] bool untouched() const {
    for (std::size_t i = 0; i < bytes_.size(); ++i)
      if (bytes_[i] != secret_[i % kSecret]) return false;
    return true;
  }
  // Half of the secret is in `bytes`: it cannot be there by chance.
  [[nodiscard]] bool is_in(ConstBytes bytes) const {
    return std::search(bytes.begin(), bytes.end(), secret_.begin(), secret_.begin() + 8) != bytes.end() &&
           std::search(bytes.begin(), bytes.end(), secret_.begin() + 8, secret_.end()) != bytes.end();
  }

 private:
  BusAddr at_;
  Bytes bytes_;
  std::array<std::byte, kSecret> secret_{};
};

}  // namespace ladon::attack
