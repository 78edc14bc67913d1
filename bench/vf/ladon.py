"""bench_vf's own reports (Google Benchmark's JSON), taken apart."""

import json
import os
import re
import subprocess


class BenchError(Exception):
    """A sentence: why Ladon could not be measured."""


def parse_rates(report):
    """{name: counters} of vf/..., named as results are: ladon/LAYOUT/BYTES and ladon_apart/LAYOUT/BYTES."""
    made = {}
    for each in report["benchmarks"]:
        if each.get("error_occurred"):
            raise BenchError(f"{each['name']}: {each.get('error_message')}")
        if found := re.match(r"vf/(apart/)?(\w+)/(\d+)/", each["name"]):
            made[f"{'ladon_apart' if found[1] else 'ladon'}/{found[2]}/{found[3]}"] = each
    return made


def parse_costs(report):
    """{(state, bytes): counters} of cost/STATE/BYTES."""
    made = {}
    for each in report["benchmarks"]:
        if each.get("error_occurred"):
            raise BenchError(f"{each['name']}: {each.get('error_message')}")
        if found := re.match(r"cost/(\w+)/(\d+)/", each["name"]):
            made[found[1], int(found[2])] = each
    return made


def parse_resolutions(report):
    """{name: nanoseconds} of resolve/..."""
    for each in report["benchmarks"]:
        if each.get("error_occurred"):
            raise BenchError(f"{each['name']}: {each.get('error_message')}")
    return {each["name"]: each["real_time"] for each in report["benchmarks"] if each["name"].startswith("resolve/")}


def run(program, folder, pattern, arguments, processors):
    """The report of the benchmarks that match, run on these processors."""
    out = folder / "ladon.json"
    done = subprocess.run(
        [program, f"--benchmark_filter={pattern}", f"--benchmark_out={out}", "--benchmark_out_format=json", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, processors))
    if done.returncode != 0:
        raise BenchError(f"{program} ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(out.read_text())
