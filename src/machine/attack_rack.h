// The rack that attacks are tried on: hardware, hosts' parts and management software of a rack file in the
// caller's thread, a native guest in every place, a wire whose other end is the caller. No sockets but one
// attack's, no QEMU; time stands still unless it is moved.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attack/testbed.h"
#include "audit/grant.h"
#include "base/memory_file.h"
#include "base/quiescence.h"
#include "base/time.h"
#include "ch/host_part.h"
#include "host/blocking_host.h"
#include "host/bridge_server.h"
#include "host/socket_bridge.h"
#include "machine/guest_slot.h"
#include "machine/hardware.h"
#include "machine/mutant_bridge.h"
#include "machine/rack_build.h"
#include "machine/run_directory.h"
#include "machine/watched_port.h"
#include "mh/journal.h"
#include "mh/service.h"

namespace ladon::machine {

class AttackRack final : public attack::Testbed {
 public:
  // With every guest attached, as `conditions` want it. The error is a sentence for a person.
  [[nodiscard]] static std::expected<std::unique_ptr<attack::Testbed>, std::string> build(
      const Rack& rack, const attack::Conditions& conditions);
  // The same, for those who look at the tables too.
  [[nodiscard]] static std::expected<std::unique_ptr<AttackRack>, std::string> make(
      const Rack& rack, const attack::Conditions& conditions);
  ~AttackRack() override;

  [[nodiscard]] const Rack& rack() const { return rack_; }
  [[nodiscard]] fabric::Fabric& fabric() { return hardware_->fabric(); }
  [[nodiscard]] Live& live() { return hardware_->live(); }
  // What its software has granted by now.
  [[nodiscard]] std::vector<audit::Grant> granted() const;

  [[nodiscard]] const std::vector<std::string>& hosts() const override { return host_names_; }
  [[nodiscard]] const std::vector<attack::Guest>& guests() const override { return guests_; }
  [[nodiscard]] const std::vector<attack::Ntb>& ntbs() const override { return facts_.ntbs; }
  [[nodiscard]] const std::vector<attack::Nic>& nics() const override { return facts_.nics; }

  [[nodiscard]] client::Mmio& registers(std::size_t guest) override;
  [[nodiscard]] client::GuestMemory memory(std::size_t guest) override;
  void write_region(std::size_t guest, std::uint32_t region, std::uint64_t offset, ConstBytes bytes) override;
  [[nodiscard]] Bytes give_memory(std::size_t guest, Gpa at, std::uint64_t bytes,
                                  pcie::AccessSet access) override;
  [[nodiscard]] std::shared_ptr<const bool> take_memory(std::size_t guest, Gpa at,
                                                        std::uint64_t bytes) override;
  [[nodiscard]] std::optional<BusAddr> place_of(std::size_t guest, Gpa at) const override;
  bool store(std::size_t guest, Gpa at, std::uint32_t value) override;
  [[nodiscard]] std::optional<std::uint32_t> load(std::size_t guest, Gpa at) override;
  [[nodiscard]] std::shared_ptr<const bool> detach(std::size_t guest) override;
  [[nodiscard]] bool attach(std::size_t guest) override;
  [[nodiscard]] std::uint32_t vector(std::size_t guest, std::uint16_t vector) const override;

  [[nodiscard]] host::HostBridge& bridge(pcie::Domain host) override;
  [[nodiscard]] std::optional<attack::Placed> place(pcie::Domain host, std::uint64_t bytes,
                                                    std::optional<BusAddr> at) override;
  [[nodiscard]] host::HostBridge* replaced_manager() override;

  bool move_vf(std::size_t guest, std::optional<pcie::Domain> to, std::uint8_t slot) override;
  bool lend_vf(std::uint16_t nic, std::uint16_t vf, pcie::Domain to, std::uint8_t slot) override;

  bool emit_write(std::uint16_t nic, const attack::Request& request, ConstBytes bytes) override;
  bool emit_read(std::uint16_t nic, const attack::Request& request, Bytes into) override;
  void meanwhile(std::size_t guest, std::function<void(Access)> then) override;
  void hold(std::size_t guest, bool held) override;
  std::size_t land() override;
  // Of one guest's VF alone.
  std::size_t land(std::size_t guest);

  void inject(std::uint16_t nic, ConstBytes frame) override;
  [[nodiscard]] std::vector<std::vector<std::byte>> take_sent() override;

  [[nodiscard]] Instant now() const override { return clock_.now(); }
  [[nodiscard]] std::uint64_t turns() const override { return turns_; }
  void turn() override { (void)turn_once(); }
  void step() override;
  void settle() override;
  void tick() override;
  void advance(Duration by) override {
    clock_.advance(by);
    hardware_->flush_due();
  }
  void every_turn(std::function<void()> task) override { task_ = std::move(task); }

