#include "trial/guest_specs.h"

#include <fmt/format.h>

namespace ladon::trial {

namespace {

lab::GuestSpec spec_of(const machine::GuestSpec& guest, const std::string& directory,
                       const std::string& logs) {
  return {.name = guest.name,
          .memory_bytes = guest.memory,
          .vcpus = guest.vcpus,
          .vfio_socket = {},
          .vhost_socket = {},
          .vhost_mac = {},
          .control_socket = fmt::format("{}/{}.control", directory, guest.name),
          .console_log = logs.empty() ? std::string{} : fmt::format("{}/{}.console.log", logs, guest.name),
          .address = guest.address ? to_string(*guest.address) : std::string{},
          .mtu = guest.mtu};
}

}  // namespace

lab::GuestSpec guest_spec(const machine::GuestPlace& place, const std::string& directory,
                          const std::string& logs) {
  lab::GuestSpec spec = spec_of(*place.placed.guest, directory, logs);
  spec.vfio_socket = place.socket;
  if (const auto iommu = place.placed.guest->viommu; iommu != machine::GuestIommu::none)
    spec.viommu = name(iommu);
  return spec;
}

lab::GuestSpec guest_spec(const machine::SharedPlace& place, const std::string& directory,
                          const std::string& logs) {
  lab::GuestSpec spec = spec_of(*place.guest, directory, logs);
  spec.vhost_socket = place.socket;
  spec.vhost_mac = to_string(place.guest->shared->mac);
  return spec;
}

}  // namespace ladon::trial
