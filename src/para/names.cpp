#include <array>

#include "para/drop.h"

namespace ladon::para {

std::string_view name(SendDrop drop) {
  constexpr std::array<std::string_view, Counters<SendDrop>::size> kNames{
      "spoofed source",         "tagged",
      "reserved address",       "to itself",
      "over transmit limit",    "uplink down",
      "too long for the wire",  "segments too short",
      "checksum not supported", "segmentation not supported"};
  return drop < SendDrop::count_ ? kNames[static_cast<std::size_t>(drop)] : "unknown";
}

std::string_view name(ReceiveDrop drop) {
  constexpr std::array<std::string_view, Counters<ReceiveDrop>::size> kNames{
      "over receive limit", "no buffers", "not connected", "refused by the backend"};
  return drop < ReceiveDrop::count_ ? kNames[static_cast<std::size_t>(drop)] : "unknown";
}

std::string_view name(ArrivalDrop drop) {
  constexpr std::array<std::string_view, Counters<ArrivalDrop>::size> kNames{
      "malformed", "tagged", "no guest", "reserved address", "reflected"};
  return drop < ArrivalDrop::count_ ? kNames[static_cast<std::size_t>(drop)] : "unknown";
}

}  // namespace ladon::para
