#include "lab/libvirt.h"

#include <fmt/format.h>

#include <string_view>

namespace ladon::lab {

namespace {

// XML 1.0, 2.4: what may not stand as itself in a text or an attribute. Characters that no document may hold
// (2.2) become question marks.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '\'')
      out += "&apos;";
    else if (c == '"')
      out += "&quot;";
    else if (byte < 0x20)
      out += c == '\t' || c == '\n' ? fmt::format("&#{};", byte) : "?";
    else
      out += c;
  }
  return out;
}

std::string console(const GuestSpec& guest) {
  if (guest.console_log.empty()) return "    <serial type='null'><target port='0'/></serial>\n";
  return fmt::format("    <serial type='file'><source path='{}'/><target port='0'/></serial>\n",
                     escaped(guest.console_log));
}

// As qemu_command has it: libvirt puts it before the devices that are behind it.
std::string iommu(const GuestSpec& guest) {
  return guest.viommu.empty() ? "" : "    <iommu model='intel'><driver caching_mode='on'/></iommu>\n";
}

std::string interface(const GuestSpec& guest) {
  if (guest.vhost_socket.empty()) return {};
  return fmt::format(
      "    <interface type='vhostuser'>\n"
      "      <mac address='{}'/>\n"
      "      <source type='unix' path='{}' mode='client'><reconnect enabled='yes' timeout='1'/></source>\n"
      "      <model type='virtio'/>\n"
      "      <rom enabled='no'/>\n"
      "    </interface>\n",
      escaped(guest.vhost_mac), escaped(guest.vhost_socket));
}

std::string pass_through(const GuestSpec& guest) {
  if (guest.vfio_socket.empty()) return {};
  return fmt::format(
      "  <qemu:commandline>\n"
      "    <qemu:arg value='-device'/>\n"
      "    <qemu:arg value='{}'/>\n"
      "  </qemu:commandline>\n",
      escaped(vfio_user_device(guest)));
}

}  // namespace

std::string libvirt_domain(const Assets& assets, const GuestSpec& guest) {
  const bool kvm = assets.accelerator.starts_with("kvm");
  std::string document = fmt::format(
      "<domain type='{}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
      "  <name>{}</name>\n"
      "  <memory unit='KiB'>{}</memory>\n"
      "  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>\n"
      "  <vcpu>{}</vcpu>\n",
      kvm ? "kvm" : "qemu", escaped(guest.name), guest.memory_bytes >> 10, guest.vcpus);
  document += fmt::format(
      "  <os>\n"
      "    <type arch='x86_64' machine='q35'>hvm</type>\n"
      "    <kernel>{}</kernel>\n"
      "    <initrd>{}</initrd>\n"
      "    <cmdline>{}</cmdline>\n"
      "  </os>\n"
      "  <features><acpi/>{}</features>\n"
      "  <cpu mode='{}'/>\n"
      "  <on_reboot>destroy</on_reboot>\n",
      escaped(assets.kernel), escaped(assets.initramfs), escaped(kernel_arguments(assets, guest)),
      guest.viommu.empty() ? "" : "<ioapic driver='qemu'/>", kvm ? "host-passthrough" : "maximum");
  document += fmt::format(
      "  <devices>\n"
      "    <emulator>{}</emulator>\n"
      "{}"
      "    <serial type='unix'><source mode='bind' path='{}'/><target port='1'/></serial>\n"
      "{}"
      "{}"
      "    <controller type='usb' model='none'/>\n"
      "    <memballoon model='none'/>\n"
      "  </devices>\n"
      "{}"
      "</domain>\n",
      escaped(assets.qemu), console(guest), escaped(guest.control_socket), interface(guest), iommu(guest),
      pass_through(guest));
  return document;
}

}  // namespace ladon::lab
