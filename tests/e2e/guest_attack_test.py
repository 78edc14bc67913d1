"""`ladon attack --guests`: from inside stock guests everything is refused, attributed and dealt with by policy, while the
others lose no packet; and with defences switched off the same attacks succeed."""

import json
import pathlib
import unittest

import rack

RACK = rack.ROOT / "examples" / "policies.yaml"
SECONDS = 600  # without KVM, and on a busy machine
GUESTS = {"vm-a", "vm-b", "vm-c", "bare"}
REMOTE = "remote test host"

# Every switch off, an attacker that may send under any address and have any: what then gets through.
OPEN = """
name: open
defences: {acs: off, ntb_lut: off, ch_iommu: off, interrupt_remapping: off}
nics:
  - name: nic0
    vfs: 4
    wire: {kind: peer, address: 10.31.0.1/24}
hosts:
  - {name: mh, role: management, memory: 256MiB}
  - name: ch1
    role: compute
    kind: virtualized
    memory: 1GiB
    vms:
      - name: vm-a
        vf: {nic: nic0, index: 1, mac: 52:54:00:31:00:01, spoof_check: off, trust: on, on_fault: reset}
        address: 10.31.0.11/24
      - name: vm-b
        vf: {nic: nic0, index: 2, mac: 52:54:00:31:00:02}
        address: 10.31.0.12/24
  - name: ch2
    role: compute
    kind: virtualized
    memory: 512MiB
    vms:
      - name: vm-c
        vf: {nic: nic0, index: 3, mac: 52:54:00:31:00:03}
        address: 10.31.0.13/24
"""
SUCCEED = ["D1", "D2", "D3a", "N4", "P1a", "P1c", "I1a", "I2", "S2"]


def attack(folder, file, *arguments):
    """(exit status, report, standard error)"""
    out = folder.path / "out"
    done = rack.run_ladon(folder, "attack", str(file), "--guests", "--assets", rack.ASSETS, "--out", str(out), *arguments,
                          seconds=SECONDS)
    report = out / "report.json"
    if not report.exists():
        raise AssertionError(f"no report:\n{done.stderr}")
    return done, json.loads(report.read_text())


class Refused(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = rack.Folder()
        cls.addClassCleanup(cls.folder.remove)
        cls.done, cls.report = attack(cls.folder, RACK)
        cls.log = (cls.folder.path / "out" / "management.log").read_text()
        cls.left_behind = cls.folder.left_behind()

    def test_all_of_it_held(self):
        self.assertEqual(self.report["failures"], [])
        self.assertEqual(self.done.returncode, 0, self.done.stdout + self.done.stderr)
        self.assertTrue(self.report["ok"])

    def test_attacks(self):
        self.assertGreaterEqual(len(self.report["attacks"]), 20)
        for one in self.report["attacks"]:
            with self.subTest(one["id"]):
                self.assertEqual(one["result"], "refused", one["reason"])
                self.assertEqual(one["collateral_packets"], 0)
                self.assertEqual(one["attributed_to"], one["attacker"])
                self.assertTrue(one["by"] and one["reason"])

    def test_the_management_host_heard_of_it(self):
        for one in self.report["attacks"]:
            with self.subTest(one["id"]):
                self.assertTrue(one["management_log_matches"], one["management_log"])
                for line in one["management_log"]:
                    self.assertIn(one["attacker"], line)
                    self.assertIn(line, self.log)
                if "/iommu/" in one["by"]:
                    self.assertTrue([line for line in one["management_log"] if "/iommu/" in line and "at 0x" in line])

    def test_policies(self):
        self.assertEqual([one["on_fault"] for one in self.report["policies"]], ["log", "reset", "quarantine"])
        for one in self.report["policies"]:
            with self.subTest(one["on_fault"]):
                self.assertGreaterEqual(len(one["checks"]), 4)
                self.assertEqual([check["what"] for check in one["checks"] if not check["held"]], [])
                self.assertEqual(one["collateral_packets"], 0)
        quarantined = self.report["policies"][2]["guest"]
        self.assertRegex(self.log, rf"management: quarantined: {quarantined} \(VF 3 of NIC 0, ch2\)")

    def test_neighbours_lose_nothing(self):
        pairs = {(pair["from"], pair["to"]) for pair in self.report["traffic"]}
        self.assertEqual(pairs, {(a, b) for a in GUESTS for b in GUESTS | {REMOTE} if a != b})
        for pair in self.report["traffic"]:
            with self.subTest(f"{pair['from']} to {pair['to']}"):
                self.assertGreater(pair["sent"], 20)
                self.assertEqual(pair["sent"], pair["received"])
        self.assertGreater(sum(pair["sent"] for pair in self.report["traffic"]), 5000)

    def test_a_person_can_read_it(self):
        self.assertRegex(self.done.stdout, r"D2 +DMA to another VM of the same host +vm-a +refused +ch1/iommu/\S")
        self.assertIn("all of it held", self.done.stdout)

    def test_nothing_is_left_behind(self):
        self.assertEqual(self.left_behind, [])


class Open(unittest.TestCase):
    """What shows that the judge sees: every control off at once."""

    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)

    def test_attacks_succeed_without_their_defence(self):
        file = self.folder.write("open.yaml", OPEN)
        done, report = attack(self.folder, file, "--only", ",".join(SUCCEED))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(report["failures"], [])
        self.assertEqual({one["id"]: one["result"] for one in report["attacks"]}, dict.fromkeys(SUCCEED, "succeeded"))

    def test_bad_input(self):
        out = str(self.folder.path / "out")
        arguments = ("--guests", "--assets", rack.ASSETS, "--out", out)
        for only in ("E1", "Z9"):  # no guest's processor gets past QEMU
            done = rack.run_ladon(self.folder, "attack", str(RACK), *arguments, "--only", only)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(only, done.stderr)
        self.assertFalse(pathlib.Path(out).exists())
        nowhere = rack.run_ladon(self.folder, "attack", str(RACK), "--guests", "--assets", "/nowhere", "--out", out)
        self.assertEqual(nowhere.returncode, 2, nowhere.stderr)


if __name__ == "__main__":
    unittest.main()
