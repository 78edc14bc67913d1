#include "attack/scene.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "spec/ixgbevf.h"

namespace ladon::attack {
namespace {

namespace regs = spec::ixgbevf;

constexpr std::uint64_t kTarget = 4096;
constexpr std::uint16_t kTalk = 0x88B5, kPlay = 0x88B6;  // local experimental EtherTypes (IEEE 802)
constexpr std::uint32_t kTalkMagic = 0x7A1C'0000;
constexpr std::size_t kHeader = 14, kStamp = kHeader + 4;  // the stamp: turn of sending, 8 bytes
constexpr std::size_t kMemory = 1 << 20;                   // of each guest, for rings and buffers

void put_header(Bytes frame, const MacAddress& to, const MacAddress& from, std::uint16_t type) {
  std::memcpy(frame.data(), to.bytes.data(), 6);
  std::memcpy(frame.data() + 6, from.bytes.data(), 6);
  store_be(frame.data() + 12, type);
}

}  // namespace

std::string_view name(Outcome outcome) {
  static constexpr std::array<std::string_view, 3> kNames = {"refused", "succeeded", "skipped"};
  return kNames[static_cast<std::size_t>(outcome)];
}

Verdict judge(bool succeeded, std::string seen, std::string otherwise) {
  return {.outcome = succeeded ? Outcome::succeeded : Outcome::refused,
          .reason = succeeded ? std::move(seen) : std::move(otherwise)};
}

Verdict skipped(std::string reason) {
  return {.outcome = Outcome::skipped, .reason = std::move(reason)};
}

namespace {

// A guest of another compute host. Best in the same segment, since no request of a device leaves that; then
// one whose window lies above the attacker's: offsets are added, not taken away.
std::optional<std::size_t> stranger_to(const Testbed& bed, pcie::Domain own) {
  const auto segment = [&](pcie::Domain host) {
    const auto found = std::ranges::find(bed.ntbs(), host, &Ntb::host);
    return found == bed.ntbs().end() ? pcie::HostSegment{} : found->bdf.segment;
  };
  const auto worth = [&](pcie::Domain host) { return std::pair(segment(host) == segment(own), host > own); };
  std::optional<std::size_t> best;
  const auto& guests = bed.guests();
  for (std::size_t i = 0; i < guests.size(); ++i) {
    const pcie::Domain host = guests[i].host;
    if (host == pcie::kManagementDomain || host == own) continue;
    if (!best || worth(host) > worth(guests[*best].host)) best = i;
  }
  return best;
}

}  // namespace

Cast cast(const Testbed& bed) {
  Cast parts;
  const auto& guests = bed.guests();
  const auto beside = [&](std::size_t one) -> std::optional<std::size_t> {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < guests.size(); ++i)
      if (i != one && guests[i].vm && guests[i].host == guests[one].host &&
          (!found || guests[i].nic == guests[one].nic))
        found = i;
    return found;
  };
  for (std::size_t i = 0; i < guests.size(); ++i) {
    if (guests[i].host == pcie::kManagementDomain || !guests[i].vm) continue;
    if (!parts.attacker) parts.attacker = i;
    if (!beside(i)) continue;
    parts.attacker = i, parts.sibling = beside(i);
    break;
  }
  if (!parts.attacker) return parts;
  parts.stranger = stranger_to(bed, guests[*parts.attacker].host);
  for (std::size_t i = 0; i < guests.size(); ++i)
    if (i != parts.attacker && guests[i].nic == guests[*parts.attacker].nic &&
        (!parts.peer || i == parts.sibling))
      parts.peer = i;
  return parts;
}

// A guest with its driver, and what it has said and heard.
struct Scene::Station {
  std::size_t guest = 0;
  std::unique_ptr<client::VfDriver> driver;
  std::unique_ptr<client::Arena> spare;  // memory that the driver does not have
  std::unique_ptr<RawRings> rings;
  bool talks = false;
  std::uint32_t sent = 0, told = 0;  // frames to the wire, frames from the wire
  std::uint32_t heard_by_wire = 0, heard = 0;
};

