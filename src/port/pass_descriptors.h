// One message with descriptors over a Unix socket (unix(7), SCM_RIGHTS). System calls only: usable between
// fork and exec.
#pragma once

#include <sys/types.h>

#include <span>

#include "base/bytes.h"

namespace ladon::port {

inline constexpr std::size_t kMaxPassed = 8;

// At most kMaxPassed descriptors. False: errno says why.
[[nodiscard]] bool send_with_descriptors(int socket, ConstBytes message, std::span<const int> fds);
// Length of the message, 0 at the end, -1: errno says why. The descriptors received fill `fds` from the
// front; they are close-on-exec and the caller's. Surplus ones are closed.
[[nodiscard]] ssize_t receive_with_descriptors(int socket, Bytes message, std::span<int> fds);

}  // namespace ladon::port
