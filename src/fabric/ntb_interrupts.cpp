// The NTB's doorbells, and how each side's function tells its host that one rings: as any device does, by an
// MSI-X message under its own requester ID.
#include <utility>

#include "fabric/ntb.h"

namespace ladon::fabric {

void Ntb::set_doorbell(NtbSideName side, std::uint32_t bits, std::uint32_t mask) {
  Side& state = sides_[static_cast<std::size_t>(side)];
  state.doorbell = bits;
  state.mask = mask;
  function(side).update_interrupt();
}

// One rule for all ways in which a doorbell can start to ring - a bit comes, a mask goes, MSI-X or bus
// mastering is turned on - and for all in which it stops.
void NtbFunction::update_interrupt() {
  const bool enabled = pcie::apply_msix_control(space_, msix_, *this);
  const bool rings = ntb_.sides_[static_cast<std::size_t>(side_)].ringing() && enabled && space_.bus_master();
  if (rings == std::exchange(signalled_, rings)) return;
  if (rings)
    (void)msix_.raise(spec::ntb::kDoorbellVector, *this);
  else
    msix_.withdraw(spec::ntb::kDoorbellVector);
}

pcie::DmaStatus NtbFunction::send_msi(Iova address, std::uint32_t data) {
  const FunctionId self{.is_ntb = true, .index = ntb_.index_, .function = static_cast<std::uint16_t>(side_)};
  if (ntb_.owner_.emit(self, address, data)) return pcie::DmaStatus::done;
  count_refused();
  return pcie::DmaStatus::refused;
}

void NtbFunction::write_msix_table(std::uint32_t index, std::uint32_t value) {
  msix_.write_table(4 * std::uint64_t{index}, value, *this);
}

void NtbFunction::write_doorbell_peer(std::uint32_t, std::uint32_t value) {
  const NtbSideName peer = side_ == NtbSideName::management ? NtbSideName::link : NtbSideName::management;
  const auto& state = ntb_.sides_[static_cast<std::size_t>(peer)];
  ntb_.set_doorbell(peer, state.doorbell | value, state.mask);
}

std::uint32_t NtbFunction::read_doorbell_status(std::uint32_t) {
  return ntb_.sides_[static_cast<std::size_t>(side_)].doorbell;
}

void NtbFunction::write_doorbell_status(std::uint32_t, std::uint32_t value) {
  const auto& state = ntb_.sides_[static_cast<std::size_t>(side_)];
  ntb_.set_doorbell(side_, state.doorbell & ~value, state.mask);
}

std::uint32_t NtbFunction::read_doorbell_mask(std::uint32_t) {
  return ntb_.sides_[static_cast<std::size_t>(side_)].mask;
}

void NtbFunction::write_doorbell_mask(std::uint32_t, std::uint32_t value) {
  ntb_.set_doorbell(side_, ntb_.sides_[static_cast<std::size_t>(side_)].doorbell, value);
}

}  // namespace ladon::fabric