Scene::Scene(Testbed& rack, const Cast& cast_of_play) : bed(rack), parts(cast_of_play) {
  for (std::size_t i = 0; i < bed.hosts().size(); ++i) hosts_.push_back(nullptr);
  for (std::size_t i = 0; i < bed.guests().size(); ++i) {
    stations_.push_back(std::make_unique<Station>());
    stations_.back()->guest = i;
    open(i);
    stations_.back()->talks = i != parts.attacker;
  }
  // A frame's arrival is seen in the turn in which it happens.
  bed.every_turn([this] {
    listen();
    if (task_) task_();
  });
  run(4);
  begun_ = true;
  first_interrupt_ = bed.interrupts().size();
}

Scene::~Scene() {
  bed.every_turn({});
}

void Scene::open(std::size_t guest) {
  Station& station = *stations_[guest];
  const client::GuestMemory all = bed.memory(guest);
  const std::size_t half = std::min<std::size_t>(kMemory, all.bytes.size() / 2);
  const client::VfOptions options{.tx_size = 32, .rx = {.size = 32, .buffer = 2048}};
  station.driver = std::make_unique<client::VfDriver>(
      bed.registers(guest), client::GuestMemory{all.base, all.bytes.first(half)}, options);
  station.spare = std::make_unique<client::Arena>(
      client::GuestMemory{Iova(all.base.bits() + half), all.bytes.subspan(half, half)});
  station.rings = std::make_unique<RawRings>(bed.registers(guest), *station.spare);
  if (!station.driver->probe() || !station.driver->open() || !station.rings->usable())
    throw std::runtime_error(this->guest(guest).name + ": its driver does not come up");
}

const Ntb* Scene::ntb_of(pcie::Domain domain) const {
  for (const Ntb& ntb : bed.ntbs())
    if (ntb.host == domain) return &ntb;
  return nullptr;
}

client::VfDriver& Scene::driver(std::size_t guest) {
  return *stations_[guest]->driver;
}

RawRings& Scene::rings(std::size_t guest) {
  return *stations_[guest]->rings;
}

host::BlockingHost& Scene::host(pcie::Domain domain) {
  auto& made = hosts_[static_cast<std::size_t>(domain)];
  if (!made)
    made = std::make_unique<host::BlockingHost>(bed.bridge(domain), [this] { return bed.turn(), true; });
  return *made;
}

// ---- targets

Canary Scene::canary_at(pcie::Domain domain) {
  const auto placed = bed.place(domain, kTarget);
  if (!placed) throw std::runtime_error("a target's memory cannot be placed");
  return {placed->at, placed->bytes, ++canaries_};
}

Canary Scene::canary_of(std::size_t guest) {
  const Bytes all = bed.memory(guest).bytes;
  const std::uint64_t offset = all.size() - kTarget;
  const auto at = bed.place_of(guest, Gpa(offset));
  if (!at) throw std::runtime_error("a guest without memory");
  return {*at, all.subspan(offset, kTarget), ++canaries_};
}

void Scene::mark_registers(std::size_t guest) {
  bed.registers(guest).write32(kMarkedRegister, kMark);
}

bool Scene::marks_hold(std::size_t guest) {
  return bed.registers(guest).read32(kMarkedRegister) == kMark;
}

// ---- moves

void Scene::refresh(std::size_t guest) {
  (void)driver(guest).probe();
}

client::GuestMemory Scene::own(std::size_t guest, std::size_t bytes) {
  const auto taken = stations_[guest]->spare->take(bytes);
  if (!taken) throw std::runtime_error("a guest's memory is used up");
  return *taken;
}

Frame Scene::frame_to(const MacAddress& to, const MacAddress& from, std::size_t bytes) const {
  Frame frame(std::max(bytes, kHeader));
  put_header(frame, to, from, kPlay);
  return frame;
}

