"""`ladon explain`: refusals of a rack file, of a line of a log, and of a rack that runs."""

import json
import pathlib
import signal
import socket
import struct
import unittest

import processes
import rack

VERSION, REGION_WRITE = 1, 10  # commands of vfio-user
REGISTERS, CONFIG = 0, 7  # regions
RETURN_ENTRY = "ntb1/link/inbound requester-ID LUT"


class Device:
    """A VF as the smallest of vfio-user clients has it: registers that can be written, and no memory at all."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.messages = 0
        self.say(VERSION, struct.pack("<HH", 0, 1) + b'{"capabilities":{}}\0')

    def say(self, command, payload):
        self.messages += 1
        self.socket.sendall(struct.pack("<HHIII", self.messages, command, 16 + len(payload), 0, 0) + payload)
        header = self.socket.recv(16, socket.MSG_WAITALL)
        _, _, size, flags, error = struct.unpack("<HHIII", header)
        self.socket.recv(size - 16, socket.MSG_WAITALL)
        if flags & 0x20:
            raise OSError(error, "refused by the VF's server")

    def write(self, region, offset, value, width=4):
        self.say(REGION_WRITE, struct.pack("<QII", offset, region, width) + value.to_bytes(width, "little"))

    def fetch_descriptors_at(self, address):
        """A transmit ring there (82599 datasheet, 8.2.3.9); the device fetches at once."""
        self.write(CONFIG, 4, 6, width=2)  # memory space, bus master
        for offset, value in ((0x2000, address & 0xFFFFFFFF), (0x2004, address >> 32), (0x2008, 4096), (0x2028, 1 << 25),
                              (0x2018, 8)):
            self.write(REGISTERS, offset, value)


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
        self.check_refusals(running, live)
        running.end(signal.SIGINT)
        self.assertEqual(rack.run_ladon(self.folder, *live).returncode, 2)

    def check_refusals(self, running, live):
        """A guest that uses an address nobody mapped for it, and one that is mapped later: it has mapped nothing yet."""
        for guest, vf, address, verdict, status in (("vm-a", 1, 0x3010000000, "isolation", 0), ("vm-b", 2, 0x2000, "missing", 1)):
            with self.subTest(guest=guest):
                device = Device(running.guests[guest]["vfio_user_socket"])
                self.addCleanup(device.socket.close)
                device.fetch_descriptors_at(address)
                found = processes.wait_until(lambda: self.refusal_at(live, address), 20)
                self.assertTrue(found, running.log())
                self.assertEqual((found["verdict"], found["who"]), (verdict, f"VF {vf} of nic0 ({guest})"))
                self.assertGreaterEqual(found["count"], 1)
                self.assertEqual(rack.run_ladon(self.folder, *live, "--count", "1").returncode, status)

    def refusal_at(self, live, address):
        done = rack.run_ladon(self.folder, *live, "--json")
        return next((one for one in json.loads(done.stdout)["refusals"] if one["access"].endswith(f"{address:#x}")), None)

    def test_mistakes(self):
        for arguments in (("--fault", "nonsense"), ("--without", "ntb9/link/entry"), ("--vm", "nobody"), ("--msi", "77")):
            with self.subTest(arguments=arguments):
                done = rack.run_ladon(self.folder, "explain", rack.EXAMPLE, *arguments)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertIn(arguments[1] if arguments[0] != "--fault" else "--fault", done.stderr)
        for arguments in ((), ("--live", "socket", "--fault", "x"), ("--live", "socket", "--dma", "1"),
                          (rack.EXAMPLE, "--fault", "x", "--vm", "vm-a"),
                          (rack.EXAMPLE, "--mmio", "0xFFFFFFFF20000000")):
            with self.subTest(arguments=arguments):
                self.assertEqual(rack.run_ladon(self.folder, "explain", *arguments).returncode, 2)


if __name__ == "__main__":
    unittest.main()
