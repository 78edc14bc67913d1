#include "machine/guest_slot.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "spec/ixgbevf.h"

namespace ladon::machine {
namespace {

namespace regs = spec::ixgbevf;

constexpr std::uint64_t kConfigSize = 4096;

vfio::Error error_of(ch::SlotRefusal refusal) {
  switch (refusal) {
    case ch::SlotRefusal::no_vf:
    case ch::SlotRefusal::busy:
    case ch::SlotRefusal::not_at_once:
      return vfio::Error::busy;
    case ch::SlotRefusal::host_error:
      return vfio::Error::no_memory;
    case ch::SlotRefusal::bad_register:
    case ch::SlotRefusal::bad_map:
    case ch::SlotRefusal::bad_unmap:
    case ch::SlotRefusal::count_:
      return vfio::Error::invalid;
  }
  std::unreachable();
}

vfio::Status status_of(const ch::VfSlot::Outcome& outcome) {
  if (!outcome) return std::unexpected(error_of(outcome.error()));
  return {};
}

// The widest naturally aligned access at `offset` that `left` bytes allow.
unsigned unit_width(std::uint64_t offset, std::size_t left, unsigned widest) {
  unsigned width = widest;
  while (width > left || offset % width != 0) width /= 2;
  return width;
}

}  // namespace

std::string_view name(GuestMistake mistake) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(GuestMistake::count_)> kNames = {
      "MSI-X table write", "odd access"};
  return kNames[static_cast<std::size_t>(mistake)];
}

GuestSlot::GuestSlot(std::shared_ptr<ch::VfSlot> slot, std::uint16_t vf_device, std::uint64_t serial)
    : slot_(std::move(slot)), config_(vf_device, serial) {}

vfio::RegionInfo GuestSlot::region_info(std::uint32_t index) const {
  vfio::RegionInfo info;
  if (index == regs::kRegisterBar) info.size = regs::kBarSize;
  if (index == regs::kMsixBar) info.size = regs::kMsixBarSize;
  if (index == vfio::kConfigRegion) info.size = kConfigSize;
  info.readable = info.writable = info.size > 0;
  return info;
}

vfio::IrqInfo GuestSlot::irq_info(std::uint32_t index) const {
  if (index == vfio::kMsixIrq) return {.count = ch::VfSlot::kVectors, .no_resize = true};
  // The client arms these two on every device; nothing here raises them.
  if (index == vfio::kErrorIrq || index == vfio::kRequestIrq) return {.count = 1};
  return {};
}

std::uint64_t GuestSlot::read_unit(std::uint32_t index, std::uint64_t offset, unsigned width) {
  if (index == vfio::kConfigRegion) return config_.read(static_cast<std::uint16_t>(offset), width);
  // The table holds the host's own message addresses; QEMU keeps the guest's. Pending bits are the guest's to
  // see.
  if (index == regs::kMsixBar && offset < regs::kMsixPendingOffset) return 0;
  return slot_->register_read(static_cast<std::uint8_t>(index), offset, static_cast<std::uint8_t>(width));
}

void GuestSlot::write_unit(std::uint32_t index, std::uint64_t offset, unsigned width, std::uint64_t value) {
  if (index == vfio::kConfigRegion) {
    if (config_.write(static_cast<std::uint16_t>(offset), width, static_cast<std::uint32_t>(value))) {
      slot_->reset();
      config_.reset();
    }
    slot_->set_bus_master(config_.bus_master());
    return;
  }
  if (index == regs::kMsixBar) {
    mistakes_.add(GuestMistake::msix_table_write);
    return;
  }
  slot_->register_write(static_cast<std::uint8_t>(index), offset, static_cast<std::uint8_t>(width), value);
}

