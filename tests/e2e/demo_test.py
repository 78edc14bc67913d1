"""`ladon demo` on the example: all that its report says, and that nothing stays behind."""

import json
import re
import unittest

import rack

SECONDS = 600  # without KVM, and on a busy machine
GUESTS = {
    "vm-m": ("mh", "mh", "sriov", "52:54:00:10:00:00"),
    "vm-a": ("ch1", "virtualized", "mriov+", "52:54:00:10:00:01"),
    "vm-b": ("ch1", "virtualized", "mriov+", "52:54:00:10:00:02"),
    "bare": ("ch2", "bare", "mriov+", "52:54:00:10:00:03"),
}
REMOTE = "remote test host"
PATHS = {"same host", "to the bare host", "to the MH's VM", "wire"}


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = rack.Folder()
        cls.addClassCleanup(cls.folder.remove)
        out = cls.folder.path / "out"
        cls.done = rack.run_ladon(cls.folder, "demo", rack.EXAMPLE, "--assets", rack.ASSETS, "--out", str(out),
                                  "--seconds", "1", seconds=SECONDS)
        cls.left_behind = cls.folder.left_behind()
        report = out / "report.json"
        if not report.exists():
            raise AssertionError(f"no report:\n{cls.done.stderr}")
        cls.report = json.loads(report.read_text())

    def test_all_of_it_held(self):
        self.assertEqual(self.report["failures"], [])
        self.assertEqual(self.done.returncode, 0, self.done.stdout + self.done.stderr)
        self.assertTrue(self.report["ok"])
        self.assertTrue(0 < self.report["seconds"] < SECONDS)

    def test_guests(self):
        self.assertEqual({guest["name"] for guest in self.report["guests"]}, set(GUESTS))
        for guest in self.report["guests"]:
            with self.subTest(guest["name"]):
                self.assertEqual((guest["host"], guest["kind"], guest["mode"], guest["mac"]), GUESTS[guest["name"]])
                self.assertEqual(guest["driver"], "ixgbevf")
                self.assertEqual(guest["link"], "up")
                self.assertRegex(guest["kernel"], r"^\d+\.\d+")
                self.assertRegex(guest["version"], r"^\d+\.\d+")
                self.assertRegex(guest["vf"], r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")
                self.assertGreaterEqual(guest["msix_vectors"], 2)

    def test_pings(self):
        pairs = {frozenset((ping["from"], ping["to"])) for ping in self.report["pings"]}
        names = [*GUESTS, REMOTE]
        wanted = {frozenset((a, b)) for a in names for b in names if a != b}
        self.assertEqual(pairs, wanted)
        for ping in self.report["pings"]:
            with self.subTest(f"{ping['from']} to {ping['to']}"):
                self.assertTrue(ping["ok"])
                self.assertGreater(ping["rtt_ms"], 0)

    def test_streams(self):
        paths = set(PATHS)
        if "in-process peer" in self.done.stderr:
            paths.remove("wire")  # without privileges nobody runs iperf3 there
        self.assertEqual({stream["kind"] for stream in self.report["streams"]}, paths)
        for stream in self.report["streams"]:
            with self.subTest(f"{stream['from']} to {stream['to']}"):
                self.assertTrue(stream["ok"])
                self.assertGreater(stream["gbps"], 0)

    def test_attack(self):
        attack = self.report["attack"]
        self.assertTrue(attack["refused"], attack)
        self.assertRegex(attack["refused_by"], "ch1/iommu.*mh/iommu")
        self.assertEqual(attack["collateral_packets"], 0)
        self.assertIn(attack["attacker"], GUESTS)
        for attempt in attack["attempts"]:
            self.assertTrue(attempt["refused"], attempt)
            self.assertIn("iommu", attempt["refused_by"])

    def test_a_person_can_read_it(self):
        for text in [*GUESTS, *PATHS, "All of it held", *(guest[3] for guest in GUESTS.values())]:
            self.assertIn(text, self.done.stdout)
        steps = re.findall(r"^\[ *[\d.]+ s\] ", self.done.stderr, re.MULTILINE)
        self.assertGreater(len(steps), 5)

    def test_nothing_is_left_behind(self):
        self.assertEqual(self.left_behind, [])


if __name__ == "__main__":
    unittest.main()
