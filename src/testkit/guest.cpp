#include "testkit/guest.h"

#include <stdexcept>

#include "audit/initiator.h"
#include "machine/synthetic_guest.h"
#include "spec/ixgbevf.h"
#include "testkit/parts.h"

namespace ladon::testkit {

namespace {

static_assert(Guest::kRegisters == machine::kGuestBar0.bits());

pcie::Access access_of(Access access) {
  return access == Access::read ? pcie::Access::read : pcie::Access::write;
}

client::VfDriver& driver_of(RackParts& parts, std::size_t guest) {
  if (!parts.drivers[guest]) throw std::invalid_argument("the guest's driver is not open: call open() first");
  return *parts.drivers[guest];
}

// How long the rack is let run for a guest that goes.
constexpr int kTurnsToLeave = 10'000;

}  // namespace

const std::string& Guest::name() const {
  return rack_->guest(index_).name;
}

const std::string& Guest::host() const {
  return rack_->bed->hosts()[static_cast<std::size_t>(rack_->guest(index_).host)];
}

Mac Guest::mac() const {
  return rack_->guest(index_).mac.bytes;
}

std::span<std::byte> Guest::memory() {
  return rack_->bed->memory(index_).bytes;
}

std::optional<std::uint32_t> Guest::load(std::uint64_t address) {
  return rack_->bed->load(index_, Gpa(address));
}

bool Guest::store(std::uint64_t address, std::uint32_t value) {
  return rack_->bed->store(index_, Gpa(address), value);
}

std::uint32_t Guest::read_register(std::uint32_t offset) {
  return rack_->bed->registers(index_).read32(offset);
}

void Guest::write_register(std::uint32_t offset, std::uint32_t value) {
  rack_->bed->registers(index_).write32(offset, value);
}

std::expected<void, std::string> Guest::open() {
  const client::GuestMemory all = rack_->bed->memory(index_);
  const std::size_t half = all.bytes.size() / 2;
  const client::GuestMemory upper{Iova(all.base.bits() + half), all.bytes.subspan(half)};
  auto driver = std::make_unique<client::VfDriver>(rack_->bed->registers(index_), upper, client::VfOptions{});
  if (auto done = driver->probe(); !done)
    return std::unexpected("probe: " + std::string(client::name(done.error())));
  if (auto done = driver->open(); !done)
    return std::unexpected("open: " + std::string(client::name(done.error())));
  (void)driver->link_up();  // takes the end of its own reset
  rack_->drivers[index_] = std::move(driver);
  return {};
}

bool Guest::send(std::span<const std::byte> frame) {
  client::VfDriver& driver = driver_of(*rack_, index_);
  (void)driver.tx().reclaim();
  return driver.tx().send(frame);
}

std::optional<Frame> Guest::receive() {
  client::VfDriver& driver = driver_of(*rack_, index_);
  auto frame = driver.rx().receive();
  // As the poll routine does at its end.
  driver.rearm(~std::uint32_t{0} >> (32 - spec::ixgbevf::kVectors));
  if (!frame) return std::nullopt;
  return std::move(frame->bytes);
}

bool Guest::link_up() {
  return driver_of(*rack_, index_).link_up().value_or(false);
}

std::uint64_t Guest::interrupts(std::uint16_t vector) const {
  return rack_->arrived(index_, vector).seen;
}

std::uint64_t Guest::lost_interrupts(std::uint16_t vector) const {
  return rack_->arrived(index_, vector).lost;
}

bool Guest::detach() {
  rack_->drivers[index_].reset();
  const auto gone = rack_->bed->detach(index_);
  for (int turn = 0; !*gone && turn < kTurnsToLeave; ++turn) rack_->step();
  rack_->bed->settle();
  return *gone;
}

bool Guest::attach() {
  const bool done = rack_->bed->attach(index_);
  rack_->bed->settle();
  return done;
}

Path Guest::dma(std::uint64_t address, Access access, std::uint32_t length) const {
  return rack_->follow(rack_->bed->fabric().tables()->emitted_by(rack_->function_of(index_), Iova(address),
                                                                 length, access_of(access)));
}

Path Guest::register_access(std::uint32_t offset, Access access) const {
  const attack::Guest& who = rack_->guest(index_);
  const audit::Initiator initiator =
      who.vm ? audit::Initiator(audit::VirtualMachine{who.host, pcie::Vm{who.slot}})
             : audit::Initiator(audit::Processor{who.host});
  const std::uint64_t base = who.vm ? kRegisters : who.host_registers.bits();
  auto transaction =
      audit::emitted_by(*rack_->bed->fabric().tables(), initiator, base + offset, access_of(access));
  transaction.length = 4;
  return rack_->follow(transaction);
}

Path Guest::interrupt(std::uint16_t vector) const {
  if (vector >= spec::ixgbevf::kVectors) throw std::invalid_argument("a VF has no vector of this number");
  const fabric::FunctionId vf = rack_->function_of(index_);
  pcie::Function* function = rack_->bed->fabric().function(vf);
  const auto word = [&](std::uint64_t at) {
    return function == nullptr
               ? 0
               : function->register_read(spec::ixgbevf::kMsixBar, std::uint64_t{16} * vector + at, 4);
  };
  auto transaction =
      rack_->bed->fabric().tables()->emitted_by(vf, Iova(word(0) | word(4) << 32), 4, pcie::Access::write);
  transaction.data = static_cast<std::uint32_t>(word(8));
  return rack_->follow(transaction);
}

}  // namespace ladon::testkit
