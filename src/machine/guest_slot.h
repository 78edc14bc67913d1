// What a guest's QEMU finds behind its vfio-user socket: a VF as VFIO would present it. The slot stays while
// guests and VFs come and go; it holds no hardware, only the compute host's VfSlot.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/counters.h"
#include "base/event_fd.h"
#include "ch/guest_config.h"
#include "ch/vf_slot.h"
#include "vfio/device.h"

namespace ladon::machine {

// What a guest did that no driver does.
enum class GuestMistake : std::uint8_t {
  msix_table_write,  // wrote the raw MSI-X table past its hypervisor
  odd_access,        // of a register: not 1, 2, 4 or 8 aligned bytes
  count_
};
[[nodiscard]] std::string_view name(GuestMistake mistake);

class GuestSlot final : public vfio::Device {
 public:
  GuestSlot(std::shared_ptr<ch::VfSlot> slot, std::uint16_t vf_device, std::uint64_t serial);

  [[nodiscard]] vfio::DeviceInfo device_info() const override { return {}; }
  [[nodiscard]] vfio::RegionInfo region_info(std::uint32_t index) const override;
  [[nodiscard]] vfio::IrqInfo irq_info(std::uint32_t index) const override;
  vfio::Status region_read(std::uint32_t index, std::uint64_t offset, Bytes into) override;
  vfio::Status region_write(std::uint32_t index, std::uint64_t offset, ConstBytes from) override;
  vfio::Status dma_map(vfio::DmaMapping mapping) override;
  void dma_unmap(Range<Gpa> range, vfio::Completion done) override;
  vfio::Status set_irqs(std::uint32_t index, std::uint32_t start, std::vector<FileDescriptor> fds) override;
  vfio::Status clear_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) override;
  vfio::Status mask_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) override;
  vfio::Status unmask_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) override;
  vfio::Status trigger_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) override;
  void reset(vfio::Completion done) override;
  void attached() override;
  void detached(vfio::Completion done) override;

  [[nodiscard]] const ch::VfSlot& vf_slot() const { return *slot_; }
  [[nodiscard]] const Counters<GuestMistake>& mistakes() const { return mistakes_; }
  // Interrupts handed to the guest since it came.
  [[nodiscard]] std::uint64_t interrupts() const { return interrupts_; }

 private:
  [[nodiscard]] std::uint64_t read_unit(std::uint32_t index, std::uint64_t offset, unsigned width);
  void write_unit(std::uint32_t index, std::uint64_t offset, unsigned width, std::uint64_t value);
  void clear_vectors();

  std::shared_ptr<ch::VfSlot> slot_;
  ch::GuestConfig config_;
  std::array<std::shared_ptr<EventFd>, ch::VfSlot::kVectors> vectors_;
  Counters<GuestMistake> mistakes_;
  std::uint64_t interrupts_ = 0;
};

}  // namespace ladon::machine
