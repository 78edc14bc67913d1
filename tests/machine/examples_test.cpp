// The racks of examples/ that need no guest of their own kind, with native clients: each starts, everybody
// who is on one wire reaches everybody else, and nothing is refused on the way.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <numeric>

#include "client/frames.h"
#include "machine/rack_fixture.h"

namespace ladon::machine {
namespace {

std::string example(const std::string& name) {
  std::ifstream file(std::string(LADON_EXAMPLES) + "/" + name);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) throw std::runtime_error(name + " is not there");
  return text;
}

class Example : public ::testing::Test {
 protected:
  void run(const std::string& name) {
    rack = std::make_unique<RunningRack>(example(name));
    ASSERT_TRUE(rack->wait_assigned()) << rack->management_error();
    for (std::size_t i = 0; i < rack->machine().guests().size(); ++i) {
      const auto& host = *rack->machine().guests()[i].placed.host;
      guests.push_back(
          rack->client(i, {}, host.mode == Mode::mriov ? host.ntb.dma_window : ~std::uint64_t{0}));
    }
  }
  [[nodiscard]] std::size_t find(std::string_view name) const {
    for (std::size_t i = 0; i < guests.size(); ++i)
      if (rack->machine().guests()[i].placed.guest->name == name) return i;
    throw std::invalid_argument("no such guest");
  }
  // A frame from each of these to each other.
  void expect_all_talk(const std::vector<std::size_t>& among) {
    for (const std::size_t from : among)
      for (const std::size_t to : among) {
        if (from == to) continue;
        const auto bytes = client::make_frame(
            {.destination = guests[to]->driver.mac(), .source = guests[from]->driver.mac(), .payload = 600});
        ASSERT_TRUE(guests[from]->driver.tx().send(bytes));
        std::optional<client::ReceivedFrame> got;
        ASSERT_TRUE(rack->run_until([&] { return (got = guests[to]->driver.rx().receive()).has_value(); }))
            << from << " to " << to;
        EXPECT_EQ(got->bytes, bytes);
      }
    EXPECT_EQ(rack->machine().fabric().refusals().total(), 0u);
  }
  [[nodiscard]] std::vector<std::size_t> everybody() const {
    std::vector<std::size_t> all(guests.size());
    std::iota(all.begin(), all.end(), 0u);
    return all;
  }

  std::unique_ptr<RunningRack> rack;
  std::vector<std::unique_ptr<ClientGuest>> guests;
};

TEST_F(Example, TwoParts) {
  run("two-parts.yaml");
  ASSERT_EQ(guests.size(), 4u);
  expect_all_talk(everybody());
}

TEST_F(Example, Bounce) {
  run("bounce.yaml");
  ASSERT_EQ(guests.size(), 3u);
  expect_all_talk(everybody());
}

TEST_F(Example, ManyNics) {
  run("many-nics.yaml");
  ASSERT_EQ(guests.size(), 12u);
  std::vector<std::size_t> cable, segment = {find("vm-n"), find("vm-o"), find("bare-os")};
  for (unsigned vm = 0; vm < 8; ++vm) cable.push_back(find("vm-" + std::to_string(vm)));
  expect_all_talk(cable);  // from NIC to NIC, too
  expect_all_talk(segment);
}

// A guest's memory above 4 GiB, and its host's above that: rings and buffers that lie there.
TEST_F(Example, ManyNicsAGuestOfFourGigabytes) {
  rack = std::make_unique<RunningRack>(example("many-nics.yaml"));
  ASSERT_TRUE(rack->wait_assigned()) << rack->management_error();
  Machine& machine = rack->machine();
  for (std::size_t i = 0; i < machine.guests().size(); ++i)
    if (machine.guests()[i].placed.guest->name == "vm-l") {
      auto memory = attach_synthetic_guest(machine, i);
      ASSERT_TRUE(memory) << memory.error();
      constexpr std::uint64_t kAt = (std::uint64_t{4} << 30) - (64 << 20);
      const auto way = fabric::resolve(*machine.fabric().tables(),
                                       dma_transaction(machine, i, Iova(kAt), 4, pcie::Access::write));
      const auto* target = std::get_if<fabric::MemoryTarget>(&way.outcome);
      ASSERT_NE(target, nullptr);
      EXPECT_EQ(target->at.bits(), (std::uint64_t{16} << 30) + kAt) << "where memory_at says";
      SlotMmio registers(machine, i);
      client::VfDriver driver(
          registers, {Iova(kAt), Bytes(memory->memory.mapped_or_null(), memory->memory.size()).subspan(kAt)},
          {});
      ASSERT_TRUE(driver.probe());
      ASSERT_TRUE(driver.open());
      // Nobody else is on this NIC: the frame leaves, and its descriptor is written back.
      ASSERT_TRUE(driver.tx().send(
          client::make_frame({.destination = driver.mac(), .source = driver.mac(), .payload = 600})));
      EXPECT_TRUE(rack->run_until([&] { return (void)driver.tx().reclaim(), driver.tx().idle(); }));
      EXPECT_EQ(machine.fabric().refusals().total(), 0u);
      return;
    }
  FAIL() << "no vm-l";
}

}  // namespace
}  // namespace ladon::machine
