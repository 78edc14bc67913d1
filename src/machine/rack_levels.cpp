#include "machine/rack_levels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/units.h"

namespace ladon::machine {
namespace {

using mh::LevelMistake;
using mh::ServiceLevel;

constexpr std::uint64_t kMega = 1'000'000, kMostRate = 1'000'000 * kMega,
                        kMostMemory = std::uint64_t{1} << 30;
constexpr std::uint64_t kMost32 = std::numeric_limits<std::uint32_t>::max();

enum class Kind : std::uint8_t { rate, megabits, bytes, pages, count, priority, weight };

struct LevelField {
  std::string_view name;
  std::string_view meaning;  // the name of the quantity: two fields with the same one are synonyms
  Kind kind;
  void (*set)(ServiceLevel& level, std::uint64_t value);
};

template <auto Range, auto Part>
void set_rate(ServiceLevel& level, std::uint64_t value) {
  level.*Range.*Part = value;
}
template <auto Which>
void set_priority(ServiceLevel& level, std::uint64_t value) {
  (level.*Which).priority = static_cast<std::uint8_t>(value);
}
template <auto Which>
void set_weight(ServiceLevel& level, std::uint64_t value) {
  (level.*Which).weight = static_cast<std::uint16_t>(value);
}

using L = ServiceLevel;
using R = mh::RateRange;
constexpr std::array kFields{
    // As `ip link` has them: a number without a unit is Mbit/s.
    LevelField{"max_tx_rate", "tx_max", Kind::megabits, set_rate<&L::transmit, &R::most>},
    LevelField{"min_tx_rate", "tx_share", Kind::megabits, set_rate<&L::transmit, &R::guaranteed>},
    // As devlink has them: a number without a unit is bit/s.
    LevelField{"tx_share", "tx_share", Kind::rate, set_rate<&L::transmit, &R::guaranteed>},
    LevelField{"tx_max", "tx_max", Kind::rate, set_rate<&L::transmit, &R::most>},
    LevelField{"tx_priority", "tx_priority", Kind::priority, set_priority<&L::transmit_turns>},
    LevelField{"tx_weight", "tx_weight", Kind::weight, set_weight<&L::transmit_turns>},
    LevelField{"tx_burst", "tx_burst", Kind::bytes, set_rate<&L::transmit, &R::burst>},
    LevelField{"rx_guaranteed", "rx_guaranteed", Kind::rate, set_rate<&L::receive, &R::guaranteed>},
    LevelField{"rx_max", "rx_max", Kind::rate, set_rate<&L::receive, &R::most>},
    LevelField{"rx_burst", "rx_burst", Kind::bytes, set_rate<&L::receive, &R::burst>},
    LevelField{"rx_packets_guaranteed", "rx_packets_guaranteed", Kind::count,
               set_rate<&L::receive_packets, &R::guaranteed>},
    LevelField{"rx_packets_max", "rx_packets_max", Kind::count, set_rate<&L::receive_packets, &R::most>},
    LevelField{"rx_packets_burst", "rx_packets_burst", Kind::count, set_rate<&L::receive_packets, &R::burst>},
    LevelField{"rx_cost_guaranteed", "rx_cost_guaranteed", Kind::count,
               set_rate<&L::receive_cost, &R::guaranteed>},
    LevelField{"rx_cost_max", "rx_cost_max", Kind::count, set_rate<&L::receive_cost, &R::most>},
    LevelField{"rx_cost_burst", "rx_cost_burst", Kind::count, set_rate<&L::receive_cost, &R::burst>},
    LevelField{"rx_priority", "rx_priority", Kind::priority, set_priority<&L::receive_turns>},
    LevelField{"rx_weight", "rx_weight", Kind::weight, set_weight<&L::receive_turns>},
    LevelField{"memory", "memory", Kind::pages,
               [](ServiceLevel& level, std::uint64_t value) { level.memory = value; }},
    LevelField{"memory_shared", "memory_shared", Kind::pages,
               [](ServiceLevel& level, std::uint64_t value) { level.memory_shared = value; }},
    LevelField{"memory_lendable", "memory_lendable", Kind::pages,
               [](ServiceLevel& level, std::uint64_t value) { level.memory_lendable = value; }},
};

const LevelField* field_named(std::string_view name) {
  const auto* const found = std::ranges::find(kFields, name, &LevelField::name);
  return found == kFields.end() ? nullptr : found;
}

// What may be written, and how a person reads it.
struct Limits {
  std::uint64_t least, most, multiple;
  std::string_view mend;
};
Limits limits_of(Kind kind) {
  switch (kind) {
    case Kind::rate:
      return {0, kMostRate, 1000,
              "write whole kbit/s up to 1000Gbit, like 100Mbit; a number without a unit is bit/s, and 0 is "
              "none"};
    case Kind::megabits:
      return {0, kMostRate, 1000,
              "write whole kbit/s up to 1000Gbit, like 100Mbit; a number without a unit is Mbit/s, and 0 is "
              "none"};
    case Kind::bytes:
      return {0, kMost32, 1, "write a size below 4 GiB with a unit of B, KiB, MiB or GiB, like 64KiB"};
    case Kind::pages:
      return {0, kMostMemory, mh::kPacketPage,
              "write up to 1 GiB in multiples of 4 KiB, with a unit of B, KiB or MiB, like 512KiB"};
    case Kind::count:
      return {0, kMost32, 1, "write a whole number below 2^32; 0 is none"};
    case Kind::priority:
      return {0, mh::kMostPriority, 1, "write 0 to 7; the highest is served first"};
    case Kind::weight:
      return {1, mh::kMostWeight, 1, "write 1 to 100"};
  }
  return {};
}

std::expected<std::uint64_t, std::string> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return std::unexpected("is too large");
  if (error != std::errc{} || end != text.data() + text.size())
    return std::unexpected("is not a whole number");
  return number;
}

std::expected<std::uint64_t, std::string> parse(Kind kind, std::string_view text) {
  if (kind == Kind::count || kind == Kind::priority || kind == Kind::weight) return parse_number(text);
  const auto value = kind == Kind::rate       ? parse_rate(text, 1)
                     : kind == Kind::megabits ? parse_rate(text, kMega)
                                              : parse_size(text);
  if (!value) return std::unexpected(std::string(describe(value.error())));
  return *value;
}

std::expected<std::uint64_t, LevelMistake> value_of(const LevelField& field, std::string_view text) {
  const Limits limits = limits_of(field.kind);
  const auto wrong = [&](std::string_view what) {
    return std::unexpected(LevelMistake{std::string(field.name), fmt::format("{} {}", quoted(text), what),
                                        std::string(limits.mend)});
  };
  const auto value = parse(field.kind, text);
  if (!value) return wrong(value.error());
  if (*value < limits.least) return wrong("is too small");
  if (*value > limits.most) return wrong("is too large");
  if (*value % limits.multiple != 0)
    return wrong(field.kind == Kind::pages ? "is not a multiple of 4 KiB" : "is not a multiple of 1 kbit/s");
  return *value;
}

}  // namespace

