// The device behind a vfio-user socket, as the server needs it: one PCI function with regions, interrupts and
// the client's memory. Whoever emulates the function implements this; it never sees a message.
//
// The server has checked everything that can be checked without knowing the device: indices and ranges lie
// inside what region_info and irq_info answer, DMA ranges are page-aligned, inside their file, and neither
// overlap nor repeat. All calls come from the thread that runs the server's event loop; none may block.
// Source of the terms: vfio-user protocol 0.0 (QEMU, docs/interop/vfio-user.rst) and linux/vfio.h.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/descriptor.h"
#include "pcie/transaction.h"

namespace ladon::vfio {

// Why a request is refused; goes to the client as the errno of the same meaning.
enum class Error : std::uint8_t {
  invalid,        // EINVAL
  not_found,      // ENOENT
  exists,         // EEXIST
  no_memory,      // ENOMEM
  no_space,       // ENOSPC: a limit is reached
  too_big,        // E2BIG
  not_supported,  // ENOTSUP
  busy,           // EBUSY
  io,             // EIO
};
using Status = std::expected<void, Error>;
// The answer to a request that may take a while; call it exactly once, at once or later, on the loop's
// thread. Calling it after the client or even the server has gone is safe and does nothing.
using Completion = std::move_only_function<void(Status)>;

// Region and interrupt indices of a PCI device (linux/vfio.h).
enum : std::uint32_t {
  kBar0Region = 0,
  kBar5Region = 5,
  kRomRegion = 6,
  kConfigRegion = 7,
  kVgaRegion = 8,
  kPciRegions = 9
};
enum : std::uint32_t {
  kIntxIrq = 0,
  kMsiIrq = 1,
  kMsixIrq = 2,
  kErrorIrq = 3,
  kRequestIrq = 4,
  kPciIrqs = 5
};

struct DeviceInfo {
  std::uint32_t regions = kPciRegions;
  std::uint32_t irqs = kPciIrqs;
  bool resettable = true;
};

struct MappableArea {  // bytes of a region that the client may map
  std::uint64_t offset = 0, length = 0;
};
struct RegionInfo {
  std::uint64_t size = 0;  // bytes; 0: the region is not there
  bool readable = false, writable = false;
  // With `fd` the region can be mapped: whole if `areas` is empty, else only there. The region's byte 0 is at
  // `file_offset`. The server borrows the descriptor for the reply.
  int fd = -1;
  std::uint64_t file_offset = 0;
  std::vector<MappableArea> areas;
};

struct IrqInfo {
  std::uint32_t count = 0;
  bool maskable = false, automasked = false, no_resize = false;
};

// Memory that the client lets the device reach at `range`: byte 0 is at `file_offset` of `file`.
struct DmaMapping {
  Range<Gpa> range = Range<Gpa>::everything();
  pcie::AccessSet access;
  FileDescriptor file;  // a regular file, owned by the device from here on
  std::uint64_t file_offset = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  [[nodiscard]] virtual DeviceInfo device_info() const = 0;
  [[nodiscard]] virtual RegionInfo region_info(std::uint32_t index) const = 0;
  [[nodiscard]] virtual IrqInfo irq_info(std::uint32_t index) const = 0;

  // One access of the client, any length and alignment inside a region that is readable (writable). Bytes in
  // the guest's order (little endian).
  virtual Status region_read(std::uint32_t index, std::uint64_t offset, Bytes into) = 0;
  virtual Status region_write(std::uint32_t index, std::uint64_t offset, ConstBytes from) = 0;

  virtual Status dma_map(DmaMapping mapping) = 0;
  // `range` is exactly that of an earlier dma_map. `done` when nothing in flight can reach the memory any
  // more: the client reuses it from then on. The client's other messages wait meanwhile.
  virtual void dma_unmap(Range<Gpa> range, Completion done) = 0;

  // Vectors [start, start + fds.size()) of the interrupt type signal these eventfds from now on.
  virtual Status set_irqs(std::uint32_t index, std::uint32_t start, std::vector<FileDescriptor> fds) = 0;
  // They signal nothing from now on.
  virtual Status clear_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) = 0;
  virtual Status mask_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) = 0;
  virtual Status unmask_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) = 0;
  // The client asks for the interrupts as if the device had raised them.
  virtual Status trigger_irqs(std::uint32_t index, std::uint32_t start, std::uint32_t count) = 0;

  // Function-level reset; maps and eventfds stay. The client's other messages wait until `done`.
  virtual void reset(Completion done) = 0;

  // A client has connected and agreed on a version.
  virtual void attached() = 0;
  // That client has gone, however it went: let go of all its maps and eventfds (they are not unmapped one by
  // one). `done` when nothing in flight can reach its memory any more; the next client is accepted then.
  virtual void detached(Completion done) = 0;
};

}  // namespace ladon::vfio
