"""DPDK's testpmd as a switch between two virtual machines, and as those machines: one process forwards between two
vhost-user ports on a processor of its own, another between two virtio-user ports on a second one. Frames that the
endpoints have once sent go round for ever, as fast as both will have it. No network, no PCI device and, unless asked
for, no huge pages are touched."""

import ctypes
import dataclasses
import os
import pathlib
import re
import selectors
import shutil
import signal
import subprocess
import time

PROGRAM = "dpdk-testpmd"
RING = 256
BURST = 32
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class PeerError(Exception):
    """A sentence: why DPDK cannot be measured."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a process has done so far. `cycles` are of the time stamp counter, and of turns that moved packets alone."""

    at: float = 0  # seconds, monotonic
    packets: int = 0
    dropped: int = 0
    cycles: int = 0
    hertz: float = 0
    ran: int = 0  # nanoseconds on a processor, and ready without one
    waited: int = 0


def parse_stats(text):
    """The answer to `show fwd stats all` of a process that records its core cycles; None if it has moved nothing."""
    total = text[text.rindex("Accumulated forward statistics") :]
    count = re.search(r"RX-packets: (\d+)\s+RX-dropped: (\d+).*?TX-packets: (\d+)\s+TX-dropped: (\d+)", total, re.S)
    cycles = re.search(r"cycles/packet=\S+ \(total cycles=(\d+) / total io packets=(\d+)\) at (\d+) MHz", total)
    if not cycles:
        return None
    return Sample(packets=int(cycles[2]), dropped=int(count[2]) + int(count[4]), cycles=int(cycles[1]),
                  hertz=int(cycles[3]) * 1e6)


@dataclasses.dataclass(frozen=True)
class Spell:
    """What happened between two samples."""

    rate: float  # packets/s that passed
    busy_rate: float  # packets/s of a processor that does nothing else: turns that moved nothing are not counted
    cycles: float  # a packet
    busy: float  # share of its time in which the process moved packets
    dropped: int
    on_processor: float  # share of the time in which it ran, and nobody else in its place


def between(before, after):
    """None if nothing passed."""
    packets = after.packets - before.packets
    if packets == 0 or after.at <= before.at:
        return None
    ran, waited = after.ran - before.ran, after.waited - before.waited
    share = ran / (ran + waited) if ran + waited else 1.0
    # The counter runs on while somebody else has the processor; a process that polls is always ready.
    cycles = (after.cycles - before.cycles) * share / packets
    seconds = after.at - before.at
    return Spell(rate=packets / seconds, busy_rate=after.hertz / cycles, cycles=cycles,
                 busy=cycles * packets / (after.hertz * seconds * share),
                 dropped=after.dropped - before.dropped, on_processor=share)


def _in_child(processors):
    def prepare():
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, processors)

    return prepare


