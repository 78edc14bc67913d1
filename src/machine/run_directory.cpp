#include "machine/run_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace ladon::machine {
namespace {

// Paths of Unix sockets are short (sun_path): a deep runtime directory would not leave room for names.
constexpr std::size_t kLongestBase = 40;

std::string base_directory() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  const bool usable =
      runtime != nullptr && std::strlen(runtime) <= kLongestBase && ::access(runtime, W_OK | X_OK) == 0;
  return usable ? runtime : "/tmp";
}

// Waits until the pipe's other end is closed in every process, then removes the directory.
[[noreturn]] void sweep_up(int pipe, const std::string& path) {
  ::setsid();  // signals to our terminal's group are for others
  for (const int ignored : {SIGINT, SIGTERM, SIGHUP}) ::signal(ignored, SIG_IGN);
  ::prctl(PR_SET_NAME, "ladon-janitor");
  ::dup2(pipe, 0);
  ::close_range(1, ~0U, 0);
  char byte = 0;
  while (::read(0, &byte, 1) < 0 && errno == EINTR) {
  }
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
  ::_exit(0);
}

}  // namespace

std::expected<RunDirectory, std::string> RunDirectory::create() {
  std::string path = base_directory() + "/ladon-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr)
    return std::unexpected(
        fmt::format("{}: {}; make it writable, or set XDG_RUNTIME_DIR", path, std::strerror(errno)));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(fmt::format("pipe: {}", std::strerror(errno)));
  FileDescriptor waiting(ends[0]), alive(ends[1]);
  const pid_t janitor = ::fork();
  if (janitor < 0) return std::unexpected(fmt::format("fork: {}", std::strerror(errno)));
  if (janitor == 0) sweep_up(waiting.get(), path);
  return RunDirectory(std::move(path), std::move(alive), janitor);
}

RunDirectory::~RunDirectory() {
  if (!alive_) return;  // moved from
  alive_.reset();
  ::waitpid(janitor_, nullptr, 0);
}

}  // namespace ladon::machine
