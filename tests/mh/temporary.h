// A folder that is gone after the test.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace ladon::mh {

class TemporaryFolder {
 public:
  // In memory where there is such a place: a journal waits for the disk at every line.
  TemporaryFolder() {
    const std::filesystem::path memory = "/dev/shm";
    const auto where = std::filesystem::is_directory(memory) && ::access(memory.c_str(), W_OK) == 0
                           ? memory
                           : std::filesystem::temp_directory_path();
    path_ = (where / "ladon-mh-XXXXXX").string();
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder");
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace ladon::mh
