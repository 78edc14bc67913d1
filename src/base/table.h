// Text tables for people: a heading, a rule, one line a row, columns aligned.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ladon {

// Columns that UTF-8 text takes on a terminal: combining marks none, East Asian wide characters two. A byte
// that is not UTF-8 counts as the one '?' that Table prints for it.
[[nodiscard]] std::size_t display_width(std::string_view text);
// The text with control characters and bytes that are not UTF-8 replaced by '?': safe on a terminal.
[[nodiscard]] std::string printable(std::string_view text);

enum class Align { left, right };

class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  explicit Table(std::vector<Column> columns);

  // Missing cells are empty; surplus ones are an author's mistake and are left out.
  void add_row(std::vector<std::string> cells);
  [[nodiscard]] std::size_t rows() const { return rows_.size(); }
  // Lines end in '\n' and carry no trailing blanks.
  [[nodiscard]] std::string to_string() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ladon
