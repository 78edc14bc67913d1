// Reading fields out of a rack file's tree: every mistake is noted with its place, its field and the mend,
// and reading goes on, so that a person sees all mistakes at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ipv4.h"
#include "base/mac.h"
#include "machine/rack_file.h"
#include "machine/rack_yaml.h"

namespace ladon::machine {

class RackErrors {
 public:
  explicit RackErrors(std::string_view file) : file_(file) {}
  void add(YamlPlace place, std::string field, std::string message, std::string mend);
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] bool empty() const { return errors_.empty(); }
  // In the order of the file, at most kMaxRackErrors.
  [[nodiscard]] std::vector<RackError> take() && { return std::move(errors_); }

 private:
  std::string file_;
  std::vector<RackError> errors_;
};

// What a file says about one field: where it stands and what it is called there.
struct Field {
  const YamlNode* node;
  std::string path;  // "hosts[1].vms[0].vf.mac"
};

// Text from a file between quotes, safe on a terminal and not longer than a line.
[[nodiscard]] std::string quoted(std::string_view text);

// One map of the file. Each key is asked for by name; finish() complains about the keys nobody asked for.
class Section {
 public:
  // Complains if the node is no map; then every field is absent.
  Section(RackErrors& errors, const Field& field);

  [[nodiscard]] std::optional<Field> find(std::string_view key);
  // Complains if it is absent; `mend` says what to write.
  [[nodiscard]] std::optional<Field> require(std::string_view key, std::string_view mend);
  // Complains if it is present: `why`, then how to mend it.
  void forbid(std::string_view key, std::string_view why, std::string_view mend);
  // The elements of a list; empty if absent; complains if it is no list or longer than `most`.
  [[nodiscard]] std::vector<Field> list(std::string_view key, std::size_t most);

  // Each changes `value` if the field is present and right, complains if it is present and wrong.
  void read_size(std::string_view key, std::uint64_t& value, std::uint64_t least, std::uint64_t most,
                 std::uint64_t multiple);
  void read_power_of_two(std::string_view key, std::uint64_t& value, std::uint64_t least, std::uint64_t most);
  template <class T>
  void read_integer(std::string_view key, T& value, std::uint64_t least, std::uint64_t most) {
    if (const auto read = integer(key, least, most)) value = static_cast<T>(*read);
  }
  // Decimal, or hexadecimal after 0x. True if the field is present and right.
  bool read_number(std::string_view key, std::uint64_t& value);
  // Not empty, at most `longest` bytes.
  void read_text(std::string_view key, std::string& value, std::size_t longest, std::string_view mend);
  void read_switch(std::string_view key, bool& value);
  void read_file(std::string_view key, std::string& value);
  // True if the field is present and right.
  template <class E>
  bool read_choice(std::string_view key, E& value, std::span<const E> choices) {
    std::vector<std::string_view> names;
    for (const E choice : choices) names.push_back(name(choice));
    const auto read = choice_of(key, names);
    if (read) value = choices[*read];
    return read.has_value();
  }
  // 1 to 32 letters, digits, '-' and '_', a letter or digit first; empty if absent or wrong.
  [[nodiscard]] std::string read_name(std::string_view key, bool required);
  [[nodiscard]] std::optional<Ipv4Interface> read_address(std::string_view key);
  [[nodiscard]] std::optional<MacAddress> read_mac(std::string_view key);

  // The text of a field that was found; complains if it is no single value. nullptr then, or if it is absent.
  [[nodiscard]] const std::string* scalar(const std::optional<Field>& field, std::string_view mend);

  void finish();

  [[nodiscard]] const YamlNode& node() const { return node_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] YamlPlace place() const { return node_.place; }
  [[nodiscard]] RackErrors& errors() { return errors_; }
  [[nodiscard]] std::string path_of(std::string_view key) const;

 private:
  [[nodiscard]] std::optional<std::uint64_t> integer(std::string_view key, std::uint64_t least,
                                                     std::uint64_t most);
  [[nodiscard]] std::optional<std::size_t> choice_of(std::string_view key,
                                                     std::span<const std::string_view> names);

  RackErrors& errors_;
  const YamlNode& node_;
  std::string path_;
  std::set<std::string, std::less<>> known_, forbidden_;
};

// Values that may stand only once in a file.
class Unique {
 public:
  // What the values are, for the message: "name", "MAC address".
  explicit Unique(std::string_view what) : what_(what) {}
  // Complains if the value has been claimed before, and says by whom.
  void claim(RackErrors& errors, const std::string& value, const Field& field);

 private:
  std::string what_;
  std::map<std::string, std::pair<std::string, YamlPlace>> claimed_;
};

// The candidate that `word` was probably meant to be; nullopt if none is close.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word,
                                                      const std::set<std::string, std::less<>>& candidates);

}  // namespace ladon::machine
