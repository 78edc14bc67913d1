"""Two stock virtio-net guests on one virtual function that their host drives: they reach one another without the NIC, and
the peer at its wire through it, with their checksums and segments left to the device; a guest that lies is not heard; one
goes away and comes back."""

import json
import os
import signal
import subprocess
import unittest

import processes
import rack
import traffic
import vhost_test

HOST = os.environ.get("PARA_HOST", "")
NAMES, ADDRESSES, PEER = ("a", "b"), ("10.30.0.1", "10.30.0.2"), "10.30.0.99"
SENT_BYTES = 50_000_000
IPERF_SECONDS = 5


class Para(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)
        with open(os.path.join(rack.ASSETS, "assets.json"), encoding="utf-8") as file:
            self.assets = json.load(file)
        log = self.folder.path / "host.log"
        with open(log, "wb") as output:
            self.host = subprocess.Popen([HOST, *(str(self.folder.path / f"{name}.sock") for name in NAMES)],
                                         env=self.folder.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=output, preexec_fn=processes.die_with_parent)
        self.addCleanup(self.host.stdout.close)
        self.addCleanup(self.host.wait)
        self.addCleanup(self.host.kill)
        self.assertTrue(processes.wait_until(lambda: b"ready" in log.read_bytes(), 10), log.read_text())
        self.guests = [self.power_on(index) for index in range(2)]
        for guest in self.guests:
            guest.wait_ready()

    def power_on(self, index):
        command = vhost_test.guest_command(self.assets, self.folder.path, NAMES[index], f"{ADDRESSES[index]}/24",
                                           {"mac": f"52:54:00:30:00:0{index + 1}"})
        guest = rack.Guest({"name": NAMES[index], "command": command}, self.folder.path)
        self.addCleanup(guest.kill)
        guest.connect()
        return guest

    def assert_pings(self, guest, *addresses):
        for address in addresses:
            self.assertTrue(processes.wait_until(lambda: traffic.ping(guest, address, 1)[1] == 1, 30), address)
            sent, received = traffic.ping(guest, address, 10)
            self.assertEqual(received, sent, address)

    def run_in(self, guest, command):
        status, output = guest.run(command)
        self.assertEqual(status, 0, output)
        return output

    def test_two_guests_share_a_function(self):
        first, second = self.guests
        self.assert_pings(first, ADDRESSES[1], PEER)
        self.assert_pings(second, ADDRESSES[0], PEER)
        print("to the wire:", self.run_in(first, f"tcpsend {PEER} 9 {SENT_BYTES}").strip())
        local = json.loads(self.run_in(first, f"iperf3 -J -t {IPERF_SECONDS} -c {ADDRESSES[1]}"))
        print(f"guest to guest: {local['end']['sum_received']['bits_per_second'] / 1e9:.2f} Gb/s")

        # With another's address as its source nothing that it says is heard.
        self.run_in(second, "ip link set eth0 down; ip link set eth0 address 52:54:00:30:00:01; ip link set eth0 up; "
                            f"ip address add {ADDRESSES[1]}/24 dev eth0 2>/dev/null; true")
        self.assertEqual(traffic.ping(second, PEER, 3)[1], 0)
        self.assert_pings(first, PEER)

        second.kill()
        self.assert_pings(first, PEER)
        self.guests[1] = second = self.power_on(1)
        second.wait_ready()
        self.assert_pings(second, ADDRESSES[0], PEER)

        self.host.send_signal(signal.SIGTERM)
        output, _ = self.host.communicate(timeout=20)
        counted = json.loads(output)
        print(output.decode())
        self.assertGreater(counted[1]["dropped"]["spoofed source"], 0)
        self.assertNotIn("spoofed source", counted[0]["dropped"])
        self.assertGreater(counted[2]["sent_segments"], 2 * counted[2]["sent_frames"], "segments were left to the device")
        self.assertGreater(counted[2]["sent_segments"] * 1460, SENT_BYTES)
        self.assertEqual(counted[2]["dropped"], {})


if __name__ == "__main__":
    if not HOST:
        raise SystemExit("run it by ctest -L e2e, or name para_host in PARA_HOST")
    unittest.main(verbosity=2)
