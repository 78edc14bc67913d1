#include "base/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ladon {

namespace {

constexpr int kBacklog = 8;

[[nodiscard]] std::unexpected<std::string> fail(const std::filesystem::path& path, std::string_view why) {
  return std::unexpected(fmt::format("cannot listen on {}: {}", path.string(), why));
}
[[nodiscard]] std::unexpected<std::string> fail_errno(const std::filesystem::path& path) {
  return fail(path, std::strerror(errno));
}

[[nodiscard]] FileDescriptor make_socket() {
  return FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Takes away a socket that nobody serves; anything else at the path stays and is an error.
[[nodiscard]] std::expected<void, std::string> clear(const std::filesystem::path& path,
                                                     const sockaddr* address) {
  struct stat there{};
  if (::lstat(path.c_str(), &there) != 0)
    return errno == ENOENT ? std::expected<void, std::string>() : fail_errno(path);
  if (!S_ISSOCK(there.st_mode)) return fail(path, "a file that is no socket is there");
  const FileDescriptor probe = make_socket();
  if (::connect(probe.get(), address, sizeof(sockaddr_un)) == 0 || errno != ECONNREFUSED)
    return fail(path, "a socket that is in use is there");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno(path);
  return {};
}

}  // namespace

std::expected<Listener, std::string> Listener::open(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.empty() || name.size() >= sizeof address.sun_path)
    return fail(path, fmt::format("the path must have 1 to {} characters", sizeof address.sun_path - 1));
  name.copy(address.sun_path, sizeof address.sun_path - 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);

  if (auto cleared = clear(path, generic); !cleared) return std::unexpected(cleared.error());
  FileDescriptor socket = make_socket();
  // The mode of the socket becomes that of the file (unix(7)); no moment in which others could connect.
  if (!socket || ::fchmod(socket.get(), S_IRUSR | S_IWUSR) != 0) return fail_errno(path);
  if (::bind(socket.get(), generic, sizeof address) != 0) return fail_errno(path);
  Listener listener(std::move(socket), path);
  if (::listen(listener.fd(), kBacklog) != 0) return fail_errno(path);
  return listener;
}

Listener::Listener(FileDescriptor socket, std::filesystem::path path)
    : socket_(std::move(socket)), spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)), path_(std::move(path)) {
  struct stat there{};
  if (::lstat(path_.c_str(), &there) == 0) device_ = there.st_dev, inode_ = there.st_ino;
}

Listener::~Listener() {
  struct stat there{};
  if (!socket_ || ::lstat(path_.c_str(), &there) != 0) return;
  if (there.st_dev == device_ && there.st_ino == inode_) ::unlink(path_.c_str());
}

std::optional<FileDescriptor> Listener::accept() {
  const auto accept_one = [this] {
    return FileDescriptor(::accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  };
  FileDescriptor client = accept_one();
  if (client) return client;
  if (errno == EMFILE || errno == ENFILE) {
    spare_.reset();
    accept_one();  // and closes it
    spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  return std::nullopt;
}

}  // namespace ladon
