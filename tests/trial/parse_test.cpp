// What programs in guests and the management host print, read back.
#include <gmock/gmock.h>

#include "trial/attacks.h"
#include "trial/management_log.h"
#include "trial/talk.h"

namespace ladon::trial {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(TalkLines, AreReadAndTheRestIsLeft) {
  const auto lines = parse_talk({"ready", "period=0 to=10.0.0.1 sent=12 received=11",
                                 "period=3 to=10.0.0.2 sent=4 received=4", "period=1 to=10.0.0.2 sent="});
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(lines[0].received, 11u);
  EXPECT_EQ(lines[1].period, 3u);
  EXPECT_EQ(lines[1].to, "10.0.0.2");
}

TEST(ManagementLines, NameAGuest) {
  const auto lines = parse_management(
      "ladon: warning: management: fault: vm-b (VF 2 of NIC 0, ch1): ch1/iommu/DMA remapping: not mapped "
      "(write at 0x1000)\n"
      "ladon: debug: management: fabric ready: 12 actions\n"
      "ladon: warning: management: quarantined: vm-c (VF 3 of NIC 0, ch2): until it is recovered or granted "
      "anew\n"
      "management: fault: cut (VF 1");
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(lines[0].kind, "fault");
  EXPECT_EQ(lines[0].guest, "vm-b");
  EXPECT_EQ(lines[0].text, "ch1/iommu/DMA remapping: not mapped (write at 0x1000)");
  EXPECT_EQ(lines[1].kind, "quarantined");
  EXPECT_EQ(lines[1].guest, "vm-c");
  EXPECT_THAT(parse_management("management: \n (VF \n\n"), IsEmpty());
}

TEST(GuestAttacks, AreRowsOfTheCatalogue) {
  EXPECT_GE(guest_attacks().size(), 20u);
  for (const GuestAttack& attack : guest_attacks()) {
    EXPECT_FALSE(title(attack).empty()) << attack.id;
    EXPECT_FALSE(control(attack).empty()) << attack.id;
  }
}

}  // namespace
}  // namespace ladon::trial
