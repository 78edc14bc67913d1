// JSON of this room's values, for files and pipes between our own programs. Reading is strict: a missing or
// ill-typed field, or a number too large for its type, fails the whole text. nlohmann-json reports that by
// exceptions, which end in parse().
#pragma once

#include <expected>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "mh/plan.h"

namespace ladon::mh {

using Json = nlohmann::json;

template <class Enum>
constexpr auto number(Enum value) {
  return static_cast<std::underlying_type_t<Enum>>(value);
}

// The unsigned number at `key`. Throws.
template <class T>
T get(const Json& json, const char* key) {
  const Json& value = json.at(key);
  if (!value.is_number_unsigned()) throw std::out_of_range(std::string(key) + ": not a natural number");
  const auto wide = value.get<std::uint64_t>();
  if (wide > std::numeric_limits<T>::max()) throw std::out_of_range(std::string(key) + ": too large");
  return static_cast<T>(wide);
}

// The enumerator at `key`, whose greatest is `last`. Throws.
template <class Enum>
Enum get_enum(const Json& json, const char* key, Enum last) {
  const auto value = get<std::underlying_type_t<Enum>>(json, key);
  if (value > number(last)) throw std::out_of_range(std::string(key) + ": no such value");
  return static_cast<Enum>(value);
}

// What `read` makes of the text; the error says what is wrong with it.
template <class T, class Read>
std::expected<T, std::string> parse(std::string_view text, Read read) {
  try {
    return read(Json::parse(text));
  } catch (const std::exception& e) {
    return std::unexpected(std::string(e.what()));
  }
}

// A function's address: [segment, bus << 8 | device << 3 | function].
[[nodiscard]] Json json_of(const pcie::Sbdf& address);
[[nodiscard]] pcie::Sbdf address_of(const Json& json);

// Objects of values that several texts hold. The readers throw.
[[nodiscard]] Json json_of(const Grant& grant);
[[nodiscard]] Grant grant_of(const Json& json);
[[nodiscard]] Json json_of(const ServiceLevel& level);
[[nodiscard]] ServiceLevel level_of(const Json& json);
[[nodiscard]] Json json_of(const NicCapacity& capacity);
[[nodiscard]] NicCapacity capacity_of(const Json& json);

}  // namespace ladon::mh
