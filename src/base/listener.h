// A Unix socket that clients connect to: made with mode 0600 from its first moment, in place of a socket that
// nobody serves any more, and taken away again at the end.
#pragma once

#include <sys/types.h>

#include <expected>
#include <filesystem>
#include <optional>
#include <string>

#include "base/descriptor.h"

namespace ladon {

class Listener {
 public:
  // The error is for a person: what was wrong with which path.
  [[nodiscard]] static std::expected<Listener, std::string> open(const std::filesystem::path& path);

  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  // Removes the path, if it is still this socket that is there.
  ~Listener();

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  // The next client that waits, or nothing. One that cannot be given a descriptor is disconnected at once, or
  // it would keep the loop awake for as long as it waits.
  [[nodiscard]] std::optional<FileDescriptor> accept();

 private:
  Listener(FileDescriptor socket, std::filesystem::path path);

  FileDescriptor socket_, spare_;
  std::filesystem::path path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace ladon
