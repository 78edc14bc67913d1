// A live rack as attackers and their judge need it: everything that a guest, a host's software, a lying
// device or the wire can do to it, and what can be seen of it from outside. Whoever knows all rooms
// implements it.
//
// One thread; nothing moves but in turn(), step(), settle() and what waits for an answer.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attack/defences.h"
#include "base/bytes.h"
#include "base/mac.h"
#include "base/time.h"
#include "client/mmio.h"
#include "host/host_bridge.h"

namespace ladon::attack {

// A guest's place in the rack, and where its VF is. A worst case: attackers know all of this.
struct Guest {
  std::string name;
  pcie::Domain host{};
  bool vm = true;  // false: a bare host's operating system
  std::uint8_t slot = 0;
  std::uint16_t nic = 0, vf = 0;
  MacAddress mac;
  std::uint64_t memory = 0;  // bytes, from Gpa 0
  pcie::Sbdf rid, proxy;     // of its VF in the management host's domain, and at its own host
  BusAddr registers, msix;   // of its VF, in the management host's domain
  BusAddr host_registers;    // as its own host reaches them
  BusAddr host_msix;
};

// The NTB of a compute host.
struct Ntb {
  pcie::Domain host{};
  pcie::Sbdf bdf;  // management side
  BusAddr control, msi, dma;
  pcie::Sbdf link_bdf;  // link side
  BusAddr link_control, link_registers;
};

struct Nic {
  pcie::Sbdf pf;
  BusAddr registers;  // of the PF
  std::uint16_t vfs = 0, first_offset = 0, stride = 0;
  [[nodiscard]] pcie::Sbdf vf_bdf(std::uint16_t vf) const {
    return pf.later(first_offset + unsigned{vf} * stride);
  }
};

// A request as a NIC whose silicon lies would put it on the bus, where a requester ID has 16 bits.
struct Request {
  pcie::Bdf rid;
  pcie::TargetAddress address;  // Iova, or BusAddr for AT = 10b
  std::optional<std::uint32_t> pasid = std::nullopt;
};

struct Interrupt {
  pcie::Domain host{};
  std::uint32_t vector = 0;
  pcie::Sbdf source;  // requester as that host saw it
};

// An access that a table refused.
struct Refusal {
  std::string by;   // "ch1/iommu/DMA remapping: not mapped"
  std::string who;  // the tenant whose requester ID it carried, as that component saw it
};
// Something that a VF or a piece of software counted against a tenant.
struct Count {
  std::string where, reason, who;
  std::uint64_t count = 0;
};

// Whom a NIC counts against what comes from outside.
inline constexpr std::string_view kWire = "the wire";

// Memory of a host that is no guest's.
struct Placed {
  BusAddr at;
  Bytes bytes;
  host::Pin pin{};
};

// What a rack holds: to be compared before and after.
struct Remains {
  // Of an exact audit: reachable and not granted, granted and not reachable.
  std::size_t findings = 0, unreachable = 0;
  // How many there are, by what they are: entries of the hardware's tables, pinned memory, I/O spaces.
  std::map<std::string, std::uint64_t> entries;
};

// Tables on an access's way: of a guest's VF to the guest's memory (a read's completion counts too), of its
// processor to its VF's registers, of an interrupt to its host.
struct Hops {
  std::size_t dma_write = 0, dma_read = 0, register_read = 0, interrupt = 0;
  bool operator==(const Hops&) const = default;
};

class Testbed {
 public:
  virtual ~Testbed() = default;

  [[nodiscard]] virtual const std::vector<std::string>& hosts() const = 0;  // by domain
  [[nodiscard]] virtual const std::vector<Guest>& guests() const = 0;
  [[nodiscard]] virtual const std::vector<Ntb>& ntbs() const = 0;
  [[nodiscard]] virtual const std::vector<Nic>& nics() const = 0;

  // ---- a guest: its VF's registers, its memory, its processor
  [[nodiscard]] virtual client::Mmio& registers(std::size_t guest) = 0;
  [[nodiscard]] virtual client::GuestMemory memory(std::size_t guest) = 0;
  // Past its hypervisor: any region of the device that it was given (vfio's numbers).
  virtual void write_region(std::size_t guest, std::uint32_t region, std::uint64_t offset,
                            ConstBytes bytes) = 0;
  // The guest gets a file of memory more; empty if the host refuses.
  [[nodiscard]] virtual Bytes give_memory(std::size_t guest, Gpa at, std::uint64_t bytes,
                                          pcie::AccessSet access) = 0;
  // It loses what it was given there; true once that is answered.
  [[nodiscard]] virtual std::shared_ptr<const bool> take_memory(std::size_t guest, Gpa at,
                                                                std::uint64_t bytes) = 0;
  [[nodiscard]] virtual std::optional<BusAddr> place_of(std::size_t guest, Gpa at) const = 0;
  // One store or load of four bytes by its processor; false or nothing if that is refused.
  virtual bool store(std::size_t guest, Gpa at, std::uint32_t value) = 0;
  [[nodiscard]] virtual std::optional<std::uint32_t> load(std::size_t guest, Gpa at) = 0;
  // Its process ends; true once its host has let go.
  [[nodiscard]] virtual std::shared_ptr<const bool> detach(std::size_t guest) = 0;
  // Another guest comes to the same place, with memory of its own.
  [[nodiscard]] virtual bool attach(std::size_t guest) = 0;
  // The vector of its host that this vector of its VF raises.
  [[nodiscard]] virtual std::uint32_t vector(std::size_t guest, std::uint16_t vector) const = 0;

