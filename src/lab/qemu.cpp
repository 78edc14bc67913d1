#include "lab/qemu.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "lab/counter_speed.h"

namespace ladon::lab {

std::expected<Assets, std::string> load_assets(const std::string& directory) {
  const std::string path = directory + "/assets.json";
  std::ifstream file(path);
  if (!file) return std::unexpected(fmt::format("{}: not there; run tools/assets first", path));
  const auto json = nlohmann::json::parse(file, nullptr, false);
  Assets assets;
  const auto take = [&](const char* key, std::string& into) {
    if (!json.is_object() || !json.contains(key) || !json[key].is_string()) return false;
    into = json[key].get<std::string>();
    return true;
  };
  const bool whole = take("qemu", assets.qemu) && take("kernel", assets.kernel) &&
                     take("initramfs", assets.initramfs) && take("kernel_version", assets.kernel_version) &&
                     take("qemu_version", assets.qemu_version) && take("accel", assets.accelerator);
  if (!whole) return std::unexpected(fmt::format("{}: not what tools/assets writes; run it again", path));
  return assets;
}

// They save boot time under emulation and change nothing that a driver sees.
std::string kernel_arguments(const Assets& assets, const GuestSpec& guest) {
  std::string arguments = fmt::format(
      "console=ttyS0 quiet nokaslr tsc=reliable no_timer_check cryptomgr.notests mitigations=off panic=-1 "
      "iomem=relaxed "
      "ladon.name={} ladon.ip={} ladon.mtu={}",
      guest.name, guest.address, guest.mtu);
  if (!guest.vhost_socket.empty()) arguments += " ladon.driver=virtio_net";
  // Behind an emulated IOMMU that has to hear of every mapping Linux is strict at first, whatever it is told
  // ("batching disallowed due to virtualization"); for lazy, init asks once more, in sysfs.
  if (!guest.viommu.empty())
    arguments += fmt::format(" intel_iommu=on iommu.strict={} ladon.iommu={}",
                             guest.viommu == "strict" ? 1 : 0, guest.viommu);
  // KVM tells its guests; an emulated one would have to measure.
  static const std::uint64_t khz = counter_khz();
  if (khz != 0 && assets.accelerator.starts_with("tcg")) arguments += fmt::format(" tsc_early_khz={}", khz);
  return arguments;
}

std::string vfio_user_device(const GuestSpec& guest) {
  const nlohmann::json device = {{"driver", "vfio-user-pci"},
                                 {"rombar", 0},
                                 {"socket", {{"type", "unix"}, {"path", guest.vfio_socket}}}};
  return device.dump();
}

std::vector<std::string> qemu_command(const Assets& assets, const GuestSpec& guest) {
  std::vector<std::string> command = {
      assets.qemu,
      "-name",
      guest.name,
      "-machine",
      fmt::format("q35,memory-backend=ram,usb=off,vmport=off,smbus=off,graphics=off{}",
                  guest.viommu.empty() ? "" : ",kernel-irqchip=split"),
      "-accel",
      assets.accelerator,
      "-cpu",
      assets.accelerator.starts_with("kvm") ? "host" : "max",
      "-smp",
      std::to_string(guest.vcpus),
      "-m",
      fmt::format("{}M", guest.memory_bytes >> 20),
      "-object",
      fmt::format("memory-backend-memfd,id=ram,size={},share=on", guest.memory_bytes),
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display",
      "none",
      "-kernel",
      assets.kernel,
      "-initrd",
      assets.initramfs,
      "-append",
      kernel_arguments(assets, guest),
      "-chardev",
      guest.console_log.empty() ? "null,id=console"
                                : fmt::format("file,id=console,path={}", guest.console_log),
      "-serial",
      "chardev:console",
      "-chardev",
      fmt::format("socket,id=control,path={},server=on,wait=off", guest.control_socket),
      "-serial",
      "chardev:control"};
  // Before the devices that are behind it; in caching mode QEMU tells them of every mapping.
  if (!guest.viommu.empty()) command.insert(command.end(), {"-device", "intel-iommu,caching-mode=on"});
  if (!guest.vfio_socket.empty()) command.insert(command.end(), {"-device", vfio_user_device(guest)});
  // Without the network ROM, with which firmware would try to boot.
  if (!guest.vhost_socket.empty())
    command.insert(command.end(),
                   {"-chardev", fmt::format("socket,id=net,path={},reconnect-ms=200", guest.vhost_socket),
                    "-netdev", "vhost-user,id=net,chardev=net", "-device",
                    fmt::format("virtio-net-pci,netdev=net,romfile=,mac={}", guest.vhost_mac)});
  return command;
}

std::string shell_line(const std::vector<std::string>& command) {
  std::string line;
  for (const auto& word : command) {
    const bool plain = !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
      return std::isalnum(c) != 0 || std::string_view("-_./,=:+@").contains(static_cast<char>(c));
    });
    if (!line.empty()) line += ' ';
    if (plain) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

}  // namespace ladon::lab
