#include "machine/quiet_rack.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>

#include "machine/synthetic_guest.h"
#include "spec/ixgbevf.h"

namespace ladon::machine {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
// QEMU's q35 puts what does not fit below 2 GiB above 4 GiB.
constexpr std::uint64_t kBelowHole = 2 * kGiB, kAboveHole = 4 * kGiB;
constexpr std::size_t kNicBudget = 256, kMaxTurns = 1'000'000;
// The management host's words travel one by one, and each may be answered in the turn after.
constexpr int kIdleTurns = 3;

struct GuestPiece {
  Gpa at;
  std::uint64_t offset = 0, length = 0;
};
std::vector<GuestPiece> pieces_of(std::uint64_t memory) {
  if (memory <= kBelowHole) return {{Gpa(0), 0, memory}};
  return {{Gpa(0), 0, kBelowHole}, {Gpa(kAboveHole), kBelowHole, memory - kBelowHole}};
}

bool is_vm(const PlacedGuest& guest) {
  return guest.host->kind != HostKind::bare && !guest.software;
}

// Nobody takes this journal over: it is gone with the descriptor.
std::expected<std::unique_ptr<mh::Journal>, std::string> journal_in_memory() {
  const FileDescriptor file(::memfd_create("ladon-journal", MFD_CLOEXEC));
  if (!file) return std::unexpected(std::string("no memory for a journal"));
  return mh::Journal::open(fmt::format("/proc/self/fd/{}", file.get()));
}

}  // namespace

QuietRack::QuietRack(const Rack& rack) : rack_(rack), engine_(quiescence_.add_reader()) {
  const std::vector<Wire*> wires(rack_.nics.size(), &wire_);
  hardware_ = std::make_unique<Hardware>(rack_, wires, clock_, quiescence_, HostMemory::Guests::addresses);
}

QuietRack::~QuietRack() = default;

std::expected<std::unique_ptr<QuietRack>, std::string> QuietRack::build(const Rack& rack) {
  std::unique_ptr<QuietRack> made(new QuietRack(rack));
  if (auto done = made->start_parts(); !done) return std::unexpected(done.error());
  if (auto done = made->start_management(); !done) return std::unexpected(done.error());
  if (auto done = made->attach_guests(); !done) return std::unexpected(done.error());
  return made;
}

std::expected<void, std::string> QuietRack::start_parts() {
  std::vector<std::uint8_t> slots(rack_.hosts.size());
  for (const PlacedGuest& guest : placed_guests(rack_)) ++slots[static_cast<std::size_t>(guest.domain)];
  parts_.resize(slots.size());
  for (std::size_t d = 0; d < slots.size(); ++d) {
    if (slots[d] == 0) continue;
    const pcie::Domain domain{static_cast<std::uint16_t>(d)};
    ch::PartOptions options{
        .slots = slots[d], .bare = rack_.hosts[d].kind == HostKind::bare, .management = d == 0};
    parts_[d] = std::make_unique<ch::HostPart>(hardware_->host(domain).add_program(), std::move(options));
    if (auto started = parts_[d]->start(); !started)
      return std::unexpected(fmt::format("{}: {}", rack_.hosts[d].name, started.error()));
  }
  return {};
}

std::expected<void, std::string> QuietRack::start_management() {
  auto journal = journal_in_memory();
  if (!journal) return std::unexpected(journal.error());
  journal_ = std::move(*journal);
  management_host_ = std::make_unique<host::BlockingHost>(
      hardware_->host(pcie::kManagementDomain).add_program(), [this] { return turn(), true; });
  auto service = mh::Service::start(*management_host_, *journal_, intent_of(rack_),
                                    {.on_event = {}, .pause = [](auto) {}});
  if (!service) return std::unexpected(service.error());
  service_ = std::move(*service);
  service_->tick();
  settle();
  return {};
}

std::expected<void, std::string> QuietRack::attach_guests() {
  for (const PlacedGuest& guest : placed_guests(rack_))
    if (!attach(guest))
      return std::unexpected(fmt::format("{}: did not get its VF, memory and interrupts", guest.guest->name));
  settle();
  return {};
}

bool QuietRack::turn() {
  bool more = false;
  for (std::size_t i = 0; i < hardware_->nics(); ++i) more |= hardware_->nic(i).poll(kNicBudget);
  more |= hardware_->live().run_peer_writes();
  hardware_->fabric().refresh();
  more |= hardware_->live().run_emissions();
  engine_.quiescent();
  more |= quiescence_.poll() > 0;
  return more;
}

void QuietRack::settle() {
  int idle = 0;
  for (std::size_t turns = 0; idle < kIdleTurns && turns < kMaxTurns; ++turns) {
    service_->run_once();
    idle = turn() ? 0 : idle + 1;
  }
}

bool QuietRack::attach(const PlacedGuest& guest) {
  const auto& slot = part(guest.domain)->slot(guest.slot);
  const auto file = sealed_memory(guest.guest->memory);
  if (!file || !slot->attach()) return false;
  bool mapped = true;
  for (const GuestPiece& piece : pieces_of(guest.guest->memory))
    slot->map(piece.at, piece.length, file->get(), piece.offset, pcie::kReadWrite,
              [&](ch::VfSlot::Outcome outcome) { mapped &= outcome.has_value(); });
  for (std::uint16_t vector = 0; vector < ch::VfSlot::kVectors; ++vector)
    (void)slot->set_vector(vector, [] {});
  slot->set_bus_master(true);
  if (!mapped || !slot->connected()) return false;
  if (!is_vm(guest)) return true;
  // What the host's hypervisor does for a VM.
  const pcie::Vm vm{guest.slot};
  for (const auto& given : slot->memory().granted())
    if (!fabric().map_vm(guest.domain, vm,
                         {*Range<Gpa>::of(given.gpa, given.length), given.at, given.access}))
      return false;
  const auto registers = register_address(*part(guest.domain), guest.slot);
  return registers && fabric().map_vm(guest.domain, vm,
                                      {*Range<Gpa>::of(kGuestBar0, spec::ixgbevf::kBarSize), *registers,
                                       pcie::kReadWrite});
}

void QuietRack::detach(const PlacedGuest& guest) {
  if (is_vm(guest)) (void)fabric().unmap_vm(guest.domain, pcie::Vm{guest.slot}, Range<Gpa>::everything());
  // A part of the management host's own talks through memory, which settle() does not see.
  constexpr int kRounds = 100;
  const auto gone = std::make_shared<bool>(false);
  part(guest.domain)->slot(guest.slot)->detach([gone] { *gone = true; });
  settle();
  for (int round = 0; !*gone && round < kRounds; ++round) settle();
}

}  // namespace ladon::machine
