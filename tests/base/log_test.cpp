#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ladon {
namespace {

using ::testing::ElementsAre;

TEST(Log, PassesWhatIsAtOrAboveItsLevel) {
  std::vector<std::string> lines;
  const Log log =
      Log::to([&](LogLevel, std::string_view text) { lines.emplace_back(text); }, LogLevel::warning);
  log.info("not {}", 1);
  log.warning("vf {}: {}", 3, "refused");
  log.error("{{}} stays as it is");
  EXPECT_THAT(lines, ElementsAre("vf 3: refused", "{} stays as it is"));
  EXPECT_FALSE(Log::silent().enabled(LogLevel::error));
}

TEST(Log, NamesOfLevels) {
  EXPECT_EQ(parse_log_level("warning"), LogLevel::warning);
  EXPECT_EQ(parse_log_level("Warning"), std::nullopt);
}

TEST(LogRateLimit, LetsABurstThroughAndCountsTheRest) {
  ManualClock clock;
  LogRateLimit limit(clock, 2, std::chrono::seconds(1));
  EXPECT_EQ(limit.allow(), 0u);
  EXPECT_EQ(limit.allow(), 0u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limit.allow(), std::nullopt);
  clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(limit.allow(), 5u);
  EXPECT_EQ(limit.allow(), 0u);
  EXPECT_EQ(limit.allow(), std::nullopt);
}

}  // namespace
}  // namespace ladon
