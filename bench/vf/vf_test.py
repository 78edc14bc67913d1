"""Parsing, arithmetic and tables of the comparison, on recorded answers; and its way with processes, on a program that
answers like testpmd. Neither DPDK nor a benchmark runs."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import ladon
import report
import testpmd

HERE = pathlib.Path(__file__).parent
SAMPLES = HERE / "samples"

# Answers as testpmd does, with a million packets and 150 million cycles more each time.
FAKE = """#!/usr/bin/env python3
import sys
print("virtio is now ready\\n" * 2 + "Checking link statuses...\\n" + "virtio is now ready\\n" * 2, flush=True)
asked = 0
for line in sys.stdin:
    if line.startswith("start") and {fails!r}:
        sys.exit("EAL: Error - it fails")
    if line.startswith("show") and not {silent!r}:
        asked += 1
        print(f'''testpmd>
  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: {{asked}}000000        RX-dropped: 0             RX-total: {{asked}}000000
  TX-packets: {{asked}}000000        TX-dropped: 3             TX-total: {{asked}}000000
  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++

  CPU cycles/packet=150.00 (total cycles={{asked}}50000000 / total io packets={{asked}}000000) at 2600 MHz Clock
''', flush=True)
"""


def running_below(folder):
    """Processes that were told of this folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command:
            found.append(int(pid))
    return found


class Samples(unittest.TestCase):
    def test_the_answer_of_a_switch(self):
        sample = testpmd.parse_stats((SAMPLES / "switch.txt").read_text())
        self.assertEqual((sample.packets, sample.dropped, sample.cycles, sample.hertz),
                         (1504384, 0, 523842611, 2.6e9))

    def test_a_process_that_has_moved_nothing(self):
        said = (SAMPLES / "switch.txt").read_text()
        self.assertIsNone(testpmd.parse_stats(said[: said.index("  CPU cycles")]))

    def test_idle_turns_and_a_lost_processor_are_no_cost(self):
        before = testpmd.Sample(at=10, packets=1000, cycles=0, hertz=1e9)
        # Two seconds, half of them without the processor; 400 of 1,000 million cycles that it had moved packets.
        after = testpmd.Sample(at=12, packets=11_001_000 - 1_000_000, cycles=800_000_000, hertz=1e9,
                               ran=1_000_000_000, waited=1_000_000_000)
        spell = testpmd.between(before, after)
        self.assertEqual(spell.rate, 5e6)
        self.assertEqual(spell.cycles, 40)
        self.assertEqual(spell.busy_rate, 25e6)
        self.assertEqual(spell.busy, 0.4)
        self.assertEqual(spell.on_processor, 0.5)
        self.assertEqual(spell.dropped, 0)

    def test_nothing_passed(self):
        self.assertIsNone(testpmd.between(testpmd.Sample(at=1, packets=5), testpmd.Sample(at=2, packets=5)))

    def test_ladons_rates(self):
        made = ladon.parse_rates(json.loads((SAMPLES / "rates.json").read_text()))
        self.assertEqual(set(made), {f"{kind}/64" for kind in (
            "ladon/flat", "ladon/defences_on", "ladon/defences_off", "ladon/sriov_local",
            "ladon_apart/sriov_local", "ladon_apart/defences_on")})
        self.assertGreater(made["ladon/defences_on/64"]["packets_per_second_median"], 1e6)
        self.assertIn("busy", made["ladon_apart/defences_on/64"])

    def test_a_benchmark_that_failed_is_said(self):
        broken = {"benchmarks": [{"name": "vf/flat/64/manual_time", "error_occurred": True, "error_message": "lost"}]}
        with self.assertRaisesRegex(ladon.BenchError, "vf/flat/64/manual_time: lost"):
            ladon.parse_rates(broken)

    def test_ladons_costs(self):
        costs = ladon.parse_costs(json.loads((SAMPLES / "costs.json").read_text()))
        self.assertEqual(set(costs), {("cached", 64), ("cached", 256)})
        for goal in report.cost_goals(costs):
            self.assertLessEqual(goal.low, goal.measured)
            self.assertLessEqual(goal.measured, goal.high)
        for result in report.cost_results(costs):
            self.assertLessEqual(result["min"], result["value"])
            self.assertEqual(result["unit"], "share")

    def test_resolutions(self):
        made = ladon.parse_resolutions(json.loads((SAMPLES / "resolutions.json").read_text()))
        rounds = report.Rounds()
        for name, nanoseconds in made.items():
            rounds.add(name, 0, nanoseconds, "ns")
        self.assertEqual(len(report.resolution_table(rounds).splitlines()), 6)
        self.assertEqual(report.resolution_table(report.Rounds()), "")


