// Memory that another process has shared as a file (a memfd, or a file on tmpfs or hugetlbfs).
//
// That process can take the file away under us: a file that shrinks turns loads and stores through a mapping
// into SIGBUS, which would stop everybody. So a mapping is handed out only if the file's size is sealed
// against shrinking (memfd_create(2), F_SEAL_SHRINK). The bytes of any other file are copied by the kernel
// (process_vm_readv(2)), where the same mistake is an error of that one access. Not pread and pwrite: pwrite
// waits for the inode's lock, which the file's owner can hold for as long as it likes.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace ladon {

enum class MemoryFileError : std::uint8_t {
  not_a_file,    // not a regular file
  unsupported,   // on a file system where access could wait for a disk, a network or another process
  empty,         // no byte in it
  too_large,     // more than kLargestMemoryFile
  unreadable,    // the descriptor does not allow reading, or no address space is left
  outside,       // the range passes the end of the file as it was opened
  vanished,      // the file has become shorter since
  not_writable,  // the descriptor does not allow writing, or the file is sealed against it
  count_
};
[[nodiscard]] std::string_view name(MemoryFileError error);

// Address space is shared by all owners, and a file of any size costs its owner nothing.
inline constexpr std::uint64_t kLargestMemoryFile = std::uint64_t{1} << 40;

// Tells files apart. The owner of a file can, with effort, make the number of another file come up again:
// compare the identities of one owner's files only.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0;
  constexpr auto operator<=>(const FileIdentity&) const = default;
};

class MemoryFile {
 public:
  // The whole file at its size of this moment. Takes the descriptor over, and needs it no longer.
  [[nodiscard]] static std::expected<MemoryFile, MemoryFileError> open(FileDescriptor fd);

  struct Description {
    FileIdentity identity;
    std::uint64_t size = 0;  // bytes, at this moment
    bool sealed = false;     // never to shrink: would be mapped
  };
  // What open would find, without mapping anything.
  [[nodiscard]] static std::expected<Description, MemoryFileError> describe(int fd);

  MemoryFile(MemoryFile&& other) noexcept;
  MemoryFile& operator=(MemoryFile&& other) noexcept;
  ~MemoryFile();

  [[nodiscard]] const FileIdentity& identity() const { return description_.identity; }
  [[nodiscard]] std::uint64_t size() const { return description_.size; }  // bytes, when it was opened
  [[nodiscard]] bool writable() const { return writable_; }
  // The file's size() bytes; nullptr if it may shrink (use read and write then). To be written only if
  // writable().
  [[nodiscard]] std::byte* mapped_or_null() const { return description_.sealed ? memory_ : nullptr; }

  // Copy bytes at `offset`: all of them, or an error after perhaps some of them. Neither waits for the owner.
  [[nodiscard]] std::expected<void, MemoryFileError> read(std::uint64_t offset, Bytes into) const;
  [[nodiscard]] std::expected<void, MemoryFileError> write(std::uint64_t offset, ConstBytes from);

 private:
  MemoryFile(const Description& description, std::byte* memory, bool writable)
      : description_(description), memory_(memory), writable_(writable) {}
  [[nodiscard]] bool contains(std::uint64_t offset, std::uint64_t length) const;

  Description description_;
  std::byte* memory_ = nullptr;
  bool writable_ = false;
};

}  // namespace ladon
