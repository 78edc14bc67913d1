// What a virtual function can do wrong, under the name that this room uses.
#pragma once

#include "spec/vf_fault.h"

namespace ladon::nic {

using spec::pf::VfFault;

}  // namespace ladon::nic