vfio::Status GuestSlot::region_read(std::uint32_t index, std::uint64_t offset, Bytes into) {
  const unsigned widest = index == vfio::kConfigRegion ? 4 : 8;
  for (std::size_t done = 0; done < into.size();) {
    const unsigned width = unit_width(offset + done, into.size() - done, widest);
    const std::uint64_t value = read_unit(index, offset + done, width);
    std::memcpy(into.data() + done, &value, width);
    done += width;
  }
  return {};
}

vfio::Status GuestSlot::region_write(std::uint32_t index, std::uint64_t offset, ConstBytes from) {
  const bool whole = std::has_single_bit(from.size()) && from.size() <= 8 && offset % from.size() == 0;
  if (!whole && index != vfio::kConfigRegion) mistakes_.add(GuestMistake::odd_access);
  const unsigned widest = index == vfio::kConfigRegion ? 4 : 8;
  for (std::size_t done = 0; done < from.size();) {
    const unsigned width = unit_width(offset + done, from.size() - done, widest);
    std::uint64_t value = 0;
    std::memcpy(&value, from.data() + done, width);
    write_unit(index, offset + done, width, value);
    done += width;
  }
  return {};
}

vfio::Status GuestSlot::dma_map(vfio::DmaMapping mapping) {
  // Shared: should the host answer late, the client has been told `io` and the answer is for nobody.
  const auto status = std::make_shared<vfio::Status>(std::unexpected(vfio::Error::io));
  slot_->map(mapping.range.first(), mapping.range.span() + 1, mapping.file.get(), mapping.file_offset,
             mapping.access, [status](ch::VfSlot::Outcome outcome) { *status = status_of(outcome); });
  return *status;
}

void GuestSlot::dma_unmap(Range<Gpa> range, vfio::Completion done) {
  slot_->unmap(range,
               [done = std::move(done)](ch::VfSlot::Outcome outcome) mutable { done(status_of(outcome)); });
}

vfio::Status GuestSlot::set_irqs(std::uint32_t index, std::uint32_t start, std::vector<FileDescriptor> fds) {
  if (index != vfio::kMsixIrq) return {};
  for (std::size_t i = 0; i < fds.size(); ++i) {
    auto adopted = EventFd::adopt(std::move(fds[i]));
    if (!adopted) return std::unexpected(vfio::Error::invalid);
    const std::size_t vector = start + i;
    vectors_[vector] = std::make_shared<EventFd>(std::move(*adopted));
    (void)slot_->set_vector(static_cast<std::uint16_t>(vector), [this, event = vectors_[vector]] {
      ++interrupts_;
      event->signal();
    });
  }
  return {};
}

vfio::Status GuestSlot::clear_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) {
  if (index != vfio::kMsixIrq) return {};
  for (std::uint32_t i = 0; i < count; ++i) {
    vectors_[start + i] = nullptr;
    (void)slot_->set_vector(static_cast<std::uint16_t>(start + i), {});
  }
  return {};
}

vfio::Status GuestSlot::mask_irqs(std::uint32_t, std::uint32_t, std::uint32_t) {
  return std::unexpected(vfio::Error::not_supported);
}

vfio::Status GuestSlot::unmask_irqs(std::uint32_t, std::uint32_t, std::uint32_t) {
  return std::unexpected(vfio::Error::not_supported);
}

vfio::Status GuestSlot::trigger_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) {
  if (index != vfio::kMsixIrq) return {};
  for (std::uint32_t i = 0; i < count; ++i)
    if (vectors_[start + i]) vectors_[start + i]->signal();
  return {};
}

void GuestSlot::reset(vfio::Completion done) {
  slot_->reset();
  config_.reset();
  slot_->set_bus_master(false);
  done({});
}

void GuestSlot::attached() {
  (void)slot_->attach();
}

void GuestSlot::clear_vectors() {
  for (auto& vector : vectors_) vector = nullptr;
}

void GuestSlot::detached(vfio::Completion done) {
  clear_vectors();
  config_.reset();
  slot_->detach([done = std::move(done)]() mutable { done({}); });
}

}  // namespace ladon::machine