  // ---- a host's software
  [[nodiscard]] virtual host::HostBridge& bridge(pcie::Domain host) = 0;
  [[nodiscard]] virtual std::optional<Placed> place(pcie::Domain host, std::uint64_t bytes,
                                                    std::optional<BusAddr> at = std::nullopt) = 0;
  // The connection of a management program after another one has taken over with a newer epoch; nullptr if
  // there cannot be one. Lives as long as the rack.
  [[nodiscard]] virtual host::HostBridge* replaced_manager() = 0;

  // ---- what is wanted of the management host
  // The guest's VF goes to another host's slot, or to nobody. False if the software refuses.
  virtual bool move_vf(std::size_t guest, std::optional<pcie::Domain> to, std::uint8_t slot = 0) = 0;
  // One more VF for a host.
  virtual bool lend_vf(std::uint16_t nic, std::uint16_t vf, pcie::Domain to, std::uint8_t slot) = 0;

  // ---- devices
  // A request of a NIC, whatever the requester ID; true if the bytes have moved.
  virtual bool emit_write(std::uint16_t nic, const Request& request, ConstBytes bytes) = 0;
  virtual bool emit_read(std::uint16_t nic, const Request& request, Bytes into) = 0;
  // What this guest's other processors do while its VF is at work: called before every DMA access of any VF
  // (racks with watched DMA). Empty: nothing more.
  struct Access {
    bool own = false, write = false;  // of this guest's VF
  };
  virtual void meanwhile(std::size_t guest, std::function<void(Access)> then) = 0;
  // From now on this VF's accesses are resolved at once and land with land() (racks with watched DMA), or
  // when somebody waits for them long enough.
  virtual void hold(std::size_t guest, bool held) = 0;
  virtual std::size_t land() = 0;  // how many

  // ---- the wires: a frame to this NIC; what all of them have sent
  virtual void inject(std::uint16_t nic, ConstBytes frame) = 0;
  [[nodiscard]] virtual std::vector<std::vector<std::byte>> take_sent() = 0;

  // ---- time
  [[nodiscard]] virtual Instant now() const = 0;
  [[nodiscard]] virtual std::uint64_t turns() const = 0;  // of the hardware, since the rack came up
  virtual void turn() = 0;                                // hardware once
  virtual void step() = 0;    // the management host's software, then hardware once
  virtual void settle() = 0;  // until nothing is left to do
  virtual void tick() = 0;    // the management host's second has passed
  virtual void advance(Duration by) = 0;
  virtual void every_turn(std::function<void()> task) = 0;

  // ---- what was seen since the rack came up
  [[nodiscard]] virtual const std::vector<Interrupt>& interrupts() const = 0;
  [[nodiscard]] virtual const std::vector<Refusal>& refusals() const = 0;
  [[nodiscard]] virtual std::vector<Count> counts() const = 0;
  // How often the hosts' fault logs have named this tenant.
  [[nodiscard]] virtual std::size_t logged(const std::string& who) const = 0;
  [[nodiscard]] virtual bool quarantined(std::size_t guest) const = 0;
  // What it holds now. What place() has placed is given back first: canaries must not be looked at
  // afterwards.
  [[nodiscard]] virtual Remains remains() = 0;
  [[nodiscard]] virtual Hops hops(std::size_t guest) const = 0;
  // So many DMA addresses of this guest's, through the tables, and as a port remembers them: to be timed.
  // False if one was refused.
  [[nodiscard]] virtual bool resolve_many(std::size_t guest, std::uint32_t count) const = 0;
  [[nodiscard]] virtual bool look_up_many(std::size_t guest, std::uint32_t count) = 0;
};

// How a rack is built for one attack.
struct Conditions {
  OffSet off;
  Mutant mutant = Mutant::none;
  enum class Unmaps : std::uint8_t { as_written, strict, deferred } unmaps = Unmaps::as_written;
  bool watched_dma = false;
  bool tight_look_up = false;  // every NTB's look-up table is as large as its host has guests
};
// The error is a sentence for a person.
using Build = std::function<std::expected<std::unique_ptr<Testbed>, std::string>(const Conditions&)>;

}  // namespace ladon::attack
