#include "base/ipv4.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ladon {
namespace {

TEST(Ipv4, ReadsDottedNumbersOnly) {
  EXPECT_EQ(parse_ipv4("10.10.0.1")->bits, 0x0A0A0001u);
  for (const auto* bad :
       {"", "10.10.0", "10.10.0.1.", "10.10.0.256", "10.010.0.1", "10.10.0.-1", "10 .0.0.1", "a.b.c.d"})
    EXPECT_FALSE(parse_ipv4(bad)) << bad;
}

TEST(Ipv4, AnInterfaceIsAHostOfItsNetwork) {
  const auto interface = parse_ipv4_interface("10.10.0.1/24");
  ASSERT_TRUE(interface);
  EXPECT_EQ(to_string(interface->network()), "10.10.0.0");
  EXPECT_EQ(to_string(interface->broadcast()), "10.10.0.255");
  EXPECT_TRUE(interface->contains(*parse_ipv4("10.10.0.77")));
  EXPECT_FALSE(interface->contains(*parse_ipv4("10.10.1.77")));
  for (const auto* bad : {"10.10.0.1", "10.10.0.1/", "10.10.0.1/0", "10.10.0.1/31", "10.10.0.0/24",
                          "10.10.0.255/24", "10.10.0.1/24x", "10.10.0.1/024"})
    EXPECT_FALSE(parse_ipv4_interface(bad)) << bad;
}

RC_GTEST_PROP(Ipv4, TextAndBitsAgree, (std::uint32_t bits)) {
  const auto read = parse_ipv4(to_string(Ipv4Address{bits}));
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->bits == bits);
}

}  // namespace
}  // namespace ladon
