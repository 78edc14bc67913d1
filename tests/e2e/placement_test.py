"""A rack file that leaves the functions to the planner: the guest with a guarantee gets one of its own, the others share
one that their host drives - stock guests all of them, who reach one another and the remote test host; limits change and
drops are counted while they talk, and the audit of the rack that runs is clean."""

import json
import unittest

import processes
import rack
import traffic

TEXT = (rack.ROOT / "examples" / "placement.yaml").read_text()
REMOTE = "10.40.0.1"
NAMES = ("paid", "guest-a", "guest-b")
SENT_BYTES = 20_000_000


class Plan(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)

    def plan(self, text, *arguments):
        return rack.run_ladon(self.folder, "plan", self.folder.write("rack.yaml", text), *arguments)

    def test_who_gets_what_and_what_is_left(self):
        done = self.plan(TEXT, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        plan = json.loads(done.stdout)
        self.assertEqual([(guest["guest"], guest["path"], guest["vf"]) for guest in plan["guests"]],
                         [("paid", "own", 0), ("guest-a", "shared", 1), ("guest-b", "shared", 1)])
        self.assertEqual(plan["guests"][0]["guaranteed_tx_bits_per_second"], 500_000_000)
        self.assertEqual(plan["guests"][2]["max_rx_bits_per_second"], 2_000_000_000)
        self.assertEqual([(shared["host"], shared["guests"]) for shared in plan["shared_functions"]], [("ch1", 2)])
        self.assertEqual(plan["nics"][0]["vfs_left"], 0)
        self.assertEqual(plan["nics"][0]["tx_left_bits_per_second"], 9_500_000_000)
        table = self.plan(TEXT).stdout
        self.assertRegex(table, r"paid +ch1 +nic0 +own +0 +52:54:00:40:00:01 .* has a guarantee")
        self.assertRegex(table, r"guest-b +ch1 +nic0 +shared +1 .* the NIC is used up")

    def test_what_is_short_is_an_error_that_names_it(self):
        done = self.plan(TEXT.replace("vfs: 2 ", "vfs: 1 "))
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"rack\.yaml:\d+:\d+: hosts\[1\]\.vms\[1\]\.network: no function of nic0 is left for "
                                      r"guest-a of ch1")
        done = self.plan(TEXT.replace("min_tx_rate: 500,", "min_tx_rate: 20000,"), "--json")
        self.assertEqual(done.returncode, 2)
        self.assertIn("20.0 Gb/s are wanted and 10.0 Gb/s are left", json.loads(done.stdout)["errors"][0]["message"])
        self.assertEqual(self.folder.left_behind(), [])


class Shared(unittest.TestCase):
    def setUp(self):
        self.rack = rack.Rack(TEXT)
        self.addCleanup(self.rack.close)
        self.guests = dict(zip(NAMES, self.rack.ready(*NAMES)))

    def ask(self, command, *arguments, status=0):
        done = rack.run_ladon(self.rack.folder, *command.split(), "--live", self.rack.ladon.control_socket, *arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def port(self, name):
        function, = json.loads(self.ask("para show", "--json").stdout)["functions"]
        return next(guest for guest in function["guests"] if guest["guest"] == name)

    def run_in(self, name, command):
        status, output = self.guests[name].run(command)
        self.assertEqual(status, 0, output)
        return output

    def assert_reaches(self, name, address):
        self.assertTrue(processes.wait_until(lambda: traffic.ping(self.guests[name], address, 1)[1] == 1, 30), address)
        sent, received = traffic.ping(self.guests[name], address)
        self.assertEqual(received, sent, f"{name} to {address}")

    def test_three_guests_on_two_functions(self):
        commands = {name: " ".join(self.rack.ladon.guests[name]["command"]) for name in NAMES}
        self.assertIn("vfio-user-pci", commands["paid"])
        for name in NAMES[1:]:
            self.assertIn("vhost-user", commands[name])
            self.assertNotIn("vfio-user", commands[name])
        for name in NAMES:
            for other in NAMES:
                if other != name:
                    self.assert_reaches(name, self.guests[other].address)
            self.assert_reaches(name, REMOTE)
        for name, other in (("guest-a", "guest-b"), ("guest-b", "paid"), ("paid", "guest-a")):
            flow = json.loads(self.run_in(name, f"iperf3 -J -t 2 -c {self.guests[other].address}"))
            rate = flow["end"]["sum_received"]["bits_per_second"]
            print(f"{name} to {other}: {rate / 1e9:.2f} Gb/s")
            self.assertGreater(rate, 1e6)
        self.assertEqual(json.loads(self.ask("audit", "--json").stdout)["findings"], [])

        # 8 kb/s and a burst of some frames: most of what comes is dropped after the host has received it.
        before = self.port("guest-b")["receive_drops"].get("over receive limit", 0)
        self.ask("para set", "guest-b", "rx_max=8kbit", "rx_burst=9728B")
        self.assertEqual(self.port("guest-b")["limits"]["rx_max_bits_per_second"], 8000)
        sent, received = traffic.ping(self.guests["guest-a"], f"{self.guests['guest-b'].address} -s 1400", 20)
        self.assertLess(received, sent)
        self.assertGreater(self.port("guest-b")["receive_drops"]["over receive limit"], before)
        self.assertIn("over receive limit", self.ask("para show").stdout)
        self.ask("para set", "guest-b", "rx_max=0")
        self.assert_reaches("guest-a", self.guests["guest-b"].address)
        for wrong in (("nobody", "rx_max=1Gbit"), ("guest-b", "rx_max=fast"), ("guest-b", "rx_mex=1Gbit"),
                      ("guest-b", "min_tx_rate=10")):
            self.assertIn(wrong[0] if wrong[0] == "nobody" else wrong[1].split("=")[0],
                          self.ask("para set", *wrong, status=2).stderr)

        # What they share stays as their host's software needs it, and their addresses are theirs.
        for wrong in (("1", "trust=off"), ("1", "memory=0B"), ("1", "on_fault=log"), ("1", "state=disable"), ("0", "mac=52:54:00:40:00:03")):
            self.assertIn(wrong[1].split("=")[0], self.ask("vf set", "nic0", *wrong, status=2).stderr)
        self.ask("vf set", "nic0", "1", "rx_weight=3")

        self.guests["guest-a"].kill()
        self.assert_reaches("guest-b", self.guests["paid"].address)
        self.assertTrue(processes.wait_until(lambda: not self.port("guest-a")["connected"], 10))


if __name__ == "__main__":
    unittest.main(verbosity=2)
