#include "app/explain_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace ladon::app {

namespace {

// Indented lines of at most so many characters.
std::string wrapped(std::string_view title, std::string_view text) {
  constexpr std::size_t kWidth = 108, kIndent = 10;
  std::string all = fmt::format("  {:<{}}", title, kIndent - 2);
  std::size_t column = kIndent;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (column != kIndent && column + 1 + end > kWidth) {
      all += '\n' + std::string(kIndent, ' ');
      column = kIndent;
    }
    if (column != kIndent) all += ' ', ++column;
    all += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return all + '\n';
}

}  // namespace

std::string access_text(const pcie::Transaction& transaction) {
  return fmt::format("{} of {} bytes at {:#x}", transaction.access == pcie::Access::read ? "read" : "write",
                     transaction.length, pcie::address_bits(transaction.address));
}

nlohmann::json to_json(const Explained& explained) {
  const explain::Explanation& why = explained.explanation;
  return {{"access", explained.access},
          {"fault", why.fault},
          {"who", why.who},
          {"verdict", explain::name(why.verdict)},
          {"cause", why.cause},
          {"entry", why.entry},
          {"owner", why.owner},
          {"mend", why.mend},
          {"notes", why.notes},
          {"count", explained.count},
          {"seconds_ago", explained.seconds_ago}};
}

std::string to_text(const Explained& explained) {
  const explain::Explanation& why = explained.explanation;
  std::string text = explained.access;
  if (!why.who.empty()) text += " by " + why.who;
  if (explained.count > 1) text += fmt::format(", {} times", explained.count);
  text += fmt::format("\nrefused by {}\n", why.fault);
  text += wrapped("verdict", explain::text(why.verdict));
  text += wrapped("cause", why.cause);
  if (!why.entry.empty()) text += wrapped("entry", why.entry);
  if (!why.owner.empty()) text += wrapped("owner", why.owner);
  text += wrapped("mend", why.mend);
  for (const std::string& note : why.notes) text += wrapped("note", note);
  return text;
}

bool finds(const std::vector<Explained>& all) {
  return std::ranges::any_of(
      all, [](const Explained& one) { return one.explanation.verdict == explain::Verdict::missing; });
}

}  // namespace ladon::app
