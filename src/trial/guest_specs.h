// From a guest's place in the rack to the QEMU that runs it.
#pragma once

#include <string>

#include "lab/qemu.h"
#include "machine/machine.h"

namespace ladon::trial {

// The control socket and, if `logs` is not empty, the console log get the guest's name.
[[nodiscard]] lab::GuestSpec guest_spec(const machine::GuestPlace& place, const std::string& directory,
                                        const std::string& logs = {});

// Of a guest that shares a function: with a virtio interface.
[[nodiscard]] lab::GuestSpec guest_spec(const machine::SharedPlace& place, const std::string& directory,
                                        const std::string& logs = {});

}  // namespace ladon::trial
