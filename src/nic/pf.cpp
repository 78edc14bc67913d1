#include "nic/pf.h"

#include "nic/config.h"

namespace ladon::nic {

Pf::Pf(Engine& engine, const NicOptions& options)
    : engine_(engine), config_(make_pf_config(options)), levels_(engine) {}

std::uint32_t Pf::config_read(std::uint16_t offset, unsigned width) {
  return config_.read(offset, width);
}

void Pf::config_write(std::uint16_t offset, unsigned width, std::uint32_t value) {
  if (engine_.defer([=, this] { config_write(offset, width, value); })) return;
  if (config_.write(offset, width, value)) engine_.decode_changed();
  if (config_.take_flr_request()) {
    // An FLR of the PF resets all of the device, its virtual functions included (SR-IOV 1.1, 2.2.2).
    config_.reset();
    engine_.pf_msix().reset();
    reset();
    engine_.decode_changed();
  }
  const bool msix = apply_msix_control(config_, engine_.pf_msix(), engine_.pf_port());
  engine_.events().set_deliverable(msix && config_.bus_master());
  if (const auto sriov = config_.sriov()) engine_.set_sriov(*sriov);
  engine_.settle();
}

void Pf::reset() {
  for (std::uint16_t i = 0; i < engine_.vfs(); ++i) engine_.vf(i).scrub();
  engine_.reset_levels();
  levels_.reset();
  engine_.filters.fill({});
  engine_.addresses_changed();
  engine_.wire().enabled = false;
  engine_.events().clear();
}

}  // namespace ladon::nic
