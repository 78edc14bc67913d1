#include "vhost/guest_memory.h"

namespace ladon::vhost {

std::expected<GuestMemory::Region, Refusal> GuestMemory::check(const MemoryRegion& region,
                                                               std::uint64_t file_size) {
  if (region.size == 0) return std::unexpected(Refusal::memory_empty);
  const auto guest = Range<Gpa>::of(Gpa(region.guest_address), region.size);
  const auto user = Range<UserAddr>::of(UserAddr(region.user_address), region.size);
  if (!guest || !user) return std::unexpected(Refusal::memory_wraps);
  if (region.file_offset > file_size || region.size > file_size - region.file_offset)
    return std::unexpected(Refusal::memory_outside_file);
  return Region{*guest, *user, nullptr, region.file_offset};
}

std::expected<GuestMemory, Refusal> GuestMemory::open(std::span<const MemoryRegion> regions,
                                                      std::span<FileDescriptor> files, const Limits& limits) {
  if (regions.empty() || regions.size() > spec::vhost_user::kMaxRegions || files.size() != regions.size())
    return std::unexpected(Refusal::memory_regions);
  GuestMemory memory;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const auto description = MemoryFile::describe(files[i].get());
    if (!description) return std::unexpected(Refusal::memory_bad_file);
    auto region = check(regions[i], description->size);
    if (!region) return std::unexpected(region.error());
    for (const Region& other : memory.regions_) {
      if (region->guest.overlaps(other.guest) || region->user.overlaps(other.user))
        return std::unexpected(Refusal::memory_overlap);
      // All are of one owner, and `other` keeps its file: the same identity is the same file.
      if (other.file->identity() == description->identity && other.file->size() == description->size)
        region->file = other.file;
    }
    if (region->file == nullptr) {
      if (description->size > limits.bytes - bytes) return std::unexpected(Refusal::memory_too_large);
      bytes += description->size;
      auto file = MemoryFile::open(std::move(files[i]));
      if (!file || file->size() < description->size) return std::unexpected(Refusal::memory_bad_file);
      if (!file->writable()) return std::unexpected(Refusal::memory_not_writable);
      region->file = std::make_shared<MemoryFile>(std::move(*file));
    }
    memory.mapped_ = memory.mapped_ && region->file->mapped_or_null() != nullptr;
    memory.regions_.push_back(std::move(*region));
  }
  return memory;
}

std::optional<Stretch> GuestMemory::search(Gpa at) const {
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    const Region& region = regions_[i];
    if (!region.guest.contains(at)) continue;
    last_ = i;
    return stretch(region, at.bits() - region.guest.first().bits());
  }
  return std::nullopt;
}

std::optional<Stretch> GuestMemory::find(UserAddr at) const {
  for (const Region& region : regions_)
    if (region.user.contains(at)) return stretch(region, at.bits() - region.user.first().bits());
  return std::nullopt;
}

}  // namespace ladon::vhost
