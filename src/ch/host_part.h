// The software of a compute host - or of the management host, for its own VMs - that runs beside the
// hardware: finds its NTB, talks to the management host, offers a VfSlot per VM interface. Never blocks.
//
//   ch::HostPart part(bridge, {.slots = 2});
//   if (auto started = part.start(); !started) ...started.error()
//   part.slot(0)->attach();         // when the guest of slot 0 connects
//   part.poll();                    // about every 100 ms, besides interrupts
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ch/holdings.h"
#include "ch/vf_slot.h"
#include "host/control_channel.h"
#include "host/enumeration.h"

namespace ladon::ch {

struct PartOptions {
  std::uint8_t slots = 1;   // at most 63
  bool bare = false;        // the guest is the host's own operating system
  bool management = false;  // this is the management host: no NTB, VFs are on its own bus
  // A VF was assigned to a slot (true) or taken away (false).
  std::function<void(std::uint8_t slot, bool assigned)> on_assignment;
  // A refused access that this host's IOMMU or interrupt remapping recorded.
  std::function<void(const host::Fault&)> on_fault;
  // The management host says that this slot's VF did something refused.
  std::function<void(std::uint8_t slot, std::uint16_t reason)> on_vf_fault;
};

class HostPart {
 public:
  static constexpr std::uint8_t kMaxSlots = 63;

  // Takes the bridge's events. `bridge` outlives the part and answers configuration and register accesses
  // before submit returns.
  HostPart(host::HostBridge& bridge, PartOptions options);
  ~HostPart();
  HostPart(const HostPart&) = delete;
  HostPart& operator=(const HostPart&) = delete;

  // Enumerates this host's bus (up to the NTB, which ends it), opens the control channel, says that it is
  // ready. The error is a sentence for a person.
  [[nodiscard]] std::expected<void, std::string> start();

  [[nodiscard]] std::uint8_t slots() const { return static_cast<std::uint8_t>(slots_.size()); }
  [[nodiscard]] const std::shared_ptr<VfSlot>& slot(std::uint8_t index) const { return slots_[index]; }
  // Looks for words of the management host: at its doorbell this happens by itself; a doorbell that was lost
  // is made up for here.
  void poll();
  // Where this host's NTB is; nullopt on the management host or before start.
  [[nodiscard]] const std::optional<host::PciFunction>& ntb() const { return ntb_; }
  [[nodiscard]] PartHoldings holdings() const;

 private:
  void greet();
  void send(const host::control::Message& message);
  void take(const host::Event& event);
  // The management host hears of what this host refused its VFs.
  void report(const host::Fault& fault);
  void take_message(const host::control::Message& message);
  [[nodiscard]] std::expected<std::unique_ptr<host::control::Port>, std::string> open_ntb(
      host::BlockingHost& host, const host::Description& description);
  [[nodiscard]] std::expected<std::unique_ptr<host::control::Port>, std::string> open_page(
      const host::Description& description);

  host::HostBridge& bridge_;
  PartOptions options_;
  SlotHost slot_host_;
  std::optional<host::PciFunction> ntb_;
  std::vector<std::shared_ptr<VfSlot>> slots_;
  std::optional<host::control::Channel> channel_;
  bool first_session_ = true;
};

}  // namespace ladon::ch
