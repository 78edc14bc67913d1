"""Stock guests with an IOMMU of their own, strict and lazy, and one with memory above 4 GiB: they reach one another
and the wire, their functions are given what they map and no more, and the rack that runs is clean."""

import json
import unittest

import processes
import rack
import traffic

TEXT = (rack.ROOT / "examples" / "guest-shapes.yaml").read_text()
NAMES = ("strict", "large", "lazy")
the_rack = None


def setUpModule():
    global the_rack
    the_rack = rack.Rack(TEXT)
    unittest.addModuleCleanup(the_rack.close)
    the_rack.ready(*NAMES)


class GuestShapes(unittest.TestCase):
    def setUp(self):
        self.guests = dict(zip(NAMES, the_rack.ready(*NAMES)))

    def assert_pings(self, guest, address):
        sent, received = traffic.ping(self.guests[guest], address)
        self.assertEqual(sent, received, f"{guest} to {address}\n{the_rack.ladon.counters()}")

    def test_all_of_them_talk(self):
        for name, guest in self.guests.items():
            self.assert_pings(name, "10.10.0.1")
            for other in self.guests.values():
                if other is not guest:
                    self.assert_pings(name, other.address)
        # Buffers are mapped and unmapped for every frame of it.
        for sender, receiver in (("strict", "lazy"), ("lazy", "large"), ("large", "strict")):
            status, text = self.guests[sender].run(f"iperf3 -c {self.guests[receiver].address} -n 4M -J")
            self.assertEqual(status, 0, text)
            self.assertGreaterEqual(json.loads(text)["end"]["sum_received"]["bytes"], 1_000_000)
        self.assertIn("nothing was dropped or refused", the_rack.ladon.counters())

    def test_each_iommu_is_what_the_file_says(self):
        for name, kind in (("strict", "DMA"), ("lazy", "DMA-FQ")):
            _, text = self.guests[name].run("cat /sys/class/net/eth0/device/iommu_group/type")
            self.assertEqual(text.strip(), kind, name)
        status, _ = self.guests["large"].run("test -e /sys/class/net/eth0/device/iommu_group")
        self.assertNotEqual(status, 0, "large has none")

    def test_memory_lies_above_4_gib(self):
        _, text = self.guests["large"].run("grep 'System RAM' /proc/iomem | tail -1")
        self.assertEqual(int(text.split("-")[0].strip(), 16), 1 << 32, text)
        # Where its driver has put the rings: RDBAH and TDBAH of queue 0.
        _, text = self.guests["large"].run(
            "read -r bar rest </sys/class/net/eth0/device/resource; "
            "devmem $((bar + 0x1004)); devmem $((bar + 0x2004))")
        self.assertTrue(all(int(high, 16) >= 1 for high in text.split()) and len(text.split()) == 2, text)

    def audit(self):
        done = rack.run_ladon(the_rack.folder, "audit", "--live", the_rack.ladon.control_socket, "--json")
        return done.returncode, json.loads(done.stdout)

    def test_the_rack_that_runs_is_clean(self):
        # Guests map and unmap meanwhile, so the audit may have to look again.
        seen = []

        def clean():
            seen.append(self.audit())
            return seen[-1][0] == 0

        self.assertTrue(processes.wait_until(clean, 20), seen and seen[-1])
        self.assertEqual(seen[-1][1]["findings"], [])


if __name__ == "__main__":
    unittest.main()
