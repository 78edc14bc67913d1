"""Ladon beside DPDK, round by round: forwarding from virtual machine to virtual machine, in packets a second of one
switching core; then what Ladon's defences cost. tools/bench vf runs it.

Processors: the switch - Ladon's engine, DPDK's forwarding thread - has the first to itself. Ladon's drivers share it
in `ladon/...`, where only the engine's time counts, and have the second in `ladon_apart/...`, as DPDK's endpoints do.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import sys
import tempfile

import ladon
import report
import testpmd

SPELL = 0.05  # seconds
# virtio-user by itself negotiates in-order completion, which no Linux guest's driver does (virtio 1.1, 6).
PEERS = {"dpdk": "", "dpdk_linux": ",in_order=0"}


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure_ladon(rounds, number, size, options, folder):
    for pattern, processors in ((f"^vf/[^/]*/{size}/", options.processors[:1]),
                                (f"^vf/apart/.*/{size}/", options.processors)):
        made = ladon.run(options.ladon, folder, pattern, [f"--benchmark_min_time={options.seconds / 2}"],
                         set(processors))
        for name, counters in ladon.parse_rates(made).items():
            kind, _, _ = name.rpartition("/")
            rounds.add(name, number, counters["packets_per_second_median"], "packets/s")
            if "packets_per_second_with_drivers" in counters:
                rounds.add(f"{kind}/with_drivers/{size}", number, counters["packets_per_second_with_drivers"],
                           "packets/s")
            if "busy" in counters:
                rounds.add(f"{kind}/passed/{size}", number, counters["packets_per_second"], "packets/s")
                rounds.add(f"{kind}/busy/{size}", number, counters["busy"], "share")


def measure_resolutions(rounds, number, options, folder):
    made = ladon.run(options.ladon, folder, "^resolve/", ["--benchmark_min_time=0.1"], set(options.processors[:1]))
    for name, nanoseconds in ladon.parse_resolutions(made).items():
        rounds.add(name, number, nanoseconds, "ns")


def measure_dpdk(rounds, number, size, options, folder):
    for name, virtio in PEERS.items():
        with testpmd.Pair(folder, options.processors, size, virtio, options.huge) as pair:
            spells = pair.spells(options.seconds, SPELL)

        def add(what, process, field, unit):
            rounds.add(what, number, statistics.median(getattr(each[process], field) for each in spells), unit)

        add(f"{name}/{size}", 0, "busy_rate", "packets/s")
        add(f"{name}/passed/{size}", 0, "rate", "packets/s")
        add(f"{name}/cycles/{size}", 0, "cycles", "cycles/packet")
        add(f"{name}/busy/{size}", 0, "busy", "share")
        add(f"{name}/on_processor/{size}", 0, "on_processor", "share")
        rounds.add(f"{name}/dropped/{size}", number, sum(switch.dropped for switch, _ in spells), "packets")
        add(f"{name}/endpoints/cycles/{size}", 1, "cycles", "cycles/packet")
        add(f"{name}/endpoints/busy/{size}", 1, "busy", "share")


def run_rounds(options, folder):
    rounds, peer = report.Rounds(), options.dpdk
    if peer and len(options.processors) < 2:
        say("DPDK is not measured: it needs two processors, and there is one")
        peer = False
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        measure_resolutions(rounds, number, options, folder)
        for size in report.SIZES:
            measure_ladon(rounds, number, size, options, folder)
            if not peer:
                continue
            try:
                measure_dpdk(rounds, number, size, options, folder)
            except testpmd.PeerError as why:
                say(f"DPDK is not measured{' any more' if number else ''}: {why}")
                peer = False
    return rounds


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ladon", help="the program bench_vf")
    parser.add_argument("--rounds", type=int, default=7, help="at least 1")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement of DPDK, twice Ladon's")
    parser.add_argument("--no-dpdk", dest="dpdk", action="store_false", help="measure Ladon alone")
    parser.add_argument("--huge", action="store_true", help="DPDK's memory in huge pages, which must be there")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    options.processors = sorted(os.sched_getaffinity(0))[:2]
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("there must be something to measure")
    return options


def main():
    options = arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has it ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.sched_setaffinity(0, {options.processors[-1]})  # never beside the switch
    with tempfile.TemporaryDirectory(prefix="ladon-bench-") as name:
        folder = pathlib.Path(name)
        rounds = run_rounds(options, folder)
        say("what the defences cost")
        costs = ladon.parse_costs(ladon.run(options.ladon, folder, "^cost/", ["--rounds", str(2 * options.rounds + 1)],
                                            set(options.processors[:1])))
    goals = report.goals_of(rounds) + report.cost_goals(costs)
    for table in (report.rate_table(rounds), report.busy_table(rounds), report.resolution_table(rounds),
                  report.table(["goal", "bound", "measured", ""], [goal.row() for goal in goals])):
        if table:
            print(table, end="\n\n")
    if (share := report.disturbed(rounds)) is not None:
        say(f"warning: other work had a core for {100 * (1 - share):.0f} % of the time; DPDK's figures are too low")
    if options.json:
        made = {"results": rounds.results(report.compared) + report.cost_results(costs),
                "goals": [goal.json() for goal in goals]}
        options.json.write_text(json.dumps(made, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ladon.BenchError as why:
        say(f"error: {why}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
