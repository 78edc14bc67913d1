#include "machine/shared_function.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "machine/rack_build.h"
#include "machine/synthetic_guest.h"
#include "spec/ixgbevf.h"

namespace ladon::machine {
namespace {

using std::chrono::milliseconds;

constexpr Duration kCheckEvery = milliseconds(500), kTryEvery = milliseconds(500);
constexpr std::uint16_t kRing = 512;                     // descriptors, each with 2 KiB
constexpr std::uint32_t kEthernet = 14, kTagAndFcs = 8;  // bytes around an MTU
constexpr std::uint32_t kVectors = 0b11;                 // the pair of rings, and all else

std::uint32_t longest_frame(const std::vector<const GuestSpec*>& guests) {
  std::uint32_t mtu = 1500;
  for (const GuestSpec* guest : guests) mtu = std::max(mtu, guest->mtu);
  return mtu + kEthernet;
}

client::VfOptions driver_options(std::uint32_t longest) {
  client::VfOptions options{.tx_size = kRing, .max_frame = static_cast<std::uint16_t>(longest + kTagAndFcs)};
  options.rx.size = kRing;
  options.rx.strip_vlan = true;
  return options;
}

client::GuestMemory memory_of(const MemoryFile& file) {
  return {Iova(0), {file.mapped_or_null(), file.size()}};
}

std::unique_ptr<para::Policer> policer(const para::RateLimit& limit, Instant now) {
  return limit.rate == 0 ? nullptr : std::make_unique<para::MeterPolicer>(limit, now);
}

}  // namespace

SharedFunction::SharedFunction(Options options, std::shared_ptr<ch::VfSlot> slot, MemoryFile memory,
                               EventFd interrupt, EventLoop& loop, const Clock& clock, const Log& log)
    : options_(std::move(options)),
      clock_(clock),
      log_(log),
      loop_(loop),
      memory_(std::move(memory)),
      interrupt_(std::move(interrupt)),
      registers_(std::move(slot), options_.wake_engine, options_.idle),
      driver_(registers_, memory_of(memory_), driver_options(longest_frame(options_.guests))),
      uplink_(driver_, clock, {.wire = {.longest_frame = longest_frame(options_.guests)}}),
      mux_(uplink_, clock, {}) {
  loop_.add(interrupt_.get(), Events::readable, [this](Events) {
    (void)interrupt_.take();
    interrupted_ = true;
  });
}

SharedFunction::~SharedFunction() {
  loop_.remove(interrupt_.get());
  for (Guest& guest : guests_) guest.link.reset();
}

std::expected<std::unique_ptr<SharedFunction>, std::string> SharedFunction::make(
    Options options, std::shared_ptr<ch::VfSlot> slot, EventLoop& loop, const Clock& clock, const Log& log) {
  const auto fd = sealed_memory(options.software.guest->memory);
  if (!fd) return std::unexpected(fd.error());
  auto memory = MemoryFile::open(FileDescriptor(::fcntl(fd->get(), F_DUPFD_CLOEXEC, 0)));
  auto interrupt = EventFd::create();
  if (!memory || !interrupt) return std::unexpected("no memory or eventfd for a shared function");
  ch::VfSlot& place = *slot;
  std::unique_ptr<SharedFunction> made(new SharedFunction(
      std::move(options), std::move(slot), std::move(*memory), std::move(*interrupt), loop, clock, log));
  if (auto done = made->attach(*fd, place); !done) return std::unexpected(done.error());
  if (auto done = made->add_guests(); !done) return std::unexpected(done.error());
  return made;
}

std::expected<void, std::string> SharedFunction::attach(const FileDescriptor& memory, ch::VfSlot& slot) {
  bool mapped = slot.attach().has_value();
  slot.map(Gpa(0), memory_.size(), memory.get(), 0, pcie::kReadWrite,
           [&mapped](ch::VfSlot::Outcome outcome) { mapped &= outcome.has_value(); });
  if (!mapped)
    return std::unexpected(
        fmt::format("{}: the rings of its shared function cannot be mapped", options_.host));
  // The engine's thread may say this after we are gone.
  auto signal = EventFd::adopt(FileDescriptor(::fcntl(interrupt_.get(), F_DUPFD_CLOEXEC, 0)));
  if (!signal) return std::unexpected("no eventfd is left");
  const auto shared = std::make_shared<EventFd>(std::move(*signal));
  for (std::uint16_t vector = 0; vector < ch::VfSlot::kVectors; ++vector)
    (void)slot.set_vector(vector, [shared] { shared->signal(); });
  slot.set_bus_master(true);
  return {};
}

std::expected<void, std::string> SharedFunction::add_guests() {
  guests_.reserve(options_.guests.size());
  for (const GuestSpec* spec : options_.guests) {
    Guest& guest = guests_.emplace_back();
    guest.spec = spec;
    const std::uint16_t vlan = spec->shared->vlan.value_or(para::kNoVlan);
    auto port = mux_.attach({.mac = spec->shared->mac, .vlan = vlan, .limits = {}});
    if (!port) return std::unexpected(fmt::format("{}: {}", spec->name, name(port.error())));
    guest.port = *port;
    auto link = para::VhostGuest::listen(vhost_socket(options_.directory, *spec), loop_, *guest.port, {});
    if (!link) return std::unexpected(fmt::format("{}: {}", spec->name, link.error()));
    guest.link = std::move(*link);
    apply(guest, shared_limits(spec->shared->level));
    stations_.push_back({spec->shared->mac, vlan});
  }
  return {};
}

void SharedFunction::apply(Guest& guest, const SharedLimits& limits) {
  const Instant now = clock_.now();
  auto transmit = policer(limits.transmit, now), receive = policer(limits.receive, now);
  guest.port->set_limits({.transmit = transmit.get(), .receive = receive.get()});
  guest.limits = limits;
  guest.transmit = std::move(transmit);
  guest.receive = std::move(receive);
}

bool SharedFunction::set_limits(std::string_view name, const SharedLimits& limits) {
  const auto found = std::ranges::find(
      guests_, name, [](const Guest& guest) -> std::string_view { return guest.spec->name; });
  if (found == guests_.end()) return false;
  apply(*found, limits);
  return true;
}

bool SharedFunction::poll() {
  if (mux_.poll()) return true;
  if (!started_ || controlling_ || !std::exchange(interrupted_, false)) return false;
  // What came between the last look and this does not interrupt: one look more.
  driver_.rearm(kVectors);
  return true;
}

void SharedFunction::control() {
  if (controlling_) return;
  if (!look_.exchange(false, std::memory_order_acq_rel) && clock_.now() < next_control_) return;
  controlling_ = true;
  if (started_) check();
  if (!started_) start();
  controlling_ = false;
}

void SharedFunction::start() {
  next_control_ = clock_.now() + kTryEvery;
  if (!assigned_.load(std::memory_order_acquire)) return;
  const auto done = uplink_.start(stations_);
  next_control_ = clock_.now() + kTryEvery;
  if (!done) {
    if (!registers_.closed())
      log_.warning("{}: its shared function of {} does not start: {}", options_.host, options_.nic,
                   client::name(done.error()));
    return;
  }
  started_ = true;
  interrupted_ = true;
  ++starts_;
}

void SharedFunction::check() {
  next_control_ = clock_.now() + kCheckEvery;
  const auto link = uplink_.check();
  if (link) return;
  log_.info("{}: its shared function of {} was reset ({}) and starts again", options_.host, options_.nic,
            client::name(link.error()));
  started_ = false;
}

Instant SharedFunction::next_deadline(bool controls) const {
  Instant at = controls && !controlling_ ? next_control_ : Instant::max();
  if (const auto mux = mux_.next_deadline()) at = std::min(at, *mux);
  return at;
}

SharedFunctionReport SharedFunction::report() const {
  const VfSpec& vf = *options_.software.guest->vf;
  SharedFunctionReport report{.host = options_.host,
                              .nic = options_.nic,
                              .vf = vf.index,
                              .mac = vf.mac,
                              .started = started_,
                              .up = uplink_.up(),
                              .starts = starts_,
                              .traffic = uplink_.traffic(),
                              .arrival_drops = mux_.arrival_drops(),
                              .guests = {}};
  for (const Guest& guest : guests_)
    report.guests.push_back({.name = guest.spec->name,
                             .mac = guest.spec->shared->mac,
                             .vlan = guest.spec->shared->vlan,
                             .limits = guest.limits,
                             .connected = guest.link->backend().connected(),
                             .up = guest.port->up(),
                             .traffic = guest.port->traffic(),
                             .backend_drops = guest.link->backend().traffic().drops});
  return report;
}

}  // namespace ladon::machine
