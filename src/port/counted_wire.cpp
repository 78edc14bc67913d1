#include "port/counted_wire.h"

namespace ladon::port {

std::string_view name(WireDrop drop) {
  switch (drop) {
    case WireDrop::no_carrier:
      return "no_carrier";
    case WireDrop::interface_down:
      return "interface_down";
    case WireDrop::queue_full:
      return "queue_full";
    case WireDrop::too_long:
      return "too_long";
    case WireDrop::too_short:
      return "too_short";
    case WireDrop::system_error:
      return "system_error";
    case WireDrop::count_:
      break;
  }
  return "unknown";
}

}  // namespace ladon::port
