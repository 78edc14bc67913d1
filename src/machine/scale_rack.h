// A rack file of any size, for tests and measurements.
#pragma once

#include <string>

namespace ladon::machine {

// `hosts` compute hosts of `vms` virtual machines each, and as many NICs as their VFs take.
[[nodiscard]] std::string scale_rack(unsigned hosts, unsigned vms);

}  // namespace ladon::machine
