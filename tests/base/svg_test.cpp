#include "base/svg.h"

#include <gtest/gtest.h>

namespace ladon {
namespace {

TEST(Svg, TextCannotBecomeMarkup) {
  EXPECT_EQ(xml_escaped("a <b> & \"c\""), "a &lt;b&gt; &amp; &quot;c&quot;");
  EXPECT_EQ(xml_escaped(std::string_view("a\0b\x1b\n", 5)), "a?b??") << "control characters are not XML";
  EXPECT_EQ(xml_escaped("\xFF"), "?");
  EXPECT_EQ(xml_escaped("\u00fc"), "\u00fc");
}

TEST(Svg, NumbersAreShort) {
  EXPECT_EQ(svg_number(3), "3");
  EXPECT_EQ(svg_number(0.5), "0.5");
  EXPECT_EQ(svg_number(-1.254), "-1.25");
  EXPECT_EQ(svg_number(-0.001), "0");
  EXPECT_EQ(svg_number(100), "100");
}

TEST(Svg, IsTheSameForTheSameCalls) {
  const auto picture = [] {
    Svg svg(20, 10.5, "t", ".a { fill: red }");
    svg.comment("part");
    svg.open_group("1 < 2");
    svg.rect({1, 2, 3, 4}, "a");
    svg.circle(1, 2, 0.25, "a");
    svg.line(0, 0, 1, 1, "a");
    Svg::Rects rects;
    svg.draw(rects, "a");  // nothing
    rects.add({1, 1, 2, 2});
    rects.add({4, 1, 2, 2});
    svg.draw(rects, "a");
    svg.text(5, 5, "x", "a", Svg::Anchor::end);
    svg.close_group();
    return svg.finish();
  };
  EXPECT_EQ(picture(), picture());
  EXPECT_EQ(
      picture(),
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10.5" viewBox="0 0 20 10.5" role="img">
<title>t</title>
<style>
.a { fill: red }
</style>
<!-- part -->
<g><title>1 &lt; 2</title>
<rect class="a" x="1" y="2" width="3" height="4"/>
<circle class="a" cx="1" cy="2" r="0.25"/>
<line class="a" x1="0" y1="0" x2="1" y2="1"/>
<path class="a" d="M1 1h2v2h-2zM4 1h2v2h-2z"/>
<text class="a" x="5" y="5" text-anchor="end">x</text>
</g>
</svg>
)");
}

}  // namespace
}  // namespace ladon
