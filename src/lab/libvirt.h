// The same guest as qemu.h's command line, as a libvirt domain: what `virsh define` takes. libvirt has no
// element of its own for a vfio-user device, so the device is passed through to QEMU (libvirt's QEMU driver
// namespace); the memory must be shared for it, which libvirt does have an element for.
#pragma once

#include <string>

#include "lab/qemu.h"

namespace ladon::lab {

// A whole document, whatever characters its texts hold.
[[nodiscard]] std::string libvirt_domain(const Assets& assets, const GuestSpec& guest);

}  // namespace ladon::lab
