#include "trial/guest_specs.h"

#include <fmt/format.h>

namespace ladon::trial {

lab::GuestSpec guest_spec(const machine::GuestPlace& place, const std::string& directory,
                          const std::string& logs) {
  const auto& guest = *place.placed.guest;
  return {.name = guest.name,
          .memory_bytes = guest.memory,
          .vcpus = guest.vcpus,
          .vfio_socket = place.socket,
          .control_socket = fmt::format("{}/{}.control", directory, guest.name),
          .console_log = logs.empty() ? std::string{} : fmt::format("{}/{}.console.log", logs, guest.name),
          .address = guest.address ? to_string(*guest.address) : std::string{},
          .mtu = guest.mtu};
}

}  // namespace ladon::trial
