"""`ladon vf`: what a VF is promised changes under stock guests that talk, is refused if the NIC has not got it, and
outlives the management program; a VF in quarantine is recovered, and its guest's driver works again."""

import json
import os
import signal
import unittest

import processes
import rack
import traffic

RACK = """
name: levels
nics:
  - {name: nic0, vfs: 4}
hosts:
  - {name: mh, role: management, memory: 256MiB}
  - name: ch1
    role: compute
    memory: 1GiB
    vms:
      - {name: vm-a, vf: {nic: nic0, index: 1}, address: 10.20.0.11/24}
      - {name: vm-b, vf: {nic: nic0, index: 2, on_fault: quarantine}, address: 10.20.0.12/24}
"""
SLOW = 5e6  # bit/s, far below what the slowest machine does
the_rack = None


def setUpModule():
    global the_rack
    the_rack = rack.Rack(RACK)
    unittest.addModuleCleanup(the_rack.close)


class Vf(unittest.TestCase):
    def setUp(self):
        self.ladon = the_rack.ladon
        self.a, self.b = the_rack.ready("vm-a", "vm-b")

    def vf(self, verb, *arguments):
        return rack.run_ladon(the_rack.folder, "vf", verb, "--live", self.ladon.control_socket, *arguments)

    def done(self, verb, *arguments):
        done = self.vf(verb, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def show(self, index):
        report = json.loads(self.done("show", "--json"))
        return next(vf for vf in report["nics"][0]["vfs"] if vf["vf"] == index)

    def rate(self):
        """Bits a second that a TCP stream from vm-b has at vm-a, measured there."""
        _, text = self.b.run(f"iperf3 -c {self.a.address} -t 2 -J")
        return json.loads(text)["end"]["sum_received"]["bits_per_second"]

    def assert_free(self):
        # On a busy machine a stream may be as slow as with the limit, once or twice.
        self.assertTrue(processes.wait_until(lambda: self.rate() > 2 * SLOW, 30), "still as slow as the limit")

    def test_1_a_rate_is_limited_and_raised_live(self):
        self.assert_free()
        self.done("set", "nic0", "1", "rx_max", "5Mbit")
        limited = self.rate()
        self.assertLess(limited, 1.3 * SLOW)
        vf = self.show(1)
        self.assertEqual(vf["level"]["rx_max_bits_per_second"], SLOW)
        self.assertGreater(vf["refused_frames"]["rate"], 0)
        self.assertEqual((vf["guest"], vf["host"], vf["link"]), ("vm-a", "ch1", "up"))
        self.done("set", "nic0", "1", "rx_max=0")
        self.assert_free()

    def test_1b_segments_are_coalesced_for_a_stock_driver(self):
        self.done("set", "nic0", "1", "coalesce", "on")
        self.assert_free()
        self.assertGreater(self.show(1)["coalesced_frames"], 0)
        self.done("set", "nic0", "1", "coalesce", "off")
        before = self.show(1)["coalesced_frames"]
        self.assert_free()
        self.assertEqual(self.show(1)["coalesced_frames"], before)

    def test_2_what_is_not_left_is_refused(self):
        self.done("set", "nic0", "1", "min_tx_rate", "6000")
        refused = self.vf("set", "nic0", "2", "tx_share=5Gbit", "rx_weight=7")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("VF 2 of NIC 0 (vm-b): tx_share: 5.00 Gb/s wanted, 4.00 Gb/s left", refused.stderr)
        self.assertEqual(self.show(2)["level"]["rx_weight"], 1)
        for words, says in ((["rx_max", "10MB"], "unit that is not known"), (["rx_max"], "has no value"),
                            (["rx_maks=1"], "did you mean 'rx_max'?")):
            bad = self.vf("set", "nic0", "1", *words)
            self.assertEqual(bad.returncode, 2)
            self.assertIn(says, bad.stderr)
        self.assertEqual(self.vf("set", "nic9", "1", "rx_max=0").returncode, 2)

    def test_3_levels_outlive_the_management_program(self):
        self.done("set", "nic0", "1", "rx_weight", "42")
        before = self.ladon.child("mh")
        os.kill(before, signal.SIGKILL)
        self.assertTrue(processes.wait_until(lambda: self.ladon.child("mh") not in (None, before), 10))
        self.assertEqual(self.show(1)["level"]["rx_weight"], 42)
        self.assertEqual(traffic.ping(self.b, self.a.address), (3, 3))

    def test_4_a_quarantine_is_recovered(self):
        self.b.run("vfpoke -w 300 attack tx-read 0x121000000")  # memory that it has not got
        self.assertTrue(processes.wait_until(lambda: self.show(2)["state"] == "quarantined", 20), self.ladon.log())
        self.assertEqual(traffic.ping(self.b, self.a.address, 1)[1], 0)
        self.done("recover", "nic0", "2")
        back = processes.wait_until(lambda: traffic.ping(self.b, self.a.address, 1)[1] > 0, 40, 0.5)
        self.assertTrue(back, "does not come back")
        self.assertEqual(self.show(2)["state"], "enable")
        audit = rack.run_ladon(the_rack.folder, "audit", "--live", self.ladon.control_socket)
        self.assertEqual(audit.returncode, 0, audit.stdout + audit.stderr)
        self.assertIn("management: fault: vm-b (VF 2 of NIC 0, ch1): ch1/iommu/DMA remapping", self.ladon.log())


if __name__ == "__main__":
    unittest.main()
