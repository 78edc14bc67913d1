// Every pair of table and reason has its sentence: a new reason, or a new table, cannot be forgotten.
#include "explain/meaning.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace ladon::explain {
namespace {

using fabric::Reason;
using fabric::Table;

using fabric::kTables;
constexpr auto kReasons = static_cast<std::uint8_t>(Reason::count_);

TEST(Meaning, EveryPairHasASentence) {
  for (std::uint8_t t = 0; t < kTables; ++t) {
    // The table that comes last is named here: behind it there is none.
    EXPECT_NE(fabric::name(Table{t}), "unknown");
    for (std::uint8_t r = 0; r < kReasons; ++r) {
      const Meaning found = meaning(Table{t}, Reason{r});
      EXPECT_GT(found.cause.size(), 40u) << fabric::name(Table{t}) << ": " << fabric::name(Reason{r});
      EXPECT_TRUE(found.cause.ends_with('.')) << found.cause;
    }
  }
  EXPECT_EQ(fabric::name(Table{kTables}), "unknown");
}

TEST(Meaning, NoTwoReasonsHaveTheSame) {
  std::map<std::string_view, Reason> seen;
  for (std::uint8_t r = 0; r < kReasons; ++r) {
    const auto [at, fresh] = seen.emplace(meaning(Table::entry, Reason{r}).cause, Reason{r});
    EXPECT_TRUE(fresh) << fabric::name(Reason{r}) << " and " << fabric::name(at->second);
  }
}

TEST(Meaning, WhereNothingClaimsTheAddressTheTableMatters) {
  std::map<std::string_view, Table> seen;
  for (const Table table : {Table::entry, Table::memory_map, Table::windows, Table::bars})
    EXPECT_TRUE(seen.emplace(meaning(table, Reason::no_route).cause, table).second) << fabric::name(table);
}

}  // namespace
}  // namespace ladon::explain
