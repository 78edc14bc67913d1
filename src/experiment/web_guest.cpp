#include "experiment/web_guest.h"

#include <fmt/format.h>

namespace ladon::experiment {
namespace {

constexpr Duration kBoot = std::chrono::seconds(120), kCommand = std::chrono::seconds(20);

}  // namespace

std::expected<WebGuest, std::string> start_virtio_guest(const lab::Assets& assets,
                                                        const VirtioGuestSpec& spec) {
  const lab::GuestSpec guest{.name = spec.name,
                             .vhost_socket = spec.socket,
                             .vhost_mac = to_string(spec.mac),
                             .control_socket = fmt::format("{}/{}.control", spec.directory, spec.name),
                             .console_log = fmt::format("{}/{}.console.log", spec.logs, spec.name),
                             .address = spec.address + kPrefix};
  auto qemu = Process::start({.command = lab::qemu_command(assets, guest),
                              .output = fmt::format("{}/{}.qemu.log", spec.logs, spec.name)});
  if (!qemu) return std::unexpected(qemu.error());
  auto shell = lab::GuestShell::connect(guest.control_socket, kBoot);
  if (!shell)
    return std::unexpected(
        fmt::format("{}: {}; see {}/{}.qemu.log", spec.name, shell.error(), spec.logs, spec.name));
  return WebGuest{
      .name = spec.name, .address = spec.address, .qemu = std::move(*qemu), .shell = std::move(*shell)};
}

std::expected<void, std::string> wait_up(WebGuest& guest) {
  if (auto ready = guest.shell.wait_ready(kBoot); !ready)
    return std::unexpected(fmt::format("{}: {}", guest.name, ready.error()));
  return {};
}

std::expected<void, std::string> start_server(WebGuest& guest) {
  // Many clients at once, and again and again: no SYN cookies, room for all that come at one moment.
  const auto started = guest.shell.run(
      "echo 0 >/proc/sys/net/ipv4/tcp_syncookies; echo 4096 >/proc/sys/net/core/somaxconn; "
      "echo 4096 >/proc/sys/net/ipv4/tcp_max_syn_backlog; lighttpd -f /etc/lighttpd.conf",
      kCommand);
  if (!started) return std::unexpected(fmt::format("{}: {}", guest.name, started.error()));
  if (started->status != 0)
    return std::unexpected(fmt::format("{}: no web server: {}", guest.name, started->text()));
  return {};
}

}  // namespace ladon::experiment
