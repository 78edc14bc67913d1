// The device as enumeration finds it: functions, capabilities, ranges.
#include <gmock/gmock.h>

#include "client/function_mmio.h"
#include "nic/station.h"

namespace ladon::nic::testing {
namespace {

namespace pci = spec::pci;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class NullWire final : public Wire {
 public:
  bool send(ConstBytes) override { return false; }
  std::size_t receive(Bytes) override { return 0; }
  [[nodiscard]] bool carrier() const override { return false; }
};

class Config : public ::testing::Test {
 protected:
  Config() : memory(4096), port(memory.memory()), ports(9, &port), nic({}, clock, wire, ports) {}
  [[nodiscard]] pcie::Function& pf() { return *nic.function(0); }
  void set_bar(std::uint16_t offset, std::uint64_t address) {
    pf().config_write(offset, 4, static_cast<std::uint32_t>(address));
    pf().config_write(static_cast<std::uint16_t>(offset + 4), 4, static_cast<std::uint32_t>(address >> 32));
  }

  ManualClock clock;
  NullWire wire;
  FunctionMemory memory;
  client::MemoryPort port;
  std::vector<pcie::DmaPort*> ports;
  Nic nic;
};

TEST_F(Config, ImpossibleOptionsAreRefusedAtConstruction) {
  EXPECT_THROW(Nic({.vfs = 0}, clock, wire, ports), std::invalid_argument);
  EXPECT_THROW(Nic({.vfs = 64}, clock, wire, ports), std::invalid_argument);
  EXPECT_THROW(Nic({.vfs = 4}, clock, wire, ports), std::invalid_argument);
}

TEST_F(Config, OnlyThePhysicalFunctionIsThereAtFirst) {
  EXPECT_THAT(nic.functions(), ElementsAre(0));
  EXPECT_EQ(nic.function(kFirstVfOffset), nullptr);
  for (const auto id : {pci::kCapExpress, pci::kCapMsix}) EXPECT_TRUE(client::find_capability(pf(), id));
  for (const auto id : {pci::kExtAer, pci::kExtAri, pci::kExtSriov, pci::kExtSerialNumber})
    EXPECT_TRUE(client::find_extended_capability(pf(), id));
}

TEST_F(Config, EnabledFunctionsAppearAtTheirOffsetsWithTheirRanges) {
  const auto before = nic.decode_version();
  const auto sriov = client::find_extended_capability(pf(), pci::kExtSriov).value();
  set_bar(static_cast<std::uint16_t>(sriov + pci::kSriovVfBar0), 0x40'0000'0000);
  set_bar(static_cast<std::uint16_t>(sriov + pci::kSriovVfBar0 + 12), 0x41'0000'0000);
  ASSERT_TRUE(client::enable_vfs(pf(), 3));
  EXPECT_GT(nic.decode_version(), before);
  EXPECT_THAT(nic.functions(), ElementsAre(0, 0x80, 0x82, 0x84));
  EXPECT_EQ(nic.function(0x81), nullptr);
  EXPECT_EQ(nic.function(0x86), nullptr);
  pcie::Function& vf = *nic.function(0x84);
  EXPECT_EQ(vf.config_read(pci::kVendorId, 4), 0xFFFF'FFFFu);
  EXPECT_TRUE(client::find_capability(vf, pci::kCapMsix));
  const auto ranges = vf.decoded();
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[0].bar, 0);
  EXPECT_EQ(ranges[0].range.first(), BusAddr(0x40'0000'8000));
  EXPECT_EQ(ranges[0].range.span(), 0x3FFFu);
  EXPECT_EQ(ranges[1].bar, 3);
  EXPECT_EQ(ranges[1].range.first(), BusAddr(0x41'0000'8000));
}

TEST_F(Config, VirtualFunctionsDecodeNothingWithoutMemoryEnable) {
  const auto sriov = client::find_extended_capability(pf(), pci::kExtSriov).value();
  set_bar(static_cast<std::uint16_t>(sriov + pci::kSriovVfBar0), 0x40'0000'0000);
  pf().config_write(static_cast<std::uint16_t>(sriov + pci::kSriovNumVfs), 2, 1);
  pf().config_write(static_cast<std::uint16_t>(sriov + pci::kSriovControl), 2, pci::kSriovControlVfEnable);
  EXPECT_THAT(nic.function(kFirstVfOffset)->decoded(), IsEmpty());
}

TEST_F(Config, ThePhysicalFunctionsResetTakesTheOthersAway) {
  ASSERT_TRUE(client::enable_vfs(pf(), 2));
  const auto express = client::find_capability(pf(), pci::kCapExpress).value();
  pf().config_write(static_cast<std::uint16_t>(express + pci::kExpressDeviceControl), 2,
                    pci::kDeviceControlFlr);
  EXPECT_THAT(nic.functions(), ElementsAre(0));
}

TEST_F(Config, TheDeviceIdOfVirtualFunctionsIsChosen) {
  const auto sriov = client::find_extended_capability(pf(), pci::kExtSriov).value();
  const auto at = static_cast<std::uint16_t>(sriov + pci::kSriovVfDevice);
  EXPECT_EQ(pf().config_read(at, 2), pci::kX550VfDevice);
  Nic other({.vf_device = pci::k82599VfDevice}, clock, wire, ports);
  EXPECT_EQ(other.function(0)->config_read(at, 2), pci::k82599VfDevice);
}

}  // namespace
}  // namespace ladon::nic::testing
