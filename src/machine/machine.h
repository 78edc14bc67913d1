// A whole rack in one process: the emulated hardware of a rack file, its hosts' bridges, the compute hosts'
// software, and a vfio-user socket for every guest. One thread owns it and drives it by run_once(); only
// stop() may be called from another.
//
//   auto machine = Machine::build(rack, {.directory = "/run/ladon-x"}, clock, log);
//   ... start the management host's program on (*machine)->management_socket() ...
//   while (!stopped) (*machine)->run_once();
#pragma once

#include <atomic>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/quiescence.h"
#include "ch/host_part.h"
#include "fabric/fabric.h"
#include "host/bridge_server.h"
#include "machine/capture.h"
#include "machine/guest_slot.h"
#include "machine/hardware.h"
#include "machine/host_software.h"
#include "machine/rack_build.h"
#include "machine/rack_capture.h"
#include "machine/rack_file.h"
#include "machine/wires.h"
#include "nic/nic.h"
#include "vfio/server.h"

namespace ladon::machine {

struct MachineOptions {
  std::string directory;  // where the sockets go; exists
  // How often the hosts' parts look for what a lost doorbell would have told them.
  Duration poll_every = std::chrono::milliseconds(100);
  Duration flush_after = iommu::FlushQueue::kTimeout;  // EmulatedHostOptions
};

// One guest's place in the rack, as the machine runs it.
struct GuestPlace {
  PlacedGuest placed;
  std::string socket;  // vfio-user
  std::unique_ptr<GuestSlot> slot;
  std::unique_ptr<vfio::Server> server;
};

// A guest's place at the function that its host shares.
struct SharedPlace {
  const HostSpec* host = nullptr;
  const GuestSpec* guest = nullptr;
  pcie::Domain domain{};
  std::string socket;  // vhost-user
};

struct RecordedFault {
  pcie::Domain where{};
  host::Fault fault;
};

class Machine final {
 public:
  // Builds everything; the compute hosts' software is started, and waits for the management host. Wires
  // first: see make_wires. The error is a sentence for a person.
  [[nodiscard]] static std::expected<std::unique_ptr<Machine>, std::string> build(
      const Rack& rack, std::vector<NicWire> wires, const MachineOptions& options, const Clock& clock,
      const Log& log);
  ~Machine();

  // Moves what can be moved, then waits for input for at most `longest`.
  void run_once(Duration longest = std::chrono::milliseconds(100));
  // run_once until stop() is called.
  void run();
  // From any thread, as is post: `task` runs on the engine's thread, between two batches.
  void stop();
  void post(std::move_only_function<void()> task);

  [[nodiscard]] std::string management_socket() const;
  // The management host's program is connected.
  [[nodiscard]] bool managed() const;
  [[nodiscard]] const Counters<host::ServerRefusal>& management_refusals() const {
    return management_->refusals();
  }
  // Every guest's slot, and every host's software that shares one, has been given its VF.
  [[nodiscard]] bool all_assigned() const;

  [[nodiscard]] const Rack& rack() const { return rack_; }
  [[nodiscard]] const std::vector<GuestPlace>& guests() const { return guests_; }
  [[nodiscard]] const std::vector<SharedPlace>& shared_guests() const { return shared_guests_; }
  // For its functions of any thread; null where nobody shares a function.
  [[nodiscard]] HostSoftware* software(pcie::Domain domain) const {
    return software_[static_cast<std::size_t>(domain)].get();
  }
  [[nodiscard]] fabric::Fabric& fabric() { return hardware_->fabric(); }
  [[nodiscard]] const fabric::Fabric& fabric() const { return std::as_const(*hardware_).fabric(); }
  [[nodiscard]] nic::Nic& nic(std::size_t index) { return hardware_->nic(index); }
  [[nodiscard]] std::size_t nics() const { return nics_.size(); }
  [[nodiscard]] NicWire& wire(std::size_t index) { return nics_[index].wire; }
  // What sees the NIC's frames for the captures that the rack file asks for; nullptr if it asks for none.
  [[nodiscard]] nic::FrameTap* capture(std::size_t nic) {
    return nics_[nic].taps.empty() ? nullptr : &nics_[nic].taps;
  }
  [[nodiscard]] Live& live() { return hardware_->live(); }
  // The latest refusals that an IOMMU or interrupt remapping recorded, oldest first.
  [[nodiscard]] const std::deque<RecordedFault>& faults() const { return faults_; }
  [[nodiscard]] const ch::HostPart* part(pcie::Domain domain) const {
    return parts_[static_cast<std::size_t>(domain)].get();
  }
  [[nodiscard]] EmulatedHost& host(pcie::Domain domain) { return hardware_->host(domain); }

 private:
  Machine(const Rack& rack, const MachineOptions& options, const Clock& clock, const Log& log);
  [[nodiscard]] std::expected<void, std::string> add_hardware(std::vector<NicWire> wires);
  [[nodiscard]] std::expected<void, std::string> add_management_socket();
  [[nodiscard]] std::expected<void, std::string> add_parts();
  [[nodiscard]] std::expected<void, std::string> add_guests();
  [[nodiscard]] std::expected<void, std::string> add_software();
  bool work();
  void run_tasks();
  void collect_faults();
  [[nodiscard]] Duration until_deadline(Duration longest) const;

  struct RackNic {
    NicWire wire;
    std::unique_ptr<ReadyWire> ready;
    std::unique_ptr<VfCapture> capture;
    FrameTaps taps;
  };

  Rack rack_;
  std::unique_ptr<RackCapture> capture_;
  MachineOptions options_;
  const Clock& clock_;
  Log log_;
  EpollLoop loop_;
  Quiescence quiescence_;
  Quiescence::Reader& engine_;
  std::vector<RackNic> nics_;
  std::unique_ptr<Hardware> hardware_;
  std::unique_ptr<host::BridgeServer> management_;
  std::vector<std::unique_ptr<ch::HostPart>> parts_;  // by domain; null where no guest is
  std::vector<GuestPlace> guests_;
  std::vector<SharedPlace> shared_guests_;
  static constexpr std::size_t kFaultsKept = 256;
  std::deque<RecordedFault> faults_;
  Instant next_poll_;
  std::mutex tasks_mutex_;
  std::vector<std::move_only_function<void()>> tasks_;
  std::atomic<bool> stopped_{false};
  std::vector<HostSoftware*> running_software_;          // those that are there
  std::vector<std::unique_ptr<HostSoftware>> software_;  // by domain; ends before all that it uses
};

}  // namespace ladon::machine
