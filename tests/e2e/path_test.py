"""`ladon path`: each access of each VM of the example, hop by hop."""

import json
import pathlib
import re
import unittest

import rack

# The example's guests: the host, and the NTB in front of it; none is in front of the management host.
PLACES = {"vm-m": ("mh", None), "vm-a": ("ch1", "ntb1"), "vm-b": ("ch1", "ntb1"), "bare": ("ch2", "ntb2")}


class Path(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)

    def follow(self, *arguments):
        done = rack.run_ladon(self.folder, "path", rack.EXAMPLE, "--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["accesses"]

    def check_access(self, access, guest):
        """Not refused, and through its host and nobody else's: the components and tables that were passed."""
        host, ntb = PLACES[guest]
        self.assertFalse(access["refused"], access)
        for hop in access["hops"]:
            self.assertLessEqual({"direction", "segment", "domain", "component", "table", "address_in", "address_out",
                                  "rid_in", "rid_out"}, set(hop))
        passed = [(hop["component"], hop["table"]) for hop in access["hops"]]
        components = {component.split("/")[0] for component, _ in passed}
        self.assertEqual({name for name in components if name.startswith("ntb")}, {ntb} if ntb else set(), passed)
        self.assertLessEqual({name for name in components if name.startswith(("mh", "ch"))}, {"mh", host}, passed)
        self.assertEqual({hop["domain"] for hop in access["hops"]}, {"mh", host})
        if ntb:
            self.assertTrue(any(c.startswith(ntb) and "requester-ID LUT" in table for c, table in passed), passed)
            self.assertTrue(any(c.startswith(ntb) and "NTB window" in table for c, table in passed), passed)
        return passed

    def check_completion(self, access, expected):
        back = [hop for hop in access["hops"] if "completion" in hop["direction"]]
        self.assertEqual(bool(back), expected, access)

    def test_every_guest(self):
        for guest, (host, _) in PLACES.items():
            with self.subTest(guest=guest):
                dma, mmio, msi = self.follow("--vm", guest)
                self.assertIn("DMA", dma["access"])
                self.assertIn((f"{host}/iommu", "DMA remapping"), self.check_access(dma, guest))
                self.assertIn(f"memory of {host}", dma["outcome"])
                self.check_completion(dma, True)

                self.assertIn("register", mmio["access"])
                # A bare host's operating system is its processor's own: no table of a hypervisor is before it.
                second_level = (f"{host}/cpu", "second-level page table")
                self.assertEqual(second_level in self.check_access(mmio, guest), guest != "bare")
                self.assertIn("nic0, BAR 0", mmio["outcome"])
                self.check_completion(mmio, True)

                self.assertIn("MSI", msi["access"])
                self.assertIn((f"{host}/iommu", "interrupt remapping"), self.check_access(msi, guest))
                self.assertIn(f"of {host}", msi["outcome"])
                self.check_completion(msi, False)  # posted
                self.assertEqual(self.folder.left_behind(), [])

    def test_every_segment(self):
        file = str(pathlib.Path(rack.EXAMPLE).parent / "two-segments.yaml")
        for guest, host, segments in (("vm-a", "ch1", {"0000", "0002"}), ("vm-c", "ch2", {"0001", "0003"}), ("vm-m", "mh", {"0001"})):
            with self.subTest(guest=guest):
                done = rack.run_ladon(self.folder, "path", file, "--json", "--vm", guest, "--dma", "0x200000")
                self.assertEqual(done.returncode, 0, done.stderr)
                (dma,) = json.loads(done.stdout)["accesses"]
                self.assertIn(f"memory of {host}", dma["outcome"])
                self.assertEqual({hop["segment"] for hop in dma["hops"]}, segments)
                self.assertEqual(self.folder.left_behind(), [])

    def test_a_write_is_posted(self):
        (dma,) = self.follow("--vm", "vm-a", "--dma", "0x200000", "--write")
        self.check_access(dma, "vm-a")
        self.check_completion(dma, False)

    def test_for_a_person(self):
        done = rack.run_ladon(self.folder, "path", rack.EXAMPLE, "--vm", "vm-a")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, re.compile("DMA.*MSI", re.DOTALL))

    def test_memory_that_the_guest_does_not_have(self):
        done = rack.run_ladon(self.folder, "path", rack.EXAMPLE, "--vm", "vm-a", "--dma", "0x3010000000")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("refused", done.stdout)


if __name__ == "__main__":
    unittest.main()
