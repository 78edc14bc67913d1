#include "pcie/msix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spec/pci.h"

namespace ladon::pcie {
namespace {

class MockPort : public DmaPort {
 public:
  MOCK_METHOD(DmaStatus, send_msi, (Iova address, std::uint32_t data), (override));
  MOCK_METHOD(DmaStatus, issue_read, (Iova from, Bytes into, DmaTag tag), (override));
  MOCK_METHOD(DmaStatus, issue_write, (Iova to, ConstBytes from, DmaTag tag), (override));
};

class Msix : public testing::Test {
 protected:
  Msix() {
    ON_CALL(port, send_msi).WillByDefault(testing::Return(DmaStatus::done));
    table.write_table(16 + 0, 0xFEE0'0013, port);
    table.write_table(16 + 4, 0x1, port);
    table.write_table(16 + 8, 0x42, port);
  }
  testing::StrictMock<MockPort> port;
  MsixTable table{3};
};

TEST_F(Msix, EntriesReadBackAndStartMasked) {
  EXPECT_EQ(table.read_table(12), 1u);
  EXPECT_EQ(table.read_table(16), 0xFEE0'0010u) << "the low two bits are not there";
  EXPECT_EQ(table.read_table(24), 0x42u);
  EXPECT_EQ(table.read_table(48), 0u);
  table.write_table(48, 1, port);
}

TEST_F(Msix, NothingIsSentWhileDisabled) {
  table.write_table(16 + 12, 0, port);
  EXPECT_EQ(table.raise(1, port), DmaStatus::done);
  EXPECT_EQ(table.read_pending(0), 0u);
}

TEST_F(Msix, SendsWhatTheEntrySays) {
  table.set_control(true, false, port);
  table.write_table(16 + 12, 0, port);
  EXPECT_CALL(port, send_msi(Iova(0x1'FEE0'0010), 0x42)).WillOnce(testing::Return(DmaStatus::refused));
  EXPECT_EQ(table.raise(1, port), DmaStatus::refused);
}

TEST_F(Msix, MaskedVectorIsPendingAndSentOnceWhenUnmasked) {
  table.set_control(true, false, port);
  table.raise(1, port);
  table.raise(1, port);
  EXPECT_EQ(table.read_pending(0), 2u);
  EXPECT_CALL(port, send_msi(Iova(0x1'FEE0'0010), 0x42)).Times(1);
  table.write_table(16 + 12, 0, port);
  EXPECT_EQ(table.read_pending(0), 0u);
}

TEST_F(Msix, FunctionMaskHoldsAllBackUntilCleared) {
  table.set_control(true, true, port);
  table.write_table(16 + 12, 0, port);
  table.raise(1, port);
  table.raise(7, port);
  EXPECT_EQ(table.read_pending(0), 2u);
  EXPECT_CALL(port, send_msi).Times(1);
  table.set_control(true, false, port);
}

TEST_F(Msix, ResetForgetsEverything) {
  table.set_control(true, false, port);
  table.raise(1, port);
  table.reset();
  EXPECT_EQ(table.read_pending(0), 0u);
  EXPECT_EQ(table.read_table(16), 0u);
  EXPECT_EQ(table.read_table(28), 1u);
}

TEST_F(Msix, WhatIsOverWhileMaskedIsNotSent) {
  table.set_control(true, false, port);
  table.raise(1, port);
  table.withdraw(1);
  EXPECT_EQ(table.read_pending(0), 0u);
  table.write_table(16 + 12, 0, port);
  table.withdraw(7);
}

TEST_F(Msix, FollowsItsCapability) {
  auto space = ConfigSpace::endpoint({.vendor = 1, .device = 2});
  EXPECT_FALSE(apply_msix_control(space, table, port)) << "no capability";
  const auto at = space.add_msix({.vectors = 3});
  const auto control = static_cast<std::uint16_t>(at + spec::pci::kMsixControl);
  table.write_table(16 + 12, 0, port);
  EXPECT_FALSE(apply_msix_control(space, table, port));
  table.raise(1, port);
  space.write(control, 2, spec::pci::kMsixControlEnable | spec::pci::kMsixControlFunctionMask);
  EXPECT_TRUE(apply_msix_control(space, table, port));
  table.raise(1, port);
  EXPECT_EQ(table.read_pending(0), 2u);
  space.write(control, 2, spec::pci::kMsixControlEnable);
  EXPECT_CALL(port, send_msi(Iova(0x1'FEE0'0010), 0x42)).Times(1);
  EXPECT_TRUE(apply_msix_control(space, table, port));
}

}  // namespace
}  // namespace ladon::pcie
