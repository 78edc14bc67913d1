#include "machine/emulated_host.h"

#include <algorithm>
#include <utility>

namespace ladon::machine {
namespace {

constexpr std::uint64_t kPage = 4096;

std::uint64_t all_ones(unsigned width) {
  return ~std::uint64_t{0} >> (64 - 8 * width);
}

bool is_width(unsigned width) {
  return width == 1 || width == 2 || width == 4 || width == 8;
}

bool is_config_access(std::uint16_t offset, unsigned width) {
  return width <= 4 && is_width(width) && offset % width == 0 && offset < 4096;
}

host::Error error_of(iommu::TableError error) {
  switch (error) {
    case iommu::TableError::overlap:
    case iommu::TableError::busy:
      return host::Error::overlap;
    case iommu::TableError::no_such_thing:
      return host::Error::no_such_object;
    case iommu::TableError::limit:
      return host::Error::limit;
    case iommu::TableError::unaligned:
    case iommu::TableError::wraps:
    case iommu::TableError::cuts_mapping:
      return host::Error::bad_argument;
  }
  std::unreachable();
}

host::Result result_of(const fabric::Expected<void>& done) {
  if (!done) return std::unexpected(error_of(done.error()));
  return host::Done{};
}

}  // namespace

class EmulatedHost::Program final : public host::HostBridge {
 public:
  explicit Program(EmulatedHost& owner) : owner_(owner) {}

  void submit(host::Request request, Reply reply) override {
    std::visit([&](const auto& r) { owner_.serve(r, *this, std::move(reply)); }, request);
  }
  void listen(Listener listener) override { listener_ = std::move(listener); }
  void tell(const host::Event& event) {
    if (listener_) listener_(event);
  }

 private:
  EmulatedHost& owner_;
  Listener listener_;
};

EmulatedHost::EmulatedHost(const EmulatedHostOptions& options, Live& live, const Clock& clock,
                           Quiescence& quiescence)
    : options_(options),
      live_(live),
      clock_(clock),
      quiescence_(quiescence),
      unflushed_(options.flush_after) {}

EmulatedHost::~EmulatedHost() = default;

host::HostBridge& EmulatedHost::add_program() {
  programs_.push_back(std::make_unique<Program>(*this));
  return *programs_.back();
}

void EmulatedHost::interrupt(std::uint32_t vector) {
  const auto owner = routed_.find(vector);
  if (owner != routed_.end()) {
    owner->second->tell(host::Interrupt{vector});
    return;
  }
  for (const auto& program : programs_) program->tell(host::Interrupt{vector});
}

std::vector<host::Fault> EmulatedHost::publish_faults() {
  std::vector<host::Fault> faults;
  const auto tables = live_.fabric().tables();
  for (auto& record : live_.fabric().fault_log(options_.domain).take()) {
    faults.push_back(
        {tables->host_address(record.rid), record.address, record.access, std::move(record.reason)});
    for (const auto& program : programs_) program->tell(faults.back());
  }
  return faults;
}

void EmulatedHost::answer_when_quiescent(Reply reply) {
  quiescence_.after_grace([reply = std::move(reply)]() mutable { reply(host::Done{}); });
}

// ---- configuration space

void EmulatedHost::serve(const host::ConfigRead& r, Program&, Reply reply) {
  if (!is_config_access(r.offset, r.width)) return reply(std::unexpected(host::Error::bad_argument));
  reply(host::Value{live_.fabric().config_read(options_.domain, r.bdf, r.offset, r.width)});
}

void EmulatedHost::serve(const host::ConfigWrite& r, Program&, Reply reply) {
  if (!is_config_access(r.offset, r.width)) return reply(std::unexpected(host::Error::bad_argument));
  live_.fabric().config_write(options_.domain, r.bdf, r.offset, r.width, r.value);
  reply(host::Done{});
}

// ---- loads and stores

pcie::Transaction EmulatedHost::transaction(BusAddr at, std::uint32_t length, pcie::Access access) const {
  return {.segment = {},
          .domain = options_.domain,
          .origin = pcie::CpuOrigin{},
          .rid = {},
          .address = at,
          .length = length,
          .access = access};
}

template <class Move>
bool EmulatedHost::pieces(BusAddr at, std::size_t length, pcie::Access access, Move move) {
  for (std::size_t done = 0; done < length;) {
    const auto here = at.plus(done);
    if (!here) return false;
    const auto piece =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(length - done, kPage - here->bits() % kPage));
    const fabric::Resolution way = live_.follow(transaction(*here, piece, access));
    if (way.refused() || !move(way, done, piece)) return false;
    done += piece;
  }
  return true;
}

