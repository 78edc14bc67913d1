// A stand-in for the management software's PF driver: brings virtual functions up in the PF's registers
// (spec/pf.h) and answers their mailbox as that driver does. For tests of the device without the software.
#pragma once

#include <array>
#include <cstdint>

#include "base/mac.h"
#include "client/mmio.h"
#include "spec/pf.h"

namespace ladon::client {

struct PfOptions {
  std::uint16_t vfs = 2;
  std::uint16_t api = 4;     // highest interface version acknowledged: 4 is 1.3
  std::uint16_t queues = 2;  // offered to each function
  bool spoof_check = true;
  bool trust = false;  // functions may be promiscuous, and have more addresses
  bool wire = true;
};

class PfResponder {
 public:
  PfResponder(Mmio& pf, const PfOptions& options) : pf_(pf), options_(options) {}

  // Resets the device and gives every function its address, link and rings.
  void bring_up();
  // Handles what the PF's cause register shows. Returns true if anything was done.
  bool poll();
  // Link change as the VF sees it: a control message and the changed link register.
  void set_link(std::uint16_t vf, bool up);
  // Stops answering, as software that was killed.
  void silence(bool on) { silent_ = on; }

  [[nodiscard]] static MacAddress mac_of(std::uint16_t vf) {
    return MacAddress{
        {0x02, 0x4C, 0x4E, 0, static_cast<std::uint8_t>(vf >> 8), static_cast<std::uint8_t>(vf)}};
  }
  [[nodiscard]] std::uint32_t requests() const { return requests_; }
  [[nodiscard]] std::uint32_t refusals() const { return refusals_; }

 private:
  using Message = std::array<std::uint32_t, spec::pf::kMailboxWords>;
  [[nodiscard]] static std::uint32_t reg(std::uint16_t vf, std::uint32_t offset) {
    return spec::pf::kVf + vf * spec::pf::kVfStride + offset;
  }
  void set_mac(std::uint16_t vf, const MacAddress& mac);
  void answer(std::uint16_t vf);
  [[nodiscard]] bool handle(std::uint16_t vf, Message& message);
  [[nodiscard]] bool handle_receive_mode(std::uint16_t vf, std::uint32_t mode);
  [[nodiscard]] bool handle_multicast(std::uint16_t vf, const Message& message);
  [[nodiscard]] bool handle_macvlan(std::uint16_t vf, const Message& message);

  Mmio& pf_;
  PfOptions options_;
  std::array<bool, spec::pf::kMaxVfs> cleared_{};  // to send: has reset itself since it was last reset
  std::array<std::uint16_t, spec::pf::kFilterCount> filter_owner_{};  // VF + 1; 0: free
  std::uint32_t requests_ = 0, refusals_ = 0;
  bool silent_ = false;
};

}  // namespace ladon::client
