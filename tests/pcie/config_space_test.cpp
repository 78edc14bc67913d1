#include "pcie/config_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "spec/pci.h"

namespace ladon::pcie {
namespace {

namespace pci = spec::pci;

constexpr Identity kIdentity{.vendor = 0x8086,
                             .device = 0x1563,
                             .subsystem_vendor = 0x8086,
                             .subsystem = 0x0001,
                             .class_code = 0x020000,
                             .revision = 1};

ConfigSpace nic() {
  ConfigSpace space = ConfigSpace::endpoint(kIdentity);
  space.add_bar(0, BarKind::memory32, 0x1'0000);
  space.add_bar(2, BarKind::memory64_prefetchable, std::uint64_t{64} << 30);
  space.add_express(PortType::endpoint, true);
  space.add_msix({.vectors = 3, .table_bar = 2, .table_offset = 0, .pba_bar = 2, .pba_offset = 0x2000});
  space.add_aer();
  space.add_serial_number(0x1122'3344'5566'7788);
  space.add_ari();
  space.add_sriov({.total_vfs = 8,
                   .first_offset = 0x80,
                   .stride = 2,
                   .vf_device = 0x1565,
                   .vf_bar_sizes = {0x4000, 0, 0, 0x4000, 0, 0}});
  return space;
}

TEST(ConfigSpace, EndpointHeaderShowsIdentity) {
  const ConfigSpace space = nic();
  EXPECT_EQ(space.read(pci::kVendorId, 4), 0x1563'8086u);
  EXPECT_EQ(space.read(pci::kRevision, 4), 0x0200'0001u);
  EXPECT_EQ(space.read(pci::kSubsystemVendor, 4), 0x0001'8086u);
  EXPECT_EQ(space.read(pci::kHeaderType, 1), 0u);
}

TEST(ConfigSpace, BarsAreSizedAsSoftwareSizesThem) {
  ConfigSpace space = nic();
  space.write(pci::kBar0, 4, 0xFFFF'FFFF);
  EXPECT_EQ(space.read(pci::kBar0, 4), 0xFFFF'0000u);
  space.write(pci::kBar0 + 8, 4, 0xFFFF'FFFF);
  space.write(pci::kBar0 + 12, 4, 0xFFFF'FFFF);
  EXPECT_EQ(space.read(pci::kBar0 + 8, 4), 0x0000'000Cu);
  EXPECT_EQ(space.read(pci::kBar0 + 12, 4), 0xFFFF'FFF0u);
  space.write(pci::kBar0 + 4, 4, 0xFFFF'FFFF);
  EXPECT_EQ(space.read(pci::kBar0 + 4, 4), 0u) << "an absent BAR is zero";
}

TEST(ConfigSpace, DecodesAssignedBarsOnlyWhileMemoryIsEnabled) {
  ConfigSpace space = nic();
  space.write(pci::kBar0, 4, 0x8000'0000);
  EXPECT_TRUE(space.decoded().empty());
  space.write(pci::kCommand, 2, pci::kCommandMemory);
  ASSERT_EQ(space.decoded().size(), 1u) << "BAR 2 is unassigned";
  EXPECT_EQ(space.decoded()[0].range, Range<BusAddr>::of(BusAddr(0x8000'0000), 0x1'0000));
  space.write(pci::kBar0 + 12, 4, 0x20);
  ASSERT_EQ(space.decoded().size(), 2u);
  EXPECT_EQ(space.decoded()[1].range, Range<BusAddr>::of(BusAddr(0x20'0000'0000), std::uint64_t{64} << 30));
  EXPECT_EQ(space.decoded()[1].bar, 2);
}

TEST(ConfigSpace, CapabilityListsHoldWhatWasAddedInOrder) {
  const ConfigSpace space = nic();
  EXPECT_EQ(space.read(pci::kStatus, 2) & pci::kStatusCapabilities, pci::kStatusCapabilities);
  const auto express = space.capability(pci::kCapExpress), msix = space.capability(pci::kCapMsix);
  ASSERT_TRUE(express && msix);
  EXPECT_EQ(space.read(pci::kCapabilityPointer, 1), *express);
  EXPECT_EQ(space.read(static_cast<std::uint16_t>(*express + 1), 1), *msix);
  EXPECT_EQ(space.read(static_cast<std::uint16_t>(*msix + 1), 1), 0u);
  EXPECT_EQ(space.extended_capability(pci::kExtAer), 0x100);
  EXPECT_TRUE(space.extended_capability(pci::kExtSerialNumber));
  EXPECT_TRUE(space.extended_capability(pci::kExtAri));
  EXPECT_FALSE(space.extended_capability(pci::kExtAcs));
  EXPECT_FALSE(space.capability(pci::kCapMsi));
}

TEST(ConfigSpace, FlrIsAskedForOnceAndReadsAsZero) {
  ConfigSpace space = nic();
  const auto control =
      static_cast<std::uint16_t>(*space.capability(pci::kCapExpress) + pci::kExpressDeviceControl);
  EXPECT_FALSE(space.take_flr_request());
  space.write(control, 2, pci::kDeviceControlFlr);
  EXPECT_EQ(space.read(control, 2) & pci::kDeviceControlFlr, 0u);
  EXPECT_TRUE(space.take_flr_request());
  EXPECT_FALSE(space.take_flr_request());
  space.write(static_cast<std::uint16_t>(control + 1), 1, pci::kDeviceControlFlr >> 8);
  EXPECT_TRUE(space.take_flr_request()) << "byte access";
}

TEST(ConfigSpace, WithoutTheCapabilityNoFlr) {
  ConfigSpace space = ConfigSpace::endpoint(kIdentity);
  const std::uint16_t cap = space.add_express(PortType::endpoint, false);
  space.write(static_cast<std::uint16_t>(cap + pci::kExpressDeviceControl), 2, pci::kDeviceControlFlr);
  EXPECT_FALSE(space.take_flr_request());
}

TEST(ConfigSpace, ResetRestoresWhatItWasBuiltWith) {
  ConfigSpace space = nic();
  const ConfigSpace fresh = nic();
  space.write(pci::kBar0, 4, 0x8000'0000);
  space.write(pci::kCommand, 2, 0x0006);
  space.set(pci::kStatus, 2, 0xFFFF);
  space.reset();
  for (unsigned offset = 0; offset < 4096; offset += 4)
    ASSERT_EQ(space.read(static_cast<std::uint16_t>(offset), 4),
              fresh.read(static_cast<std::uint16_t>(offset), 4))
        << offset;
}

TEST(ConfigSpace, SriovFollowsItsCapability) {
  ConfigSpace space = nic();
  const std::uint16_t cap = *space.extended_capability(pci::kExtSriov);
  const auto at = [&](unsigned offset) { return static_cast<std::uint16_t>(cap + offset); };
  EXPECT_FALSE(space.sriov()->enabled);
  EXPECT_EQ(space.read(at(pci::kSriovTotalVfs), 2), 8u);
  space.write(at(pci::kSriovVfBar0), 4, 0xFFFF'FFFF);
  EXPECT_EQ(space.read(at(pci::kSriovVfBar0), 4), 0xFFFF'C00Cu) << "the size of one VF's BAR";
  space.write(at(pci::kSriovVfBar0), 4, 0x9000'0000);
  space.write(at(pci::kSriovVfBar0 + 4), 4, 0x1);
  space.write(at(pci::kSriovNumVfs), 2, 4);
  space.write(at(pci::kSriovControl), 2, pci::kSriovControlVfEnable | pci::kSriovControlVfMemory);
  const auto sriov = space.sriov();
  EXPECT_TRUE(sriov->enabled && sriov->memory_enabled);
  EXPECT_EQ(sriov->vfs, 4);
  EXPECT_EQ(sriov->vf_bars[0], BusAddr(0x1'9000'0000));
  EXPECT_EQ(sriov->vf_bars[3], std::nullopt) << "unassigned";
  EXPECT_EQ(sriov->vf_bar_sizes[3], 0x4000u);
}

TEST(ConfigSpace, SriovRefusesMoreVfsThanThereAreAndRenumberingWhileEnabled) {
  ConfigSpace space = nic();
  const std::uint16_t cap = *space.extended_capability(pci::kExtSriov);
  const auto vfs = static_cast<std::uint16_t>(cap + pci::kSriovNumVfs);
  space.write(vfs, 2, 5);
  space.write(vfs, 2, 9);
  EXPECT_EQ(space.sriov()->vfs, 5);
  space.write(static_cast<std::uint16_t>(vfs + 1), 1, 0xFF);
  EXPECT_EQ(space.sriov()->vfs, 5);
  space.write(static_cast<std::uint16_t>(cap + pci::kSriovControl), 2, pci::kSriovControlVfEnable);
  space.write(vfs, 2, 3);
  EXPECT_EQ(space.sriov()->vfs, 5);
}

TEST(ConfigSpace, VirtualFunctionHasNoIdentityOfItsOwnAndNoMemoryEnable) {
  ConfigSpace space = ConfigSpace::virtual_function(kIdentity);
  space.add_express(PortType::endpoint, true);
  EXPECT_EQ(space.read(pci::kVendorId, 4), 0xFFFF'FFFFu);
  space.write(pci::kCommand, 2, 0xFFFF);
  EXPECT_TRUE(space.bus_master());
  EXPECT_FALSE(space.memory_enabled());
  space.write(pci::kBar0, 4, 0xFFFF'FFFF);
  EXPECT_EQ(space.read(pci::kBar0, 4), 0u);
}

TEST(ConfigSpace, BridgeWindowsAreClosedUntilProgrammed) {
  ConfigSpace space = ConfigSpace::bridge(kIdentity);
  space.write(pci::kCommand, 2, pci::kCommandMemory);
  EXPECT_FALSE(space.bridge_windows().memory);
  EXPECT_FALSE(space.bridge_windows().prefetchable);
  space.write(pci::kPrimaryBus, 4, 0x0005'0201);
  space.write(pci::kMemoryBase, 4, 0x8010'8000);
  space.write(pci::kPrefetchableBase, 4, 0x0000'0000);
  space.write(pci::kPrefetchableBaseUpper, 4, 0x20);
  space.write(pci::kPrefetchableLimitUpper, 4, 0x2F);
  const auto windows = space.bridge_windows();
  EXPECT_EQ(windows.primary, 1);
  EXPECT_EQ(windows.secondary, 2);
  EXPECT_EQ(windows.subordinate, 5);
  EXPECT_EQ(windows.memory, Range<BusAddr>::between(BusAddr(0x8000'0000), BusAddr(0x801F'FFFF)));
  EXPECT_EQ(windows.prefetchable, Range<BusAddr>::between(BusAddr(0x20'0000'0000), BusAddr(0x2F'000F'FFFF)));
  space.write(pci::kCommand, 2, 0);
  EXPECT_FALSE(space.bridge_windows().memory);
}

TEST(ConfigSpace, AcsIsWhatItsControlSays) {
  ConfigSpace space = ConfigSpace::bridge(kIdentity);
  EXPECT_FALSE(space.acs().request_redirect);
  const std::uint16_t cap = space.add_acs();
  space.write(static_cast<std::uint16_t>(cap + pci::kAcsControl), 2,
              pci::kAcsSourceValidation | pci::kAcsRequestRedirect);
  EXPECT_TRUE(space.acs().source_validation && space.acs().request_redirect);
  EXPECT_FALSE(space.acs().completion_redirect || space.acs().upstream_forwarding);
}

TEST(ConfigSpace, AccessesOutsideOrAcrossAreAllOnesAndChangeNothing) {
  ConfigSpace space = nic();
  EXPECT_EQ(space.read(4096, 4), 0xFFFF'FFFFu);
  EXPECT_EQ(space.read(2, 4), 0xFFFF'FFFFu);
  EXPECT_EQ(space.read(0, 3), 0xFFFF'FFFFu);
  EXPECT_FALSE(space.write(0xFFFF, 1, 0));
  EXPECT_FALSE(space.write(pci::kVendorId, 4, 0)) << "identity is read-only";
}

TEST(ConfigSpace, AuthorsMistakesStopConstruction) {
  ConfigSpace space = ConfigSpace::endpoint(kIdentity);
  EXPECT_THROW(space.add_bar(5, BarKind::memory64, 0x1000), std::logic_error);
  EXPECT_THROW(space.add_bar(0, BarKind::memory32, 0x1800), std::logic_error);
  EXPECT_THROW(space.add_msix({.vectors = 0}), std::logic_error);
}

// Whatever software writes, in whatever widths: the lists stay walkable and identity stays what it was.
RC_GTEST_PROP(ConfigSpace, SurvivesAnyWrites, ()) {
  ConfigSpace space = nic();
  const auto writes = *rc::gen::container<std::vector<std::tuple<std::uint16_t, unsigned, std::uint32_t>>>(
      rc::gen::tuple(rc::gen::inRange<std::uint16_t>(0, 0x220), rc::gen::element(1u, 2u, 4u),
                     rc::gen::arbitrary<std::uint32_t>()));
  for (const auto& [offset, width, value] : writes) space.write(offset, width, value);
  RC_ASSERT(space.read(pci::kVendorId, 4) == 0x1563'8086u);
  RC_ASSERT(space.capability(pci::kCapMsix).has_value());
  RC_ASSERT(space.sriov()->vfs <= 8);
  for (const auto& bar : space.decoded()) RC_ASSERT((bar.range.first().bits() & bar.range.span()) == 0u);
}

}  // namespace
}  // namespace ladon::pcie