std::optional<fabric::RegisterTarget> EmulatedHost::registers(BusAddr at, pcie::Access access) {
  const BusAddr page = at.align_down(kPage);
  auto& remembered = pages_[access == pcie::Access::write][(at.bits() / kPage) % kRemembered];
  if (!remembered.known || remembered.page != page) {
    // Every table has page granularity: what holds for the page's first bytes holds for all of it.
    const fabric::Resolution way = live_.probe(transaction(page, 4, access));
    const auto* target = std::get_if<fabric::RegisterTarget>(&way.outcome);
    if (target == nullptr) return std::nullopt;
    remembered = {.page = page, .target = *target, .known = true};
  }
  if (live_.watched()) (void)live_.follow(transaction(at, 4, access));  // to be seen
  fabric::RegisterTarget target = remembered.target;
  target.offset += at.bits() - page.bits();
  return target;
}

void EmulatedHost::serve(const host::Load& r, Program&, Reply reply) {
  if (!is_width(r.width) || !r.at.is_aligned(r.width))
    return reply(std::unexpected(host::Error::bad_argument));
  if (const auto target = registers(r.at, pcie::Access::read)) {
    pcie::Function* function = live_.fabric().function(target->function);
    reply(host::Value{function == nullptr ? all_ones(r.width)
                                          : function->register_read(target->bar, target->offset, r.width)});
    return;
  }
  std::uint64_t value = all_ones(r.width);  // what an unsupported request reads as
  const Bytes bytes = std::as_writable_bytes(std::span(&value, 1)).first(r.width);
  (void)pieces(
      r.at, r.width, pcie::Access::read,
      [&](const fabric::Resolution& way, std::size_t, std::size_t) { return live_.read(way, bytes); });
  reply(host::Value{value});
}

void EmulatedHost::serve(const host::Store& r, Program&, Reply reply) {
  if (!is_width(r.width) || !r.at.is_aligned(r.width))
    return reply(std::unexpected(host::Error::bad_argument));
  if (const auto target = registers(r.at, pcie::Access::write)) {
    if (pcie::Function* function = live_.fabric().function(target->function))
      function->register_write(target->bar, target->offset, r.width, r.value);
    return reply(host::Done{});
  }
  const ConstBytes bytes = std::as_bytes(std::span(&r.value, 1)).first(r.width);
  (void)pieces(
      r.at, r.width, pcie::Access::write,
      [&](const fabric::Resolution& way, std::size_t, std::size_t) { return live_.write(way, bytes); });
  reply(host::Done{});  // posted: nobody learns here that it was refused
}

void EmulatedHost::serve(const host::ReadMemory& r, Program&, Reply reply) {
  if (r.length > host::kMaxBulk) return reply(std::unexpected(host::Error::bad_argument));
  host::Memory memory{std::vector<std::byte>(r.length)};
  const bool whole = pieces(r.at, r.length, pcie::Access::read,
                            [&](const fabric::Resolution& way, std::size_t done, std::size_t length) {
                              return live_.read(way, Bytes(memory.bytes).subspan(done, length));
                            });
  if (!whole) return reply(std::unexpected(host::Error::refused_by_fabric));
  reply(std::move(memory));
}

void EmulatedHost::serve(const host::WriteMemory& r, Program&, Reply reply) {
  if (r.bytes.size() > host::kMaxBulk) return reply(std::unexpected(host::Error::bad_argument));
  const bool whole = pieces(r.at, r.bytes.size(), pcie::Access::write,
                            [&](const fabric::Resolution& way, std::size_t done, std::size_t length) {
                              return live_.write(way, ConstBytes(r.bytes).subspan(done, length));
                            });
  if (!whole) return reply(std::unexpected(host::Error::refused_by_fabric));
  reply(host::Done{});
}

// ---- memory

void EmulatedHost::serve(const host::PinMemory& r, Program&, Reply reply) {
  HostMemory& memory = live_.memory(options_.domain);
  auto pinned = memory.pin(r);
  if (!pinned) return reply(std::unexpected(pinned.error()));
  if (pinned->fresh) {
    const auto added =
        live_.fabric().add_memory(options_.domain, {.range = pinned->range, .memory = {}, .offset = 0});
    if (!added) {
      (void)memory.unpin(pinned->pinned.pin);
      memory.drop(pinned->range);
      return reply(std::unexpected(error_of(added.error())));
    }
  }
  reply(pinned->pinned);
}

