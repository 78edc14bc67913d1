#include "base/units.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ladon {
namespace {

TEST(Units, SizesAreExactBytes) {
  EXPECT_EQ(parse_size("4MiB"), 4u << 20);
  EXPECT_EQ(parse_size("4 MiB"), 4u << 20);
  EXPECT_EQ(parse_size("0B"), 0u);
  EXPECT_EQ(parse_size("64GiB"), 64ull << 30);
  EXPECT_EQ(parse_size("18446744073709551615B"), ~0ull);
}

TEST(Units, BadSizesSayWhy) {
  EXPECT_EQ(parse_size("").error(), UnitError::no_number);
  EXPECT_EQ(parse_size("MiB").error(), UnitError::no_number);
  EXPECT_EQ(parse_size("-4MiB").error(), UnitError::no_number);
  EXPECT_EQ(parse_size("4").error(), UnitError::no_unit);
  EXPECT_EQ(parse_size("4MB").error(), UnitError::unknown_unit);
  EXPECT_EQ(parse_size("1.5GiB").error(), UnitError::unknown_unit);
  EXPECT_EQ(parse_size("4  MiB").error(), UnitError::unknown_unit);
  EXPECT_EQ(parse_size("4MiB ").error(), UnitError::unknown_unit);
  EXPECT_EQ(parse_size("16777216TiB").error(), UnitError::too_large);
  EXPECT_EQ(parse_size("99999999999999999999B").error(), UnitError::too_large);
}

RC_GTEST_PROP(Units, SizesSurviveFormatting, (std::uint64_t bytes)) {
  RC_ASSERT(parse_size(format_size(bytes)).value_or(~bytes) == bytes);
}

TEST(Units, SizesUseTheLargestWholeUnit) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1025), "1025 B");
  EXPECT_EQ(format_size(1536ull << 20), "1536 MiB");
  EXPECT_EQ(format_size(1ull << 40), "1 TiB");
}

TEST(Units, RatesHaveThreeSignificantDigits) {
  EXPECT_EQ(format_rate(0), "0 b/s");
  EXPECT_EQ(format_rate(1.847e9), "1.85 Gb/s");
  EXPECT_EQ(format_rate(12'000), "12.0 kb/s");
  EXPECT_EQ(format_rate(999'600), "1.00 Mb/s");
  EXPECT_EQ(format_rate(999'400), "999 kb/s");
  EXPECT_EQ(format_rate(1.23e13), "12300 Gb/s");
  EXPECT_EQ(format_packet_rate(8.6e6), "8.60 M/s");
  EXPECT_EQ(parse_rate("10Gb/s"), 10'000'000'000u);
  EXPECT_EQ(parse_rate("10GB/s").error(), UnitError::unknown_unit);
}

TEST(Units, RatesAreReadAsTrafficToolsWriteThem) {
  EXPECT_EQ(parse_rate("100Mbit"), 100'000'000u);
  EXPECT_EQ(parse_rate("100 mbit"), 100'000'000u);
  EXPECT_EQ(parse_rate("1Gbit/s"), 1'000'000'000u);
  EXPECT_EQ(parse_rate("100").error(), UnitError::no_unit);
  EXPECT_EQ(parse_rate("100", 1'000'000), 100'000'000u);
  EXPECT_EQ(parse_rate("18446744073709551615", 1000).error(), UnitError::too_large);
  EXPECT_EQ(parse_rate("100Mbps").error(), UnitError::unknown_unit);  // bits here, bytes there
}

TEST(Units, Durations) {
  EXPECT_EQ(format_duration(std::chrono::microseconds(1250)), "1.25 ms");
  EXPECT_EQ(format_duration(std::chrono::seconds(90)), "90.0 s");
  EXPECT_EQ(format_duration(Duration(-1500)), "-1.50 us");
  EXPECT_EQ(parse_duration("10ms"), std::chrono::milliseconds(10));
  EXPECT_EQ(parse_duration("2 min"), std::chrono::minutes(2));
  EXPECT_EQ(parse_duration("9223372036854775808ns").error(), UnitError::too_large);
}

}  // namespace
}  // namespace ladon