  [[nodiscard]] const std::vector<attack::Interrupt>& interrupts() const override { return interrupts_; }
  [[nodiscard]] const std::vector<attack::Refusal>& refusals() const override { return refusals_; }
  [[nodiscard]] std::vector<attack::Count> counts() const override;
  [[nodiscard]] std::size_t logged(const std::string& who) const override;
  [[nodiscard]] bool quarantined(std::size_t guest) const override;
  [[nodiscard]] attack::Remains remains() override;
  [[nodiscard]] attack::Hops hops(std::size_t guest) const override;
  [[nodiscard]] bool resolve_many(std::size_t guest, std::uint32_t count) const override;
  [[nodiscard]] bool look_up_many(std::size_t guest, std::uint32_t count) override;

 private:
  class SeatMmio;
  struct QueueWire;
  // A guest's place and whoever sits in it.
  struct Seat {
    PlacedGuest placed;
    std::unique_ptr<GuestSlot> slot;
    std::unique_ptr<SeatMmio> registers;
    std::map<Gpa, MemoryFile> memory;
  };

  AttackRack(const Rack& rack, const attack::Conditions& conditions);
  [[nodiscard]] HardwareHooks hooks();
  [[nodiscard]] pcie::DmaPort* watch(const fabric::FunctionId& who, pcie::DmaPort& port);
  void watch_hardware();
  [[nodiscard]] std::expected<void, std::string> start_parts();
  [[nodiscard]] std::expected<void, std::string> start_management();
  [[nodiscard]] std::expected<void, std::string> attach_guests();
  void find_places();
  void weaken_ports(std::uint16_t acs_bit);
  [[nodiscard]] mh::Intent intent() const;
  [[nodiscard]] host::HostBridge& add_bridge(pcie::Domain host);
  [[nodiscard]] const std::shared_ptr<ch::VfSlot>& vf_slot(std::size_t guest) const;
  [[nodiscard]] bool map_file(Seat& seat, Gpa at, std::uint64_t bytes, pcie::AccessSet access);
  [[nodiscard]] bool map_processor(std::size_t guest);
  [[nodiscard]] WatchedPort* watched(std::size_t guest);
  bool turn_once();
  std::size_t under_way() const;
  void collect_faults();
  void give_back_placed();
  [[nodiscard]] pcie::Transaction processor(std::size_t guest, Gpa at, pcie::Access access) const;
  [[nodiscard]] pcie::Transaction emitted(std::uint16_t nic, const attack::Request& request,
                                          std::size_t length, pcie::Access access) const;
  // Whose requester ID that is; "VF 5 of nic0" if nobody has it, "" if nothing does.
  [[nodiscard]] std::string tenant(pcie::Domain domain, const pcie::Sbdf& rid) const;
  [[nodiscard]] std::string tenant(const pcie::Transaction& transaction, const fabric::Fault& fault) const;
  [[nodiscard]] std::string vf_owner(std::uint16_t nic, std::uint16_t vf) const;

  Rack rack_;
  attack::Conditions conditions_;
  ManualClock clock_;
  std::vector<std::unique_ptr<QueueWire>> wires_;
  Quiescence quiescence_;
  Quiescence::Reader& engine_;
  struct WatchedFunction {
    fabric::FunctionId who;
    std::unique_ptr<WatchedPort> port;
  };
  std::vector<WatchedFunction> watched_;
  unsigned waited_ = 0;  // turns since something came under way
  std::unique_ptr<Hardware> hardware_;
  MutantFacts facts_;
  std::vector<std::unique_ptr<MutantBridge>> mutants_;
  std::vector<host::HostBridge*> bridges_;            // by domain: an attacker's, or the judge's
  std::vector<std::unique_ptr<ch::HostPart>> parts_;  // by domain; null where no guest is
  std::unique_ptr<mh::Journal> journal_;
  std::unique_ptr<host::BlockingHost> management_host_;
  std::unique_ptr<mh::Service> service_;
  mh::Intent wanted_;
  std::unique_ptr<RunDirectory> manager_directory_;
  std::unique_ptr<host::BridgeServer> manager_server_;
  std::unique_ptr<host::SocketBridge> old_manager_, newest_manager_;
  std::vector<std::string> host_names_;
  std::vector<attack::Guest> guests_;
  std::vector<Seat> seats_;
  std::vector<MemoryFile> placed_;  // mapped here for as long as the rack lives
  std::vector<std::pair<pcie::Domain, host::Pin>> placed_pins_;
  std::uint64_t turns_ = 0;
  std::function<void()> task_;
  bool in_task_ = false;
  std::vector<attack::Interrupt> interrupts_;
  std::vector<attack::Refusal> refusals_;
  std::map<std::string, std::size_t> logged_;  // by tenant
  std::unique_ptr<LivePort> timed_;
};

}  // namespace ladon::machine
