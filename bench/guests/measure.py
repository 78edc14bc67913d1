#!/usr/bin/env python3
"""Traffic between real guests: through Ladon, through QEMU's own SR-IOV NIC, and through virtio, tap and bridge; and from
the remote test host to a guest of the management host (SR-IOV) and to one of a compute host (MR-IOV+).

All guests run at once, and in each round each way has its turn, so that what else the machine does meets all alike."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from rounds import Goal, Rounds, table  # noqa: E402


OPTIONS = ("coalesce", "unsegmented")  # of a VF, for a receiver that is to get long frames


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ladon", required=True, help="the program")
    parser.add_argument("--assets", required=True, help="what tools/assets --generic has made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of a TCP stream")
    parser.add_argument("--json", help="file for the results")
    return parser.parse_args()


def stream(client, options, seconds):
    """Bits a second that were received."""
    status, printed = client.run(f"iperf3 {options} -t {seconds} -i 0 -J", seconds + 60)
    try:
        return json.loads(printed)["end"]["sum_received"]["bits_per_second"]
    except (ValueError, KeyError) as problem:
        raise RuntimeError(f"{client.name}: iperf3 {options}: exit {status}\n{printed}") from problem


def set_mtu(guest, mtu):
    """Drivers take the link down for it."""
    status, printed = guest.run(f"ip link set eth0 mtu {mtu}; sleep 0.2; until grep -q up "
                                "/sys/class/net/eth0/operstate; do usleep 50000; done", 30)
    if status != 0:
        raise RuntimeError(f"{guest.name}: MTU {mtu}: {printed}")


def round_trip(client, address):
    """Seconds, on average."""
    status, printed = client.run(f"ping -c 30 -i 0.02 {address}")
    found = re.search(r"= [\d.]+/([\d.]+)/", printed)
    if status != 0 or not found:
        raise RuntimeError(f"{client.name}: ping {address}: {printed}")
    return float(found.group(1)) / 1000


class Bench:
    def __init__(self, options, stack):
        import rigs  # which wants to know the program and the assets
        self.rigs, self.options = rigs, options
        self.rounds = Rounds()
        self.ladon = rigs.rack.Rack(rigs.RACK)
        stack.callback(self.ladon.close)
        self.ways = {"ladon": self.ladon}
        described, folder = self.ladon.ladon.guests, self.ladon.folder.path
        self.ways["igb"] = rigs.igb(folder, described)
        self.left_out = {}
        try:
            bridge = rigs.Bridge()
            stack.callback(bridge.close)
            self.ways["virtio_tap"] = rigs.virtio(folder, described, bridge)
        except (OSError, subprocess.SubprocessError) as problem:
            self.left_out["virtio_tap"] = f"no tap and bridge here: {problem}"
        for name in list(self.ways)[1:]:
            stack.callback(self.ways[name].close)

    def boot(self):
        self.ladon.power_on("vm-m", "vm-a", "vm-b")
        others = [self.ways[name] for name in self.ways if name != "ladon"]
        for way in others:
            way.start()
        guests = [guest for way in others for guest in way.guests.values()]
        for guest in guests:
            guest.connect()
        for guest in [*self.ladon.ready("vm-m", "vm-a", "vm-b"), *guests]:
            if guest not in self.ladon.guests.values():
                guest.wait_ready()
        self.remote = self.rigs.RemoteHost.of(self.ladon.ladon)
        if self.remote is None:
            self.left_out["remote"] = "no privileges for a tap: the remote test host is in Ladon's own process"

    def measure(self, number):
        names = list(self.ways)
        for mtu in (1500, 9000):
            for name in names:
                for guest in ("vm-a", "vm-b"):
                    set_mtu(self.ways[name].guests[guest], mtu)
            turns = [(name, None) for name in names] + [("ladon", option) for option in OPTIONS]
            first = number % len(turns)
            for name, option in turns[first:] + turns[:first]:
                if option:
                    self.set_option(option, "on")
                self.measure_pair(number, f"{name}_{option}" if option else name, self.ways[name], mtu)
                if option:
                    self.set_option(option, "off")
        if self.remote is not None:
            self.measure_remote(number)

    def measure_pair(self, number, name, way, mtu):
        sender, receiver = (way.guests[guest] for guest in ("vm-a", "vm-b"))
        self.rounds.add(f"tcp/{name}/{mtu}", number, stream(sender, f"-c {receiver.address}", self.options.seconds),
                        "bits/s")
        self.rounds.add(f"ping/{name}/{mtu}", number, round_trip(sender, receiver.address), "s")

    def set_option(self, option, value):
        """Of both guests' VFs, while they run."""
        for vf in ("1", "2"):
            done = self.rigs.rack.run_ladon(self.ladon.folder, "vf", "set", "--live", self.ladon.ladon.control_socket,
                                            "nic0", vf, option, value)
            if done.returncode != 0:
                raise RuntimeError(done.stderr)

    def measure_remote(self, number):
        ways = [("sriov", "vm-m"), ("mriov_plus", "vm-a")]
        for name, guest in ways[::1 if number % 2 else -1]:
            client = self.ladon.guests[guest]
            set_mtu(client, 1500)
            self.rounds.add(f"receive/{name}", number, stream(client, f"-R -c {self.rigs.REMOTE}", self.options.seconds),
                            "bits/s")
            self.rounds.add(f"remote_ping/{name}", number, round_trip(client, self.rigs.REMOTE), "s")


