"""What may go wrong while a rack serves: guests, clients, the management program, the wire and Ladon itself go away in
the middle of things, and everyone else goes on. One rack serves most of the tests; the last of them end it."""

import os
import random
import signal
import socket
import struct
import subprocess
import time
import unittest

import processes
import rack
import traffic

RACK = """
name: life
nics:
  - name: nic0
    vfs: 4
    wire: {kind: tap, address: 10.20.0.1/24, pcap: wire.pcap}
hosts:
  - {name: mh, role: management, memory: 256MiB}
  - name: ch1
    role: compute
    kind: virtualized
    memory: 1GiB
    vms:
      - name: vm-a
        vf: {nic: nic0, index: 1, mac: 52:54:00:20:00:01, pcap: vm-a.pcap}
        address: 10.20.0.11/24
      - name: vm-b
        vf: {nic: nic0, index: 2, mac: 52:54:00:20:00:02}
        address: 10.20.0.12/24
  - name: ch2
    role: compute
    kind: bare
    memory: 512MiB
    guest:
      name: bare
      memory: 256MiB
      vf: {nic: nic0, index: 3, mac: 52:54:00:20:00:03}
      address: 10.20.0.13/24
"""
REMOTE = "10.20.0.1"
MACS = {"vm-a": "52:54:00:20:00:01", "vm-b": "52:54:00:20:00:02", "bare": "52:54:00:20:00:03"}
the_rack = None


def setUpModule():
    global the_rack
    the_rack = rack.Rack(RACK)
    unittest.addModuleCleanup(the_rack.close)
    the_rack.ready("vm-a", "vm-b", "bare")


class Life(unittest.TestCase):
    def setUp(self):
        self.rack = the_rack
        self.ladon = the_rack.ladon

    def undisturbed(self):
        """Until the end of the test, vm-a and bare talk, from one host to the other, and lose nothing."""
        near, far = self.rack.ready("vm-a", "bare")
        flow = traffic.Flow(near, far.address)

        def check():
            lost, answered, dropped = flow.end()
            self.assertLessEqual(len(lost), dropped, f"lost {lost} of {answered}\n{self.ladon.counters()}")
            self.assertGreater(answered, 0)

        self.addCleanup(check)
        return near, far

    def assert_pings(self, guest, address):
        sent, received = traffic.ping(guest, address)
        self.assertEqual(sent, received, f"{guest.name} to {address}")

    def assert_works(self, guest):
        """Its own MAC, link and driver, and traffic to every kind of neighbour."""
        facts = guest.facts()
        self.assertEqual((facts.get("mac"), facts.get("link"), facts.get("driver")),
                         (MACS[guest.name], "up", "ixgbevf"))
        for other in self.rack.guests.values():
            if other is not guest:
                self.assert_pings(guest, other.address)
                self.assert_pings(other, guest.address)


class GuestEnds(Life):
    def test_killed_under_traffic_again_and_again(self):
        _, far = self.undisturbed()
        for _ in range(3):
            (victim,) = self.rack.ready("vm-b")
            _, client = far.run(f"iperf3 -c {victim.address} -t 120 >/dev/null 2>&1 & echo $!")
            victim.run(f"ping -i 0.002 {far.address} >/dev/null 2>&1 &")
            time.sleep(1)
            victim.kill()
            time.sleep(0.5)
            far.run(f"kill -9 {client}")
            (again,) = self.rack.ready("vm-b")
            self.assert_works(again)

    def test_the_bare_host_crashes(self):
        (crashing, watching) = self.rack.ready("bare", "vm-a")
        crashing.run(f"ping -i 0.002 {watching.address} >/dev/null 2>&1 &")
        time.sleep(0.5)
        crashing.kill()
        (again,) = self.rack.ready("bare")
        self.assert_works(again)

    def test_reboot(self):
        self.undisturbed()
        (guest,) = self.rack.ready("vm-b")
        guest.start("echo b >/proc/sysrq-trigger")
        guest.wait_off()
        (again,) = self.rack.ready("vm-b")
        self.assert_works(again)


