#include "machine/rack_capture.h"

#include <fmt/format.h>

#include "fabric/hop_record.h"
#include "machine/capture.h"

namespace ladon::machine {

using port::LinkType;

std::expected<std::unique_ptr<RackCapture>, std::string> RackCapture::open(const Rack& rack,
                                                                           const Clock& clock) {
  if (rack.capture.file.empty()) return nullptr;
  auto file = port::PcapNg::open(rack.capture.file, {.limit = rack.capture.limit});
  if (!file) return std::unexpected(file.error());
  return std::unique_ptr<RackCapture>(new RackCapture(rack, std::move(*file), clock));
}

RackCapture::RackCapture(const Rack& rack, port::PcapNg file, const Clock& clock)
    : file_(std::move(file)),
      clock_(clock),
      epoch_(time_of_day_at_zero(clock)),
      fabric_(rack.capture.fabric) {
  taps_.reserve(rack.nics.size());
  for (const NicSpec& nic : rack.nics) taps_.emplace_back(*this, nic);
}

std::uint32_t RackCapture::NicTap::interface_of(bool wire, std::uint16_t vf) {
  const std::uint32_t key = wire ? 0 : vf + 1u;
  if (const auto known = interfaces_.find(key); known != interfaces_.end()) return known->second;
  const std::string name = wire ? nic_.name + " wire" : fmt::format("{} VF {}", nic_.name, vf);
  const auto added = capture_.file_.add({.name = name, .link_type = LinkType::ethernet});
  return interfaces_.emplace(key, added).first->second;
}

// Inbound is what the NIC takes from its wire and a guest from its VF.
void RackCapture::NicTap::frame(nic::TapPoint point, std::uint16_t vf, ConstBytes bytes, Instant at) {
  const bool wire = point == nic::TapPoint::wire_sent || point == nic::TapPoint::wire_received;
  const bool received = point == nic::TapPoint::wire_received || point == nic::TapPoint::vf_received;
  capture_.file_.write(interface_of(wire, vf), capture_.since_1970(at),
                       received ? port::Direction::inbound : port::Direction::outbound, bytes);
}

std::uint32_t RackCapture::interface_of(const fabric::Tables& tables, const fabric::ComponentId& component) {
  if (const auto known = interfaces_.find(component); known != interfaces_.end()) return known->second;
  const auto added = file_.add({.name = tables.name(component),
                                .description = "hops of accesses, see hop_record.h",
                                .link_type = LinkType::user0});
  return interfaces_.emplace(component, added).first->second;
}

void RackCapture::access(const fabric::Tables& tables, const pcie::Transaction& transaction,
                         const fabric::Resolution& way) {
  const Duration now = since_1970(clock_.now());
  const std::uint64_t number = ++accesses_;
  for (const auto leg : {fabric::Leg::request, fabric::Leg::completion}) {
    const auto& hops = leg == fabric::Leg::request ? way.hops : way.return_hops;
    for (std::size_t i = 0; i < hops.size(); ++i) {
      fabric::make_hop_record(tables, transaction, way, leg, i, number, record_);
      file_.write(interface_of(tables, hops[i].component), now, port::Direction::unknown, record_);
    }
  }
}

}  // namespace ladon::machine
