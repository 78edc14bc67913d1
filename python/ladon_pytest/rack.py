"""`ladon up` as an object: started, asked at its control socket, ended whatever happens."""

import ctypes
import dataclasses
import json
import pathlib
import selectors
import signal
import socket
import subprocess
import tempfile
import time

START_SECONDS = 60  # of a large rack on a busy machine
END_SECONDS = 20
PR_SET_PDEATHSIG = 1


class Refused(Exception):
    """The rack answers a request with this sentence."""


@dataclasses.dataclass(frozen=True)
class Guest:
    """A place for a VM: the QEMU line that fills it, and the sockets at which it may be filled otherwise."""

    name: str
    host: str
    command: list  # program and arguments, one word each
    vfio_user_socket: str = ""
    vhost_user_socket: str = ""


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Rack:
    """A rack that serves. `rack`: a file, or YAML itself (anything with a line break). A context manager."""

    def __init__(self, rack, program="ladon", assets=None):
        self._folder = tempfile.TemporaryDirectory(prefix="ladon-")
        self._messages = pathlib.Path(self._folder.name) / "messages"
        self._process = None
        try:
            self._start(rack, program, assets)
        except BaseException:
            self.close()
            raise

    def _start(self, rack, program, assets):
        file = pathlib.Path(self._folder.name) / "rack.yaml" if "\n" in str(rack) else pathlib.Path(rack)
        if "\n" in str(rack):
            file.write_text(rack)
        command = [program, "up", str(file), "--json"] + (["--assets", str(assets)] if assets else [])
        with open(self._messages, "wb") as messages:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages,
                                             start_new_session=True, preexec_fn=_die_with_parent)
        printed = self._printed()
        self.directory = pathlib.Path(printed["directory"])
        self.control_socket = printed["control_socket"]
        fields = {field.name for field in dataclasses.fields(Guest)}
        self.guests = {guest["name"]: Guest(**{key: value for key, value in guest.items() if key in fields})
                       for guest in printed["guests"]}

    def _printed(self):
        """The one JSON object that `ladon up` prints when everybody has their VF."""
        text = b""
        deadline = time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            while not text.endswith(b"}\n"):
                if not ready.select(max(0, deadline - time.monotonic())):
                    raise RuntimeError(f"ladon up printed no rack in {START_SECONDS} s\n{self.messages()}")
                piece = self._process.stdout.read1()
                if not piece:
                    raise RuntimeError(f"ladon up has ended\n{self.messages()}")
                text += piece
        printed = json.loads(text)
        if "directory" not in printed:  # the mistakes of the file, or what the audit has found
            self._process.wait(END_SECONDS)
            raise RuntimeError(f"ladon up starts no such rack\n{self.messages() or text.decode()}")
        return printed

    @property
    def pid(self):
        return self._process.pid

    def running(self):
        return self._process.poll() is None

    def messages(self):
        """What it has said on its standard error."""
        return self._messages.read_text(errors="replace") if self._messages.exists() else ""

    def ask(self, verb, seconds=60, **arguments):
        """What the rack answers at its control socket; Refused if it does not do it. `help` lists the verbs."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(seconds)
            asking.connect(self.control_socket)
            asking.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
            reply = b""
            while not reply.endswith(b"\n"):
                piece = asking.recv(1 << 16)
                if not piece:
                    raise Refused("the rack is gone, or does not speak with this user")
                reply += piece
        answer = json.loads(reply)
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer["result"]

    def counters(self):
        """Every drop and refusal that is not zero: {(where, reason): how often}."""
        return {(line["where"], line["reason"]): line["count"] for line in self.ask("counters")["counters"]}

    def refusals(self, count=64):
        """The latest refused accesses, newest first, each with its cause and mend (doc/explain.md)."""
        return self.ask("explain", count=count)["refusals"]

    def audit(self):
        """What can be reached and was not granted, and what was granted and cannot be reached (doc/audit.md)."""
        report = self.ask("audit")
        return report["findings"] + report["unreachable"]

    def close(self):
        """Ends it: Ctrl-C first. Its exit status; None if it never ran."""
        if self._process is None:
            self._folder.cleanup()
            return None
        if self.running():
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        status = self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
