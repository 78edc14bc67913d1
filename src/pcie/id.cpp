#include "pcie/id.h"

#include <fmt/format.h>

namespace ladon::pcie {

std::string to_string(Bdf bdf) {
  return fmt::format("{:02x}:{:02x}.{}", bdf.bus(), bdf.device(), bdf.function());
}

std::string to_string(const Sbdf& address) {
  return fmt::format("{:04x}:{}", static_cast<unsigned>(address.segment), to_string(address.bdf));
}

std::string to_string(const Rid& rid) {
  return fmt::format("{:04x}:{}", static_cast<unsigned>(rid.segment), to_string(rid.bdf));
}

}  // namespace ladon::pcie
