"""A rack's capture as tshark reads it: every packet taken apart by the dissector, an access's whole way by its number."""

import os
import shutil
import signal
import subprocess
import unittest

import rack

CAPTURE = "rack.pcapng"
TEXT = open(rack.EXAMPLE, encoding="utf-8").read() + f"\ncapture: {{file: {CAPTURE}, fabric: on}}\n"
DISSECTOR = os.path.join(rack.ROOT, "tools", "wireshark", "ladon.lua")


@unittest.skipUnless(shutil.which("tshark"), "there is no tshark here (tools/setup --test)")
class Capture(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)
        ladon = rack.Ladon(self.folder, TEXT)
        self.addCleanup(ladon.kill)
        ladon.end(signal.SIGINT)

    def fields(self, *names, where=""):
        command = ["tshark", "-X", f"lua_script:{DISSECTOR}", "-r", str(self.folder.path / CAPTURE), "-T", "fields"]
        for name in names:
            command += ["-e", name]
        if where:
            command += ["-Y", where]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def test_the_management_program_is_seen_at_work(self):
        self.assertEqual(self.fields("frame.number", where="_ws.malformed || ladon.malformed || !ladon"), [])
        protocols = {row[0] for row in self.fields("frame.protocols")}
        self.assertEqual(protocols, {"ladon"}, "no guest has sent a frame")

        # A store to a register of the NIC's physical function: from the processor through root port and switch.
        arrived = self.fields("ladon.number", where='ladon.access == 2 && ladon.ending == 1 && ladon.outcome contains "nic0"')
        self.assertTrue(arrived)
        way = self.fields("ladon.component", "frame.interface_name", where=f"ladon.number == {arrived[0][0]}")
        self.assertEqual([row[0] for row in way], [row[1] for row in way], "an interface is a component's")
        self.assertEqual(way[0][0], "mh/root-complex")
        self.assertEqual(way[-1][0], "nic0")
        self.assertIn("switch0/up", [row[0] for row in way])


if __name__ == "__main__":
    unittest.main(verbosity=2)
