"""`ladon audit --live`: a rack that serves is clean - idle, with guests at work and after they were killed, with its
management program killed and started again - and its control socket takes anything from its owner."""

import json
import os
import random
import signal
import socket
import stat
import unittest

import processes
import rack
import traffic

RACK = """
name: audited
nics:
  - {name: nic0, vfs: 4}
hosts:
  - {name: mh, role: management, memory: 256MiB}
  - name: ch1
    role: compute
    memory: 1GiB
    vms:
      - {name: vm-a, vf: {nic: nic0, index: 1}, address: 10.20.0.11/24}
      - {name: vm-b, vf: {nic: nic0, index: 2}, address: 10.20.0.12/24}
  - name: ch2
    role: compute
    kind: bare
    memory: 512MiB
    guest: {name: bare, memory: 256MiB, vf: {nic: nic0, index: 3}, address: 10.20.0.13/24}
"""
the_rack = None


def setUpModule():
    global the_rack
    the_rack = rack.Rack(RACK)
    unittest.addModuleCleanup(the_rack.close)


class Live(unittest.TestCase):
    def setUp(self):
        self.ladon = the_rack.ladon

    def run_audit(self, *arguments):
        return rack.run_ladon(the_rack.folder, "audit", "--live", self.ladon.control_socket, *arguments)

    def clean_report(self, *arguments):
        done = self.run_audit("--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual((report["findings"], report["unreachable"]), ([], []))
        return report

    def test_says_what_it_audited(self):
        report = self.clean_report()
        self.assertLessEqual({"findings", "unreachable", "initiators", "mappings", "seconds", "management"}, set(report))
        self.assertGreater(report["initiators"], 10)
        self.assertEqual(report["management"], "up")
        self.assertRegex(self.run_audit().stdout, r"\d+ initiators, \d+ mappings: 0 findings, 0 granted and not reachable")
        self.assertIn(self.ladon.control_socket, self.ladon.log())

    def test_guests_that_boot_work_and_are_killed(self):
        before = self.clean_report()["mappings"]
        the_rack.power_on("vm-a", "bare")
        for _ in range(5):
            self.clean_report()
        near, far = (the_rack.guests[name] for name in ("vm-a", "bare"))
        for guest in (near, far):
            guest.wait_ready()
        flow = traffic.Flow(near, far.address)
        self.assertGreater(self.clean_report()["mappings"], before)
        for _ in range(10):
            self.clean_report()
        lost, answered, dropped = flow.end()
        self.assertLessEqual(len(lost), dropped, self.ladon.counters())
        self.assertGreater(answered, 0)
        far.kill()
        self.clean_report()

    def test_management_killed_again_and_again(self):
        seen = set()
        for _ in range(4):
            current = processes.wait_until(lambda: self.ladon.child("mh"), 10)
            self.assertIsNotNone(current)
            os.kill(current, signal.SIGKILL)
            for _ in range(10):
                report = self.clean_report()
                seen.add(report["management"])
        self.assertIn("down", seen)  # audited with the last plan
        self.assertTrue(processes.wait_until(lambda: self.clean_report()["management"] == "up", 10))

    def test_the_socket_is_its_owners(self):
        mode = os.stat(self.ladon.control_socket).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(self.ladon.directory).st_mode), 0o700)

    def test_hostile_bytes(self):
        dice = random.Random(1)
        pieces = [b"\n", b"{}\n", b"{\"verb\":\"audit\",\"lying\":7}\n", b"[" * 60000 + b"\n", b"x" * 200000,
                  b"{\"verb\":\"audit\"" + b" " * 70000 + b"}\n"]
        for piece in pieces + [dice.randbytes(dice.randrange(1, 4000)) for _ in range(50)]:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
                stranger.settimeout(10)
                stranger.connect(self.ladon.control_socket)
                try:
                    stranger.sendall(piece)
                    stranger.shutdown(socket.SHUT_WR)
                    while stranger.recv(65536):
                        pass
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it was not listened to
        held = []
        for _ in range(20):  # who says nothing is closed after a while
            silent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            silent.connect(self.ladon.control_socket)
            held.append(silent)
        self.assertTrue(processes.wait_until(lambda: self.run_audit().returncode == 0, 20))
        for silent in held:
            silent.close()
        self.assertTrue(self.ladon.running())
        self.clean_report()

    def test_liars_of_a_running_rack(self):
        done = self.run_audit("--lying", "--json")
        for finding in json.loads(done.stdout)["findings"]:
            self.assertRegex(finding["initiator"], "^ntb")

    def test_no_such_socket(self):
        for arguments in (["--live", "/no/such/socket"], [], ["--live", self.ladon.control_socket, rack.EXAMPLE]):
            done = rack.run_ladon(the_rack.folder, "audit", *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)


if __name__ == "__main__":
    unittest.main()
