// NTBs of different shapes in one rack: what its file may say, and that traffic runs through all of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/frames.h"
#include "machine/rack_build.h"
#include "machine/rack_fixture.h"

namespace ladon::machine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string rack_with(const std::string& first, const std::string& second) {
  return R"(name: mixed
nics:
  - {name: nic0, vfs: 8}
hosts:
  - {name: mh, role: management}
  - name: ch1
    role: compute
    memory: 8GiB
    vms:
      - {name: vm-a, memory: 64MiB, vf: {nic: nic0, index: 1}}
      - {name: vm-b, memory: 64MiB, vf: {nic: nic0, index: 2}}
)" + first +
         R"(  - name: ch2
    role: compute
    kind: bare
    memory: 8GiB
    guest: {name: ch2-os, memory: 64MiB, vf: {nic: nic0, index: 3}}
)" + second;
}

std::vector<std::string> errors_of(const std::string& text) {
  std::vector<std::string> lines;
  const auto rack = parse_rack(text, "x.yaml");
  if (!rack)
    for (const auto& error : rack.error()) lines.push_back(to_string(error));
  return lines;
}

const std::string kSmall = "    ntb: {lut: 2, windows: 4, dma_window: 4GiB, register_window: 4MiB}\n";
const std::string kLarge = "    ntb: {lut: 512, windows: 128, dma_window: 256GiB, register_window: 1GiB}\n";

TEST(RackNtbs, MayDiffer) {
  const auto rack = parse_rack(rack_with(kSmall, kLarge), "x.yaml");
  ASSERT_TRUE(rack) << to_string(rack.error()[0]);
  const auto options = fabric_options(*rack, {});
  EXPECT_EQ(options.hosts[1].ntb.lut_entries, 2);
  EXPECT_EQ(options.hosts[1].ntb.windows, 4);
  EXPECT_EQ(options.hosts[1].ntb.dma_window, std::uint64_t{4} << 30);
  EXPECT_EQ(options.hosts[1].ntb.register_window, 4u << 20);
  EXPECT_EQ(options.hosts[2].ntb.lut_entries, 512);
  EXPECT_EQ(options.hosts[2].ntb.dma_window, std::uint64_t{256} << 30);
}

TEST(RackNtbs, AWindowIsAsFarAsItsHostsDmaReaches) {
  const auto rack = parse_rack(rack_with(kSmall, kLarge), "x.yaml");
  ASSERT_TRUE(rack);
  const auto intent = intent_of(*rack);
  EXPECT_EQ(intent.hosts[0].dma_span, std::uint64_t{4} << 30);
  EXPECT_EQ(intent.hosts[1].dma_span, std::uint64_t{12} << 30);
}

TEST(RackNtbs, MistakesAreShownWhereTheyAreWritten) {
  EXPECT_THAT(
      errors_of(rack_with("    ntb:\n      windows: 8\n      lut: 1\n", "")),
      ElementsAre(HasSubstr("x.yaml:14:12: hosts[1].ntb.lut: 1 entries are too few for the host's 2 VFs")));
  EXPECT_THAT(errors_of(rack_with("    ntb:\n      windows: 3\n", "")),
              ElementsAre(HasSubstr("x.yaml:13:16: hosts[1].ntb.windows: 3 windows are too few")));
  EXPECT_THAT(
      errors_of(rack_with("", "    ntb:\n      lut: 4\n      dma_window: 32MiB\n")),
      ElementsAre(HasSubstr("x.yaml:19:19: hosts[2].ntb.dma_window: 32 MiB do not hold the addresses of "
                            "ch2-os, which reach to 64 MiB; write 64 MiB or more, or write mode: mriov")));
}

TEST(RackNtbs, WhatIsNotWrittenIsShownAtItsSectionOrHost) {
  std::string text = rack_with("", "");
  const auto guest = text.find("      - {name: vm-b");
  std::string guests;
  for (int i = 3; i < 36; ++i)
    guests += "      - {name: vm-" + std::to_string(i) +
              ", memory: 64MiB, vf: {nic: nic1, index: " + std::to_string(i) + "}}\n";
  text.insert(guest, guests);
  text.replace(text.find("nics:\n"), 6, "nics:\n  - {name: nic1, vfs: 63}\n");
  EXPECT_THAT(errors_of(text), ElementsAre(HasSubstr("x.yaml:7:5: hosts[1].ntb.lut: 32 entries are too few"),
                                           HasSubstr("x.yaml:7:5: hosts[1].ntb.windows: 16 windows are")));
  text.insert(text.find("    vms:"), "    ntb: {windows: 128}\n");
  EXPECT_THAT(errors_of(text),
              ElementsAre(HasSubstr("x.yaml:10:10: hosts[1].ntb.lut: 32 entries are too few")));
}

TEST(RackNtbs, MoreThanTwoGigabytesReachBeyondTheHole) {
  GuestSpec guest;
  guest.memory = std::uint64_t{2} << 30;
  EXPECT_EQ(address_span(guest), std::uint64_t{2} << 30);
  guest.memory += 2 << 20;
  EXPECT_EQ(address_span(guest), (std::uint64_t{4} << 30) + (2 << 20));
}

// Software that wants one entry more than there are says so and changes nothing. What hardware does that is
// asked for it all the same: NtbRegisters.AFullLutFailsClosed.
TEST(RackNtbs, AFullTableFailsClosedAndSaysSo) {
  const std::string small = "    ntb: {lut: 2}\n";
  RunningRack rack(rack_with(small, ""));
  ASSERT_TRUE(rack.wait_assigned()) << rack.management_error();
  const auto entries = [&] { return rack.machine().fabric().tables()->ntbs[0]->management.lut.size(); };
  ASSERT_EQ(entries(), 2u);
  auto one = rack.client(0), other = rack.client(1);

  rack.stop_management();
  auto intent = intent_of(*parse_rack(rack_with(small, ""), "x.yaml"));
  intent.grants.push_back(intent.grants.front());
  intent.grants.back().vf = 5;
  intent.grants.back().slot = 2;
  intent.grants.back().mac = MacAddress::from_bits(0x0200'0000'0005);
  ASSERT_TRUE(write_intent(intent, rack.intent()));
  rack.start_management();
  EXPECT_TRUE(rack.run_until([&] { return rack.management_ended(); }));
  EXPECT_THAT(rack.management_error(),
              HasSubstr("host 1, VF 5 of NIC 0: outbound look-up table entries: 3 needed, 2 there"));
  EXPECT_EQ(entries(), 2u);

  // Whoever has an entry goes on.
  const auto bytes =
      client::make_frame({.destination = other->driver.mac(), .source = one->driver.mac(), .payload = 600});
  ASSERT_TRUE(one->driver.tx().send(bytes));
  EXPECT_TRUE(rack.run_until([&] { return other->driver.rx().receive().has_value(); }));
}

TEST(RackNtbs, OfTwoShapesCarryTraffic) {
  RunningRack rack(rack_with(kSmall, kLarge));
  expect_all_talk(rack);
}

}  // namespace
}  // namespace ladon::machine
