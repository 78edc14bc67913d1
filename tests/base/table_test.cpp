#include "base/table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ladon {
namespace {

TEST(Table, AlignsColumnsAndLeavesNoTrailingBlanks) {
  Table table({{"guest", Align::left}, {"rtt", Align::right}, {"note"}});
  table.add_row({"vm-a", "0.5 ms", "ok"});
  table.add_row({"bare", "12.25 ms"});
  EXPECT_EQ(table.to_string(),
            "guest       rtt  note\n"
            "-----  --------  ----\n"
            "vm-a     0.5 ms  ok\n"
            "bare   12.25 ms\n");
}

TEST(Table, WidthCountsWhatATerminalShows) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("h\u00e9"), 2u);
  EXPECT_EQ(display_width("e\u0301"), 1u);  // e and a combining accent
  EXPECT_EQ(display_width("\u8868"), 2u);
  EXPECT_EQ(display_width("\xff\xfe"), 2u);
}

TEST(Table, NothingReachesTheTerminalButText) {
  EXPECT_EQ(printable("a\x1b[31mb\n"), "a?[31mb?");
  EXPECT_EQ(printable("\xc0\xaf"), "??");       // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "???");  // a surrogate
  EXPECT_EQ(printable("x\u202Ey"), "x?y");      // right-to-left override
  EXPECT_EQ(printable("\u2192 \u00b5s"), "\u2192 \u00b5s");
}

RC_GTEST_PROP(Table, PrintableIsStableAndKeepsItsWidth, (const std::string& text)) {
  const std::string once = printable(text);
  RC_ASSERT(printable(once) == once);
  RC_ASSERT(display_width(once) == display_width(text));
}

}  // namespace
}  // namespace ladon
