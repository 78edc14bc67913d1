#include "host/messages.h"

#include "base/counters.h"
#include "host/bridge_server.h"
#include "host/codec.h"

namespace ladon::host {

std::string_view name(Error error) {
  switch (error) {
    case Error::stale_epoch:
      return "stale epoch";
    case Error::bad_argument:
      return "bad argument";
    case Error::no_memory:
      return "no memory";
    case Error::no_such_object:
      return "no such object";
    case Error::overlap:
      return "overlap";
    case Error::refused_by_fabric:
      return "refused by the fabric";
    case Error::limit:
      return "limit reached";
    case Error::disconnected:
      return "disconnected";
    case Error::count_:
      break;
  }
  return "?";
}

std::string_view name(CodecError error) {
  switch (error) {
    case CodecError::truncated:
      return "truncated";
    case CodecError::trailing_bytes:
      return "trailing bytes";
    case CodecError::bad_magic:
      return "bad magic";
    case CodecError::bad_version:
      return "bad version";
    case CodecError::unknown_kind:
      return "unknown kind";
    case CodecError::unknown_type:
      return "unknown type";
    case CodecError::out_of_bounds:
      return "out of bounds";
    case CodecError::descriptor:
      return "descriptor missing or not wanted";
    case CodecError::count_:
      break;
  }
  return "?";
}

std::string_view name(ServerRefusal refusal) {
  switch (refusal) {
    case ServerRefusal::malformed:
      return "malformed";
    case ServerRefusal::stale_epoch:
      return "stale epoch";
    case ServerRefusal::too_many:
      return "too many";
    case ServerRefusal::event_dropped:
      return "event dropped";
    case ServerRefusal::count_:
      break;
  }
  return "?";
}

}  // namespace ladon::host
