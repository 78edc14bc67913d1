// A HostBridge as straight-line code wants it: each call waits for its answer. For programs that may wait
// (the management host's), and for start-up code of those that may not, on bridges that answer before submit
// returns.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "host/host_bridge.h"

namespace ladon::host {

class BlockingHost {
 public:
  // Waits until the bridge has made progress; false once it never will again (disconnected). Without a pump
  // a request that is not answered at once fails with Error::disconnected.
  using Pump = std::move_only_function<bool()>;

  // Takes the bridge's events from now on. `bridge` outlives this object.
  explicit BlockingHost(HostBridge& bridge, Pump pump = {});
  BlockingHost(const BlockingHost&) = delete;
  BlockingHost& operator=(const BlockingHost&) = delete;
  ~BlockingHost();

  [[nodiscard]] Result call(Request request);
  template <class T>
  using Expected = std::expected<T, Error>;

  // Configuration space; `width` in bytes. A function that is not there reads as all ones.
  [[nodiscard]] Expected<std::uint32_t> config_read(pcie::Sbdf bdf, std::uint16_t offset, std::uint8_t width);
  [[nodiscard]] Expected<std::uint32_t> config_read32(pcie::Sbdf bdf, std::uint16_t offset);
  [[nodiscard]] Expected<void> config_write(pcie::Sbdf bdf, std::uint16_t offset, std::uint8_t width,
                                            std::uint32_t value);
  [[nodiscard]] Expected<void> config_write32(pcie::Sbdf bdf, std::uint16_t offset, std::uint32_t value);

  [[nodiscard]] Expected<std::uint32_t> load32(BusAddr at);
  [[nodiscard]] Expected<std::uint64_t> load64(BusAddr at);
  [[nodiscard]] Expected<void> store32(BusAddr at, std::uint32_t value);
  [[nodiscard]] Expected<void> store64(BusAddr at, std::uint64_t value);
  // At most kMaxBulk bytes a call.
  [[nodiscard]] Expected<std::vector<std::byte>> read_memory(BusAddr at, std::uint32_t length);
  [[nodiscard]] Expected<void> write_memory(BusAddr at, ConstBytes bytes);

  [[nodiscard]] Expected<Pinned> pin(const PinMemory& memory);
  [[nodiscard]] Expected<void> unpin(Pin pin);
  [[nodiscard]] Expected<IoDomain> create_domain();
  [[nodiscard]] Expected<void> destroy_domain(IoDomain domain);
  [[nodiscard]] Expected<void> attach(IoDomain domain, pcie::Sbdf rid);
  [[nodiscard]] Expected<void> detach(pcie::Sbdf rid);
  [[nodiscard]] Expected<void> map(IoDomain domain, Iova iova, BusAddr to, std::uint64_t length,
                                   pcie::AccessSet access);
  [[nodiscard]] Expected<void> unmap(IoDomain domain, Iova iova, std::uint64_t length);
  [[nodiscard]] Expected<MessageRoute> route(pcie::Sbdf rid, std::uint32_t vector);
  [[nodiscard]] Expected<void> unroute(pcie::Sbdf rid, std::uint32_t vector);
  [[nodiscard]] Expected<void> self_interrupt(std::uint32_t vector);
  [[nodiscard]] Expected<Description> describe();

  // The oldest event that has arrived and was not taken yet. Never waits.
  [[nodiscard]] std::optional<Event> next_event();
  [[nodiscard]] HostBridge& bridge() { return bridge_; }

 private:
  template <class T>
  Expected<T> expect(Request request);
  Expected<void> done(Request request);

  HostBridge& bridge_;
  Pump pump_;
  std::deque<Event> events_;
};

}  // namespace ladon::host
