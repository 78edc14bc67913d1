// The same rack with other defences: what an audit asks to say which defence a hole is due to.
#pragma once

#include "fabric/tables.h"

namespace ladon::fabric {

// `tables` with every defence of `on` on as well; what no software has programmed while a defence was off -
// interrupt remapping entries - is still not there.
[[nodiscard]] Tables with_defences(const Tables& tables, const Defences& on);

}  // namespace ladon::fabric
