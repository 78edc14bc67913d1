"""What tools/bench guests says of its rounds, and how it makes other guests of Ladon's; no guest runs."""

import os
import pathlib
import sys
import unittest

os.environ.setdefault("LADON", "unused")
os.environ.setdefault("LADON_ASSETS", "unused")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import measure  # noqa: E402
import rigs  # noqa: E402
from rounds import Rounds  # noqa: E402

COMMAND = ["qemu", "-append", "console=ttyS0 ladon.name=vm-a", "-device", '{"driver":"vfio-user-pci"}', "-serial",
           "chardev:control"]


class Guests(unittest.TestCase):
    def rounds(self):
        rounds = Rounds()
        for number in (1, 2, 3):
            for way, rate in (("ladon", 1.8e9), ("ladon_coalesce", 1.9e9), ("igb", 0.8e9), ("virtio_tap", 2e9)):
                for mtu in (1500, 9000):
                    rounds.add(f"tcp/{way}/{mtu}", number, rate * number, "bits/s")
                    rounds.add(f"ping/{way}/{mtu}", number, 0.0005, "s")
        return rounds

    def test_ratios_are_of_one_round(self):
        goals = {goal.what: goal for goal in measure.goals_of(self.rounds())}
        self.assertEqual(len(goals), 4, "the remote host was not measured")
        against_igb = goals["TCP, MTU 1500, against an igb's VF"]
        self.assertAlmostEqual(against_igb.measured, 2.25)
        self.assertTrue(against_igb.met)
        against_tap = goals["TCP, MTU 9000, against virtio, tap and bridge"]
        self.assertAlmostEqual(against_tap.high, 0.9)
        self.assertFalse(against_tap.met)

    def test_results_name_what_they_are_beside(self):
        results = {each["name"]: each for each in self.rounds().results(measure.compared)}
        self.assertEqual(set(results["tcp/ladon/1500"]["ratio_to"]), {"tcp/igb/1500", "tcp/virtio_tap/1500"})
        self.assertIn("tcp/ladon/9000", results["tcp/ladon_coalesce/9000"]["ratio_to"])
        self.assertEqual(results["tcp/igb/1500"]["ratio_to"], {})
        self.assertEqual((results["tcp/igb/1500"]["runs"], results["tcp/igb/1500"]["min"]), (3, 0.8e9))

    def test_a_person_can_read_it(self):
        lines = measure.table_of(self.rounds()).splitlines()
        self.assertRegex(lines[2], r"^Ladon, across two hosts, all checks on +3\.60 +3\.60 +0\.50 +0\.50$")
        self.assertEqual(len({len(line) for line in lines[:2]}), 1)

    def test_only_the_device_and_its_driver_differ(self):
        command = rigs.with_driver(rigs.without_device(COMMAND), "igbvf")
        self.assertEqual(command, ["qemu", "-append", "console=ttyS0 ladon.name=vm-a ladon.driver=igbvf", "-serial",
                                   "chardev:control"])


if __name__ == "__main__":
    unittest.main()
