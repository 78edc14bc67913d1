// A NIC whose virtual functions a host drives itself: device, the functions' memory, drivers, and the
// software of the physical function. One thread owns it.
#pragma once

#include <memory>
#include <vector>

#include "base/time.h"
#include "base/wire.h"
#include "client/function_mmio.h"
#include "client/memory_port.h"
#include "client/pf_responder.h"
#include "client/vf_driver.h"
#include "nic/nic.h"

namespace ladon::experiment {

class DrivenNic {
 public:
  // Clock and wire outlive it. Throws std::logic_error if the device has no such functions.
  DrivenNic(std::uint16_t vfs, const Clock& clock, Wire& wire);

  [[nodiscard]] nic::Nic& nic() { return *nic_; }
  [[nodiscard]] client::VfDriver& driver(std::uint16_t vf) { return *drivers_[vf]; }
  // True if there is more to do at once.
  bool poll() {
    const bool more = nic_->poll();
    return responder_->poll() || more;
  }

 private:
  struct Memory {
    std::unique_ptr<std::byte[]> bytes;
    std::unique_ptr<client::MemoryPort> port;
    client::GuestMemory range;
  };
  [[nodiscard]] static Memory make_memory();

  std::vector<Memory> memories_;  // the PF's first
  std::unique_ptr<nic::Nic> nic_;
  std::unique_ptr<client::FunctionMmio> pf_registers_;
  std::unique_ptr<client::PfResponder> responder_;
  std::vector<std::unique_ptr<client::FunctionMmio>> registers_;
  std::vector<std::unique_ptr<client::VfDriver>> drivers_;
};

}  // namespace ladon::experiment
