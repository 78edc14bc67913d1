#include "host/blocking_host.h"

#include <memory>

namespace ladon::host {

namespace {

// What an answer of kind T holds, without its wrapper.
template <class T, class Field>
auto unwrap(std::expected<T, Error> answer, Field field)
    -> std::expected<std::decay_t<decltype(field(*answer))>, Error> {
  if (!answer) return std::unexpected(answer.error());
  return field(*answer);
}

std::uint32_t low_word(const Value& value) {
  return static_cast<std::uint32_t>(value.value);
}

}  // namespace

BlockingHost::BlockingHost(HostBridge& bridge, Pump pump) : bridge_(bridge), pump_(std::move(pump)) {
  bridge_.listen([this](const Event& event) { events_.push_back(event); });
}

BlockingHost::~BlockingHost() {
  bridge_.listen({});
}

Result BlockingHost::call(Request request) {
  // Shared with the reply, which may come after this call has given up.
  const auto answer = std::make_shared<std::optional<Result>>();
  bridge_.submit(std::move(request), [answer](Result result) { *answer = std::move(result); });
  while (!*answer)
    if (!pump_ || !pump_()) return answer->value_or(std::unexpected(Error::disconnected));
  return std::move(**answer);
}

// The answer of the kind T; another kind is a bridge that does not speak this protocol.
template <class T>
BlockingHost::Expected<T> BlockingHost::expect(Request request) {
  Result result = call(std::move(request));
  if (!result) return std::unexpected(result.error());
  if (auto* answer = std::get_if<T>(&*result)) return std::move(*answer);
  return std::unexpected(Error::bad_argument);
}

BlockingHost::Expected<void> BlockingHost::done(Request request) {
  if (const auto answer = expect<Done>(std::move(request)); !answer) return std::unexpected(answer.error());
  return {};
}

BlockingHost::Expected<std::uint32_t> BlockingHost::config_read(pcie::Sbdf bdf, std::uint16_t offset,
                                                                std::uint8_t width) {
  return unwrap(expect<Value>(ConfigRead{bdf, offset, width}), low_word);
}
BlockingHost::Expected<std::uint32_t> BlockingHost::config_read32(pcie::Sbdf bdf, std::uint16_t offset) {
  return config_read(bdf, offset, 4);
}
BlockingHost::Expected<void> BlockingHost::config_write(pcie::Sbdf bdf, std::uint16_t offset,
                                                        std::uint8_t width, std::uint32_t value) {
  return done(ConfigWrite{bdf, offset, width, value});
}
BlockingHost::Expected<void> BlockingHost::config_write32(pcie::Sbdf bdf, std::uint16_t offset,
                                                          std::uint32_t value) {
  return config_write(bdf, offset, 4, value);
}

BlockingHost::Expected<std::uint32_t> BlockingHost::load32(BusAddr at) {
  return unwrap(expect<Value>(Load{at, 4}), low_word);
}
BlockingHost::Expected<std::uint64_t> BlockingHost::load64(BusAddr at) {
  return unwrap(expect<Value>(Load{at, 8}), [](const Value& v) { return v.value; });
}
BlockingHost::Expected<void> BlockingHost::store32(BusAddr at, std::uint32_t value) {
  return done(Store{at, 4, value});
}
BlockingHost::Expected<void> BlockingHost::store64(BusAddr at, std::uint64_t value) {
  return done(Store{at, 8, value});
}
BlockingHost::Expected<std::vector<std::byte>> BlockingHost::read_memory(BusAddr at, std::uint32_t length) {
  return unwrap(expect<Memory>(ReadMemory{at, length}), [](Memory& m) { return std::move(m.bytes); });
}
BlockingHost::Expected<void> BlockingHost::write_memory(BusAddr at, ConstBytes bytes) {
  return done(WriteMemory{at, {bytes.begin(), bytes.end()}});
}

BlockingHost::Expected<Pinned> BlockingHost::pin(const PinMemory& memory) {
  return expect<Pinned>(memory);
}
BlockingHost::Expected<void> BlockingHost::unpin(Pin pin) {
  return done(Unpin{pin});
}
BlockingHost::Expected<IoDomain> BlockingHost::create_domain() {
  return unwrap(expect<DomainCreated>(CreateIoDomain{}), [](const DomainCreated& d) { return d.domain; });
}
BlockingHost::Expected<void> BlockingHost::destroy_domain(IoDomain domain) {
  return done(DestroyIoDomain{domain});
}
BlockingHost::Expected<void> BlockingHost::attach(IoDomain domain, pcie::Sbdf rid) {
  return done(AttachRid{domain, rid});
}
BlockingHost::Expected<void> BlockingHost::detach(pcie::Sbdf rid) {
  return done(DetachRid{rid});
}
BlockingHost::Expected<void> BlockingHost::map(IoDomain domain, Iova iova, BusAddr to, std::uint64_t length,
                                               pcie::AccessSet access) {
  return done(IommuMap{domain, iova, to, length, access});
}
BlockingHost::Expected<void> BlockingHost::unmap(IoDomain domain, Iova iova, std::uint64_t length) {
  return done(IommuUnmap{domain, iova, length});
}
BlockingHost::Expected<MessageRoute> BlockingHost::route(pcie::Sbdf rid, std::uint32_t vector) {
  return expect<MessageRoute>(RouteInterrupt{rid, vector});
}
BlockingHost::Expected<void> BlockingHost::unroute(pcie::Sbdf rid, std::uint32_t vector) {
  return done(UnrouteInterrupt{rid, vector});
}
BlockingHost::Expected<void> BlockingHost::self_interrupt(std::uint32_t vector) {
  return done(SelfInterrupt{vector});
}
BlockingHost::Expected<Description> BlockingHost::describe() {
  return expect<Description>(Describe{});
}

std::optional<Event> BlockingHost::next_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace ladon::host
