// A device that remembers what the server did to it: configuration space of 256 bytes, BAR 0 of 4 KiB that
// stores what is written, a read-only BAR 2, a write-only BAR 4, three MSI-X vectors. Unmaps, resets and
// detachments complete at once, or when the test says so.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event_fd.h"
#include "base/memory_file.h"
#include "vfio/device.h"

namespace ladon::vfio {

class FakeDevice final : public Device {
 public:
  static constexpr std::uint64_t kBarBytes = 4096, kConfigBytes = 256;
  static constexpr std::uint32_t kVectors = 40;

  struct Mapping {
    Range<Gpa> range;
    pcie::AccessSet access;
    FileDescriptor file;
    std::uint64_t file_offset;
  };

  bool complete_at_once = true;
  bool resettable = true;
  std::optional<Error> fail;  // what accesses, maps, unmaps and interrupts are answered with
  RegionInfo rom{};           // what region 6 is
  std::move_only_function<void()> on_write;

  std::array<std::byte, kBarBytes> bar{};
  std::map<Gpa, Mapping> mappings;
  std::array<std::optional<EventFd>, kVectors> events;
  std::vector<Completion> pending;  // what the device has not completed yet
  std::string log;                  // one letter for everything but region accesses
  std::size_t writes = 0, reads = 0;
  int attachments = 0;

  DeviceInfo device_info() const override { return {.resettable = resettable}; }

  RegionInfo region_info(std::uint32_t index) const override {
    RegionInfo info;
    if (index == 0) info = {.size = kBarBytes, .readable = true, .writable = true, .areas = {}};
    if (index == 2) info = {.size = kBarBytes, .readable = true, .areas = {}};
    if (index == 4) info = {.size = kBarBytes, .writable = true, .areas = {}};
    if (index == kRomRegion) info = rom;
    if (index == kConfigRegion)
      info = {.size = kConfigBytes, .readable = true, .writable = true, .areas = {}};
    return info;
  }
  IrqInfo irq_info(std::uint32_t index) const override {
    if (index == kMsixIrq) return {.count = kVectors, .no_resize = true};
    if (index == kIntxIrq) return {.count = 1, .maskable = true, .automasked = true};
    return {};
  }

  Status region_read(std::uint32_t, std::uint64_t offset, Bytes into) override {
    ++reads;
    if (fail) return std::unexpected(*fail);
    std::copy_n(bar.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  }
  Status region_write(std::uint32_t, std::uint64_t offset, ConstBytes from) override {
    ++writes;
    if (on_write) on_write();
    if (fail) return std::unexpected(*fail);
    std::ranges::copy(from, bar.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }

  Status dma_map(DmaMapping mapping) override {
    log += 'm';
    if (fail) return std::unexpected(*fail);
    mappings.emplace(mapping.range.first(),
                     Mapping{mapping.range, mapping.access, std::move(mapping.file), mapping.file_offset});
    return {};
  }
  void dma_unmap(Range<Gpa> range, Completion done) override {
    log += 'u';
    mappings.erase(range.first());
    finish(std::move(done));
  }

  Status set_irqs(std::uint32_t index, std::uint32_t start, std::vector<FileDescriptor> fds) override {
    log += 's';
    if (fail) return std::unexpected(*fail);
    for (std::size_t i = 0; i < fds.size() && index == kMsixIrq; ++i)
      events[start + i] = std::move(*EventFd::adopt(std::move(fds[i])));
    return {};
  }
  Status clear_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) override {
    log += 'c';
    for (std::uint32_t i = 0; i < count && index == kMsixIrq; ++i) events[start + i].reset();
    return {};
  }
  Status mask_irqs(std::uint32_t, std::uint32_t, std::uint32_t) override { return log += 'k', Status{}; }
  Status unmask_irqs(std::uint32_t, std::uint32_t, std::uint32_t) override { return log += 'l', Status{}; }
  Status trigger_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) override {
    log += 't';
    for (std::uint32_t i = 0; i < count && index == kMsixIrq; ++i)
      if (events[start + i]) events[start + i]->signal();
    return {};
  }

  void reset(Completion done) override {
    log += 'r';
    bar.fill({});
    finish(std::move(done));
  }
  void attached() override { log += 'A', ++attachments; }
  void detached(Completion done) override {
    log += 'D';
    mappings.clear();
    for (auto& event : events) event.reset();
    finish(std::move(done));
  }

  // Completes what was asked first and has not been completed.
  void complete(Status status = {}) {
    Completion done = std::move(pending.front());
    pending.erase(pending.begin());
    done(status);
  }

 private:
  void finish(Completion done) {
    if (!complete_at_once)
      pending.push_back(std::move(done));
    else
      done(fail ? Status(std::unexpected(*fail)) : Status());
  }
};

}  // namespace ladon::vfio
