"""`ladon attack`: everything is refused on the example, a defence that is off shows, and bad input starts nothing."""

import json
import pathlib
import unittest

import rack

EXAMPLE = pathlib.Path(rack.EXAMPLE)
FIELDS = {"id", "title", "attacker", "control", "result", "by", "attributed_to", "collateral_packets", "reason",
          "neighbour_latency_turns", "left_behind"}


class Attack(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)

    def attack(self, file, *arguments):
        return rack.run_ladon(self.folder, "attack", str(file), *arguments)

    def test_the_examples_refuse_everything(self):
        for example in (EXAMPLE, EXAMPLE.parent / "two-segments.yaml"):
            with self.subTest(example=example):
                self.check_all_refused(self.attack(example, "--json"))

    def check_all_refused(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertGreater(len(report["attacks"]), 45)
        for attack in report["attacks"]:
            self.assertEqual(set(attack), FIELDS)
            self.assertEqual((attack["result"], attack["collateral_packets"]), ("refused", 0), attack)
            self.assertTrue(attack["reason"] and attack["control"], attack)
            self.assertEqual(attack["neighbour_latency_turns"], {"before": 1, "during": 1}, attack)
            self.assertEqual(attack["left_behind"]["findings"], 0, attack)
        for row in report["left_out"]:
            self.assertEqual(row["result"], "skipped")
            self.assertTrue(row["reason"])

    def test_a_defence_that_is_off_shows(self):
        file = self.folder.write("off.yaml", EXAMPLE.read_text() + "\ndefences: {ch_iommu: off}\n")
        done = self.attack(file)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"D2 +succeeded +the other VM's memory was read and written")
        self.assertRegex(done.stdout, r"S2 +.* refused +nic0/vf1: tx_spoofed +vm-a +0")
        self.assertIn("Left out", done.stdout)

    def test_one_attack(self):
        done = self.attack(EXAMPLE, "--only", "I3", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        (attack,) = json.loads(done.stdout)["attacks"]
        self.assertEqual((attack["id"], attack["attributed_to"]), ("I3", "vm-a"))
        self.assertIn("ch1/iommu/interrupt remapping", attack["by"])

    def test_how_long_memory_stays_open_after_an_unmap(self):
        done = self.attack(EXAMPLE, "--only", "D6", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        windows = json.loads(done.stdout)["invalidation_windows"]
        for window in windows:
            deferred = window["invalidation"] == "deferred"
            self.assertEqual(window["written_afterwards"] > 0, deferred, window)
            self.assertLessEqual(window["longest_seconds"], 0.010 if deferred else 0, window)
        self.assertEqual(len(windows), 6)

    def test_the_matrix_of_one_attack(self):
        done = self.attack(EXAMPLE, "--matrix", "--only", "D3a", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        (row,) = json.loads(done.stdout)["rows"]
        self.assertEqual(row["minimal"], ["acs + ntb_lut + ch_iommu"])
        self.assertEqual(len(row["succeeds_without"]), 8)  # of the other three switches every combination
        self.assertTrue(row["control_proven"] and not row["vacuous"])

    def test_bad_input(self):
        self.assertEqual(self.attack(self.folder.write("bad.yaml", "name: x\n")).returncode, 2)
        self.assertEqual(self.attack(EXAMPLE, "--only", "Z9").returncode, 2)


if __name__ == "__main__":
    unittest.main()
