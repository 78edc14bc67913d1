"""`ladon up --libvirt DIR`: each guest as a libvirt domain, the same as its QEMU line."""

import json
import pathlib
import signal
import unittest
import xml.etree.ElementTree

import rack

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
# One with a function of its own, one whose function is behind an IOMMU, and two that share one.
RACK = """
name: domains
nics:
  - {name: nic0, vfs: 4}
hosts:
  - {name: mh, role: management, memory: 256MiB}
  - name: ch1
    role: compute
    memory: 1GiB
    vms:
      - {name: own, memory: 128MiB, vcpus: 2, vf: {nic: nic0, index: 1}, address: 10.20.0.11/24}
      - {name: behind, memory: 128MiB, viommu: strict, vf: {nic: nic0, index: 2}, address: 10.20.0.14/24}
      - {name: one, memory: 64MiB, network: {nic: nic0, path: shared}, address: 10.20.0.12/24}
      - {name: two, memory: 64MiB, network: {nic: nic0, path: shared}, address: 10.20.0.13/24}
"""


def after(command, option):
    """All words that follow this option."""
    return [command[i + 1] for i, word in enumerate(command[:-1]) if word == option]


class Libvirt(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)
        self.domains = self.folder.path / "a folder" / "domains"
        self.running = rack.Ladon(self.folder, RACK, "--libvirt", str(self.domains))
        self.addCleanup(self.running.kill)

    def check(self, guest, domain):
        command = guest["command"]
        self.assertEqual(domain.findtext("name"), guest["name"])
        self.assertEqual(domain.findtext("devices/emulator"), command[0])
        (memory,) = [word for word in after(command, "-object") if word.startswith("memory-backend-memfd")]
        size = int(domain.findtext("memory")) << 10
        self.assertEqual(domain.find("memory").get("unit"), "KiB")
        self.assertIn(f"size={size},share=on", memory)
        self.assertEqual(domain.find("memoryBacking/source").get("type"), "memfd")
        self.assertEqual(domain.find("memoryBacking/access").get("mode"), "shared")
        self.assertEqual([domain.findtext("vcpu")], after(command, "-smp"))
        for element, option in (("kernel", "-kernel"), ("initrd", "-initrd"), ("cmdline", "-append")):
            self.assertEqual([domain.findtext(f"os/{element}")], after(command, option))
        control = domain.find("devices/serial[@type='unix']/source").get("path")
        self.assertTrue(any(f"id=control,path={control}," in word for word in after(command, "-chardev")))

    def test_each_is_the_same_as_its_line(self):
        self.assertEqual(set(self.running.guests), {"own", "behind", "one", "two"})
        for name, guest in self.running.guests.items():
            with self.subTest(guest=name):
                self.assertEqual(pathlib.Path(guest["libvirt_domain"]), self.domains / f"{name}.xml")
                domain = xml.etree.ElementTree.parse(guest["libvirt_domain"]).getroot()
                self.check(guest, domain)
                words = [word.get("value") for word in domain.iter(f"{QEMU}arg")]
                devices = after(guest["command"], "-device")
                iommu = domain.find("devices/iommu[@model='intel']/driver[@caching_mode='on']")
                self.assertEqual(iommu is not None, "intel-iommu,caching-mode=on" in devices)
                self.assertEqual(iommu is not None, name == "behind")
                split = domain.find("features/ioapic[@driver='qemu']") is not None
                self.assertEqual(split, "kernel-irqchip=split" in after(guest["command"], "-machine")[0])
                if name in ("own", "behind"):
                    self.assertEqual(after(words, "-device"), devices[-1:])
                    self.assertEqual(json.loads(words[1])["socket"]["path"], guest["vfio_user_socket"])
                else:
                    self.assertEqual(words, [])
                    source = domain.find("devices/interface[@type='vhostuser']/source")
                    self.assertEqual(source.get("path"), guest["vhost_user_socket"])
                    mac = domain.find("devices/interface/mac").get("address")
                    self.assertTrue(any(f"mac={mac}" in word for word in after(guest["command"], "-device")))
        self.assertEqual(self.running.end(signal.SIGINT), 0)

    def test_a_folder_that_cannot_be(self):
        done = rack.run_ladon(self.folder, "up", self.folder.write("rack.yaml", RACK), "--libvirt", "/dev/null/x")
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("/dev/null/x", done.stderr)


if __name__ == "__main__":
    unittest.main()
