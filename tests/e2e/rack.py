"""Ladon and its guests as a test holds them: started, watched, and ended whatever happens.

The environment names what is tested: LADON, the program; LADON_ASSETS, or else LADON_DEFAULT_ASSETS, the folder that
tools/assets has filled.
"""

import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import processes

LADON = os.environ.get("LADON", "")
ASSETS = os.environ.get("LADON_ASSETS") or os.environ.get("LADON_DEFAULT_ASSETS", "")
ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = str(ROOT / "examples" / "two-hosts.yaml")
MARK = "LADON_TEST_RUN"
if not LADON or not ASSETS:
    raise SystemExit("run it by ctest -L e2e, or name the program in LADON and the guests' folder in LADON_ASSETS")

BOOT_SECONDS = 180  # without KVM, and on a busy machine
COMMAND_SECONDS = 60


class Folder:
    """A folder for one test. Ladon's run directories go there; sockets need a short path."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="ladon-e2e-", dir="/tmp"))
        self.runs = self.path / "run"
        self.runs.mkdir(mode=0o700)
        self.mark = secrets.token_hex(8)

    def environment(self):
        return {**os.environ, "XDG_RUNTIME_DIR": str(self.runs), MARK: self.mark}

    def left_behind(self):
        """What should not be there when all of Ladon has ended."""
        left = [f"process {pid} ({processes.name(pid)})" for pid in processes.with_environment(MARK, self.mark)]
        return left + [str(path) for path in self.runs.rglob("*")]

    def write(self, name, text):
        path = self.path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def remove(self):
        # Ours alone: the mark is of this run.
        for pid in processes.with_environment(MARK, self.mark):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.path, ignore_errors=True)


def run_ladon(folder, *arguments, seconds=60):
    """Runs it to its end: a CompletedProcess with text."""
    return subprocess.run([LADON, *arguments], env=folder.environment(), cwd=folder.path, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=seconds, preexec_fn=processes.die_with_parent)


class Ladon:
    """`ladon up`, serving."""

    def __init__(self, folder, rack_text, *arguments):
        self.folder = folder
        self.messages = folder.path / "ladon.log"
        rack = folder.write("rack.yaml", rack_text)
        with open(self.messages, "wb") as log:
            self.process = subprocess.Popen(
                [LADON, "up", rack, "--json", "--assets", ASSETS, *arguments], env=folder.environment(), cwd=folder.path,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                preexec_fn=processes.die_with_parent)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.output = b""
        if not processes.wait_until(self._printed, 30):
            self.kill()
            raise AssertionError(f"ladon up printed no rack:\n{self.log()}")
        printed = json.loads(self.output)
        self.directory = pathlib.Path(printed["directory"])
        self.control_socket = printed["control_socket"]
        self.guests = {guest["name"]: guest for guest in printed["guests"]}

    def _printed(self):
        self.output += self.process.stdout.read() or b""
        return self.output.endswith(b"}\n") or self.process.poll() is not None and b""

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.messages.read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def counters(self):
        """What was dropped or refused, as Ladon reports it when asked to."""
        before = len(self.log())
        os.kill(self.pid, signal.SIGUSR1)
        processes.wait_until(lambda: len(self.log()) > before, 2)
        return self.log()[before:]

    def child(self, name):
        """The process ID of the child that is called so or has that for its first argument, or None."""
        for pid in processes.children(self.pid):
            if processes.name(pid) == name or name in processes.arguments(pid)[1:4]:
                return pid
        return None

    def end(self, number):
        """Sends the signal, as a terminal would to the whole group; the exit status."""
        os.killpg(self.pid, number)
        status = self.process.wait(timeout=20)
        self.process.stdout.close()
        return status

    def kill(self):
        if self.running():
            self.end(signal.SIGKILL)


class Guest:
    """A real virtual machine, and its command line by way of its second serial port; see guest/init."""

    def __init__(self, description, folder):
        self.name = description["name"]
        self.console = folder / f"{self.name}.console.log"
        self.log = folder / f"{self.name}.qemu.log"
        command = [f"file,id=console,path={self.console}" if word == "null,id=console" else word
                   for word in description["command"]]
        self.control = next(re.search(r"path=([^,]+)", word).group(1) for word in command if "id=control" in word)
        self.address = next(re.search(r"ladon\.ip=([\d.]+)", word).group(1) for word in command if "ladon.ip=" in word)
        if os.path.exists(self.control):
            os.unlink(self.control)  # of a killed predecessor
        with open(self.log, "wb") as output:
            self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                         preexec_fn=processes.die_with_parent)
        self.socket = None
        self.received = b""
        self.requests = 0

    def running(self):
        return self.qemu.poll() is None

    def failure(self, what):
        """With the last that it and its QEMU said."""
        said = "".join(path.read_text(errors="replace")[-2000:] for path in (self.log, self.console) if path.exists())
        return AssertionError(f"{self.name} {what}\n{said}")

    def connect(self, seconds=30):
        """What the guest says while nobody is connected is lost."""
        deadline = time.monotonic() + seconds
        while self.socket is None:
            attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                attempt.connect(self.control)
                self.socket = attempt
            except OSError:
                attempt.close()
                if not self.running() or time.monotonic() > deadline:
                    raise self.failure("did not start")
                time.sleep(0.05)

    def _line(self, deadline):
        while b"\n" not in self.received:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.failure("did not answer in time")
            self.socket.settimeout(left)
            try:
                chunk = self.socket.recv(65536)
            except TimeoutError:
                continue
            if not chunk:
                raise self.failure("is gone")
            self.received += chunk
        line, _, self.received = self.received.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    def wait_ready(self, seconds=BOOT_SECONDS):
        deadline = time.monotonic() + seconds
        while not (line := self._line(deadline)).startswith("READY"):
            if line.startswith("FAILED"):
                raise self.failure(f"says {line}")

    def start(self, command):
        """Runs it in the guest; `finish` waits for its end. One at a time."""
        self.requests += 1
        self.socket.settimeout(COMMAND_SECONDS)
        self.socket.sendall(f"RUN {self.requests} {command}\n".encode())

    def wait_off(self, seconds=30):
        """Until its QEMU has ended by itself."""
        self.qemu.wait(timeout=seconds)
        self.kill()

    def finish(self, seconds=COMMAND_SECONDS):
        """Its exit status and what it printed."""
        deadline = time.monotonic() + seconds
        printed = []
        while True:
            line = self._line(deadline)
            if line.startswith("| "):
                printed.append(line[2:])
            elif line.startswith("BEGIN "):
                printed = []
            elif line.startswith(f"END {self.requests} "):
                return int(line.split()[2]), "\n".join(printed)

    def run(self, command, seconds=COMMAND_SECONDS):
        self.start(command)
        return self.finish(seconds)

    def facts(self):
        """What vf-report says."""
        _, printed = self.run("vf-report")
        return dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)

    def kill(self):
        """As a crash of its host's hypervisor would."""
        if self.running():
            self.qemu.kill()
        self.qemu.wait()
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class Rack:
    """A rack that serves, and those of its guests that a test asked for."""

    def __init__(self, rack_text):
        self.folder = Folder()
        self.guests = {}
        try:
            self.ladon = Ladon(self.folder, rack_text)
        except BaseException:
            self.folder.remove()
            raise

    def power_on(self, *names):
        """Starts those that do not run, all at once; they boot."""
        started = [name for name in names if name not in self.guests or not self.guests[name].running()]
        for name in started:
            self.guests[name] = Guest(self.ladon.guests[name], self.folder.path)
        for name in started:
            self.guests[name].connect()
        return started

    def ready(self, *names):
        """The guests, once all of them are up."""
        for name in self.power_on(*names):
            self.guests[name].wait_ready()
        return [self.guests[name] for name in names]

    def close(self):
        for guest in self.guests.values():
            guest.kill()
        self.ladon.kill()
        processes.wait_until(lambda: not self.folder.left_behind(), 3)
        self.folder.remove()
