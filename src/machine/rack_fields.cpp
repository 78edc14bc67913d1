#include "machine/rack_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <numeric>
#include <ranges>

#include "base/table.h"
#include "base/units.h"

namespace ladon::machine {
namespace {

constexpr std::size_t kQuotedLength = 60;

// The number of letters to insert, delete, replace or swap to make `b` of `a` (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> steps(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) steps[i][0] = i;
  std::iota(steps[0].begin(), steps[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = steps[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      steps[i][j] = std::min({steps[i - 1][j] + 1, steps[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        steps[i][j] = std::min(steps[i][j], steps[i - 2][j - 2] + 1);
    }
  return steps[a.size()][b.size()];
}

bool is_name(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= 32 && letter(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return letter(c) || c == '-' || c == '_'; });
}

}  // namespace

void RackErrors::add(YamlPlace place, std::string field, std::string message, std::string mend) {
  RackError error{file_, place.line, place.column, std::move(field), std::move(message), std::move(mend)};
  const auto order = [](const RackError& e) { return std::pair(e.line, e.column); };
  errors_.insert(std::ranges::upper_bound(errors_, order(error), {}, order), std::move(error));
  if (errors_.size() > kMaxRackErrors) errors_.pop_back();
}

std::string quoted(std::string_view text) {
  if (text.size() <= kQuotedLength) return fmt::format("\"{}\"", printable(text));
  // Not in the middle of a UTF-8 character.
  std::size_t length = kQuotedLength;
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return fmt::format("\"{}...\"", printable(text.substr(0, length)));
}

std::optional<std::string_view> nearest(std::string_view word,
                                        const std::set<std::string, std::less<>>& candidates) {
  if (word.size() > 64) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;  // further away is a guess
  for (const auto& candidate : candidates)
    if (const auto steps = distance(word, candidate); steps < least) best = candidate, least = steps;
  return best;
}

Section::Section(RackErrors& errors, const Field& field)
    : errors_(errors), node_(*field.node), path_(field.path) {
  if (node_.kind != YamlNode::Kind::map)
    errors_.add(node_.place, path_, "not a map of fields", "write lines of 'key: value' below it");
  std::map<std::string_view, YamlPlace> seen;
  for (const auto& entry : node_.entries)
    if (const auto [first, fresh] = seen.emplace(entry.key, entry.place); !fresh)
      errors_.add(entry.place, path_of(entry.key),
                  fmt::format("given a second time (first in line {})", first->second.line),
                  "keep one of them");
}

std::string Section::path_of(std::string_view key) const {
  return path_.empty() ? printable(key.substr(0, kQuotedLength))
                       : fmt::format("{}.{}", path_, printable(key.substr(0, kQuotedLength)));
}

std::optional<Field> Section::find(std::string_view key) {
  known_.emplace(key);
  for (const auto& entry : node_.entries)
    if (entry.key == key) return Field{&entry.value, path_of(key)};
  return std::nullopt;
}

std::optional<Field> Section::require(std::string_view key, std::string_view mend) {
  auto field = find(key);
  if (!field && node_.kind == YamlNode::Kind::map)
    errors_.add(node_.place, path_of(key), "missing", std::string(mend));
  return field;
}

void Section::forbid(std::string_view key, std::string_view why, std::string_view mend) {
  forbidden_.emplace(key);
  for (const auto& entry : node_.entries)
    if (entry.key == key) errors_.add(entry.place, path_of(key), std::string(why), std::string(mend));
}

std::vector<Field> Section::list(std::string_view key, std::size_t most) {
  const auto field = find(key);
  if (!field || field->node->kind == YamlNode::Kind::null) return {};
  if (field->node->kind != YamlNode::Kind::sequence) {
    errors_.add(field->node->place, field->path, "not a list",
                "write its elements one a line, each after '- '");
    return {};
  }
  std::vector<Field> elements;
  for (const auto& item : field->node->items) {
    if (elements.size() == most) {
      errors_.add(item.place, field->path, fmt::format("more than {} elements", most), "leave the rest out");
      break;
    }
    elements.push_back({&item, fmt::format("{}[{}]", field->path, elements.size())});
  }
  return elements;
}

const std::string* Section::scalar(const std::optional<Field>& field, std::string_view mend) {
  if (!field) return nullptr;
  if (field->node->kind == YamlNode::Kind::scalar) return &field->node->text;
  const bool null = field->node->kind == YamlNode::Kind::null;
  errors_.add(field->node->place, field->path, null ? "has no value" : "not a single value",
              std::string(mend));
  return nullptr;
}

void Section::read_size(std::string_view key, std::uint64_t& value, std::uint64_t least, std::uint64_t most,
                        std::uint64_t multiple) {
  const auto field = find(key);
  const std::string allowed =
      fmt::format("write {} to {} as a multiple of {}, with a unit of KiB, MiB, GiB or TiB",
                  format_size(least), format_size(most), format_size(multiple));
  const auto* text = scalar(field, allowed);
  if (text == nullptr) return;
  const auto size = parse_size(*text);
  const auto complain = [&](std::string_view what) {
    errors_.add(field->node->place, field->path, fmt::format("{} {}", quoted(*text), what), allowed);
  };
  if (!size) return complain(describe(size.error()));
  if (*size < least) return complain("is too small");
  if (*size > most) return complain("is too large");
  if (*size % multiple != 0) return complain(fmt::format("is not a multiple of {}", format_size(multiple)));
  value = *size;
}

void Section::read_power_of_two(std::string_view key, std::uint64_t& value, std::uint64_t least,
                                std::uint64_t most) {
  std::uint64_t read = value;
  read_size(key, read, least, most, least);
  if (std::has_single_bit(read)) {
    value = read;
    return;
  }
  const auto field = find(key);
  errors_.add(
      field->node->place, field->path, fmt::format("{} is not a power of two", quoted(field->node->text)),
      fmt::format("write {} or {}", format_size(std::bit_floor(read)), format_size(std::bit_ceil(read))));
}

std::optional<std::uint64_t> Section::integer(std::string_view key, std::uint64_t least, std::uint64_t most) {
  const auto field = find(key);
  const std::string allowed = fmt::format("write a whole number from {} to {}", least, most);
  const auto* text = scalar(field, allowed);
  if (text == nullptr) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error == std::errc{} && end == text->data() + text->size() && number >= least && number <= most)
    return number;
  const bool is_number = error != std::errc::invalid_argument && end == text->data() + text->size();
  errors_.add(field->node->place, field->path,
              fmt::format("{} is {}", quoted(*text), is_number ? "out of range" : "not a whole number"),
              allowed);
  return std::nullopt;
}

bool Section::read_number(std::string_view key, std::uint64_t& value) {
  constexpr std::string_view kAllowed = "write a whole number, decimal or hexadecimal like 0x100000000";
  const auto field = find(key);
  const auto* text = scalar(field, kAllowed);
  if (text == nullptr) return false;
  const bool hexadecimal = text->starts_with("0x");
  const char* const end = text->data() + text->size();
  std::uint64_t number = 0;
  const auto read = std::from_chars(text->data() + (hexadecimal ? 2 : 0), end, number, hexadecimal ? 16 : 10);
  if (read.ec == std::errc{} && read.ptr == end) {
    value = number;
    return true;
  }
  errors_.add(field->node->place, field->path, fmt::format("{} is no such number", quoted(*text)),
              std::string(kAllowed));
  return false;
}

void Section::read_text(std::string_view key, std::string& value, std::size_t longest,
                        std::string_view mend) {
  const auto field = find(key);
  const auto* text = scalar(field, mend);
  if (text == nullptr) return;
  if (!text->empty() && text->size() <= longest) {
    value = *text;
    return;
  }
  errors_.add(field->node->place, field->path,
              text->empty() ? "is empty" : fmt::format("is longer than {} bytes", longest),
              std::string(mend));
}

void Section::read_switch(std::string_view key, bool& value) {
  constexpr std::string_view kAllowed = "write on or off";
  const auto field = find(key);
  const auto* text = scalar(field, kAllowed);
  if (text == nullptr) return;
  if (*text == "on" || *text == "true") {
    value = true;
  } else if (*text == "off" || *text == "false") {
    value = false;
  } else {
    errors_.add(field->node->place, field->path, fmt::format("{} is neither on nor off", quoted(*text)),
                std::string(kAllowed));
  }
}

void Section::read_file(std::string_view key, std::string& value) {
  constexpr std::string_view kAllowed = "write the name of a file, relative to where ladon is started";
  const auto field = find(key);
  const auto* text = scalar(field, kAllowed);
  if (text == nullptr) return;
  if (text->empty() || text->size() > 1000 || text->find('\0') != std::string::npos || text->ends_with('/')) {
    errors_.add(field->node->place, field->path, fmt::format("{} cannot be a file", quoted(*text)),
                std::string(kAllowed));
    return;
  }
  value = *text;
}

std::optional<std::size_t> Section::choice_of(std::string_view key, std::span<const std::string_view> names) {
  const auto field = find(key);
  const std::string allowed = fmt::format("write one of: {}", fmt::join(names, ", "));
  const auto* text = scalar(field, allowed);
  if (text == nullptr) return std::nullopt;
  const auto found = std::ranges::find(names, *text);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  errors_.add(field->node->place, field->path, fmt::format("{} is not known here", quoted(*text)), allowed);
  return std::nullopt;
}

std::string Section::read_name(std::string_view key, bool required) {
  constexpr std::string_view kAllowed =
      "write 1 to 32 letters, digits, '-' and '_', beginning with a letter or digit";
  const auto field = required ? require(key, kAllowed) : find(key);
  const auto* text = scalar(field, kAllowed);
  if (text == nullptr) return {};
  if (is_name(*text)) return *text;
  errors_.add(field->node->place, field->path, fmt::format("{} is not a name", quoted(*text)),
              std::string(kAllowed));
  return {};
}

std::optional<Ipv4Interface> Section::read_address(std::string_view key) {
  constexpr std::string_view kAllowed =
      "write a host's IPv4 address and the length of its network's prefix (1 to 30), like 10.10.0.11/24";
  const auto field = find(key);
  const auto* text = scalar(field, kAllowed);
  if (text == nullptr) return std::nullopt;
  const auto interface = parse_ipv4_interface(*text);
  if (!interface)
    errors_.add(field->node->place, field->path,
                fmt::format("{} is not the address of a host", quoted(*text)), std::string(kAllowed));
  return interface;
}

std::optional<MacAddress> Section::read_mac(std::string_view key) {
  constexpr std::string_view kAllowed = "write six hexadecimal bytes like 52:54:00:12:34:56";
  const auto field = find(key);
  const auto* text = scalar(field, kAllowed);
  if (text == nullptr) return std::nullopt;
  const auto mac = parse_mac(*text);
  if (!mac) {
    errors_.add(field->node->place, field->path, fmt::format("{} is not a MAC address", quoted(*text)),
                std::string(kAllowed));
  } else if (mac->is_multicast() || mac->is_zero()) {
    errors_.add(
        field->node->place, field->path,
        fmt::format("{} is {}", quoted(*text), mac->is_zero() ? "no station's address" : "a group's address"),
        "make the first byte even, like 52:54:00:12:34:56");
    return std::nullopt;
  }
  return mac;
}

void Section::finish() {
  for (const auto& entry : node_.entries) {
    if (known_.contains(entry.key) || forbidden_.contains(entry.key)) continue;
    const auto meant = nearest(entry.key, known_);
    errors_.add(entry.place, path_of(entry.key), "not a field of this section",
                meant ? fmt::format("did you mean '{}'?", *meant)
                      : fmt::format("the fields are: {}", fmt::join(known_, ", ")));
  }
}

void Unique::claim(RackErrors& errors, const std::string& value, const Field& field) {
  const auto [first, fresh] = claimed_.emplace(value, std::pair(field.path, field.node->place));
  if (fresh) return;
  errors.add(field.node->place, field.path,
             fmt::format("{} {} is taken by {} in line {}", what_, value, first->second.first,
                         first->second.second.line),
             "write another one");
}

}  // namespace ladon::machine