bool LevelReader::is_field(std::string_view name) {
  return field_named(name) != nullptr;
}

const std::vector<std::string_view>& LevelReader::fields() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const LevelField& field : kFields) all.push_back(field.name);
    return all;
  }();
  return names;
}

std::optional<LevelMistake> LevelReader::take(std::string_view name, std::string_view text) {
  const LevelField& field = *field_named(name);
  const auto value = value_of(field, text);
  if (!value) return value.error();
  const auto [given, fresh] = given_.emplace(field.meaning, Given{field.name, *value});
  if (!fresh && given->second.value != *value)
    return LevelMistake{
        std::string(name),
        fmt::format("{} contradicts {}, which is the same quantity", quoted(text), given->second.name),
        fmt::format("keep one of {} and {}", given->second.name, name)};
  field.set(level_, *value);
  return std::nullopt;
}

std::optional<LevelMistake> LevelReader::check() const {
  auto mistake = mh::mistake_in(level_);
  if (!mistake) return std::nullopt;
  if (const auto given = given_.find(mistake->field); given != given_.end())
    mistake->field = given->second.name;
  return mistake;
}

ServiceLevel read_level(Section& section) {
  ServiceLevel level;
  LevelReader reader(level);
  bool understood = true;
  const auto complain = [&](const Field& field, const LevelMistake& mistake) {
    section.errors().add(field.node->place, field.path, mistake.message, mistake.mend);
    understood = false;
  };
  for (const std::string_view name : LevelReader::fields()) {
    const auto field = section.find(name);
    const auto* const text = section.scalar(field, limits_of(field_named(name)->kind).mend);
    if (text == nullptr) {
      understood = understood && !field;
    } else if (const auto mistake = reader.take(name, *text)) {
      complain(*field, *mistake);
    }
  }
  if (!understood) return level;
  if (const auto mistake = reader.check())
    complain(section.find(mistake->field).value_or(Field{&section.node(), section.path()}), *mistake);
  return level;
}

}  // namespace ladon::machine