class InsideAGuest(Life):
    def under_traffic(self, command):
        """Runs it in vm-b while frames come and go; what it printed."""
        # Not from or to vm-a: a ping sees every echo that comes to its guest, and its socket holds but a few.
        _, far = self.undisturbed()
        (guest,) = self.rack.ready("vm-b")
        _, other = far.run(f"ping -i 0.005 {guest.address} >/dev/null 2>&1 & echo $!")
        _, own = guest.run(f"ping -i 0.005 {far.address} >/dev/null 2>&1 & echo $!")
        try:
            status, printed = guest.run(command)
        finally:
            guest.run(f"kill {own}")
            far.run(f"kill {other}")
        self.assertEqual(status, 0, printed)
        return guest, printed

    def test_interface_down_and_up(self):
        guest, _ = self.under_traffic("for i in 1 2 3; do sleep 0.5; ip link set eth0 down && sleep 0.5 && "
                                      "ip link set eth0 up || exit; done")
        self.wait_link(guest)
        self.assert_works(guest)

    def test_function_level_reset(self):
        reset = "/sys/bus/pci/devices/$(vf-report | sed -n s/^vf=//p)/reset"
        guest, _ = self.under_traffic(f"sleep 0.5; echo 1 >{reset}")
        # Linux tells ixgbevf nothing of it; the PF's driver does, and ixgbevf resets its VF at most every ten seconds.
        far = self.rack.guests["bare"].address
        self.assertTrue(processes.wait_until(lambda: traffic.ping(guest, far)[1] > 0, 30, 0.5), "does not come back")
        self.wait_link(guest)
        self.assert_works(guest)

    def test_driver_taken_off_and_put_on(self):
        guest, _ = self.under_traffic(
            "sleep 0.5; vf=$(vf-report | sed -n s/^vf=//p); cd /sys/bus/pci/drivers/ixgbevf && echo $vf >unbind && "
            "echo $vf >bind && ip link set eth0 up && ip address add $(sed 's/.*ladon.ip=\\([^ ]*\\).*/\\1/' "
            "/proc/cmdline) broadcast + dev eth0")
        self.wait_link(guest)
        self.assert_works(guest)

    def test_self_test_of_the_driver(self):
        guest, printed = self.under_traffic("sleep 0.5; ethtool -t eth0 offline")
        self.assertIn("PASS", printed)
        self.wait_link(guest)
        self.assert_works(guest)

    def wait_link(self, guest):
        self.assertTrue(processes.wait_until(lambda: guest.facts().get("link") == "up", 30, 0.5), "no link")


def message(command, body=b"", size=None, flags=0):
    """A vfio-user message that says it is `size` bytes long."""
    return struct.pack("<HHIII", 1, command, 16 + len(body) if size is None else size, flags, 0) + body


VERSION, DMA_MAP, REGION_WRITE, SET_IRQS = 1, 2, 10, 8
HELLO = message(VERSION, struct.pack("<HH", 0, 0) + b'{"capabilities":{}}\0')


class Client(Life):
    """A vfio-user client that is no QEMU, on vm-b's socket."""

    def setUp(self):
        super().setUp()
        self.undisturbed()
        self.rack.ready("vm-b")[0].kill()
        # The kernel may take a moment until the socket of a killed QEMU is closed.
        self.assertTrue(processes.wait_until(self.hello, 10), "nobody else is let in")

    def say(self, *parts, descriptors=()):
        """Connects, says it, the last but one part with the descriptors, and is gone without a word. After HELLO it
        waits for the answer, and returns it."""
        answer = b""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            # Blocking: clients that come while Ladon takes the VF back from the one before them queue up.
            client.connect(self.ladon.guests["vm-b"]["vfio_user_socket"])
            client.settimeout(10)
            for part in parts:
                try:
                    socket.send_fds(client, [part], descriptors if descriptors and part == parts[-2] else ())
                    if part == HELLO:
                        answer = client.recv(65536)
                except (BrokenPipeError, ConnectionResetError):
                    break  # Ladon has had enough first
        return answer

    def hello(self, *more, descriptors=()):
        return self.say(HELLO, *more, descriptors=descriptors)

    def test_gone_in_the_middle(self):
        some = random.Random(1)
        self.say()
        for length in (7, 16, len(HELLO) - 3):
            self.say(HELLO[:length])
        for _ in range(10):
            self.say(some.randbytes(some.randrange(1, 4096)))
        unfinished = [message(REGION_WRITE, b"\0" * 12, size=4096), message(SET_IRQS, b"\xff" * 20)]
        unfinished += [message(REGION_WRITE, size=size) for size in (0, 15, 2**31, 2**32 - 1)]
        unfinished += [some.randbytes(some.randrange(1, 4096)) for _ in range(10)]
        for last in unfinished:
            self.assertTrue(self.hello(last), "was not let in")
        memory = os.memfd_create("guest")
        self.addCleanup(os.close, memory)
        os.truncate(memory, 1 << 21)
        mapping = message(DMA_MAP, struct.pack("<IIQQQ", 32, 3, 0, 0, 1 << 21))
        for _ in range(5):
            self.assertTrue(self.hello(mapping, HELLO[:9], descriptors=[memory]), "was not let in")
        self.assertTrue(self.ladon.running())
        (guest,) = self.rack.ready("vm-b")
        self.assert_works(guest)