class Testpmd:
    """One process. `forwards_on` is the processor that forwards, `listens_on` the one for everything else."""

    def __init__(self, name, devices, folder, forwards_on, listens_on, huge):
        program = shutil.which(PROGRAM)
        if not program:
            raise PeerError(f"there is no {PROGRAM} here")
        memory = ["--single-file-segments", "--in-memory"] if huge else ["--no-huge", "--no-shconf"]
        arguments = ["stdbuf", "-oL", program, "--lcores", f"0@{listens_on},1@{forwards_on}", "--main-lcore", "0"]
        arguments += ["--no-pci", "-m", "256", *memory, "--no-telemetry", f"--file-prefix={name}"]
        for device in devices:
            arguments += ["--vdev", device]
        arguments += ["--", "-i", "--nb-cores=1", "--no-numa", "--total-num-mbufs=8192", f"--txd={RING}",
                      f"--rxd={RING}", f"--burst={BURST}", "--forward-mode=io", "--record-core-cycles"]
        self._name = name
        self._text = ""
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
            env={**os.environ, "RUNTIME_DIRECTORY": str(folder), "LC_ALL": "C"}, start_new_session=True,
            preexec_fn=_in_child({forwards_on, listens_on}))

    def tell(self, command):
        try:
            self._process.stdin.write(f"{command}\n".encode())
        except BrokenPipeError:
            raise self._ended() from None

    def wait_for(self, pattern, seconds=10.0):
        """What it has said up to the end of the first match."""
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not (found := re.search(pattern, self._text)):
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise PeerError(f"{self._name}: {PROGRAM} does not answer: {self._last_words()}")
                read = os.read(self._process.stdout.fileno(), 65536)
                if not read:
                    raise self._ended()
                self._text += read.decode(errors="replace")
        said, self._text = self._text[: found.end()], self._text[found.end() :]
        return said

    def sample(self):
        self.tell("show fwd stats all")
        said = self.wait_for(r"Accumulated forward statistics for all ports\+*\n[^+]*\++\n\n  CPU cycles/packet=.*\n")
        at = time.monotonic()
        ran, waited = self._scheduled()
        return dataclasses.replace(parse_stats(said), at=at, ran=ran, waited=waited)

    def end(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _scheduled(self):
        """Nanoseconds that the forwarding thread ran and waited for its processor (/proc/PID/task/TID/schedstat)."""
        for task in pathlib.Path(f"/proc/{self._process.pid}/task").iterdir():
            if (task / "comm").read_text().startswith(("lcore-worker", "rte-worker", "dpdk-worker")):
                ran, waited, _ = (task / "schedstat").read_text().split()
                return int(ran), int(waited)
        return 0, 0

    def _last_words(self):
        lines = [line.strip() for line in self._text.splitlines() if line.strip()]
        return lines[-1] if lines else "(nothing)"

    def _ended(self):
        self._process.stdin.close()
        self._text += self._process.stdout.read().decode(errors="replace")
        status = self._process.wait()
        return PeerError(f"{self._name}: {PROGRAM} ended with {status}: {self._last_words()}")


class Pair:
    """A switch and its endpoints, running. Use as a context."""

    def __init__(self, folder, processors, frame, options="", huge=False):
        """`processors`: the switch's and the endpoints'. `frame`: bytes. `options`: of virtio-user, ",name=value"..."""
        ports = [folder / f"port{i}" for i in range(2)]
        switch, ends = processors
        self._running = []
        try:
            self.switch = self._start("switch", [f"net_vhost{i},iface={p}" for i, p in enumerate(ports)], folder,
                                      switch, ends, huge)
            self.switch.tell("start")
            guests = [f"net_virtio_user{i},path={p},queue_size={RING}{options}" for i, p in enumerate(ports)]
            self.endpoints = self._start("endpoints", guests, folder, ends, switch, huge)
            # What is sent to a port whose rings the switch has not taken over is lost, and never goes round.
            self.switch.wait_for(r"(?s)(virtio is now ready.*){2}")
            self.endpoints.tell(f"set txpkts {frame}")
            self.endpoints.tell(f"start tx_first {RING // BURST}")
        except BaseException:
            self.end()
            raise

    def _start(self, name, devices, folder, forwards_on, listens_on, huge):
        started = Testpmd(name, devices, folder, forwards_on, listens_on, huge)
        self._running.append(started)
        started.wait_for(r"Checking link statuses")
        return started

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        while self._running:
            self._running.pop().end()

    def spells(self, seconds, spell):
        """(switch's, endpoints') spells of `spell` seconds for about `seconds`, after as long again to settle."""
        time.sleep(spell)
        made, end = [], time.monotonic() + seconds
        before = (self.switch.sample(), self.endpoints.sample())
        while time.monotonic() < end:
            time.sleep(spell)
            after = (self.switch.sample(), self.endpoints.sample())
            both = tuple(between(b, a) for b, a in zip(before, after))
            before = after
            if all(both):
                made.append(both)
        if not made:
            raise PeerError("no packets pass between DPDK's endpoints")
        return made
