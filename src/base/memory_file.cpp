#include "base/memory_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

namespace ladon {

namespace {

constexpr auto kNames = std::to_array<std::string_view>({
    "not a regular file",
    "not on tmpfs or hugetlbfs",
    "empty file",
    "file too large",
    "file not readable",
    "outside the file",
    "file has shrunk",
    "file not writable",
});
static_assert(kNames.size() == static_cast<std::size_t>(MemoryFileError::count_));

// A page that is not there any more is a short count; through a pointer it would be SIGBUS.
using Copy = ssize_t (*)(pid_t, const iovec*, unsigned long, const iovec*, unsigned long, unsigned long);
[[nodiscard]] bool copy_by_kernel(Copy copy, std::byte* here, std::byte* file, std::size_t length) {
  while (length > 0) {
    const iovec local{here, length}, remote{file, length};
    const ssize_t moved = copy(::getpid(), &local, 1, &remote, 1, 0);
    if (moved <= 0) return false;
    here += moved, file += moved, length -= static_cast<std::size_t>(moved);
  }
  return true;
}

}  // namespace

std::string_view name(MemoryFileError error) {
  return kNames[static_cast<std::size_t>(error)];
}

std::expected<MemoryFile::Description, MemoryFileError> MemoryFile::describe(int fd) {
  // First the seals: one that is set stays, and a size that is read afterwards can then only grow.
  const int seals = ::fcntl(fd, F_GET_SEALS);
  struct stat file{};
  struct statfs system{};
  if (::fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) return std::unexpected(MemoryFileError::not_a_file);
  if (::fstatfs(fd, &system) != 0) return std::unexpected(MemoryFileError::unsupported);
  const bool huge = system.f_type == HUGETLBFS_MAGIC;
  if (!huge && system.f_type != TMPFS_MAGIC) return std::unexpected(MemoryFileError::unsupported);
  const auto size = static_cast<std::uint64_t>(file.st_size);
  if (size == 0) return std::unexpected(MemoryFileError::empty);
  if (size > kLargestMemoryFile) return std::unexpected(MemoryFileError::too_large);
  // A huge page that has been punched out may find the pool empty when it is touched again: that is SIGBUS
  // too.
  const bool sealed = !huge && seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
  return Description{{file.st_dev, file.st_ino}, size, sealed};
}

std::expected<MemoryFile, MemoryFileError> MemoryFile::open(FileDescriptor fd) {
  auto description = describe(fd.get());
  if (!description) return std::unexpected(description.error());
  bool writable = true;
  void* memory =
      ::mmap(nullptr, description->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
  if (memory == MAP_FAILED) {
    writable = false;
    memory = ::mmap(nullptr, description->size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
  }
  if (memory == MAP_FAILED) return std::unexpected(MemoryFileError::unreadable);
  ::madvise(memory, description->size, MADV_DONTFORK);
  return MemoryFile(*description, static_cast<std::byte*>(memory), writable);
}

MemoryFile::MemoryFile(MemoryFile&& other) noexcept
    : description_(other.description_),
      memory_(std::exchange(other.memory_, nullptr)),
      writable_(other.writable_) {}

MemoryFile& MemoryFile::operator=(MemoryFile&& other) noexcept {
  std::swap(description_, other.description_);
  std::swap(memory_, other.memory_);
  std::swap(writable_, other.writable_);
  return *this;
}

MemoryFile::~MemoryFile() {
  if (memory_ != nullptr) ::munmap(memory_, description_.size);
}

bool MemoryFile::contains(std::uint64_t offset, std::uint64_t length) const {
  return offset <= description_.size && length <= description_.size - offset;
}

std::expected<void, MemoryFileError> MemoryFile::read(std::uint64_t offset, Bytes into) const {
  if (!contains(offset, into.size())) return std::unexpected(MemoryFileError::outside);
  if (description_.sealed && !into.empty()) {
    std::memcpy(into.data(), memory_ + offset, into.size());
    return {};
  }
  if (!copy_by_kernel(::process_vm_readv, into.data(), memory_ + offset, into.size()))
    return std::unexpected(MemoryFileError::vanished);
  return {};
}

std::expected<void, MemoryFileError> MemoryFile::write(std::uint64_t offset, ConstBytes from) {
  if (!contains(offset, from.size())) return std::unexpected(MemoryFileError::outside);
  if (!writable_) return std::unexpected(MemoryFileError::not_writable);
  if (description_.sealed && !from.empty()) {
    std::memcpy(memory_ + offset, from.data(), from.size());
    return {};
  }
  // process_vm_writev only reads its local side.
  auto* source = const_cast<std::byte*>(from.data());
  if (!copy_by_kernel(::process_vm_writev, source, memory_ + offset, from.size()))
    return std::unexpected(MemoryFileError::vanished);
  return {};
}

}  // namespace ladon
