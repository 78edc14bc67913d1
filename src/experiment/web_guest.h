// A virtual machine with a web server.
#pragma once

#include <array>
#include <expected>
#include <string>

#include "base/mac.h"
#include "base/process.h"
#include "lab/qemu.h"
#include "lab/shell.h"

namespace ladon::experiment {

inline constexpr std::array<const char*, 2> kAddresses = {"10.60.0.11", "10.60.0.12"};
inline constexpr const char* kRemoteAddress = "10.60.0.1/24";
inline constexpr const char* kPrefix = "/24";

struct WebGuest {
  std::string name, address;
  Process qemu;
  lab::GuestShell shell;
};

// A guest whose network is a stock virtio-net device over vhost-user at `socket`. It is on, and not yet up.
struct VirtioGuestSpec {
  std::string name, address;
  MacAddress mac;
  std::string socket, directory, logs;
};
[[nodiscard]] std::expected<WebGuest, std::string> start_virtio_guest(const lab::Assets& assets,
                                                                      const VirtioGuestSpec& spec);
// Waits until its network is up. The error is a sentence, as the next one's.
[[nodiscard]] std::expected<void, std::string> wait_up(WebGuest& guest);
// Once, when it is up.
[[nodiscard]] std::expected<void, std::string> start_server(WebGuest& guest);

}  // namespace ladon::experiment
