// A management host that has a NIC and nothing else: its bridge leads straight to the device's functions.
#pragma once

#include "host/host_bridge.h"
#include "mh/inventory.h"
#include "nic/nic.h"

namespace ladon::fuzz::mailbox {

class NicBridge final : public host::HostBridge {
 public:
  explicit NicBridge(nic::Nic& nic) : nic_(nic) {}

  void submit(host::Request request, Reply reply) override;
  void listen(Listener) override {}
  // Where that NIC is.
  [[nodiscard]] static mh::Nic place(std::uint16_t vfs);

 private:
  host::Result serve(const host::ConfigRead& request);
  host::Result serve(const host::ConfigWrite& request);
  host::Result serve(const host::Load& request);
  host::Result serve(const host::Store& request);
  template <class Other>
  host::Result serve(const Other&) {
    return std::unexpected(host::Error::bad_argument);
  }
  [[nodiscard]] pcie::Function* function(pcie::Bdf bdf);

  nic::Nic& nic_;
};

}  // namespace ladon::fuzz::mailbox