def compared(name):
    """Through Ladon is set beside the others; from the remote host, MR-IOV+ beside SR-IOV."""
    what, way, *mtu = name.split("/")
    if way == "mriov_plus":
        return [f"{what}/sriov"]
    if not way.startswith("ladon"):
        return []
    others = ["igb", "virtio_tap"] + (["ladon"] if way != "ladon" else [])
    return ["/".join([what, other, *mtu]) for other in others]


def goals_of(rounds):
    bounds = [("tcp/ladon/1500", "tcp/igb/1500", 2.0, "TCP, MTU 1500, against an igb's VF"),
              ("tcp/ladon/9000", "tcp/igb/9000", 2.0, "TCP, MTU 9000, against an igb's VF"),
              ("tcp/ladon/1500", "tcp/virtio_tap/1500", 0.9, "TCP, MTU 1500, against virtio, tap and bridge"),
              ("tcp/ladon/9000", "tcp/virtio_tap/9000", 1.15, "TCP, MTU 9000, against virtio, tap and bridge"),
              ("receive/mriov_plus", "receive/sriov", 0.97, "TCP from the remote host, MR-IOV+ against SR-IOV")]
    made = []
    for name, other, bound, what in bounds:
        ratios = rounds.ratios(name, other)
        if ratios:
            made.append(Goal(what, bound, rounds.ratio(name, other), unit="x", low=min(ratios), high=max(ratios)))
    return made


WAYS = (("ladon", "Ladon, across two hosts, all checks on"), ("ladon_coalesce", "the same, coalesce: on"),
        ("ladon_unsegmented", "the same, unsegmented: on"), ("igb", "QEMU's igb, a VF in each guest"),
        ("virtio_tap", "virtio-net, tap and bridge"))


def table_of(rounds):
    rows = []
    for way, words in WAYS:
        if f"tcp/{way}/1500" in rounds:
            rows.append([words, *(f"{rounds.median(f'tcp/{way}/{mtu}') / 1e9:.2f}" for mtu in (1500, 9000)),
                         *(f"{1000 * rounds.median(f'ping/{way}/{mtu}'):.2f}" for mtu in (1500, 9000))])
    tables = [table(["guest to guest", "TCP Gb/s, MTU 1500", "MTU 9000", "ping ms, MTU 1500", "MTU 9000"], rows)]
    rows = [[words, f"{rounds.median(f'receive/{way}') / 1e9:.2f}", f"{1000 * rounds.median(f'remote_ping/{way}'):.2f}"]
            for way, words in (("sriov", "SR-IOV: guest of the management host"),
                               ("mriov_plus", "MR-IOV+: guest of a compute host")) if f"receive/{way}" in rounds]
    if rows:
        tables.append(table(["from the remote test host", "TCP Gb/s", "ping ms"], rows))
    return "\n\n".join(tables)


def main():
    options = arguments()
    os.environ.update(LADON=options.ladon, LADON_ASSETS=options.assets)
    with contextlib.ExitStack() as stack:
        bench = Bench(options, stack)
        print("booting", sum(len(way.guests) or 3 for way in bench.ways.values()), "guests ...", file=sys.stderr)
        bench.boot()
        for number in range(1, options.rounds + 1):
            bench.measure(number)
            print(f"round {number} of {options.rounds}", file=sys.stderr)
    goals = goals_of(bench.rounds)
    print(table_of(bench.rounds), "\n")
    print(table(["goal", "bound", "measured (least to most of a round)", ""], [goal.row() for goal in goals]))
    for what, why in bench.left_out.items():
        print(f"not measured: {what}: {why}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"results": bench.rounds.results(compared), "goals": [goal.json() for goal in goals],
                       "left_out": bench.left_out, "seconds": options.seconds}, file, indent=1)


if __name__ == "__main__":
    main()
