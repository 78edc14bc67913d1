// The process inside the remote test host: the first process of its namespaces, so that everything in them
// dies with it. It is cloned from the program and never executes another, so it does only what is allowed
// between fork and exec: system calls, and memory on its own stack.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace ladon::port::helper {

// What the helper needs to know, prepared before it is cloned.
struct Setup {
  int control = -1;  // its end of a SOCK_SEQPACKET pair
  std::array<char, 16> interface{};
  std::uint32_t address = 0, mask = 0;  // host byte order
  std::uint32_t mtu = 0;
  std::array<std::uint8_t, 6> mac{};
  bool has_mac = false;
  bool map_user = false;  // it is in a user namespace of its own as well
  uid_t uid = 0;
  gid_t gid = 0;
};

enum class Step : std::uint32_t { done, user, tap, mac, mtu, address, up, control };

// The helper's first message; with Step::done the tap's descriptor comes along.
struct Report {
  Step step = Step::done;
  int error = 0;
};

// A command: the arguments, each ended by a zero byte, with four descriptors (status, stdin, stdout, stderr).
// On `status` the helper writes the wait status (int) once it has ended, or a Refusal; when the other end of
// `status` is closed, the command is killed.
inline constexpr std::size_t kMaxCommandBytes = 16 * 1024, kMaxArguments = 128, kMaxCommands = 32;

// Returns the exit status of the process: it ends when the other end of `control` is closed.
int serve(const Setup& setup);

}  // namespace ladon::port::helper
