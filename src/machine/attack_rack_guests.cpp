// What guests and hosts' software can do.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <thread>

#include "host/socket_bridge.h"
#include "machine/attack_rack_parts.h"
#include "machine/run_directory.h"
#include "machine/synthetic_guest.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::machine {
namespace {

using attack::Mutant;
namespace regs = spec::ixgbevf;

// No guest's slot.
constexpr std::uint32_t kTargetOwner = ~0u;

std::expected<MemoryFile, MemoryFileError> opened(const FileDescriptor& fd) {
  return MemoryFile::open(FileDescriptor(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
}

}  // namespace

const std::shared_ptr<ch::VfSlot>& AttackRack::vf_slot(std::size_t guest) const {
  const PlacedGuest& placed = seats_[guest].placed;
  return parts_[static_cast<std::size_t>(placed.domain)]->slot(placed.slot);
}

std::expected<void, std::string> AttackRack::attach_guests() {
  for (const PlacedGuest& placed : placed_guests(rack_)) {
    if (placed.software) continue;  // a driver that nobody gets at
    Seat& seat = seats_.emplace_back();
    seat.placed = placed;
    const auto device = rack_.nics[placed.guest->vf->nic].device == NicDevice::x550
                            ? spec::pci::kX550VfDevice
                            : spec::pci::k82599VfDevice;
    seat.slot = std::make_unique<GuestSlot>(
        parts_[static_cast<std::size_t>(placed.domain)]->slot(placed.slot), device, rack_.seed);
    seat.registers = std::make_unique<SeatMmio>(*this, *seat.slot);
  }
  for (std::size_t guest = 0; guest < seats_.size(); ++guest)
    if (!attach(guest))
      return std::unexpected(
          fmt::format("{}: did not get its VF, memory and interrupts", seats_[guest].placed.guest->name));
  settle();
  return {};
}

bool AttackRack::attach(std::size_t guest) {
  Seat& seat = seats_[guest];
  // Whoever looked at a former guest's memory may go on looking.
  for (auto& [at, file] : seat.memory) placed_.push_back(std::move(file));
  seat.memory.clear();
  seat.slot->attached();
  const std::uint16_t command = spec::pci::kCommandMemory | spec::pci::kCommandBusMaster;
  write_region(guest, vfio::kConfigRegion, spec::pci::kCommand, std::as_bytes(std::span(&command, 1)));
  if (!map_file(seat, Gpa(0), seat.placed.guest->memory, pcie::kReadWrite)) return false;
  for (std::uint16_t vector = 0; vector < ch::VfSlot::kVectors; ++vector)
    (void)vf_slot(guest)->set_vector(vector, [] {});
  return vf_slot(guest)->connected() && map_processor(guest);
}

// What the host's hypervisor does for a VM's processor.
bool AttackRack::map_processor(std::size_t guest) {
  const Seat& seat = seats_[guest];
  if (seat.placed.host->kind == HostKind::bare) return true;
  const pcie::Vm vm{seat.placed.slot};
  const pcie::Domain domain = seat.placed.domain;
  (void)hardware_->fabric().unmap_vm(domain, vm, Range<Gpa>::everything());
  for (const auto& given : vf_slot(guest)->memory().granted())
    if (!hardware_->fabric().map_vm(domain, vm,
                                    {*Range<Gpa>::of(given.gpa, given.length), given.at, given.access}))
      return false;
  const auto bar = register_address(*parts_[static_cast<std::size_t>(domain)], seat.placed.slot);
  return bar && hardware_->fabric().map_vm(
                    domain, vm, {*Range<Gpa>::of(kGuestBar0, regs::kBarSize), *bar, pcie::kReadWrite});
}

bool AttackRack::map_file(Seat& seat, Gpa at, std::uint64_t bytes, pcie::AccessSet access) {
  auto fd = sealed_memory(bytes);
  if (!fd) return false;
  auto memory = opened(*fd);
  if (!memory) return false;
  const auto mapped = seat.slot->dma_map({.range = Range<Gpa>::of(at, bytes).value(),
                                          .access = access,
                                          .file = std::move(*fd),
                                          .file_offset = 0});
  if (mapped) seat.memory.insert_or_assign(at, std::move(*memory));
  return mapped.has_value();
}

client::Mmio& AttackRack::registers(std::size_t guest) {
  return *seats_[guest].registers;
}

client::GuestMemory AttackRack::memory(std::size_t guest) {
  const MemoryFile& memory = seats_[guest].memory.at(Gpa(0));
  return {Iova(0), {memory.mapped_or_null(), memory.size()}};
}

void AttackRack::write_region(std::size_t guest, std::uint32_t region, std::uint64_t offset,
                              ConstBytes bytes) {
  if (conditions_.mutant == Mutant::raw_msix_table && region == regs::kMsixBar && bytes.size() == 4)
    return vf_slot(guest)->register_write(regs::kMsixBar, offset, 4, load_le<std::uint32_t>(bytes.data()));
  (void)seats_[guest].slot->region_write(region, offset, bytes);
}

Bytes AttackRack::give_memory(std::size_t guest, Gpa at, std::uint64_t bytes, pcie::AccessSet access) {
  Seat& seat = seats_[guest];
  if (!map_file(seat, at, bytes, access)) return {};
  const MemoryFile& memory = seat.memory.at(at);
  return {memory.mapped_or_null(), memory.size()};
}

std::shared_ptr<const bool> AttackRack::take_memory(std::size_t guest, Gpa at, std::uint64_t bytes) {
  auto done = std::make_shared<bool>(false);
  seats_[guest].slot->dma_unmap(Range<Gpa>::of(at, bytes).value(),
                                [done](vfio::Status status) { *done = status.has_value(); });
  return done;
}

std::optional<BusAddr> AttackRack::place_of(std::size_t guest, Gpa at) const {
  for (const auto& given : vf_slot(guest)->memory().granted())
    if (const auto offset = at.minus(given.gpa); offset && *offset < given.length)
      return given.at.plus(*offset);
  return std::nullopt;
}

pcie::Transaction AttackRack::processor(std::size_t guest, Gpa at, pcie::Access access) const {
  const PlacedGuest& placed = seats_[guest].placed;
  return {.segment = {},
          .domain = placed.domain,
          .origin = pcie::VmOrigin{pcie::Vm{placed.slot}},
          .rid = {},
          .address = at,
          .length = 4,
          .access = access};
}

bool AttackRack::store(std::size_t guest, Gpa at, std::uint32_t value) {
  const auto way = hardware_->live().follow(processor(guest, at, pcie::Access::write));
  std::array<std::byte, 4> bytes;
  store_le(bytes.data(), value);
  const bool done = !way.refused() && hardware_->live().write(way, bytes);
  (void)turn_once();
  return done;
}

std::optional<std::uint32_t> AttackRack::load(std::size_t guest, Gpa at) {
  const auto way = hardware_->live().follow(processor(guest, at, pcie::Access::read));
  std::array<std::byte, 4> bytes;
  if (way.refused() || !hardware_->live().read(way, bytes)) return std::nullopt;
  return load_le<std::uint32_t>(bytes.data());
}

std::shared_ptr<const bool> AttackRack::detach(std::size_t guest) {
  auto done = std::make_shared<bool>(false);
  const PlacedGuest& placed = seats_[guest].placed;
  (void)hardware_->fabric().unmap_vm(placed.domain, pcie::Vm{placed.slot}, Range<Gpa>::everything());
  seats_[guest].slot->detached([done](vfio::Status) { *done = true; });
  return done;
}

std::uint32_t AttackRack::vector(std::size_t guest, std::uint16_t vector) const {
  return vf_slot(guest)->host_vector(vector);
}

host::HostBridge& AttackRack::bridge(pcie::Domain host) {
  return *bridges_[static_cast<std::size_t>(host)];
}

std::optional<attack::Placed> AttackRack::place(pcie::Domain host, std::uint64_t bytes,
                                                std::optional<BusAddr> at) {
  auto fd = sealed_memory(bytes);
  if (!fd) return std::nullopt;
  std::optional<host::Pinned> pinned;
  bridge(host).submit(host::PinMemory{.fd = fd->get(), .length = bytes, .at = at, .owner = kTargetOwner},
                      [&](const host::Result& result) {
                        if (result) pinned = std::get<host::Pinned>(*result);
                      });
  auto memory = opened(*fd);
  if (!pinned || !memory) return std::nullopt;
  const MemoryFile& kept = placed_.emplace_back(std::move(*memory));
  placed_pins_.emplace_back(host, pinned->pin);
  return attack::Placed{pinned->at, {kept.mapped_or_null(), kept.size()}, pinned->pin};
}

host::HostBridge* AttackRack::replaced_manager() {
  auto& served = hardware_->host(pcie::kManagementDomain).add_program();
  if (conditions_.mutant == Mutant::no_fence) return &served;
  auto directory = RunDirectory::create();
  if (!directory) return nullptr;
  const std::string path = directory->path() + "/bridge";
  auto server = host::BridgeServer::listen(served, path);
  if (!server) return nullptr;
  // connect() waits for its answer, which this thread gives.
  const auto connect = [&](std::uint64_t epoch) {
    std::expected<std::unique_ptr<host::SocketBridge>, host::ConnectError> made =
        std::unexpected(host::ConnectError{});
    std::atomic<bool> ended{false};
    std::jthread client([&] { made = host::SocketBridge::connect(path, host::Epoch{epoch}), ended = true; });
    while (!ended) (*server)->on_ready(), std::this_thread::yield();
    client.join();
    return made ? std::move(*made) : nullptr;
  };
  old_manager_ = connect(1);
  newest_manager_ = connect(2);
  if (!old_manager_ || !newest_manager_) return nullptr;
  manager_directory_ = std::make_unique<RunDirectory>(std::move(*directory));
  manager_server_ = std::move(*server);
  return old_manager_.get();
}

bool AttackRack::move_vf(std::size_t guest, std::optional<pcie::Domain> to, std::uint8_t slot) {
  mh::Intent next = wanted_;
  const attack::Guest& who = guests_[guest];
  const auto is_his = [&](const mh::Grant& grant) { return grant.nic == who.nic && grant.vf == who.vf; };
  const auto grant = std::ranges::find_if(next.grants, is_his);
  if (grant == next.grants.end()) return false;
  if (to) {
    grant->host = *to, grant->slot = slot, grant->vm = pcie::Vm{slot};
  } else {
    next.grants.erase(grant);
  }
  const bool done = service_->change(next).has_value();
  if (done) wanted_ = next;
  settle();
  return done;
}

bool AttackRack::lend_vf(std::uint16_t nic, std::uint16_t vf, pcie::Domain to, std::uint8_t slot) {
  mh::Intent next = wanted_;
  next.grants.push_back({.nic = nic,
                         .vf = vf,
                         .host = to,
                         .slot = slot,
                         .vm = pcie::Vm{slot},
                         .mac = MacAddress{{0x52, 0x54, 0, 0xEE, 0, static_cast<std::uint8_t>(vf)}},
                         .vlan = {}});
  const bool done = service_->change(next).has_value();
  if (done) wanted_ = next;
  settle();
  return done;
}

}  // namespace ladon::machine