void Scene::write_by_dma(std::size_t guest, Iova at, ConstBytes bytes) {
  refresh(guest);
  const std::array buffers = {own(guest, RawRings::kBuffer).base, at};
  rings(guest).receive_into(buffers);
  Frame frame = frame_to(this->guest(guest).mac, outside(), RawRings::kBuffer + bytes.size());
  std::ranges::copy(bytes, frame.begin() + RawRings::kBuffer);
  bed.inject(this->guest(guest).nic, frame);
  run();
}

void Scene::write_by_dma(std::size_t guest, Iova at, std::uint32_t word) {
  std::array<std::byte, 4> bytes;
  store_le(bytes.data(), word);
  write_by_dma(guest, at, bytes);
}

Frame Scene::read_by_dma(std::size_t guest, Iova at, std::uint32_t length) {
  refresh(guest);
  (void)seen_by_wire();
  const client::GuestMemory header = own(guest, kHeader);
  put_header(header.bytes, outside(), this->guest(guest).mac, kPlay);
  const std::array pieces = {client::TxPiece{header.base, kHeader}, client::TxPiece{at, length}};
  rings(guest).transmit(pieces);
  run();
  for (const Frame& frame : seen_by_wire())
    if (frame.size() == kHeader + length) return {frame.begin() + kHeader, frame.end()};
  return {};
}

std::span<const Interrupt> Scene::interrupts() const {
  return std::span(bed.interrupts()).subspan(first_interrupt_);
}

// ---- neighbours

void Scene::talk(Station& station) {
  if (!station.talks) return;
  Frame frame(64);
  put_header(frame, outside(), guest(station.guest).mac, kTalk);
  store_le(&frame[kHeader], kTalkMagic | static_cast<std::uint32_t>(station.guest));
  store_le(&frame[kStamp], bed.turns());
  (void)station.driver->tx().reclaim();
  ++station.sent;  // lost, if the ring does not take it
  (void)station.driver->tx().send(frame);
  put_header(frame, guest(station.guest).mac, outside(), kTalk);
  bed.inject(guest(station.guest).nic, frame);
  ++station.told;
}

void Scene::listen() {
  for (Frame& frame : bed.take_sent()) {
    const bool talk = frame.size() >= 64 && load_be<std::uint16_t>(&frame[12]) == kTalk;
    const std::uint32_t word = talk ? load_le<std::uint32_t>(&frame[kHeader]) : 0;
    if ((word & 0xFFFF'0000) == kTalkMagic && (word & 0xFFFF) < stations_.size()) {
      ++stations_[word & 0xFFFF]->heard_by_wire;
      arrived(frame);
    } else {
      seen_.push_back(std::move(frame));
    }
  }
  for (const auto& station : stations_) {
    if (!station->talks) continue;
    while (const auto frame = station->driver->rx().receive()) {
      if (frame->bytes.size() < 64 || load_be<std::uint16_t>(&frame->bytes[12]) != kTalk) continue;
      ++station->heard;
      arrived(frame->bytes);
    }
  }
}

void Scene::arrived(ConstBytes frame) {
  std::uint64_t& slowest = begun_ ? latency_.since : latency_.before;
  slowest = std::max(slowest, bed.turns() - load_le<std::uint64_t>(&frame[kStamp]));
}

void Scene::run(unsigned rounds) {
  for (unsigned round = 0; round < rounds; ++round) {
    for (const auto& station : stations_) talk(*station);
    bed.step();
  }
}

std::vector<Frame> Scene::seen_by_wire() {
  return std::exchange(seen_, {});
}

std::uint64_t Scene::lost() {
  run(4);
  bed.settle();
  std::uint64_t all = 0;
  for (const auto& station : stations_)
    if (station->talks)
      all += station->sent - std::min(station->sent, station->heard_by_wire) + station->told -
             std::min(station->told, station->heard);
  return all;
}

void Scene::leave_out(std::size_t guest) {
  stations_[guest]->talks = false;
}

}  // namespace ladon::attack
