// Memory of a guest that is none: a file that can be handed to whoever serves it, mapped here as well.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace ladon::client {

class SharedMemory {
 public:
  // `sealed`: never to shrink. Throws std::system_error if the kernel gives no memory.
  explicit SharedMemory(std::uint64_t bytes, bool sealed = true);
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&&) = delete;
  ~SharedMemory();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] Bytes bytes() const { return {memory_, size_}; }

 private:
  FileDescriptor fd_;
  std::byte* memory_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ladon::client
