"""Two guests, vm-a and vm-b, joined in three ways: by Ladon across two hosts, by QEMU's own SR-IOV NIC, and by virtio
over tap and a bridge. The guests are the same - image, kernel, processors, memory - but for the device and its driver."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "e2e"))
import processes  # noqa: E402
import rack  # noqa: E402

REMOTE = "10.50.0.1"
RACK = """
name: guests
nics:
  - {name: nic0, vfs: 4, wire: {kind: tap, address: 10.50.0.1/24, mtu: 9000}}
hosts:
  - name: mh
    role: management
    memory: 1GiB
    vms:
      - {name: vm-m, vf: {nic: nic0, index: 0, backpressure: on}, address: 10.50.0.10/24}
  - name: ch1
    role: compute
    memory: 1GiB
    vms:
      - {name: vm-a, vf: {nic: nic0, index: 1, backpressure: on}, address: 10.50.0.11/24}
  - name: ch2
    role: compute
    memory: 1GiB
    vms:
      - {name: vm-b, vf: {nic: nic0, index: 2, backpressure: on}, address: 10.50.0.12/24}
"""


def without_device(command):
    """The QEMU command of a guest of Ladon, its function taken out."""
    at = next(i for i, word in enumerate(command) if word == "-device" and "vfio-user-pci" in command[i + 1])
    return command[:at] + command[at + 2:]


def with_driver(command, driver):
    at = command.index("-append") + 1
    return [f"{word} ladon.driver={driver}" if i == at else word for i, word in enumerate(command)]


class Others:
    """Guests like Ladon's on another device; `device(name)` gives QEMU's words for it, `prefix` what QEMU is started by."""

    def __init__(self, folder, described, driver, device, prefix=()):
        self.folder = folder / driver
        self.folder.mkdir()
        self.guests = {}
        for name in ("vm-a", "vm-b"):
            command = with_driver(without_device(described[name]["command"]), driver)
            control = str(self.folder / f"{name}.sock")
            command = [f"socket,id=control,path={control},server=on,wait=off" if "id=control" in word else word
                       for word in command]
            self.guests[name] = {"name": name, "command": [*prefix, *command, *device(name)]}

    def start(self):
        self.guests = {name: rack.Guest(description, self.folder) for name, description in self.guests.items()}

    def close(self):
        for guest in self.guests.values():
            if isinstance(guest, rack.Guest):
                guest.kill()


def igb(folder, described):
    """An igb in each QEMU, their wires joined; the guest drives a VF of its own igb."""
    def device(name):
        side = "server=on" if name == "vm-a" else "server=off,reconnect-ms=100"
        return ["-netdev", f"stream,id=net,{side},addr.type=unix,addr.path={folder}/igb.sock", "-device",
                "pcie-root-port,id=slot1,chassis=1", "-device", "igb,bus=slot1,netdev=net,romfile=,"
                f"mac=52:54:00:50:01:0{1 if name == 'vm-a' else 2}"]
    return Others(folder, described, "igbvf", device)


class Bridge:
    """Two taps on a bridge in a network namespace of its own, which goes with the process that holds it."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], preexec_fn=processes.die_with_parent)
        self.enter = ["nsenter", "--net", "--target", str(self.holder.pid)]
        if not processes.wait_until(self._apart, 5):
            self.close()
            raise OSError("no network namespace")
        for command in ("ip link add name bridge type bridge", "ip link set bridge up mtu 9000",
                        *(f"ip {words}" for tap in ("tap-a", "tap-b")
                          for words in (f"tuntap add dev {tap} mode tap", f"link set {tap} mtu 9000 master bridge up"))):
            subprocess.run([*self.enter, *command.split()], check=True, capture_output=True)

    def _apart(self):
        try:
            return os.readlink(f"/proc/{self.holder.pid}/ns/net") != os.readlink("/proc/self/ns/net")
        except OSError:
            return False

    def close(self):
        self.holder.kill()
        self.holder.wait()


def virtio(folder, described, bridge):
    def device(name):
        tap = "tap-" + name[-1]
        return ["-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no,vhost=off", "-device",
                f"virtio-net-pci,netdev=net,romfile=,mac=52:54:00:50:02:0{1 if name == 'vm-a' else 2}"]
    return Others(folder, described, "virtio_net", device, bridge.enter)


class RemoteHost:
    """The remote test host of a rack whose wire is a tap, with a server for streams."""

    @staticmethod
    def of(ladon):
        pid = ladon.child("ladon-remote")
        return RemoteHost(pid) if pid is not None and os.geteuid() == 0 else None

    def __init__(self, pid):
        self.server = subprocess.Popen(["nsenter", f"--net=/proc/{pid}/ns/net", "iperf3", "-s"],
                                       stdout=subprocess.DEVNULL, preexec_fn=processes.die_with_parent)

    def close(self):
        self.server.kill()
        self.server.wait()
