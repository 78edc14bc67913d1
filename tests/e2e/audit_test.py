"""`ladon audit`: the examples are clean, and what a defence that is off lets through has a witness and its path."""

import json
import pathlib
import unittest

import rack

EXAMPLE = pathlib.Path(rack.EXAMPLE)
SINGLE = EXAMPLE.parent / "single-host.yaml"
SEGMENTS = EXAMPLE.parent / "two-segments.yaml"
MORE = [EXAMPLE.parent / name for name in ("many-nics.yaml", "bounce.yaml", "guest-shapes.yaml")]
PARTS = EXAMPLE.parent / "two-parts.yaml"


class Audit(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)

    def audit(self, file, *arguments):
        return rack.run_ladon(self.folder, "audit", str(file), *arguments)

    def without(self, defence):
        return self.folder.write(f"{defence}.yaml", EXAMPLE.read_text() + f"\ndefences: {{{defence}: off}}\n")

    def test_the_examples_are_clean(self):
        for example in (EXAMPLE, SINGLE, SEGMENTS, *MORE):
            with self.subTest(example=example):
                done = self.audit(example, "--json")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                report = json.loads(done.stdout)
                self.assertEqual((report["findings"], report["unreachable"]), ([], []))
                self.assertGreater(report["initiators"], 3)
                self.assertGreater(report["mappings"], 10)
                self.assertLess(report["seconds"], 60)

    def test_what_a_part_without_a_table_lets_through_is_accepted(self):
        done = self.audit(PARTS, "--json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["unreachable"], [])
        self.assertTrue(report["findings"])
        for finding in report["findings"]:
            self.assertTrue(finding["accepted"], finding)
        # Nobody's but that host's own.
        self.assertEqual({finding["domain"] for finding in report["findings"]}, {"mh", "ch2"})

    def test_every_defence_matters(self):
        for defence in ("acs", "mh_iommu", "ntb_lut", "ch_iommu", "interrupt_remapping", "ept"):
            with self.subTest(defence=defence):
                done = self.audit(self.without(defence), "--json")
                self.assertEqual(done.returncode, 1, done.stderr)
                report = json.loads(done.stdout)
                self.assertEqual(report["unreachable"], [])
                self.assertTrue(report["findings"])
                for finding in report["findings"]:
                    self.check_finding(finding)

    def check_finding(self, finding):
        self.assertLessEqual({"initiator", "domain", "range", "kind", "access", "witness", "outcome", "path"}, set(finding))
        self.assertLessEqual(finding["range"]["first"], finding["range"]["last"])
        self.assertIn(finding["kind"], ("memory", "registers", "interrupts"))
        self.assertNotIn("refused", finding["outcome"])
        first, last = finding["path"][0], [hop for hop in finding["path"] if hop["direction"] == "request"][-1]
        self.assertEqual(first["address_in"], finding["witness"]["address"])
        self.assertEqual(last["domain"], finding["domain"])
        if finding["kind"] == "memory":
            self.assertEqual(int(last["address_out"], 16), finding["range"]["first"])

    def test_for_a_person(self):
        done = self.audit(self.without("ch_iommu"))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"VF 1 of nic0 \(vm-a\) +ch1 +memory")
        self.assertRegex(done.stdout, r"memory of ch1 at 0x")

    def test_bad_input(self):
        file = self.folder.write("bad.yaml", "name: x\nhosts: 3\n")
        self.assertEqual(self.audit(file).returncode, 2)
        self.assertEqual(self.audit(EXAMPLE.parent / "none.yaml").returncode, 2)


if __name__ == "__main__":
    unittest.main()
