#include "machine/rack_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
#include <fstream>

namespace ladon::machine {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kExamples = LADON_EXAMPLES;

constexpr std::string_view kGood = R"(name: good
nics:
  - {name: nic0, vfs: 4, wire: {kind: tap, address: 10.10.0.1/24}}
hosts:
  - name: ch1
    role: compute
    vms:
      - name: vm-a
        vf: {nic: nic0, index: 1, mac: 52:54:00:12:34:56}
        address: 10.10.0.11/24
      - name: vm-b
        vf: {nic: nic0, index: 2}
  - name: mh
    role: management
)";

std::string replaced(std::string_view from, std::string_view to) {
  std::string text(kGood);
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::vector<std::string> errors_of(std::string_view text) {
  std::vector<std::string> lines;
  const auto rack = parse_rack(text, "x.yaml");
  if (!rack)
    for (const auto& error : rack.error()) lines.push_back(to_string(error));
  return lines;
}

TEST(RackFile, ReadsWhatIsThereAndFillsInTheRest) {
  const auto rack = parse_rack(kGood, "x.yaml");
  ASSERT_TRUE(rack) << errors_of(kGood)[0];
  EXPECT_EQ(rack->name, "good");
  EXPECT_EQ(rack->seed, 1u);
  EXPECT_EQ(rack->defences, Defences{});
  ASSERT_EQ(rack->hosts.size(), 2u);
  EXPECT_EQ(rack->hosts[0].name, "mh");  // the management host is the first, wherever it stands
  EXPECT_EQ(rack->hosts[0].mode, Mode::sriov);
  const HostSpec& ch1 = rack->hosts[1];
  EXPECT_EQ(ch1.mode, Mode::mriov_plus);
  EXPECT_EQ(ch1.ntb.lut, 32);
  ASSERT_EQ(ch1.guests.size(), 2u);
  EXPECT_EQ(ch1.guests[0].memory, 256u << 20);
  EXPECT_EQ(to_string(ch1.guests[0].vf->mac), "52:54:00:12:34:56");
  EXPECT_EQ(to_string(*ch1.guests[0].address), "10.10.0.11/24");
  EXPECT_EQ(to_string(ch1.guests[1].vf->mac), "52:54:00:00:10:02");  // made
  EXPECT_EQ(rack->nics[0].wire.kind, WireKind::tap);
}

TEST(RackFile, TheExamplesAreGood) {
  for (const auto& entry : std::filesystem::directory_iterator(kExamples)) {
    if (entry.path().extension() != ".yaml") continue;
    const auto rack = load_rack(entry.path());
    EXPECT_TRUE(rack) << to_string(rack.error()[0]);
  }
  const auto rack = load_rack(kExamples + "/two-hosts.yaml");
  ASSERT_TRUE(rack);
  ASSERT_EQ(rack->hosts.size(), 3u);
  EXPECT_EQ(rack->hosts[2].kind, HostKind::bare);
  EXPECT_EQ(rack->hosts[2].guests.size(), 1u);
  EXPECT_EQ(rack->nics[0].vfs, 8);
}

struct Bad {
  std::string_view from, to, error;
};
// Names a test: the field that the error names.
void PrintTo(const Bad& bad, std::ostream* out) {
  const std::string_view field = bad.error.substr(bad.error.find(' ') + 1);
  for (const char c : field.substr(0, field.find(':')))
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.') *out << c;
}
class RackFileBad : public ::testing::TestWithParam<Bad> {};

TEST_P(RackFileBad, NamesPlaceFieldAndMend) {
  const auto& [from, to, error] = GetParam();
  EXPECT_THAT(errors_of(replaced(from, to)), ElementsAre(HasSubstr(error)));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, RackFileBad,
    ::testing::Values(
        Bad{"52:54:00:12:34:56", "52:54:00:12:34",
            "x.yaml:9:40: hosts[0].vms[0].vf.mac: \"52:54:00:12:34\" is not a MAC address; write six "
            "hexadecimal bytes like 52:54:00:12:34:56"},
        Bad{"52:54:00:12:34:56", "53:54:00:12:34:56", "a group's address"},
        Bad{"52:54:00:12:34:56", "52:54:00:00:10:02",
            "hosts[0].vms[1].vf: MAC address 52:54:00:00:10:02 is taken by hosts[0].vms[0].vf.mac in line 9"},
        Bad{"index: 2", "index: 1", "hosts[0].vms[1].vf.index: VF 1 of \"nic0\" is taken by"},
        Bad{"index: 2", "index: 4", "\"4\" is out of range; write a whole number from 0 to 3"},
        Bad{"index: 2", "index: two", "\"two\" is not a whole number"},
        Bad{", index: 2", "", "hosts[0].vms[1].vf.index: missing"},
        Bad{"nic: nic0, index: 2", "nic: nic1, index: 2", "no NIC is named \"nic1\"; the NICs are: nic0"},
        Bad{"nic: nic0, index: 2", "nic: , index: 2", "no NIC is named \"\""},
        Bad{"name: vm-b", "name: vm-a", "name vm-a is taken by hosts[0].vms[0].name in line 8"},
        Bad{"name: mh", "name: ch1", "hosts[1].name: name ch1 is taken by hosts[0].name in line 5"},
        Bad{"name: vm-b", "name: ../../etc", "\"../../etc\" is not a name"},
        Bad{"name: vm-b", "name: vm-b\n        memroy: 1GiB",
            "x.yaml:12:9: hosts[0].vms[1].memroy: not a field of this section; did you mean 'memory'?"},
        Bad{"name: vm-b", "name: vm-b\n        colour: red",
            "the fields are: address, memory, memory_at, mtu, name, vcpus, vf"},
        Bad{"name: vm-b", "name: vm-b\n        memory: 256MB",
            "\"256MB\" has a unit that is not known; write 64 MiB to 60 GiB as a multiple of 2 MiB, with a "
            "unit of"},
        Bad{"name: vm-b", "name: vm-b\n        memory: 256", "\"256\" has no unit"},
        Bad{"name: vm-b", "name: vm-b\n        memory: 0MiB", "is too small"},
        Bad{"name: vm-b", "name: vm-b\n        memory: 99999999999TiB", "is too large"},
        Bad{"name: vm-b", "name: vm-b\n        memory: 65MiB", "is not a multiple of 2 MiB"},
        Bad{"name: vm-b", "name: vm-b\n        memory: 4GiB",
            "hosts[0].memory: 1 GiB do not hold the guests' memory and 64 MiB for the host, 4416 MiB "
            "together"},
        Bad{"name: vm-b", "name: vm-b\n        memory: [1, 2]", "not a single value"},
        Bad{"name: vm-b", "name: vm-b\n        vcpus: 0", "whole number from 1 to 64"},
        Bad{"name: vm-b", "name: vm-b\n        name: vm-c", "given a second time (first in line 11)"},
        Bad{"name: vm-b", "name: vm-b\n        address: 10.10.0.11/24", "address 10.10.0.11 is taken by"},
        Bad{"name: vm-b", "name: vm-b\n        address: 10.10.0.1/24", "taken by nics[0].wire.address"},
        Bad{"name: vm-b", "name: vm-b\n        address: 10.10.0.255/24", "is not the address of a host"},
        Bad{"kind: tap, address: 10.10.0.1/24", "kind: tap", "nics[0].wire.address: missing"},
        Bad{"kind: tap, address", "kind: tab, address",
            "\"tab\" is not known here; write one of: none, tap, peer, link"},
        Bad{"kind: tap, address: 10.10.0.1/24", "kind: link, name: l", "1 NICs are at the link \"l\""},
        Bad{"role: management", "role: compute", "hosts: no management host"},
        Bad{"role: compute", "role: management",
            "hosts[1].role: a second management host (the first is hosts[0]"},
        Bad{"role: management", "role: management\n    ntb: {lut: 1}",
            "no NTB is in front of the management host"},
        Bad{"role: compute", "role: compute\n    ntb: {lut: 1}",
            "1 entries are too few for the host's 2 VFs"},
        Bad{"role: compute", "role: compute\n    ntb: {windows: 2}", "2 windows are too few"},
        Bad{"role: compute", "role: compute\n    ntb: {dma_window: 48GiB}",
            "is not a power of two; write 32 GiB or 64 GiB"},
        Bad{"role: compute", "role: compute\n    mode: mriov-plus", "write one of: mriov, mriov+"},
        Bad{"name: good", "name: good\ndefences: {acs: maybe}",
            "defences.acs: \"maybe\" is neither on nor off"},
        Bad{"name: good", "name: good\nseed: -1", "seed: \"-1\" is not a whole number"},
        Bad{"name: good", "name: good\nseed: 18446744073709551616", "out of range"},
        Bad{"vfs: 4", "vfs: 64", "write a whole number from 1 to 63"}));

constexpr std::string_view kAccepted =
    R"-({initiator: "VF 1 of nic0 (vm-a)", domain: ch1, kind: memory, access: read/write, first: 0x10, last: 4096, why: "known"})-";

TEST(RackFile, ReadsWhatIsAccepted) {
  const auto rack =
      parse_rack(replaced("name: good", fmt::format("name: good\ndefences: {{acs: off}}\naccept:\n  - {}\n"
                                                    "  - {{defence: acs, why: a bench}}",
                                                    kAccepted)),
                 "x.yaml");
  ASSERT_TRUE(rack) << to_string(rack.error()[0]);
  ASSERT_EQ(rack->accept.size(), 2u);
  const Acceptance& one = rack->accept[0];
  EXPECT_EQ(one.defence, nullptr);
  EXPECT_EQ(one.initiator, "VF 1 of nic0 (vm-a)");
  EXPECT_EQ(one.host, 1u);  // the management host is the first
  EXPECT_EQ(one.kind, audit::Kind::memory);
  EXPECT_EQ(one.access, pcie::kReadWrite);
  EXPECT_EQ(one.first, 0x10u);
  EXPECT_EQ(one.last, 4096u);
  EXPECT_EQ(one.why, "known");
  EXPECT_EQ(std::tie(one.file, one.line, one.column), std::tuple("x.yaml", 4u, 5u));
  ASSERT_NE(rack->accept[1].defence, nullptr);
  EXPECT_EQ(rack->accept[1].defence->name, "acs");
}

// What one piece of a good entry is replaced by, and what is said about it.
class BadAcceptance : public ::testing::TestWithParam<std::array<std::string_view, 3>> {};

TEST_P(BadAcceptance, IsNamedWithItsPlaceAndItsMend) {
  const auto [from, to, said] = GetParam();
  std::string entry(kAccepted);
  const auto at = entry.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  entry.replace(at, from.size(), to);
  EXPECT_THAT(errors_of(replaced("name: good", fmt::format("name: good\naccept:\n  - {}", entry))),
              ::testing::Contains(AllOf(::testing::StartsWith("x.yaml:3:"), HasSubstr(said))));
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadAcceptance,
    ::testing::Values(
        std::array<std::string_view, 3>{", why: \"known\"", "", "accept[0].why: missing; say why"},
        std::array<std::string_view, 3>{"\"known\"", "\"\"", "accept[0].why: is empty; say why"},
        std::array<std::string_view, 3>{"domain: ch1", "domain: ch2",
                                        "accept[0].domain: no host is named \"ch2\"; the hosts are: mh, ch1"},
        std::array<std::string_view, 3>{"kind: memory, ", "", "accept[0].kind: missing; copy it"},
        std::array<std::string_view, 3>{"kind: memory", "kind: ram",
                                        "write one of: memory, registers, interrupts"},
        std::array<std::string_view, 3>{"access: read/write", "access: rw",
                                        "write one of: read, write, read/write"},
        std::array<std::string_view, 3>{"first: 0x10", "first: 0x",
                                        "accept[0].first: \"0x\" is no such number"},
        std::array<std::string_view, 3>{"first: 0x10", "first: -1",
                                        "accept[0].first: \"-1\" is no such number"},
        std::array<std::string_view, 3>{"last: 4096", "last: 0x1ffffffffffffffff", "is no such number"},
        std::array<std::string_view, 3>{"last: 4096", "last: 15", "accept[0].last: lies before first"},
        std::array<std::string_view, 3>{"initiator:", "initiater:", "initiator: missing"},
        std::array<std::string_view, 3>{
            kAccepted, "{defence: acs, why: x}",
            "acs is on: nothing can be reached because it is off; remove this entry"},
        std::array<std::string_view, 3>{kAccepted, "{defence: all, why: x}",
                                        "write one of: acs, mh_iommu, ntb_lut"},
        std::array<std::string_view, 3>{kAccepted, "acs", "accept[0]: not a map of fields"}));
// kGood with a second NIC in segment 1 and a host there.
std::string in_two_segments(std::string_view nic, std::string_view host_segment) {
  auto text = replaced("hosts:\n", fmt::format("  - {{name: nic1, vfs: 2, segment: {}}}\nhosts:\n", nic));
  return text + fmt::format(
                    "  - name: ch2\n    role: compute\n    segment: {}\n    vms:\n      - name: vm-c\n"
                    "        vf: {{nic: nic1, index: 0}}\n",
                    host_segment);
}

TEST(RackFile, SegmentsAreNumberedFromZero) {
  const auto rack = parse_rack(in_two_segments("1", "1"), "x.yaml");
  ASSERT_TRUE(rack) << errors_of(in_two_segments("1", "1"))[0];
  EXPECT_EQ(segments(*rack), 2);
  EXPECT_EQ(rack->nics[1].segment, 1);
  EXPECT_EQ(rack->hosts[2].segment, 1);
  EXPECT_EQ(segments(*parse_rack(kGood, "x.yaml")), 1);
  EXPECT_THAT(
      errors_of(in_two_segments("2", "2")),
      ElementsAre(AllOf(HasSubstr("x.yaml:4:"), HasSubstr("nics[1].segment: there is a segment 2 and nothing "
                                                          "in segment 1; number the segments from 0"))));
  EXPECT_THAT(
      errors_of(in_two_segments("32", "0")),
      ElementsAre(HasSubstr("nics[1].segment: \"32\" is out of range; write a whole number from 0 to 31")));
  EXPECT_THAT(errors_of(replaced("role: management", "role: management\n    segment: 0")),
              ElementsAre(HasSubstr("hosts[1].segment: the management host has all segments")));
}

TEST(RackFile, AVfOfAnotherSegmentIsRefused) {
  EXPECT_THAT(errors_of(in_two_segments("1", "0")),
              ElementsAre(AllOf(
                  HasSubstr("hosts[2].vms[0].vf.nic: \"nic1\" is in segment 1 and the host in segment 0"),
                  HasSubstr("write segment: 1 for the host, or take a NIC in its segment: nic0"))));
  // The management host's own VMs take them of any.
  const auto text = in_two_segments("1", "1") + "  - name: ch3\n    role: compute\n";
  auto local = text;
  const auto at = local.find("    role: management\n");
  local.insert(at, "    vms: [{name: vm-m, vf: {nic: nic1, index: 1}}]\n");
  EXPECT_THAT(errors_of(local), ElementsAre());
}

TEST(RackFile, NicsAreInTheOrderOfTheirSegments) {
  auto text = in_two_segments("0", "0");
  text.replace(text.find("vfs: 4"), 6, "vfs: 4, segment: 1");
  text.replace(text.find("role: compute"), 13, "role: compute\n    segment: 1");
  const auto rack = parse_rack(text, "x.yaml");
  ASSERT_TRUE(rack) << errors_of(text)[0];
  EXPECT_EQ(rack->nics[0].name, "nic1");
  EXPECT_EQ(rack->hosts[1].guests[0].vf->nic, 1u) << "of nic0";
}

TEST(RackFile, ASegmentHasAsManyPortsAsASwitch) {
  const auto text = [](unsigned hosts, unsigned in_second) {
    std::string all = "name: x\nnics:\n  - {name: nic0}\nhosts:\n  - {name: mh, role: management}\n";
    for (unsigned k = 0; k < hosts; ++k)
      all += fmt::format("  - {{name: ch{}, role: compute, segment: {}}}\n", k, k < in_second ? 1 : 0);
    return all;
  };
  EXPECT_THAT(errors_of(text(252, 0)), ElementsAre());
  EXPECT_THAT(
      errors_of(text(253, 0)),
      ElementsAre(HasSubstr("more NICs and compute hosts are in segment 0 than its switch has ports, 253")));
  EXPECT_THAT(errors_of(text(253, 1)), ElementsAre());
  EXPECT_THAT(errors_of(text(512, 260)), ElementsAre(HasSubstr("are in segment 1 than")));
  std::string wide = text(300, 150);
  wide.replace(wide.find("ch7,"), 4, "ch7, ntb: {dma_window: 256GiB},");
  EXPECT_THAT(errors_of(wide),
              ElementsAre(AllOf(HasSubstr("hosts[8].ntb.dma_window: 256 GiB for each of 300 hosts"),
                                HasSubstr("write 128 GiB or less"))));
}

TEST(RackFile, GuestsAtTheSameMemoryAreRefused) {
  const auto text = [](std::string_view first, std::string_view second) {
    auto good = replaced("name: vm-a", fmt::format("name: vm-a\n        memory_at: {}", first));
    const auto at = good.find("name: vm-b");
    return good.insert(at + 10, fmt::format("\n        memory_at: {}", second));
  };
  EXPECT_THAT(errors_of(text("4GiB", "4352MiB")), ElementsAre());  // side by side
  EXPECT_THAT(errors_of(text("4GiB", "4350MiB")),
              ElementsAre(HasSubstr("hosts[0].vms[1].memory_at: overlaps the memory of hosts[0].vms[0]")));
  EXPECT_THAT(errors_of(text("4GiB", "64GiB")), ElementsAre(HasSubstr("is too large")));
  EXPECT_THAT(errors_of(text("4GiB", "2GiB")), ElementsAre(HasSubstr("is too small")));
}

TEST(RackFile, ABareHostHasAnOperatingSystemAndNoVms) {
  const auto bare = [](std::string_view rest) {
    return replaced("  - name: mh",
                    fmt::format("  - name: ch2\n    role: compute\n    kind: bare\n{}\n  - name: mh", rest));
  };
  const auto rack = parse_rack(bare("    guest: {vf: {nic: nic0, index: 3}}"), "x.yaml");
  ASSERT_TRUE(rack);
  EXPECT_EQ(rack->hosts[2].guests[0].name, "ch2");
  EXPECT_THAT(errors_of(bare("    vms: []")),
              ElementsAre(HasSubstr("hosts[1].guest: missing"), HasSubstr("a bare host has no VMs")));
  EXPECT_THAT(errors_of(bare("    guest: {memory: 2GiB}")),
              ElementsAre(HasSubstr("hosts[1].memory: 1 GiB do not hold")));
}

TEST(RackFile, AllMistakesAreReportedInTheOrderOfTheFile) {
  std::string text(kGood);
  text.replace(text.find("vfs: 4"), 6, "vfs: 0");
  text.replace(text.find("52:54:00:12:34:56"), 17, "nonsense");
  text += "    colour: red\n";
  EXPECT_THAT(errors_of(text),
              ElementsAre(HasSubstr(":3:23: nics[0].vfs"), HasSubstr(":9:"), HasSubstr("hosts[1].colour")));
}

TEST(RackFile, NoMoreThanTwentyMistakesAreReported) {
  std::string text(kGood);
  for (int i = 0; i < 100; ++i) text += fmt::format("    field{}: 1\n", i);
  EXPECT_EQ(errors_of(text).size(), kMaxRackErrors);
}

TEST(RackFile, WhatIsNotARackAtAll) {
  EXPECT_THAT(errors_of(""),
              ElementsAre("x.yaml: the file is empty; describe a rack; see examples/two-hosts.yaml"));
  EXPECT_THAT(errors_of("# only a comment\n"), ElementsAre(HasSubstr("empty")));
  EXPECT_THAT(errors_of("~"), ElementsAre(HasSubstr("empty")));
  EXPECT_THAT(errors_of("just words"), ElementsAre(HasSubstr("x.yaml:1:1: not a map of fields")));
  EXPECT_THAT(errors_of("name: [a"), ElementsAre(HasSubstr("not YAML")));
  EXPECT_THAT(errors_of("a: b: c"), ElementsAre(AllOf(HasSubstr("x.yaml:1:"), HasSubstr("not YAML"))));
  EXPECT_THAT(errors_of("\x7f"
                        "ELF\x02\x01\x01"),
              ElementsAre(HasSubstr("x.yaml")));
  EXPECT_THAT(errors_of(std::string(kGood) + "---\nname: b\n"), ElementsAre(HasSubstr("second document")));
  EXPECT_THAT(errors_of("name: a"), ElementsAre(HasSubstr("nics: missing"), HasSubstr("hosts: missing")));
  EXPECT_THAT(errors_of("name: a\nnics: []\nhosts: {}"),
              ElementsAre(HasSubstr("nics: no NIC"), HasSubstr("hosts: not a list"),
                          HasSubstr("hosts: no management")));
}

TEST(RackFile, NothingThatGrowsIsRead) {
  EXPECT_THAT(errors_of("a: &a [x]\nb: [*a, *a]"), ElementsAre(HasSubstr("anchor or alias")));
  EXPECT_THAT(errors_of("a: !!binary x"), ElementsAre(HasSubstr("tag")));
  EXPECT_THAT(errors_of("a: " + std::string(20, '[') + std::string(20, ']')),
              ElementsAre(HasSubstr("nested more than 16 deep")));
  EXPECT_EQ(errors_of("a: " + std::string(100'000, '[')).size(), 1u);
  std::string many = "a: [";
  for (int i = 0; i < 260'000; ++i) many += "1,";
  EXPECT_THAT(errors_of(many + "]"), ElementsAre(HasSubstr("more than 250000 values")));
  EXPECT_THAT(errors_of(std::string(kMaxRackFile + 1, ' ')), ElementsAre(HasSubstr("longer than 4 MiB")));
}

TEST(RackFile, WhatTheFileSaysCannotReachTheTerminal) {
  for (const auto& line : errors_of(replaced("vfs: 4", "vfs: \"\\x1b[2J\\n\", \"\\a\": 1")))
    EXPECT_EQ(std::ranges::count_if(line, [](char c) { return c >= 0 && c < ' '; }), 0) << line;
}

TEST(RackFile, FilesThatCannotBeRead) {
  const auto error = [](const std::string& path) { return to_string(load_rack(path).error()[0]); };
  EXPECT_THAT(error("/no/such.yaml"), HasSubstr("/no/such.yaml: No such file or directory; give the path"));
  EXPECT_THAT(error("/tmp"), HasSubstr("not a regular file"));
  EXPECT_THAT(error("/dev/zero"), HasSubstr("not a regular file"));
  const std::string path = ::testing::TempDir() + "ladon-large.yaml";
  std::ofstream(path) << std::string(kMaxRackFile + 10, '#');
  EXPECT_THAT(error(path), HasSubstr("longer than 4 MiB"));
  std::filesystem::remove(path);
}

// A good file with one piece replaced by anything: a rack or errors that name the file, never anything else.
RC_GTEST_PROP(RackFile, AnswersAnyText, (std::string piece)) {
  std::string text(kGood);
  const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
  const auto length = *rc::gen::inRange<std::size_t>(0, 30);
  text.replace(at, length, piece);
  const auto rack = parse_rack(text, "x.yaml");
  if (rack) return;
  RC_ASSERT(!rack.error().empty());
  for (const auto& error : rack.error()) {
    RC_ASSERT(to_string(error).starts_with("x.yaml"));
    RC_ASSERT(!error.message.empty());
    RC_ASSERT(!error.mend.empty());
  }
}

}  // namespace
}  // namespace ladon::machine
