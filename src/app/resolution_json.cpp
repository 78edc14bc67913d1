#include "app/resolution_json.h"

#include "fabric/format.h"

namespace ladon::app {

nlohmann::json hops_json(const fabric::Tables& tables, const fabric::Resolution& way) {
  auto hops = nlohmann::json::array();
  for (const auto& row : fabric::rows(tables, way))
    hops.push_back({{"direction", row.direction},
                    {"segment", row.segment},
                    {"domain", row.domain},
                    {"component", row.component},
                    {"table", row.table},
                    {"address_in", row.address_in},
                    {"address_out", row.address_out},
                    {"rid_in", row.rid_in},
                    {"rid_out", row.rid_out}});
  return hops;
}

}  // namespace ladon::app
