"""What rounds of forwarding say together: beside DPDK, and what the defences cost."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from rounds import Goal, Rounds, table  # noqa: E402, F401 - Rounds: for those who fill them

SIZES = (64, 256, 1518)


def compared(name):
    """Forwarding is set beside DPDK's and local SR-IOV's at the same size."""
    kind, _, size = name.rpartition("/")
    others = {"ladon/defences_on": ["dpdk", "dpdk_linux", "ladon/sriov_local"],
              "ladon/sriov_local": ["dpdk", "ladon/flat"],
              "ladon/defences_off": ["ladon/sriov_local"],
              "ladon_apart/defences_on": ["dpdk", "dpdk_linux", "ladon_apart/sriov_local"],
              "ladon_apart/sriov_local": ["dpdk"]}
    return [f"{other}/{size}" for other in others.get(kind, [])]


def goals_of(rounds):
    """Against DPDK: only where it was measured. Beside the median of the rounds' ratios stand those of Ladon's median
    to DPDK's fastest and to its slowest round, as other work on the machine slows DPDK more than it does Ladon."""
    made = []
    for size, bound in ((64, 1.5), (1518, 2.0)):
        for kind, where in (("ladon", "drivers on the engine's core"), ("ladon_apart", "drivers on the other core")):
            mine, theirs = f"{kind}/defences_on/{size}", f"dpdk/{size}"
            ratio = rounds.ratio(mine, theirs)
            if ratio is None:
                continue
            extremes = [rounds.median(mine) / end(rounds.values(theirs)) for end in (max, min)]
            what = f"all checks on, against DPDK, {size} bytes, {where}"
            made.append(Goal(what, bound, ratio, False, "x", *extremes))
    return made


def cost_goals(costs):
    """From the counters of bench_vf's cost/STATE/BYTES."""
    return [Goal(f"all checks on, against local SR-IOV, {size} bytes, {state}", each["goal"], each["measured"], True,
                 "%", each["low"], each["high"]) for (state, size), each in costs.items()]


def cost_results(costs):
    """`results[]` of the same: shares of a frame's time, and ways followed through the tables."""
    made = []
    for (state, size), each in costs.items():
        made.append({"name": f"cost/{state}/{size}", "value": each["measured"], "unit": "share",
                     "runs": int(each["rounds"]), "min": each["least"], "max": each["most"], "ratio_to": {},
                     "low": each["low"], "high": each["high"],
                     "nanoseconds_local": each["nanoseconds_local"],
                     "nanoseconds_defended": each["nanoseconds_defended"],
                     "resolutions_local": each["resolutions_local"],
                     "resolutions_defended": each["resolutions_defended"]})
    return made


def rate_table(rounds):
    """Millions of packets a second and core, medians over the rounds; a line for each way of forwarding."""
    rows = []
    for kind, words in (("ladon/flat", "the NIC alone"),
                        ("ladon/sriov_local", "SR-IOV on one host"),
                        ("ladon/defences_on", "across two hosts, all checks on"),
                        ("ladon/defences_off", "the same, all checks off"),
                        ("ladon_apart/sriov_local", "SR-IOV on one host, drivers on the other core"),
                        ("ladon_apart/defences_on", "across two hosts, all checks on, drivers on the other core"),
                        ("dpdk", "DPDK vhost-user, as it comes"),
                        ("dpdk_linux", "DPDK vhost-user, with what a Linux guest negotiates")):
        cells = [f"{rounds.median(name) / 1e6:.2f}" if (name := f"{kind}/{size}") in rounds else "-" for size in SIZES]
        if any(cell != "-" for cell in cells):
            rows.append([words, *cells])
    return table(["M packets/s of a busy core", *(f"{size} bytes" for size in SIZES)], rows)


def disturbed(rounds):
    """The share of its time that DPDK's switch had its core, if that is too little for its figures to be fair: what
    others did meanwhile has cost it its caches too."""
    shares = [rounds.median(name) for size in SIZES if (name := f"dpdk/on_processor/{size}") in rounds]
    return min(shares) if shares and min(shares) < 0.95 else None


def busy_table(rounds):
    """Whether the endpoints were the limit: what passed, and for what share of its time each side had packets."""
    rows = []
    for kind, words in (("ladon_apart/defences_on", "Ladon, all checks on"), ("dpdk", "DPDK, as it comes"),
                        ("dpdk_linux", "DPDK, as with Linux guests")):
        for size in SIZES:
            if f"{kind}/passed/{size}" not in rounds:
                continue
            row = [f"{words}, {size} bytes", f"{rounds.median(f'{kind}/passed/{size}') / 1e6:.2f}"]
            for part in ("busy", "endpoints/busy", "on_processor"):
                name = f"{kind}/{part}/{size}"
                row.append(f"{100 * rounds.median(name):.0f} %" if name in rounds else "-")
            rows.append(row)
    if not rows:
        return ""
    return table(["two cores", "M packets/s passed", "switch busy", "endpoints busy", "switch had its core"], rows)


def resolution_table(rounds):
    """Nanoseconds of one way through the tables, followed and remembered."""
    names = [f"resolve/{how}/{defences}" for how in ("cold", "cached") for defences in ("defences_on", "defences_off")]
    rows = [[name, f"{rounds.median(name):.1f} ns"] for name in names if name in rounds]
    return table(["one resolution", "takes"], rows) if rows else ""
