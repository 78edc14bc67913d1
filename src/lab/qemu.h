// One real virtual machine: stock QEMU as a vfio-user or vhost-user client, a stock Debian kernel, our
// initramfs. Here its command line is made; Process runs it.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace ladon::lab {

// What tools/assets has made ready, as its assets.json says.
struct Assets {
  std::string qemu, kernel, initramfs, kernel_version, qemu_version;
  std::string accelerator = "tcg,thread=multi";
};
// Reads DIR/assets.json; the error names the file and the mend.
[[nodiscard]] std::expected<Assets, std::string> load_assets(const std::string& directory);

struct GuestSpec {
  std::string name;
  std::uint64_t memory_bytes = 256ull << 20;
  unsigned vcpus = 1;
  std::string vfio_socket;     // empty: no VF
  std::string vhost_socket;    // empty: no virtio interface
  std::string vhost_mac;       // its address
  std::string control_socket;  // QEMU listens here for the guest's second serial port
  std::string console_log;     // the guest's console goes to this file; empty: nowhere
  std::string address;         // "10.10.0.11/24"
  unsigned mtu = 1500;
  std::string viommu;  // "strict" or "lazy": an IOMMU of its own over the VF; empty: none
};

// The program and its arguments, one word each.
[[nodiscard]] std::vector<std::string> qemu_command(const Assets& assets, const GuestSpec& guest);
// Parts of it. The vfio-user device, as -device takes it (JSON); what the kernel is told.
[[nodiscard]] std::string vfio_user_device(const GuestSpec& guest);
[[nodiscard]] std::string kernel_arguments(const Assets& assets, const GuestSpec& guest);
// The same as one line to paste into a shell.
[[nodiscard]] std::string shell_line(const std::vector<std::string>& command);

}  // namespace ladon::lab