void EmulatedHost::serve(const host::Unpin& r, Program&, Reply reply) {
  HostMemory& memory = live_.memory(options_.domain);
  const HostMemory::Leaving leaving = memory.unpin(r.pin);
  if (!leaving.known) return reply(std::unexpected(host::Error::no_such_object));
  if (!leaving.range) return reply(host::Done{});
  (void)live_.fabric().remove_memory(options_.domain, *leaving.range);
  quiescence_.after_grace([&memory, range = *leaving.range, reply = std::move(reply)]() mutable {
    memory.drop(range);
    reply(host::Done{});
  });
}

// ---- IOMMU

bool EmulatedHost::defers() const {
  return live_.fabric().options().hosts[static_cast<std::size_t>(options_.domain)].invalidation ==
         iommu::Invalidation::deferred;
}

void EmulatedHost::flush() {
  live_.fabric().flush_iotlb(options_.domain);
  unflushed_.clear();
}

void EmulatedHost::flush_due() {
  if (const auto deadline = unflushed_.deadline(); deadline && clock_.now() >= *deadline) flush();
}

void EmulatedHost::serve(const host::CreateIoDomain&, Program&, Reply reply) {
  const auto created = live_.fabric().create_domain(options_.domain);
  if (!created) return reply(std::unexpected(error_of(created.error())));
  reply(host::DomainCreated{host::IoDomain{static_cast<std::uint32_t>(*created)}});
}

void EmulatedHost::serve(const host::DestroyIoDomain& r, Program&, Reply reply) {
  reply(result_of(
      live_.fabric().destroy_domain(options_.domain, iommu::DomainId{static_cast<std::uint32_t>(r.domain)})));
}

void EmulatedHost::serve(const host::AttachRid& r, Program&, Reply reply) {
  reply(result_of(
      live_.fabric().attach(options_.domain, iommu::DomainId{static_cast<std::uint32_t>(r.domain)}, r.rid)));
}

void EmulatedHost::serve(const host::DetachRid& r, Program&, Reply reply) {
  const auto detached = live_.fabric().detach(options_.domain, r.rid);
  if (!detached) return reply(result_of(detached));
  answer_when_quiescent(std::move(reply));
}

void EmulatedHost::serve(const host::IommuMap& r, Program&, Reply reply) {
  const auto from = Range<Iova>::of(r.iova, r.length);
  if (!from) return reply(std::unexpected(host::Error::bad_argument));
  if (unflushed_.holds(iommu::DomainId{static_cast<std::uint32_t>(r.domain)}, *from)) flush();
  reply(result_of(live_.fabric().map(options_.domain, iommu::DomainId{static_cast<std::uint32_t>(r.domain)},
                                     {.from = *from, .to = r.to, .access = r.access})));
}

void EmulatedHost::serve(const host::IommuUnmap& r, Program&, Reply reply) {
  const auto range = Range<Iova>::of(r.iova, r.length);
  if (!range) return reply(std::unexpected(host::Error::bad_argument));
  const iommu::DomainId domain{static_cast<std::uint32_t>(r.domain)};
  const auto unmapped = live_.fabric().unmap(options_.domain, domain, *range);
  if (!unmapped) return reply(result_of(unmapped));
  if (defers()) {
    unflushed_.add(domain, *range, clock_.now());
    flush_due();
  }
  answer_when_quiescent(std::move(reply));
}

// ---- interrupts

void EmulatedHost::serve(const host::RouteInterrupt& r, Program& from, Reply reply) {
  const auto message = live_.fabric().route_interrupt(options_.domain, r.rid, r.vector);
  if (!message) return reply(std::unexpected(error_of(message.error())));
  routed_[r.vector] = &from;
  reply(host::MessageRoute{message->address, message->data});
}

void EmulatedHost::serve(const host::UnrouteInterrupt& r, Program&, Reply reply) {
  const auto unrouted = live_.fabric().unroute_interrupt(options_.domain, r.rid, r.vector);
  if (!unrouted) return reply(result_of(unrouted));
  routed_.erase(r.vector);
  answer_when_quiescent(std::move(reply));
}

void EmulatedHost::serve(const host::SelfInterrupt& r, Program& from, Reply reply) {
  for (const auto& program : programs_)
    if (program.get() != &from) program->tell(host::Interrupt{r.vector});
  reply(host::Done{});
}

void EmulatedHost::serve(const host::Describe&, Program&, Reply reply) {
  reply(options_.description);
}

}  // namespace ladon::machine
