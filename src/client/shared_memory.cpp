#include "client/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace ladon::client {

namespace {

[[noreturn]] void fail() {
  throw std::system_error(errno, std::generic_category(), "a guest's memory");
}

}  // namespace

SharedMemory::SharedMemory(std::uint64_t bytes, bool sealed)
    : fd_(::memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING)), size_(bytes) {
  if (!fd_ || ::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) fail();
  if (sealed && ::fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) fail();
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (memory == MAP_FAILED) fail();
  memory_ = static_cast<std::byte*>(memory);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : fd_(std::move(other.fd_)), memory_(std::exchange(other.memory_, nullptr)), size_(other.size_) {}

SharedMemory::~SharedMemory() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
}

}  // namespace ladon::client
