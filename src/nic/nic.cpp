#include "nic/nic.h"

#include <algorithm>
#include <stdexcept>

#include "nic/engine.h"
#include "nic/pf.h"

namespace ladon::nic {

namespace {

std::unique_ptr<Engine> make_engine(const NicOptions& options, const Clock& clock, Wire& wire,
                                    std::span<pcie::DmaPort* const> ports) {
  if (options.vfs < 1 || options.vfs > spec::pf::kMaxVfs)
    throw std::invalid_argument("a NIC has 1 to 63 virtual functions");
  if (ports.size() != options.vfs + 1u || std::ranges::find(ports, nullptr) != ports.end())
    throw std::invalid_argument("a NIC needs one DMA port for every function");
  return std::make_unique<Engine>(options, clock, wire, ports);
}

}  // namespace

Nic::Nic(const NicOptions& options, const Clock& clock, Wire& wire, std::span<pcie::DmaPort* const> ports)
    : engine_(make_engine(options, clock, wire, ports)), pf_(std::make_unique<Pf>(*engine_, options)) {}

Nic::~Nic() = default;

pcie::Function* Nic::function(std::uint16_t index) {
  if (index == 0) return pf_.get();
  if (index < kFirstVfOffset || (index - kFirstVfOffset) % kVfStride != 0) return nullptr;
  const auto vf = static_cast<std::uint16_t>((index - kFirstVfOffset) / kVfStride);
  return vf < engine_->vfs_enabled() ? &engine_->vf(vf) : nullptr;
}

std::vector<std::uint16_t> Nic::functions() const {
  std::vector<std::uint16_t> present{0};
  for (std::uint16_t i = 0; i < engine_->vfs_enabled(); ++i)
    present.push_back(static_cast<std::uint16_t>(kFirstVfOffset + i * kVfStride));
  return present;
}

std::uint64_t Nic::decode_version() const {
  return engine_->decode_version();
}

void Nic::dma_completed(pcie::DmaTag tag, pcie::DmaStatus status) {
  engine_->completed(tag, status);
}
bool Nic::poll(std::size_t budget) {
  return engine_->poll(budget);
}
bool Nic::has_work() const {
  return engine_->has_work();
}
std::optional<Instant> Nic::next_deadline() const {
  return engine_->next_deadline();
}
void Nic::set_tap(FrameTap* tap) {
  engine_->set_tap(tap);
}

std::uint16_t Nic::vfs() const {
  return engine_->vfs();
}
const Counters<VfDrop>& Nic::drops(std::uint16_t vf) const {
  return engine_->vf(vf).drops();
}
const Counters<WireDrop>& Nic::wire_drops() const {
  return engine_->wire().drops;
}
const VfStatistics& Nic::statistics(std::uint16_t vf) const {
  return engine_->vf(vf).statistics();
}
const Counters<VfFault>& Nic::faults(std::uint16_t vf) const {
  return engine_->vf(vf).faults();
}
const Counters<VfDrop>& Nic::former_drops(std::uint16_t vf) const {
  return engine_->vf(vf).cleared().drops;
}
const Counters<VfFault>& Nic::former_faults(std::uint16_t vf) const {
  return engine_->vf(vf).cleared().faults;
}
MacAddress Nic::mac(std::uint16_t vf) const {
  return engine_->vf(vf).policy().mac;
}
bool Nic::link_up(std::uint16_t vf) const {
  return engine_->vf(vf).link_up();
}

const qos::Partitions& Nic::packet_memory() const {
  return engine_->services().memory();
}
const qos::ServiceLevel& Nic::level(std::uint16_t vf) const {
  return engine_->services().level(vf);
}

std::optional<qos::LevelRefusal> Nic::set_level(std::uint16_t vf, const qos::ServiceLevel& level) {
  return engine_->set_level(vf, level);
}
bool Nic::set_capacity(const Capacity& capacity) {
  return engine_->set_capacity(capacity);
}

}  // namespace ladon::nic
