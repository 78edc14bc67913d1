"""`ladon up` starts nothing while the audit of its plan has a finding that the rack file does not accept."""

import json
import pathlib
import signal
import unittest

import rack

EXAMPLE = pathlib.Path(rack.EXAMPLE).read_text()
OFF = EXAMPLE + "\ndefences: {ept: off}\n"
DEFENCES = ("acs", "mh_iommu", "ntb_lut", "ch_iommu", "interrupt_remapping", "ept")


class Accept(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)

    def run_ladon(self, command, text, *arguments):
        return rack.run_ladon(self.folder, command, self.folder.write("rack.yaml", text), *arguments)

    def refused(self, text, *arguments):
        done = self.run_ladon("up", text, *arguments)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(self.folder.left_behind(), [])
        self.assertIn("nothing was started", done.stderr)
        return done

    def suggested(self, text):
        """What it says should be written, with every reason filled in."""
        lines = self.refused(text).stderr
        return "\n" + lines[lines.index("accept:"):].replace('why: ""', "why: a test")

    def serves(self, text):
        ladon = rack.Ladon(self.folder, text)
        self.addCleanup(ladon.kill)
        return ladon

    def test_refused_with_the_way(self):
        said = self.refused(OFF).stdout
        self.assertRegex(said, r"vm-a +ch1 +memory")
        self.assertRegex(said, r"vm-a: (.|\n)*memory of ch1 at 0x")
        report = json.loads(self.refused(OFF, "--json").stdout)
        self.assertTrue(report["findings"])
        self.assertIn("defence: ept", report["suggestion"])
        for finding in report["findings"]:
            self.assertFalse(finding["accepted"])
            self.assertTrue(finding["path"])

    def test_demo_is_refused_alike(self):
        done = self.run_ladon("demo", OFF, "--assets", rack.ASSETS, "--out", str(self.folder.path / "out"))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("nothing was started", done.stderr)
        self.assertFalse((self.folder.path / "out").exists())

    def test_the_suggestion_is_all_it_takes(self):
        text = OFF + self.suggested(OFF)
        done = self.run_ladon("audit", text, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        findings = json.loads(done.stdout)["findings"]
        self.assertTrue(findings)
        for finding in findings:
            self.assertEqual((finding["accepted"], finding["why"]), (True, "a test"))
        self.assertRegex(self.run_ladon("audit", text).stdout, r"vm-a .* a test\n(.|\n)*\(\d+ accepted\)")
        ladon = self.serves(text)
        self.assertEqual(rack.run_ladon(self.folder, "audit", "--live", ladon.control_socket).returncode, 0)
        self.assertEqual(ladon.end(signal.SIGTERM), 0)

    def test_every_defence_can_be_accepted(self):
        for defence in DEFENCES:
            with self.subTest(defence=defence):
                text = EXAMPLE + f"\ndefences: {{{defence}: off}}\naccept: [{{defence: {defence}, why: a test}}]\n"
                self.assertEqual(self.run_ladon("audit", text).returncode, 0)

    def test_a_running_rack_without_a_defence(self):
        for defence in ("ch_iommu", "mh_iommu"):
            with self.subTest(defence=defence):
                ladon = self.serves(
                    EXAMPLE + f"\ndefences: {{{defence}: off}}\naccept: [{{defence: {defence}, why: a test}}]\n")
                done = rack.run_ladon(self.folder, "audit", "--live", ladon.control_socket, "--json")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                for finding in json.loads(done.stdout)["findings"]:
                    self.assertTrue(finding["accepted"])
                ladon.end(signal.SIGTERM)

    def test_one_by_one(self):
        findings = json.loads(self.refused(OFF, "--json").stdout)["findings"]
        entries = ["  - {{initiator: '{}', domain: {}, kind: {}, access: {}, first: {}, last: {}, why: known}}\n".format(
            f["initiator"], f["domain"], f["kind"], f["access"], f["range"]["first"], f["range"]["last"])
            for f in findings]
        self.assertEqual(self.run_ladon("audit", OFF + "accept:\n" + "".join(entries)).returncode, 0)
        done = self.run_ladon("audit", OFF + "accept:\n" + "".join(entries[1:]), "--json")
        self.assertEqual(done.returncode, 1)
        self.assertEqual([f["accepted"] for f in json.loads(done.stdout)["findings"]],
                         [False] + [True] * (len(findings) - 1))

    def test_stale_entries_are_mistakes_of_the_file(self):
        stale = ("\naccept:\n  - {initiator: vm-a, domain: ch1, kind: memory, access: read, first: 0, last: 1,"
                 " why: once}\n")
        line = (EXAMPLE + stale).count("\n")
        for command in ("up", "audit"):
            with self.subTest(command=command):
                done = self.run_ladon(command, EXAMPLE + stale)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"rack.yaml:{line}:5: accept[0]: accepts nothing", done.stderr)
                self.assertIn("remove this entry", done.stderr)
        errors = json.loads(self.run_ladon("audit", EXAMPLE + stale, "--json").stdout)["errors"]
        self.assertEqual((errors[0]["line"], errors[0]["field"]), (line, "accept[0]"))
        self.assertEqual(self.folder.left_behind(), [])


if __name__ == "__main__":
    unittest.main()
