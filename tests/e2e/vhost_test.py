"""Two stock guests with virtio-net, each over vhost-user, joined back to back by vhost_cable: they ping one another and
exchange TCP, with their offloads and without; one of them goes away and comes back, and the cable as well."""

import json
import os
import signal
import subprocess
import time
import unittest

import processes
import rack
import traffic

CABLE = os.environ.get("VHOST_CABLE", "")
MEMORY = 256 << 20
MTU = 1500
IPERF_SECONDS = 5


def guest_command(assets, folder, name, address, options):
    """QEMU's command line for a guest that has nothing but a virtio-net device over folder/NAME.sock."""
    return [
        assets["qemu"], "-name", name, "-machine", "q35,memory-backend=ram,usb=off,vmport=off,smbus=off,graphics=off",
        "-accel", assets["accel"], "-cpu", "host" if assets["accel"].startswith("kvm") else "max", "-m", f"{MEMORY >> 20}M",
        "-object", f"memory-backend-memfd,id=ram,size={MEMORY},share=on{options.get('memory', '')}",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        "-kernel", assets["kernel"], "-initrd", assets["initramfs"], "-append",
        "console=ttyS0 quiet nokaslr tsc=reliable no_timer_check cryptomgr.notests mitigations=off panic=-1 "
        f"ladon.driver=virtio_net ladon.name={name} ladon.ip={address} ladon.mtu={MTU}",
        "-chardev", "null,id=console", "-serial", "chardev:console",
        "-chardev", f"socket,id=control,path={folder}/{name}.control,server=on,wait=off", "-serial", "chardev:control",
        "-chardev", f"socket,id=net,path={folder}/{name}.sock,reconnect-ms=200",
        "-netdev", "vhost-user,id=net,chardev=net",
        "-device", f"virtio-net-pci,netdev=net,romfile=,mac={options['mac']}{options.get('device', '')}",
    ]


class Cable:
    def __init__(self, folder, *names):
        self.log = folder.path / "cable.log"
        sockets = [str(folder.path / f"{name}.sock") for name in names]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([CABLE, *sockets], env=folder.environment(), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, preexec_fn=processes.die_with_parent)
        if not processes.wait_until(lambda: b"ready" in self.log.read_bytes(), 10):
            raise AssertionError(f"no cable: {self.log.read_text()}")

    def end(self):
        """What it counted."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=20)
        return json.loads(output)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Vhost(unittest.TestCase):
    NAMES, ADDRESSES = ("a", "b"), ("10.30.0.1/24", "10.30.0.2/24")

    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)
        with open(os.path.join(rack.ASSETS, "assets.json"), encoding="utf-8") as file:
            self.assets = json.load(file)
        self.guests = []

    def plug(self):
        self.cable = Cable(self.folder, *self.NAMES)
        self.addCleanup(self.cable.kill)

    def power_on(self, index, **options):
        options["mac"] = f"52:54:00:30:00:0{index + 1}"
        command = guest_command(self.assets, self.folder.path, self.NAMES[index], self.ADDRESSES[index], options)
        guest = rack.Guest({"name": self.NAMES[index], "command": command}, self.folder.path)
        self.addCleanup(guest.kill)
        guest.connect()
        return guest

    def boot(self, **options):
        self.guests = [self.power_on(index, **options) for index in range(2)]
        for guest in self.guests:
            guest.wait_ready()

    def assert_pings(self, seconds=30):
        """Both ways, within that time, and then without a loss."""
        for index, guest in enumerate(self.guests):
            peer = self.ADDRESSES[1 - index].split("/")[0]
            self.assertTrue(processes.wait_until(lambda: traffic.ping(guest, peer, 1)[1] == 1, seconds), peer)
            sent, received = traffic.ping(guest, peer, 10)
            self.assertEqual(received, sent)

    def tcp_gigabits(self):
        """From a to b, as b received it."""
        status, output = self.guests[0].run(f"iperf3 -J -t {IPERF_SECONDS} -c {self.ADDRESSES[1].split('/')[0]}")
        self.assertEqual(status, 0, output)
        return json.loads(output)["end"]["sum_received"]["bits_per_second"] / 1e9

    def assert_nothing_refused(self, counted):
        for end in counted:
            self.assertEqual({reason: count for reason, count in end["refused"].items()
                              if reason not in ("guest not connected", "ring disabled")}, {})

    def test_offloads_memory_and_restarts(self):
        self.plug()
        self.boot()
        self.assert_pings()
        print(f"TCP, one stream, MTU {MTU}, with offloads: {self.tcp_gigabits():.2f} Gb/s")
        _, features = self.guests[0].run("ethtool -k eth0")
        self.assertIn("tcp-segmentation-offload: on", features)

        # A guest that crashes disturbs nobody, and its successor finds the cable as new.
        self.guests[1].kill()
        self.guests[1] = self.power_on(1)
        self.guests[1].wait_ready()
        self.assert_pings()

        # The driver lets go of the device and takes it again: rings stop and start on the same connection.
        for _ in range(3):
            self.guests[1].run("ip link set eth0 down; cd /sys/bus/virtio/drivers/virtio_net; d=$(ls | grep ^virtio); "
                               "echo $d >unbind; echo $d >bind; sleep 1; ip link set eth0 up; "
                               f"ip address add {self.ADDRESSES[1]} dev eth0")
            self.assert_pings()
        counted = self.cable.end()
        self.assert_nothing_refused(counted)
        self.assertGreater(counted[0]["sent_bytes"] / counted[0]["sent_frames"], 2 * MTU, "segments were left whole")

        # The backend itself goes and comes: QEMU connects again.
        time.sleep(1)
        self.plug()
        self.assert_pings()
        self.assert_nothing_refused(self.cable.end())

    def test_guests_whose_memory_could_shrink_and_that_have_no_offloads(self):
        self.plug()
        self.boot(memory=",seal=off", device=",csum=off,gso=off,host_tso4=off,host_tso6=off,guest_csum=off,"
                  "guest_tso4=off,guest_tso6=off,mrg_rxbuf=off,event_idx=off,indirect_desc=off")
        self.assert_pings()
        print(f"TCP, one stream, MTU {MTU}, unsealed, no offloads: {self.tcp_gigabits():.2f} Gb/s")
        self.assert_nothing_refused(self.cable.end())


if __name__ == "__main__":
    if not CABLE:
        raise SystemExit("run it by ctest -L e2e, or name vhost_cable in VHOST_CABLE")
    unittest.main(verbosity=2)