class Management(Life):
    def test_killed(self):
        self.undisturbed()
        self.rack.ready("vm-b")
        before = self.ladon.child("mh")
        self.assertIsNotNone(before)
        os.kill(before, signal.SIGKILL)
        self.assertTrue(processes.wait_until(lambda: self.ladon.child("mh") not in (None, before), 5),
                        "no new management program")
        after = self.ladon.child("mh")
        self.rack.guests["vm-b"].kill()
        (guest,) = self.rack.ready("vm-b")
        self.assert_works(guest)
        self.assertEqual(self.ladon.child("mh"), after)

    def test_killed_while_a_guest_comes(self):
        self.undisturbed()
        (guest,) = self.rack.ready("vm-b")
        guest.kill()
        self.rack.power_on("vm-b")
        for _ in range(3):
            time.sleep(1)
            if current := self.ladon.child("mh"):
                os.kill(current, signal.SIGKILL)
        self.rack.guests["vm-b"].wait_ready()
        self.assert_works(self.rack.guests["vm-b"])


def in_namespace(pid, *command):
    """Runs it in the network namespace of that process."""
    enter = ["nsenter", f"--net=/proc/{pid}/ns/net"]
    if os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user"):
        enter += [f"--user=/proc/{pid}/ns/user", "--preserve-credentials"]
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    done = subprocess.run([*enter, *command], capture_output=True, text=True, timeout=20,
                          env={**os.environ, "PATH": path})
    assert done.returncode == 0, done.stderr
    return done.stdout


def interfaces(pid):
    lines = in_namespace(pid, "ip", "-o", "link").splitlines()
    return [name for line in lines if (name := line.split()[1].rstrip(":").split("@")[0]) != "lo"]


class Wire(Life):
    def test_it_disappears(self):
        remote = self.ladon.child("ladon-remote")
        if remote is None:
            self.skipTest("no privileges for a tap: the remote test host is in Ladon's own process")
        near, _ = self.undisturbed()
        self.rack.ready("vm-b")
        self.assert_pings(near, REMOTE)
        (wire,) = interfaces(remote)
        in_namespace(remote, "ip", "link", "delete", wire)
        self.assertEqual(traffic.ping(near, REMOTE)[1], 0)
        self.assert_works(self.rack.guests["vm-b"])
        self.doCleanups()  # the watched flow ends here: from now on nobody gives Ladon work
        used = processes.processor_seconds(self.ladon.pid)
        time.sleep(1)
        self.assertLess(processes.processor_seconds(self.ladon.pid) - used, 0.25)


class End(Life):
    """The last class: it ends the rack that the others used."""

    def test_interrupted(self):
        everyone = self.rack.ready("vm-a", "vm-b", "bare")
        for guest, to in zip(everyone, reversed(everyone)):
            guest.run(f"ping -i 0.01 {to.address} >/dev/null 2>&1 &")
        self.assertEqual(self.ladon.end(signal.SIGINT), 0, self.ladon.log())
        self.assertEqual(processes.wait_until(lambda: not self.rack.folder.left_behind(), 3), True,
                         self.rack.folder.left_behind())
        self.check_captures()

    def check_captures(self):
        folder = self.rack.folder.path
        own = bytes.fromhex(MACS["vm-a"].replace(":", ""))
        of_vm = traffic.read_pcap(folder / "vm-a.pcap")
        sent = [frame for frame in of_vm if frame[6:12] == own]
        received = [frame for frame in of_vm if frame[6:12] != own]
        self.assertGreater(len(sent), 10)
        self.assertGreater(len(received), 10)
        self.assertTrue(all(14 <= len(frame) <= 1518 for frame in of_vm))
        on_wire = traffic.read_pcap(folder / "wire.pcap")
        self.assertTrue(on_wire)
        macs = {bytes.fromhex(mac.replace(":", "")) for mac in MACS.values()}
        self.assertTrue(macs & {frame[6:12] for frame in on_wire}, "nothing that a guest sent is on the wire")


class Killed(unittest.TestCase):
    def test_nothing_is_left_behind(self):
        doomed = rack.Rack(RACK)
        self.addCleanup(doomed.close)
        doomed.power_on("vm-b")
        remote = doomed.ladon.child("ladon-remote")
        spaces = {processes.network_namespace(pid) for pid in (remote, os.getpid()) if pid}
        spaces.discard(processes.network_namespace(os.getpid()))
        self.assertTrue(doomed.folder.left_behind())  # so that the check below can fail
        time.sleep(1)
        self.assertEqual(doomed.ladon.end(signal.SIGKILL), -signal.SIGKILL)
        processes.wait_until(lambda: not doomed.folder.left_behind(), 3)
        self.assertEqual(doomed.folder.left_behind(), [])
        self.assertFalse(spaces & {processes.network_namespace(pid) for pid in processes.all_pids()})


def load_tests(loader, _tests, _pattern):
    """In this order: the wire does not come back, and End ends the rack."""
    ordered = (GuestEnds, InsideAGuest, Client, Management, Wire, End, Killed)
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in ordered)


if __name__ == "__main__":
    unittest.main(verbosity=2)
