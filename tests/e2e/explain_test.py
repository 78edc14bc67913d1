"""`ladon explain`: refusals of a rack file, of a line of a log, and of a rack that runs."""

import json
import pathlib
import signal
import unittest

import rack

RETURN_ENTRY = "ntb1/link/inbound requester-ID LUT"


class Explain(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)

    def explain(self, status, *arguments):
        done = rack.run_ladon(self.folder, "explain", rack.EXAMPLE, "--json", *arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(self.folder.left_behind(), [])
        return json.loads(done.stdout)

    def test_nothing_is_refused_of_what_is_granted(self):
        for guest in ("vm-m", "vm-a", "vm-b", "bare"):
            with self.subTest(guest=guest):
                found = self.explain(0, "--vm", guest)
                self.assertEqual(found["refusals"], [])
                self.assertEqual(len(found["passed"]), 3)

    def test_a_return_entry_that_is_lost(self):
        (read,) = self.explain(1, "--vm", "vm-a", "--dma", "0x1000", "--without", RETURN_ENTRY)["refusals"]
        self.assertEqual((read["verdict"], read["who"]), ("missing", "VF 1 of nic0 (vm-a)"))
        self.assertIn("one-way", read["cause"])
        self.assertIn(f"{RETURN_ENTRY}, add requester 00:00.0 -> proxy", read["mend"])
        # A write needs no way back.
        found = self.explain(0, "--vm", "vm-a", "--dma", "0x1000", "--write", "--without", RETURN_ENTRY)
        self.assertEqual(found["refusals"], [])

    def test_memory_that_nobody_granted(self):
        (read,) = self.explain(0, "--vm", "vm-a", "--dma", "0x3010000000")["refusals"]
        self.assertEqual(read["verdict"], "isolation")
        self.assertIn("isolation", read["mend"])

    def test_a_line_of_a_log(self):
        done = rack.run_ladon(self.folder, "path", rack.EXAMPLE, "--vm", "vm-b", "--dma", "0x3010000000")
        line = done.stdout.strip().splitlines()[-1]
        self.assertTrue(line.startswith("refused by"), done.stdout)
        (read,) = self.explain(0, "--fault", line)["refusals"]
        self.assertEqual((read["verdict"], read["who"]), ("isolation", "VF 2 of nic0 (vm-b)"))

    def test_for_a_person(self):
        done = rack.run_ladon(self.folder, "explain", rack.EXAMPLE, "--vm", "vm-a", "--without", RETURN_ENTRY)
        self.assertEqual(done.returncode, 1, done.stderr)
        for word in ("verdict", "cause", "entry", "owner", "mend"):
            self.assertIn(f"  {word}", done.stdout)

    def test_a_rack_that_runs(self):
        running = rack.Ladon(self.folder, pathlib.Path(rack.EXAMPLE).read_text().replace("kind: tap", "kind: peer"))
        self.addCleanup(running.kill)
        live = ("explain", "--live", running.control_socket)
        done = rack.run_ladon(self.folder, *live, "--json", "--count", "3")
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, {"refusals": []}), done.stderr)
        self.assertEqual(rack.run_ladon(self.folder, *live).stdout, "nothing was refused\n")
        running.end(signal.SIGINT)
        self.assertEqual(rack.run_ladon(self.folder, *live).returncode, 2)

    def test_mistakes(self):
        for arguments in (("--fault", "nonsense"), ("--without", "ntb9/link/entry"), ("--vm", "nobody"), ("--msi", "77")):
            with self.subTest(arguments=arguments):
                done = rack.run_ladon(self.folder, "explain", rack.EXAMPLE, *arguments)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertIn(arguments[1] if arguments[0] != "--fault" else "--fault", done.stderr)
        done = rack.run_ladon(self.folder, "explain")
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()
