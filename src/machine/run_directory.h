// A directory for the sockets and files of one run, readable by its owner alone, that does not outlive the
// run: a small process of its own removes it when this one ends, however it ends.
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>

#include "base/descriptor.h"

namespace ladon::machine {

class RunDirectory {
 public:
  // Below $XDG_RUNTIME_DIR if that is usable, else below /tmp. Forks: to be called before other threads
  // exist. The error is a sentence for a person.
  [[nodiscard]] static std::expected<RunDirectory, std::string> create();
  RunDirectory(RunDirectory&&) noexcept = default;
  RunDirectory& operator=(RunDirectory&&) = delete;
  ~RunDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  RunDirectory(std::string path, FileDescriptor alive, pid_t janitor)
      : path_(std::move(path)), alive_(std::move(alive)), janitor_(janitor) {}
  std::string path_;
  FileDescriptor alive_;  // its other end closes with us
  pid_t janitor_;
};

}  // namespace ladon::machine
