#include "machine/live.h"

#include <array>
#include <variant>

namespace ladon::machine {
namespace {

// The width in which `length` bytes at `offset` are one or several whole-register accesses; 0 if they are
// not.
unsigned register_width(std::uint64_t offset, std::size_t length) {
  if (length % 8 == 0 && offset % 8 == 0) return 8;
  return length % 4 == 0 && offset % 4 == 0 ? 4 : 0;
}

}  // namespace

std::string_view name(LiveRefusal refusal) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(LiveRefusal::count_)> kNames = {
      "memory gone", "bad register width", "peer flood"};
  return kNames[static_cast<std::size_t>(refusal)];
}

Live::Live(fabric::Fabric& fabric, std::vector<HostMemory*> memories, const Clock& clock)
    : fabric_(fabric), memories_(std::move(memories)), clock_(clock) {}

fabric::Resolution Live::follow(const pcie::Transaction& transaction) {
  ++followed_;
  fabric::Resolution way = probe(transaction);
  if (watcher_) watcher_(*fabric_.tables(), transaction, way);
  if (way.refused()) {
    const Instant now = clock_.now();
    fabric_.record(transaction, way, now);
    recent_.add(now, transaction, *way.fault());
    if (refused_) refused_(transaction, way);
  }
  return way;
}

fabric::Resolution Live::probe(const pcie::Transaction& transaction) const {
  return fabric::resolve(*fabric_.tables(), transaction);
}

bool Live::read(const fabric::Resolution& way, Bytes into) {
  if (const auto* at = std::get_if<fabric::MemoryTarget>(&way.outcome)) {
    if (memory(at->domain).read(at->at, into)) return true;
    refuse(LiveRefusal::memory_gone);
    return false;
  }
  const auto* at = std::get_if<fabric::RegisterTarget>(&way.outcome);
  return at != nullptr && read_registers(*at, into);
}

bool Live::write(const fabric::Resolution& way, ConstBytes from) {
  if (const auto* at = std::get_if<fabric::MemoryTarget>(&way.outcome)) {
    if (memory(at->domain).write(at->at, from)) return true;
    refuse(LiveRefusal::memory_gone);
    return false;
  }
  if (const auto* at = std::get_if<fabric::InterruptTarget>(&way.outcome)) {
    interrupt(*at);
    return true;
  }
  const auto* at = std::get_if<fabric::RegisterTarget>(&way.outcome);
  return at != nullptr && post_registers(*at, from);
}

bool Live::read_registers(const fabric::RegisterTarget& target, Bytes into) {
  const unsigned width = register_width(target.offset, into.size());
  pcie::Function* function = fabric_.function(target.function);
  if (width == 0 || function == nullptr) {
    refuse(LiveRefusal::bad_register_width);
    return false;
  }
  for (std::size_t done = 0; done < into.size(); done += width) {
    const std::uint64_t value = function->register_read(target.bar, target.offset + done, width);
    std::memcpy(into.data() + done, &value, width);
  }
  return true;
}

bool Live::post_registers(const fabric::RegisterTarget& target, ConstBytes from) {
  const unsigned width = register_width(target.offset, from.size());
  if (width == 0) {
    refuse(LiveRefusal::bad_register_width);
    return false;
  }
  if (peer_writes_.size() + from.size() / width > kMaxPeerWrites) {
    refuse(LiveRefusal::peer_flood);
    return false;
  }
  for (std::size_t done = 0; done < from.size(); done += width) {
    PeerWrite write{.target = target, .width = width};
    write.target.offset += done;
    std::memcpy(&write.value, from.data() + done, width);
    peer_writes_.push_back(write);
  }
  return true;
}

bool Live::run_peer_writes() {
  if (peer_writes_.empty()) return false;
  // A write may make its function write again: only what waits now is done now.
  for (std::size_t left = peer_writes_.size(); left > 0; --left) {
    const PeerWrite write = peer_writes_.front();
    peer_writes_.pop_front();
    if (pcie::Function* function = fabric_.function(write.target.function))
      function->register_write(write.target.bar, write.target.offset, write.width, write.value);
  }
  return true;
}

bool Live::run_emissions() {
  const auto emissions = fabric_.take_emissions();
  for (const pcie::Transaction& message : emissions) {
    const fabric::Resolution way = follow(message);
    if (way.refused()) continue;
    std::array<std::byte, sizeof message.data> bytes;
    store_le(bytes.data(), message.data);
    (void)write(way, bytes);
  }
  return !emissions.empty();
}

}  // namespace ladon::machine
