"""Processes as /proc shows them: who is whose child, who was started from here, how much time they took."""

import ctypes
import os
import pathlib
import signal
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """For subprocess' preexec_fn: not even a killed test leaves this child behind."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _read(pid, name):
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has ended, or is not ours to look at
        return b""


def _stat(pid):
    """The fields of /proc/PID/stat from the third on (proc(5)); the second may hold anything."""
    return _read(pid, "stat").rpartition(b")")[2].split()


def alive(pid):
    """Runs; a zombie does not."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in (b"Z", b"X")


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(parent):
    return [pid for pid in all_pids() if (fields := _stat(pid)) and int(fields[1]) == parent and alive(pid)]


def name(pid):
    return _read(pid, "comm").decode(errors="replace").strip()


def arguments(pid):
    return _read(pid, "cmdline").decode(errors="replace").split("\0")[:-1]


def with_environment(variable, value):
    """Those that were started with it, and whatever they started."""
    wanted = f"{variable}={value}".encode()
    return [pid for pid in all_pids() if wanted in _read(pid, "environ").split(b"\0") and alive(pid)]


def network_namespace(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def processor_seconds(pid):
    """User and system time of all its threads."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def wait_until(condition, seconds, every=0.05):
    """What `condition` returned when it was first true, or at the end."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(every)