class Rounds(unittest.TestCase):
    def rounds(self):
        made = report.Rounds()
        # The second round's machine was twice as fast, the third lost DPDK.
        for number, (mine, theirs) in enumerate(((15, 10), (36, 20), (18, None))):
            made.add("ladon/defences_on/64", number, mine * 1e6, "packets/s")
            if theirs:
                made.add("dpdk/64", number, theirs * 1e6, "packets/s")
        return made

    def test_ratios_are_taken_within_rounds(self):
        self.assertAlmostEqual(self.rounds().ratio("ladon/defences_on/64", "dpdk/64"), 1.65)

    def test_results(self):
        mine, theirs = self.rounds().results(report.compared)
        self.assertEqual((mine["value"], mine["min"], mine["max"], mine["runs"]), (18e6, 15e6, 36e6, 3))
        self.assertEqual(list(mine["ratio_to"]), ["dpdk/64"])
        self.assertAlmostEqual(mine["ratio_to"]["dpdk/64"], 1.65)
        self.assertEqual((theirs["runs"], theirs["ratio_to"]), (2, {}))
        json.dumps([mine, theirs])

    def test_goals_and_their_table(self):
        goal, = report.goals_of(self.rounds())
        self.assertTrue(goal.met)
        self.assertEqual(goal.row()[1:], [">= 1.50x", "1.65x (0.90x to 1.80x)", "met"])
        cost = report.Goal("cost", 0.03, 0.042, True, "%", 0.035, 0.05)
        self.assertFalse(cost.met)
        self.assertEqual(cost.row()[1:], ["<= 3.00 %", "4.20 % (3.50 % to 5.00 %)", "NOT MET"])
        self.assertEqual(cost.json()["met"], False)

    def test_without_dpdk_there_is_no_goal_against_it(self):
        alone = report.Rounds()
        alone.add("ladon/defences_on/64", 0, 1e6, "packets/s")
        self.assertEqual(report.goals_of(alone), [])
        self.assertNotIn("DPDK", report.rate_table(alone))

    def test_the_table_of_rates(self):
        lines = report.rate_table(self.rounds()).splitlines()
        self.assertEqual(lines[2].split()[-3:], ["18.00", "-", "-"])
        self.assertEqual(lines[3].split()[-3:], ["15.00", "-", "-"])

    def test_the_table_of_what_was_the_limit(self):
        rounds = self.rounds()
        self.assertEqual(report.busy_table(rounds), "")
        for part, value in (("passed", 15.1e6), ("busy", 0.9), ("endpoints/busy", 0.49), ("on_processor", 1.0)):
            rounds.add(f"dpdk/{part}/64", 0, value, "")
        self.assertIsNone(report.disturbed(rounds))
        self.assertEqual(report.busy_table(rounds).splitlines()[2],
                         "DPDK, as it comes, 64 bytes               15.10         90 %            49 %"
                         "                100 %")
        rounds.add("dpdk/on_processor/64", 0, 0.5, "")
        self.assertEqual(report.disturbed(rounds), 0.5)


class Processes(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory(prefix="ladon-bench-test-")
        self.addCleanup(made.cleanup)
        self.folder = pathlib.Path(made.name)
        self.processors = sorted(os.sched_getaffinity(0))[:1] * 2

    def fake(self, fails=False, silent=False):
        bin_ = self.folder / "bin"
        bin_.mkdir()
        program = bin_ / testpmd.PROGRAM
        program.write_text(FAKE.format(fails=fails, silent=silent))
        program.chmod(0o755)
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{bin_}:{before}"
        self.addCleanup(os.environ.__setitem__, "PATH", before)

    def test_spells_of_a_pair(self):
        self.fake()
        with testpmd.Pair(self.folder, self.processors, 64) as pair:
            spells = pair.spells(0.2, 0.01)
            self.assertTrue(running_below(self.folder))
        self.assertFalse(running_below(self.folder))
        for switch, endpoints in spells:
            self.assertGreater(switch.rate, 0)
            self.assertGreater(endpoints.busy_rate, 0)

    def test_one_that_ends_is_said_and_nothing_stays(self):
        self.fake(fails=True)
        with self.assertRaisesRegex(testpmd.PeerError, "it fails"):
            with testpmd.Pair(self.folder, self.processors, 64) as pair:
                pair.spells(0.2, 0.01)
        self.assertFalse(running_below(self.folder))

    def test_one_that_does_not_answer(self):
        self.fake(silent=True)
        with testpmd.Pair(self.folder, self.processors, 64) as pair:
            pair.switch.tell("show fwd stats all")
            with self.assertRaisesRegex(testpmd.PeerError, "does not answer"):
                pair.switch.wait_for("Accumulated", 0.1)

    def test_none_is_here(self):
        before = os.environ["PATH"]
        os.environ["PATH"] = str(self.folder)
        self.addCleanup(os.environ.__setitem__, "PATH", before)
        with self.assertRaisesRegex(testpmd.PeerError, "no dpdk-testpmd here"):
            testpmd.Pair(self.folder, self.processors, 64)

    def test_an_interrupted_run_leaves_nothing(self):
        self.fake()
        script = ("import pathlib, signal, time, testpmd\n"
                  "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
                  f"with testpmd.Pair(pathlib.Path({str(self.folder)!r}), {self.processors!r}, 64):\n"
                  "    print('runs', flush=True)\n    time.sleep(600)\n")
        for how in (signal.SIGINT, signal.SIGKILL):
            run = subprocess.Popen([sys.executable, "-B", "-c", script], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(HERE)})
            self.assertEqual(run.stdout.readline(), b"runs\n")
            run.send_signal(how)
            run.wait()
            run.stdout.close()
            end = time.monotonic() + 60
            while [pid for pid in running_below(self.folder) if pid != run.pid] and time.monotonic() < end:
                time.sleep(0.05)
            self.assertFalse(running_below(self.folder), how)


if __name__ == "__main__":
    unittest.main()
