#include "machine/synthetic_guest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "spec/ixgbevf.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::machine {
namespace {

std::uint16_t function_of(const GuestPlace& place) {
  return static_cast<std::uint16_t>(nic::kFirstVfOffset + nic::kVfStride * place.placed.guest->vf->index);
}

}  // namespace

std::expected<FileDescriptor, std::string> sealed_memory(std::uint64_t bytes) {
  FileDescriptor fd(::memfd_create("ladon-guest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
    return std::unexpected(fmt::format("{} bytes of guest memory: {}", bytes, std::strerror(errno)));
  return fd;
}

std::optional<BusAddr> register_address(const ch::HostPart& part, std::uint8_t slot) {
  const auto& assigned = part.slot(slot)->assignment();
  if (!assigned) return std::nullopt;
  const auto& ntb = part.ntb();
  const BusAddr base = ntb ? ntb->bars[spec::ntb::kRegisterBar].base : BusAddr(0);
  return base.plus(assigned->registers);
}

std::optional<BusAddr> register_address(const Machine& machine, std::size_t guest) {
  const PlacedGuest& placed = machine.guests()[guest].placed;
  return register_address(*machine.part(placed.domain), placed.slot);
}

pcie::Transaction dma_transaction(const Machine& machine, std::size_t guest, Iova at, std::uint32_t length,
                                  pcie::Access access) {
  const GuestPlace& place = machine.guests()[guest];
  const auto nic = static_cast<std::uint16_t>(place.placed.guest->vf->nic);
  const pcie::Rid rid = machine.fabric().rid(nic, function_of(place)).value_or(pcie::Rid{});
  return {.segment = rid.segment,
          .domain = pcie::kManagementDomain,
          .origin = pcie::EndpointOrigin{nic},
          .rid = rid,
          .address = at,
          .length = length,
          .access = access};
}

std::expected<SyntheticGuest, std::string> attach_synthetic_guest(Machine& machine, std::size_t guest) {
  const GuestPlace& place = machine.guests()[guest];
  const std::uint64_t size = place.placed.guest->memory;
  auto fd = sealed_memory(size);
  if (!fd) return std::unexpected(fd.error());
  FileDescriptor ours(::fcntl(fd->get(), F_DUPFD_CLOEXEC, 0));
  auto memory = MemoryFile::open(std::move(ours));
  if (!memory) return std::unexpected(std::string(name(memory.error())));

  place.slot->attached();
  const std::uint16_t command = spec::pci::kCommandMemory | spec::pci::kCommandBusMaster;
  (void)place.slot->region_write(vfio::kConfigRegion, spec::pci::kCommand,
                                 std::as_bytes(std::span(&command, 1)));
  const auto mapped = place.slot->dma_map({.range = Range<Gpa>::of(Gpa(0), size).value(),
                                           .access = pcie::kReadWrite,
                                           .file = std::move(*fd),
                                           .file_offset = 0});
  if (!mapped)
    return std::unexpected(fmt::format("{}: its memory cannot be mapped", place.placed.guest->name));
  for (std::uint16_t vector = 0; vector < spec::ixgbevf::kVectors; ++vector) {
    auto event = EventFd::create();
    if (!event) return std::unexpected("no eventfd is left");
    std::vector<FileDescriptor> fds;
    fds.emplace_back(::fcntl(event->get(), F_DUPFD_CLOEXEC, 0));
    if (!place.slot->set_irqs(vfio::kMsixIrq, vector, std::move(fds)))
      return std::unexpected("an interrupt cannot be routed");
  }
  if (const auto registers = register_address(machine, guest)) {
    const auto range = Range<Gpa>::of(kGuestBar0, spec::ixgbevf::kBarSize).value();
    (void)machine.fabric().map_vm(place.placed.domain, pcie::Vm{place.placed.slot},
                                  {.from = range, .to = *registers, .access = pcie::kReadWrite});
  }
  return SyntheticGuest{std::move(*memory), kGuestBar0};
}

}  // namespace ladon::machine
