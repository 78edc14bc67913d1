// An IOMMU of the guest's own in the rack file, and what it means for the windows.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "machine/rack_file.h"

namespace ladon::machine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::expected<Rack, std::vector<RackError>> rack_with(std::string_view vm, std::string_view more = "") {
  return parse_rack(fmt::format(R"(name: x
nics:
  - {{name: nic0}}
hosts:
  - {{name: mh, role: management}}
  - name: ch1
    role: compute
    {}
    vms: [{{name: vm-a, memory: 64MiB, {}}}]
)",
                                more, vm),
                    "x.yaml");
}
std::vector<std::string> errors_of(const std::expected<Rack, std::vector<RackError>>& rack) {
  std::vector<std::string> lines;
  if (!rack)
    for (const auto& error : rack.error()) lines.push_back(to_string(error));
  return lines;
}

TEST(RackGuestIommu, IsReadWithItsInvalidation) {
  EXPECT_EQ(rack_with("vf: {nic: nic0, index: 0}")->hosts[1].guests[0].viommu, GuestIommu::none);
  const auto rack = rack_with("viommu: lazy, vf: {nic: nic0, index: 0}");
  ASSERT_TRUE(rack) << errors_of(rack)[0];
  EXPECT_EQ(rack->hosts[1].guests[0].viommu, GuestIommu::lazy);
  EXPECT_EQ(address_span(rack->hosts[1].guests[0]), std::uint64_t{4} << 30)
      << "its addresses begin at the top";
}

TEST(RackGuestIommu, IsRefusedWhereThereCanBeNone) {
  EXPECT_THAT(errors_of(rack_with("viommu: deferred, vf: {nic: nic0, index: 0}")),
              ElementsAre(HasSubstr("hosts[1].vms[0].viommu: \"deferred\"")));
  EXPECT_THAT(errors_of(rack_with("viommu: strict, network: {nic: nic0}")),
              ElementsAre(HasSubstr("hosts[1].vms[0].viommu: an IOMMU of the guest's own is there for a "
                                    "function that vf names; leave it out")));
  EXPECT_THAT(errors_of(rack_with("viommu: strict, vf: {nic: nic0, index: 0}", "ntb: {dma_window: 1GiB}")),
              ElementsAre(HasSubstr("hosts[1].ntb.dma_window: 1 GiB do not hold the addresses of vm-a, which "
                                    "reach to 4 GiB; write 4 GiB or more")));
}

}  // namespace
}  // namespace ladon::machine
