#include "fabric/fabric.h"

#include <algorithm>
#include <utility>

#include "fabric/format.h"
#include "fabric/impl.h"

namespace ladon::fabric {

using iommu::TableError;

Fabric::Fabric(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
Fabric::~Fabric() = default;

void Fabric::listen(Listener* listener) {
  impl_->listener = listener;
}
std::shared_ptr<const Tables> Fabric::tables() const {
  return impl_->tables;
}
void Fabric::refresh() {
  impl_->endpoints_changed();
}
const Options& Fabric::options() const {
  return impl_->options;
}
const Counters<Reason>& Fabric::refusals() const {
  return impl_->refusals;
}

std::optional<pcie::Rid> Fabric::rid(std::uint16_t endpoint, std::uint16_t function) const {
  if (endpoint >= impl_->options.endpoints.size()) return std::nullopt;
  return impl_->tables->rid(endpoint, function);
}

pcie::Function* Fabric::function(const FunctionId& id) {
  if (!id.is_ntb)
    return id.index < impl_->options.endpoints.size()
               ? impl_->options.endpoints[id.index].device->function(id.function)
               : nullptr;
  if (id.index >= impl_->ntbs.size() || id.function > 1) return nullptr;
  return &impl_->ntbs[id.index]->function(static_cast<NtbSideName>(id.function));
}

Expected<void> Fabric::add_memory(pcie::Domain domain, const MemoryRange& memory) {
  auto* host = impl_->host(domain);
  if (host == nullptr) return std::unexpected(TableError::no_such_thing);
  constexpr std::uint64_t kPageMask = iommu::kPage4K - 1;
  if ((memory.range.first().bits() & kPageMask) != 0 || (memory.range.span() & kPageMask) != kPageMask)
    return std::unexpected(TableError::unaligned);
  const auto interrupts =
      Range<BusAddr>::between(BusAddr(iommu::kInterruptFirst), BusAddr(iommu::kInterruptLast));
  if (memory.range.overlaps(*interrupts)) return std::unexpected(TableError::overlap);
  auto next = std::make_shared<std::vector<MemoryRange>>(*host->memory);
  const auto at = std::find_if(next->begin(), next->end(), [&](const MemoryRange& other) {
    return other.range.last() >= memory.range.first();
  });
  if (at != next->end() && at->range.overlaps(memory.range)) return std::unexpected(TableError::overlap);
  next->insert(at, memory);
  host->memory = std::move(next);
  impl_->memory_changed(domain, memory.range, true);
  return {};
}

Expected<void> Fabric::remove_memory(pcie::Domain domain, const Range<BusAddr>& range) {
  auto* host = impl_->host(domain);
  if (host == nullptr) return std::unexpected(TableError::no_such_thing);
  auto next = std::make_shared<std::vector<MemoryRange>>(*host->memory);
  if (std::erase_if(*next, [&](const MemoryRange& memory) { return memory.range == range; }) == 0)
    return std::unexpected(TableError::no_such_thing);
  host->memory = std::move(next);
  impl_->memory_changed(domain, range, false);
  return {};
}

Expected<iommu::DomainId> Fabric::create_domain(pcie::Domain domain) {
  auto* host = impl_->host(domain);
  if (host == nullptr) return std::unexpected(TableError::no_such_thing);
  return host->units.create_domain();
}

Expected<void> Fabric::destroy_domain(pcie::Domain domain, iommu::DomainId id) {
  auto* host = impl_->host(domain);
  if (host == nullptr) return std::unexpected(TableError::no_such_thing);
  return host->units.destroy_domain(id);
}

Expected<void> Fabric::attach(pcie::Domain domain, iommu::DomainId id, pcie::Sbdf rid, iommu::Grants grants) {
  auto* unit = impl_->unit(domain, rid.segment);
  if (unit == nullptr) return std::unexpected(TableError::no_such_thing);
  auto done = unit->attach(id, rid.bdf, grants);
  if (done) impl_->iommu_changed(domain, rid.segment, true);
  return done;
}

Expected<void> Fabric::detach(pcie::Domain domain, pcie::Sbdf rid) {
  auto* unit = impl_->unit(domain, rid.segment);
  if (unit == nullptr) return std::unexpected(TableError::no_such_thing);
  auto done = unit->detach(rid.bdf);
  if (done) impl_->iommu_changed(domain, rid.segment, false);
  return done;
}

Expected<void> Fabric::map(pcie::Domain domain, iommu::DomainId id, const iommu::Mapping<Iova>& mapping) {
  auto* host = impl_->host(domain);
  if (host == nullptr) return std::unexpected(TableError::no_such_thing);
  auto done = host->units.map(id, mapping);
  if (done) impl_->mappings_changed(domain, id, true);
  return done;
}

Expected<void> Fabric::unmap(pcie::Domain domain, iommu::DomainId id, const Range<Iova>& range) {
  auto* host = impl_->host(domain);
  if (host == nullptr) return std::unexpected(TableError::no_such_thing);
  auto done = host->units.unmap(id, range);
  if (done) impl_->mappings_changed(domain, id, false);
  return done;
}

std::size_t Fabric::domains(pcie::Domain domain) const {
  const auto* host = impl_->host(domain);
  return host == nullptr ? 0 : host->units.domains();
}

void Fabric::flush_iotlb(pcie::Domain domain) {
  auto* host = impl_->host(domain);
  if (host == nullptr) return;
  host->units.flush();
  for (std::uint16_t s = 0; s < host->units.size(); ++s)
    impl_->iommu_changed(domain, pcie::HostSegment{s}, false);
}

void Fabric::fill_iotlb(pcie::Domain domain, iommu::DomainId id, Iova at) {
  if (auto* host = impl_->host(domain)) host->units.fill(id, at);
}

Expected<iommu::Message> Fabric::route_interrupt(pcie::Domain domain, pcie::Sbdf rid, std::uint32_t vector) {
  auto* unit = impl_->unit(domain, rid.segment);
  if (unit == nullptr) return std::unexpected(TableError::no_such_thing);
  auto message = unit->interrupts().route(rid.bdf, vector);
  if (message) impl_->iommu_changed(domain, rid.segment, true);
  return message;
}

Expected<void> Fabric::unroute_interrupt(pcie::Domain domain, pcie::Sbdf rid, std::uint32_t vector) {
  auto* unit = impl_->unit(domain, rid.segment);
  if (unit == nullptr) return std::unexpected(TableError::no_such_thing);
  auto done = unit->interrupts().unroute(rid.bdf, vector);
  if (done) impl_->iommu_changed(domain, rid.segment, true, &rid.bdf);
  return done;
}

Expected<void> Fabric::map_vm(pcie::Domain domain, pcie::Vm vm, const iommu::Mapping<Gpa>& mapping) {
  auto* host = impl_->host(domain);
  if (host == nullptr) return std::unexpected(TableError::no_such_thing);
  const auto it = host->vms.find(vm);
  auto table = (it == host->vms.end() ? iommu::SecondLevelTable{} : *it->second).with(mapping);
  if (!table) return std::unexpected(table.error());
  host->vms[vm] = std::make_shared<iommu::SecondLevelTable>(std::move(*table));
  impl_->vms_changed(domain, true);
  return {};
}

Expected<void> Fabric::unmap_vm(pcie::Domain domain, pcie::Vm vm, const Range<Gpa>& range) {
  auto* host = impl_->host(domain);
  if (host == nullptr || !host->vms.contains(vm)) return std::unexpected(TableError::no_such_thing);
  auto table = host->vms[vm]->without(range);
  if (!table) return std::unexpected(table.error());
  if (table->mappings().empty())
    host->vms.erase(vm);
  else
    host->vms[vm] = std::make_shared<iommu::SecondLevelTable>(std::move(*table));
  impl_->vms_changed(domain, false);
  return {};
}

void Fabric::record(const pcie::Transaction& transaction, const Resolution& resolution, Instant now) {
  impl_->record(transaction, resolution, now);
}

std::vector<pcie::Transaction> Fabric::take_emissions() {
  return std::exchange(impl_->emissions, {});
}

iommu::FaultLog& Fabric::fault_log(pcie::Domain domain) {
  return impl_->hosts.at(static_cast<std::size_t>(domain))->log;
}

bool Fabric::Impl::emit(const FunctionId& from, Iova address, std::uint32_t data) {
  auto message = tables->emitted_by(from, address, sizeof data, pcie::Access::write);
  message.data = data;
  std::size_t waiting = 0;
  for (const pcie::Transaction& other : emissions) {
    if (other.origin != message.origin) continue;
    // Two of the same that both wait are one interrupt.
    if (other.address == message.address && other.data == data) return true;
    ++waiting;
  }
  if (waiting == kMaxWaiting) return false;
  emissions.push_back(message);
  return true;
}

void Fabric::Impl::record(const pcie::Transaction& transaction, const Resolution& resolution, Instant now) {
  const Fault* fault = resolution.fault();
  if (fault == nullptr) return;
  refusals.add(fault->reason);
  if (const auto* from = std::get_if<pcie::NtbOrigin>(&transaction.origin); from && from->ntb < ntbs.size())
    ntbs[from->ntb]->function(from->link ? NtbSideName::link : NtbSideName::management).count_refused();
  if (fault->component.kind == ComponentKind::ntb && fault->component.index <= ntbs.size()) {
    Ntb& ntb = *ntbs[fault->component.index - 1u];
    if (fault->table == Table::ntb_lut) ntb.count_lut_miss();
    if (fault->table == Table::ntb_window) ntb.count_window_miss();
  }
  if (fault->component.kind != ComponentKind::iommu) return;
  hosts[static_cast<std::size_t>(fault->component.domain)]->log.record(
      {.at = now,
       .rid = fault->rid,
       .address = fault->address,
       .access = transaction.access,
       .reason = describe_fault(*tables, *fault)});
}

}  // namespace ladon::fabric
