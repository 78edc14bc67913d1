#include "ch/host_part.h"

#include <algorithm>

#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::ch {

namespace control = host::control;
namespace ntb = spec::ntb;
namespace pci = spec::pci;

HostPart::HostPart(host::HostBridge& bridge, PartOptions options)
    : bridge_(bridge),
      options_(std::move(options)),
      slot_host_{.bridge = bridge,
                 .registers = BusAddr(0),
                 .bus = pcie::Bdf(0),
                 .bare = options_.bare,
                 .send = [this](const control::Message& message) { send(message); },
                 .on_assigned = options_.on_assignment} {
  const std::uint8_t count = std::min(options_.slots, kMaxSlots);
  for (std::uint8_t i = 0; i < count; ++i) slots_.push_back(VfSlot::make(slot_host_, i));
}

HostPart::~HostPart() {
  bridge_.listen({});
}

std::expected<void, std::string> HostPart::start() {
  std::unique_ptr<control::Port> port;
  {
    // Start-up runs on a bridge that answers at once; this object would fail, not wait, on another.
    host::BlockingHost host(bridge_);
    const auto description = host.describe();
    if (!description)
      return std::unexpected("the host does not describe itself: " + std::string(name(description.error())));
    auto opened = options_.management ? open_page(*description) : open_ntb(host, *description);
    if (!opened) return std::unexpected(opened.error());
    port = std::move(*opened);
  }
  bridge_.listen([this](const host::Event& event) { take(event); });
  channel_.emplace(std::move(port), control::Side::part);
  channel_->start([this] { greet(); }, [this](const control::Message& message) { take_message(message); });
  return {};
}

std::expected<std::unique_ptr<control::Port>, std::string> HostPart::open_page(
    const host::Description& description) {
  return control::page_port(bridge_, control::local_page(description), control::kManagementControlVector);
}

std::expected<std::unique_ptr<control::Port>, std::string> HostPart::open_ntb(
    host::BlockingHost& host, const host::Description& description) {
  const auto functions = host::enumerate(host, description, {});
  if (!functions) return std::unexpected(functions.error().message);
  const auto found = std::ranges::find_if(*functions, [](const host::PciFunction& f) {
    return f.vendor == pci::kLadonVendor && f.device == pci::kNtbLinkDevice;
  });
  if (found == functions->end()) return std::unexpected(std::string("no NTB is on this host's bus"));
  const BusAddr bar = found->bars[ntb::kControlBar].base;
  const auto id = host.load32(BusAddr(bar.bits() + ntb::kId));
  const auto side = host.load32(BusAddr(bar.bits() + ntb::kSide));
  if (!id || !side || *id != ntb::kMagic || *side != 1)
    return std::unexpected(pcie::to_string(found->bdf) + ": not the link side of an NTB");
  const auto routed = host::route_msix(host, found->bdf, found->bars, 0, control::kPartControlVector);
  if (!routed)
    return std::unexpected(pcie::to_string(found->bdf) +
                           ": no interrupt: " + std::string(name(routed.error())));
  if (const auto unmasked = host.store32(BusAddr(bar.bits() + ntb::kDoorbellMask), 0); !unmasked)
    return std::unexpected(pcie::to_string(found->bdf) + ": " + std::string(name(unmasked.error())));
  ntb_ = *found;
  slot_host_.registers = found->bars[ntb::kRegisterBar].base;
  slot_host_.bus = pcie::Bdf(found->bdf.bus(), 0, 0);
  return control::ntb_port(bridge_, bar);
}

void HostPart::poll() {
  if (channel_) channel_->poll();
}

PartHoldings HostPart::holdings() const {
  PartHoldings all{.ntb = ntb_, .slots = {}};
  for (const auto& slot : slots_) {
    all.slots.push_back(slot->holdings());
    all.settled &= slot->memory().settled();
  }
  return all;
}

void HostPart::send(const control::Message& message) {
  if (channel_) channel_->send(message);
}

// The first management host finds everything here untouched; a later one is told where each slot stands.
void HostPart::greet() {
  send(control::Ready{slots(), std::exchange(first_session_, false)});
  for (const auto& slot : slots_) slot->restate();
}

void HostPart::take(const host::Event& event) {
  if (const auto* fault = std::get_if<host::Fault>(&event)) {
    if (options_.on_fault) options_.on_fault(*fault);
    return report(*fault);
  }
  const std::uint32_t vector = std::get<host::Interrupt>(event).vector;
  if (vector == control::kPartControlVector) return poll();
  // Others of this host's vectors belong to its other programs.
  const std::uint32_t index = vector - control::kFirstSlotVector;
  if (index < slots_.size() * VfSlot::kVectors)
    slots_[index / VfSlot::kVectors]->interrupt(static_cast<std::uint16_t>(index % VfSlot::kVectors));
}

void HostPart::report(const host::Fault& fault) {
  // The management host records what its own IOMMU refuses.
  if (options_.management) return;
  const auto slot = std::ranges::find_if(
      slots_, [&](const auto& one) { return one->requester() && *one->requester() == fault.rid; });
  if (slot == slots_.end()) return;
  // Without the component: there is but one here.
  const auto table = fault.reason.rfind('/');
  send(control::FaultReport{
      .slot = static_cast<std::uint8_t>(slot - slots_.begin()),
      .access = fault.access,
      .address = fault.address,
      .text = table == std::string::npos ? fault.reason : fault.reason.substr(table + 1)});
}

void HostPart::take_message(const control::Message& message) {
  const auto slot_of = [this](std::uint8_t index) { return index < slots_.size() ? slots_[index] : nullptr; };
  if (const auto* assign = std::get_if<control::Assign>(&message)) {
    if (const auto slot = slot_of(assign->slot)) slot->assign(*assign);
  } else if (const auto* revoke = std::get_if<control::Revoke>(&message)) {
    if (const auto slot = slot_of(revoke->slot)) slot->revoke();
  } else if (const auto* quiesced = std::get_if<control::Quiesced>(&message)) {
    if (const auto slot = slot_of(quiesced->slot)) slot->quiesced();
  } else if (const auto* scrubbed = std::get_if<control::Scrubbed>(&message)) {
    if (const auto slot = slot_of(scrubbed->slot)) slot->scrubbed();
  } else if (const auto* fault = std::get_if<control::FaultReport>(&message)) {
    const auto slot = slot_of(fault->slot);
    if (!slot) return;
    slot->vf_was_reset();
    if (options_.on_vf_fault) options_.on_vf_fault(fault->slot, fault->reason);
  }
}

}  // namespace ladon::ch
