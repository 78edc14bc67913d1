// The picture of the matrix, and the prices in it.
#include "attack/picture.h"

#include <gtest/gtest.h>

#include "rack.h"

namespace ladon::attack {
namespace {

Verdict store_to_sibling(Scene& scene) {
  const Canary target = scene.canary_of(*scene.parts.sibling);
  (void)scene.bed.store(scene.me(), Gpa(target.at().bits()), 1);
  return judge(!target.untouched(), "written", "as it was");
}

std::size_t count(const std::string& text, std::string_view what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}
// Marks of one kind: each is a piece of the path that comes after its class.
std::size_t marks(const std::string& svg, std::string_view css_class) {
  const auto at = svg.find("<path class=\"" + std::string(css_class));
  return at == std::string::npos ? 0 : count(svg.substr(at, svg.find("/>", at) - at), "M");
}

TEST(Picture, HasAMarkForEachOutcome) {
  const std::vector<Attack> attacks = {{"X<1>", "a & b", Party::vm, {{Defence::ept}}, store_to_sibling}};
  const auto matrix = make_matrix(build_from(two_hosts()), attacks, false);
  ASSERT_TRUE(matrix) << matrix.error();
  const Picture picture{.rack = "\"r\"", .matrix = *matrix, .hops = {}, .prices = {}};
  const std::string svg = draw(picture);
  EXPECT_EQ(marks(svg, "refused"), 32u);
  EXPECT_EQ(marks(svg, "succeeded"), 32u);
  EXPECT_EQ(marks(svg, "mutant"), 0u);
  EXPECT_EQ(count(svg, "class=\"off\""), 6u * 32) << "each defence is off in half of the columns";
  EXPECT_NE(svg.find("X&lt;1&gt;: a &amp; b"), std::string::npos);
  EXPECT_EQ(svg, draw(picture));
}

TEST(Prices, AreMeasuredForEachSetAndCompared) {
  const Build build = build_from(two_hosts());
  const std::vector<OffSet> sets = {OffSet{}, OffSet{Defence::acs}};
  const auto prices = measure_prices(build, sets);
  ASSERT_TRUE(prices) << prices.error();
  ASSERT_EQ(prices->size(), 2u);
  for (const Price& price : *prices) {
    EXPECT_GT(price.cached, 0);
    EXPECT_GT(price.cold, price.cached);
    EXPECT_LE(price.packets_per_second.low, price.packets_per_second.median);
    EXPECT_LE(price.packets_per_second.median, price.packets_per_second.high);
  }
  const auto hops = count_hops(build, sets);
  ASSERT_TRUE(hops) << hops.error();
  EXPECT_EQ((*hops)[0], (*prices)[0].hops);
  // Without redirection a register access passes the management host's root complex no more.
  EXPECT_LT((*hops)[1].register_read, (*hops)[0].register_read);
}

TEST(Prices, OfOneDefenceAreOverAllPairsThatDifferInIt) {
  std::vector<Price> prices;
  for (const OffSet off : ordered_sets()) {
    const double rate = (off.has(Defence::acs) ? 2.0 : 1.0) * (off.has(Defence::ept) ? 10 : 1);
    prices.push_back({.off = off, .packets_per_second = {rate, rate, rate}});
  }
  EXPECT_DOUBLE_EQ(price_of(prices, Defence::acs).median, 2);
  EXPECT_DOUBLE_EQ(price_of(prices, Defence::ept).low, 10);
  EXPECT_DOUBLE_EQ(price_of(prices, Defence::mh_iommu).high, 1);
  EXPECT_EQ(ordered_sets().front(), OffSet{});
  EXPECT_EQ(ordered_sets().back().size(), 6);
}

}  // namespace
}  // namespace ladon::attack
