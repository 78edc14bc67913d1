// A rack file of any size, for tests and measurements.
#pragma once

#include <string>

namespace ladon::machine {

// `hosts` compute hosts of `vms` virtual machines each, with as many NICs as their VFs take and as many
// segments as that takes ports.
[[nodiscard]] std::string scale_rack(unsigned hosts, unsigned vms);

}  // namespace ladon::machine
