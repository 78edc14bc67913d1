#include "fabric/hop_record.h"

#include <gmock/gmock.h>

#include <string>

#include "base/bytes.h"
#include "fabric/rig.h"

namespace ladon::fabric::test {
namespace {

using pcie::Access;

struct Texts {
  std::string table, component, outcome;
};

Texts texts_of(const std::vector<std::byte>& record) {
  Texts texts;
  std::size_t at = kHopRecordTexts;
  for (std::string* text : {&texts.table, &texts.component, &texts.outcome}) {
    const auto length = static_cast<std::size_t>(record.at(at++));
    for (std::size_t i = 0; i < length; ++i) *text += static_cast<char>(record.at(at++));
  }
  EXPECT_EQ(at, record.size());
  return texts;
}

class HopRecord : public testing::Test {
 protected:
  HopRecord() { rig.assign(0, 1, 0, 0x1000'0000); }
  [[nodiscard]] std::vector<std::byte> record(const pcie::Transaction& t, const Resolution& r, Leg leg,
                                              std::size_t index) {
    std::vector<std::byte> bytes;
    make_hop_record(*rig.fabric->tables(), t, r, leg, index, 77, bytes);
    return bytes;
  }
  Rig rig;
};

TEST_F(HopRecord, SaysWhatAHopChanged) {
  const auto t = rig.dma(0, 0x1234, Access::read);
  const Resolution r = rig.go(t);
  ASSERT_FALSE(r.refused());
  const auto bytes = record(t, r, Leg::request, 4);  // the management host's IOMMU
  EXPECT_EQ(bytes[0], std::byte{kHopRecordVersion});
  EXPECT_EQ(bytes[1], std::byte{1});
  EXPECT_EQ(bytes[3], std::byte{4});
  EXPECT_EQ(load_le<std::uint16_t>(bytes.data() + 8), rig.vf_rid(0).bits);
  EXPECT_EQ(load_le<std::uint64_t>(bytes.data() + 16), 0x1234u);
  EXPECT_EQ(load_le<std::uint64_t>(bytes.data() + 24), r.hops[4].out);
  EXPECT_EQ(load_le<std::uint32_t>(bytes.data() + 32), t.length);
  EXPECT_EQ(load_le<std::uint64_t>(bytes.data() + 40), 77u);
  const auto texts = texts_of(bytes);
  EXPECT_EQ(texts.component, "mh/iommu");
  EXPECT_EQ(texts.outcome, "");
}

TEST_F(HopRecord, SaysAtItsEndWhatBecameOfTheAccess) {
  const auto t = rig.dma(0, 0x1234, Access::read);
  const Resolution r = rig.go(t);
  const auto arrived = record(t, r, Leg::request, r.hops.size() - 1);
  EXPECT_EQ(arrived[38], std::byte{kTargetHop});
  EXPECT_EQ(texts_of(arrived).outcome, "memory of ch1 at 0x10001234");
  for (std::size_t i = 0; i < r.return_hops.size(); ++i) {
    const auto back = record(t, r, Leg::completion, i);
    EXPECT_EQ(back[2], std::byte{1});
    EXPECT_EQ(back[38], std::byte{0});
  }

  const auto outside = rig.dma(0, 0x7000'0000, Access::write);
  const Resolution no = rig.go(outside);
  ASSERT_TRUE(no.refused());
  const auto refused = record(outside, no, Leg::request, no.hops.size() - 1);
  EXPECT_EQ(refused[38], std::byte{kRefusedHop});
  EXPECT_THAT(texts_of(refused).outcome, testing::StartsWith("refused by "));
}

}  // namespace
}  // namespace ladon::fabric::test
