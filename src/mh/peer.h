// The other end of one control channel; only the service's own files include this.
#pragma once

#include <deque>
#include <set>

#include "mh/service.h"

namespace ladon::mh {

struct Service::Peer {
  pcie::Domain domain{};
  std::unique_ptr<host::control::Channel> channel;
  std::deque<host::control::Message> inbox;  // untrusted
  bool ready = false;
  std::set<std::uint8_t> used;      // slots whose VF may hold traces of a guest
  std::set<std::uint8_t> revoking;  // Revoke was sent, Revoked has not come
};

}  // namespace ladon::mh
