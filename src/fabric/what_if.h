// The same rack with something changed: other defences, by which an audit says to which of them a hole is
// due; or a table that has lost its entries, to see what a mistake looks like.
#pragma once

#include <optional>

#include "fabric/component.h"
#include "fabric/tables.h"

namespace ladon::fabric {

// `tables` with every defence of `on` on as well; what no software has programmed while a defence was off -
// interrupt remapping entries - is still not there.
[[nodiscard]] Tables with_defences(const Tables& tables, const Defences& on);

// `tables` with all entries gone of one table of one component: IOMMU domains, interrupt entries, an NTB's
// windows or look-up table of the side on which the component is named, second-level tables, Bus Master
// Enable. nullopt where there are no entries that can be lost.
[[nodiscard]] std::optional<Tables> without_entries(const Tables& tables, const ComponentId& component,
                                                    Table table);

}  // namespace ladon::fabric
