// The memory that a front end shares: which file's bytes are at which address of the guest, and of the front
// end itself. vhost-user, "Memory access".
//
// A file that its owner could shrink is never touched through a pointer (base/memory_file.h): it has no
// `mapped`, and every access to it is a copy by the kernel.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/memory_file.h"
#include "vhost/codec.h"
#include "vhost/refusal.h"

namespace ladon::vhost {

using UserAddr = Address<struct UserAddrTag>;  // in the front end's own address space

// Bytes that follow one another in one file.
struct Stretch {
  std::byte* mapped = nullptr;  // null: only read and write
  MemoryFile* file = nullptr;
  std::uint64_t offset = 0;  // in the file
  std::uint64_t length = 0;

  // The first bytes. False if the file has shrunk; the caller has checked the length.
  [[nodiscard]] bool read(Bytes into) const {
    if (mapped == nullptr) return file->read(offset, into).has_value();
    std::memcpy(into.data(), mapped, into.size());
    return true;
  }
  [[nodiscard]] bool write(ConstBytes from) const {
    if (mapped == nullptr) return file->write(offset, from).has_value();
    std::memmove(mapped, from.data(), from.size());  // a frame may come from this very memory
    return true;
  }
  // Without the first `bytes`.
  [[nodiscard]] Stretch after(std::uint64_t bytes) const {
    return {mapped == nullptr ? nullptr : mapped + bytes, file, offset + bytes, length - bytes};
  }
};

class GuestMemory {
 public:
  struct Limits {
    // Of all files together, mapped whole however little of them is used: address space is everybody's.
    std::uint64_t bytes = std::uint64_t{256} << 30;
  };
  // One file for each region; they are taken over.
  [[nodiscard]] static std::expected<GuestMemory, Refusal> open(std::span<const MemoryRegion> regions,
                                                                std::span<FileDescriptor> files,
                                                                const Limits& limits);

  // What is at an address, to the end of its region; nullopt if nothing is.
  [[nodiscard]] std::optional<Stretch> find(Gpa at) const {
    // Most of what a guest uses lies in one region.
    const Region& last = regions_[last_];
    if (at.bits() - last.guest.first().bits() <= last.guest.span()) [[likely]]
      return stretch(last, at.bits() - last.guest.first().bits());
    return search(at);
  }
  [[nodiscard]] std::optional<Stretch> find(UserAddr at) const;

  // Every byte has a pointer.
  [[nodiscard]] bool mapped() const { return mapped_; }

 private:
  struct Region {
    Range<Gpa> guest;
    Range<UserAddr> user;
    std::shared_ptr<MemoryFile> file;  // regions of one file share it
    std::uint64_t file_offset = 0;
  };
  [[nodiscard]] static std::expected<Region, Refusal> check(const MemoryRegion& region,
                                                            std::uint64_t file_size);
  [[nodiscard]] static Stretch stretch(const Region& region, std::uint64_t into) {
    std::byte* const base = region.file->mapped_or_null();
    const std::uint64_t offset = region.file_offset + into;
    return {base == nullptr ? nullptr : base + offset, region.file.get(), offset,
            region.guest.span() - into + 1};
  }
  [[nodiscard]] std::optional<Stretch> search(Gpa at) const;

  std::vector<Region> regions_;  // at least one
  mutable std::size_t last_ = 0;
  bool mapped_ = true;
};

}  // namespace ladon::vhost
