"""The whole NIC, as stock guests find it: what its drivers and other people's tests of a NIC ask of it. Two guests with
X550 functions, two with those of an 82599."""

import json
import os
import re
import time
import unittest

import rack
import traffic

RACK = """
name: nic
nics:
  - {name: x550, vfs: 63, device: x550}
  - {name: n82599, vfs: 1, device: "82599", wire: {kind: peer, address: 10.41.0.1/24}}
hosts:
  - {name: mh, role: management, memory: 256MiB}
  - name: ch1
    role: compute
    memory: 4GiB
    vms:
      - name: vm-a
        memory: 512MiB
        vcpus: 2
        vf: {nic: x550, index: 0, mac: 52:54:00:40:00:01}
        address: 10.40.0.1/24
      - name: vm-c
        vf: {nic: n82599, index: 0, trust: on}
        address: 10.41.0.3/24
        mtu: 9500
  - name: ch2
    role: compute
    memory: 1GiB
    vms:
      - name: vm-b
        vcpus: 2
        vf: {nic: x550, index: 62, mac: 52:54:00:40:00:02}
        address: 10.40.0.2/24
"""
SIX = {"vm-a": "fd00:40::1", "vm-b": "fd00:40::2"}
# As drivers/net/hw/csum.py of the kernel's selftests has them; it runs csum, which is there to be run by itself.
CSUM = {
    "rx_tcp": ("receive", "-t -r 1"),
    "rx_tcp_invalid": ("receive", "-t -E -r 1"),
    "rx_udp": ("receive", "-r 1"),
    "rx_udp_invalid": ("receive", "-E -r 1"),
    "tx_udp_csum_offload": ("transmit", "-U -r 1"),
    "tx_udp_zero_checksum": ("transmit", "-U -Z"),
}
TESTPMD = ("dpdk-testpmd -d /lib/librte_mempool_ring.so -l 0-1 "
           "-a 0000:00:01.0 -- -i --total-num-mbufs=4096 --rxq=2 --txq=2 --forward-mode=icmpecho")
the_rack = None
checks = None


def setUpModule():
    global the_rack, checks
    the_rack = rack.Rack(RACK)
    unittest.addModuleCleanup(the_rack.close)
    with open(os.path.join(rack.ASSETS, "assets.json"), encoding="utf-8") as file:
        assets = json.load(file)
    checks = assets.get("checks")
    if checks:  # one archive behind the other: the kernel unpacks both
        whole = the_rack.folder.path / "initramfs"
        with open(whole, "wb") as file:
            for part in (assets["initramfs"], checks):
                with open(part, "rb") as archive:
                    file.write(archive.read())
        for guest in the_rack.ladon.guests.values():
            guest["command"][guest["command"].index("-initrd") + 1] = str(whole)
    for guest in the_rack.ready("vm-a", "vm-b", "vm-c"):
        guest.run("echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        if guest.name in SIX:
            guest.run(f"ip -6 address add {SIX[guest.name]}/64 dev eth0")


class Nic(unittest.TestCase):
    def setUp(self):
        self.a, self.b, self.c = (the_rack.guests[name] for name in ("vm-a", "vm-b", "vm-c"))

    def done(self, guest, command):
        """What it prints; it must succeed."""
        status, printed = guest.run(command)
        self.assertEqual(status, 0, f"{guest.name}: {command}\n{printed}")
        return printed

    def statistics(self, guest):
        return {name: int(value) for name, value in
                re.findall(r"^ *(\S+): (\d+)$", self.done(guest, "ethtool -S eth0"), re.M)}

    def vf(self, nic, index):
        printed = rack.run_ladon(the_rack.folder, "vf", "show", "--live", the_rack.ladon.control_socket, "--json")
        found = next(each for each in json.loads(printed.stdout)["nics"] if each["name"] == nic)
        return next(each for each in found["vfs"] if each["vf"] == index)

    def set(self, nic, index, *words):
        result = rack.run_ladon(the_rack.folder, "vf", "set", "--live", the_rack.ladon.control_socket, nic, str(index),
                                *words)
        self.assertEqual(result.returncode, 0, result.stderr)

    def pings(self, guest, address, *options, count=3):
        """None may be lost."""
        printed = self.done(guest, f"ping -c {count} -i 0.2 -W 5 {' '.join(options)} {address}")
        self.assertIn(f"{count} packets received", printed)

    def copies(self, sender, receiver, address, megabytes=2):
        """Random bytes over TCP arrive as they were sent."""
        self.done(receiver, "(sleep 60 | nc -l -p 5005 >/tmp/copy) & sleep 0.3")  # nc ends when its input does
        self.done(sender, f"dd if=/dev/urandom of=/tmp/copy bs=1M count={megabytes} 2>/dev/null; nc {address} 5005 </tmp/copy")
        self.done(receiver, "while pidof nc >/dev/null; do usleep 100000; done")
        self.assertEqual(self.done(sender, "md5sum /tmp/copy"), self.done(receiver, "md5sum /tmp/copy"))
        for guest in (sender, receiver):
            self.done(guest, "rm /tmp/copy")


class Drivers(Nic):
    def test_both_devices_are_what_they_say(self):
        for guest, device, mac in ((self.a, "0x1565", 3), (self.c, "0x10ed", 1)):
            self.assertEqual(self.done(guest, "cat /sys/class/net/eth0/device/device"), device)
            self.assertIn(f"MAC: {mac}", self.done(guest, "dmesg | grep ixgbevf"))

    def test_the_drivers_self_test(self):
        for guest in (self.a, self.c):
            for how in ("offline", "online"):
                self.assertIn("PASS", self.done(guest, f"ethtool -t eth0 {how}"))
        self.pings(self.a, self.b.address)
        self.pings(self.c, "10.41.0.1")

    def test_settings_are_kept(self):
        self.done(self.a, "ethtool -G eth0 rx 1024 tx 256")
        self.assertRegex(self.done(self.a, "ethtool -g eth0"), r"(?s)Current.*RX:\s+1024.*TX:\s+256")
        self.done(self.a, "ethtool -C eth0 rx-usecs 100")
        self.assertRegex(self.done(self.a, "ethtool -c eth0"), r"rx-usecs:\s+100")
        self.pings(self.a, self.b.address)
        self.done(self.a, "ethtool -C eth0 rx-usecs 1; ethtool -G eth0 rx 512 tx 1024")
        self.assertRegex(self.done(self.a, "ethtool eth0"), r"(?s)Speed: 10000Mb/s.*Link detected: yes")

    def test_statistics_add_up(self):
        before, device = self.statistics(self.a), self.vf("x550", 0)
        self.pings(self.a, self.b.address, count=10)
        after, now = self.statistics(self.a), self.vf("x550", 0)
        for way in ("rx", "tx"):
            self.assertGreaterEqual(after[f"{way}_packets"] - before[f"{way}_packets"], 10)
            queues = [f"{way}_queue_{queue}" for queue in (0, 1)]
            for what in ("packets", "bytes"):
                self.assertEqual(after[f"{way}_{what}"], sum(after[f"{queue}_{what}"] for queue in queues))
        self.assertGreaterEqual(now["received"]["packets"] - device["received"]["packets"], 10)
        self.assertEqual(after["rx_csum_offload_errors"], 0)


class Frames(Nic):
    def test_tcp_arrives_whole(self):
        for features in ("tso on gso on tx on rx on", "tso off", "tx off rx off", "tso on gso on tx on rx on"):
            self.done(self.a, f"ethtool -K eth0 {features}")
            for address in (self.b.address, SIX["vm-b"]):
                self.copies(self.a, self.b, address)

    def test_uncut_packets_arrive_whole(self):
        self.set("x550", 62, "unsegmented", "on")
        for address in (self.b.address, SIX["vm-b"]):
            before = self.vf("x550", 62)["unsegmented_frames"]
            self.copies(self.a, self.b, address)
            self.assertGreater(self.vf("x550", 62)["unsegmented_frames"], before, address)
        self.set("x550", 62, "unsegmented", "off")

    def test_flows_spread_over_both_queues(self):
        before = self.statistics(self.b)
        self.done(self.a, f"iperf3 -c {self.b.address} -P 16 -n 4M")
        after = self.statistics(self.b)
        for queue in (0, 1):
            name = f"rx_queue_{queue}_packets"
            self.assertGreater(after[name] - before[name], 50, name)

    def test_long_frames(self):
        for guest in (self.a, self.b):
            self.done(guest, "ip link set eth0 mtu 9500")
        time.sleep(0.5)
        self.pings(self.a, self.b.address, "-s 9472")
        self.copies(self.a, self.b, self.b.address)
        self.pings(self.c, "10.41.0.1", "-s 1400")
        self.done(self.b, "ip link set eth0 mtu 1500")
        too_long = self.vf("x550", 62)["drops"].get("rx_too_long", 0)
        self.a.run(f"ping -c 1 -W 1 -s 9000 {self.b.address}")
        self.assertGreater(self.vf("x550", 62)["drops"].get("rx_too_long", 0), too_long)
        self.done(self.a, "ip link set eth0 mtu 1500")
        time.sleep(0.5)
        self.pings(self.a, self.b.address)

    def test_vlans_of_the_guests(self):
        for guest in (self.a, self.b):
            self.done(guest, "for m in $(cat /lib/modules/8021q.order); do insmod /lib/modules/$m.ko; done")
        self.done(self.a, "ip link add link eth0 name v10 type vlan id 10; ip address add 10.42.0.1/24 dev v10; "
                          "ip link set v10 up")
        before = self.vf("x550", 62)["drops"].get("rx_vlan", 0)
        self.a.run("ping -c 1 -W 1 10.42.0.2")  # a broadcast: nobody of this VLAN
        self.done(self.b, "ip link add link eth0 name v10 type vlan id 10; ip address add 10.42.0.2/24 dev v10; "
                          "ip link set v10 up")
        self.pings(self.a, "10.42.0.2")
        self.copies(self.a, self.b, "10.42.0.2", megabytes=1)
        self.done(self.b, "ip link delete v10")
        self.a.run("ping -c 1 -W 1 10.42.0.2")  # its address is known: a frame to b in a VLAN that it has left
        self.assertGreater(self.vf("x550", 62)["drops"].get("rx_vlan", 0), before)
        self.done(self.a, "ip link delete v10")

    def test_storms_of_resets(self):
        self.done(self.b, f"ping -i 0.01 {self.a.address} >/dev/null 2>&1 & echo $! >/tmp/storm")
        for _ in range(3):
            self.done(self.a, "for i in 1 2 3 4 5; do ip link set eth0 down; ip link set eth0 up; done")
            # The driver starts the function anew when it comes up; nothing tells it of a reset before.
            self.done(self.a, "ip link set eth0 down; for i in 1 2 3 4 5; do echo 1 >/sys/class/net/eth0/device/reset; "
                              "done; ip link set eth0 up")
        self.done(self.b, "kill $(cat /tmp/storm)")
        self.done(self.a, f"ip -6 address add {SIX['vm-a']}/64 dev eth0 2>/dev/null; "
                          "for i in $(seq 100); do grep -q up /sys/class/net/eth0/operstate && break; usleep 100000; done")
        self.pings(self.a, self.b.address)


class OtherPeoplesTests(Nic):
    def setUp(self):
        super().setUp()
        if not checks:
            self.skipTest("tools/assets --test has not made what is run here")

    def csum(self, version, way, options):
        """The receiver's verdict."""
        sender, receiver = (self.a, self.b) if way == "transmit" else (self.b, self.a)
        addresses = [SIX[guest.name] if version == 6 else guest.address for guest in (sender, receiver)]
        command = f"csum -i eth0 -n 100 -{version} -S {addresses[0]} -D {addresses[1]} {options}"
        self.done(receiver, f"(timeout 20 {command} -L 2 -R >/tmp/csum 2>&1; echo ended $? >>/tmp/csum) & "
                            "until [ $(wc -l </proc/net/packet) -gt 1 ]; do usleep 50000; done")
        self.done(sender, f"{command} -L 1 -T >/dev/null 2>&1")
        return self.done(receiver, "until grep -q ^ended /tmp/csum; do usleep 50000; done; tail -n 3 /tmp/csum")

    def test_checksums_by_the_kernels_selftest(self):
        for version in (4, 6):
            for name, (way, options) in CSUM.items():
                with self.subTest(name, version=version):
                    self.assertRegex(self.csum(version, way, options), r"OK\nended 0$")

    def test_dpdk_drives_a_function(self):
        self.done(self.a, "ip link set eth0 down; for m in $(cat /lib/modules/uio_pci_generic.order); do "
                          "insmod /lib/modules/$m.ko; done; cd /sys/bus/pci/devices/0000:00:01.0; "
                          "echo 0000:00:01.0 >driver/unbind; echo uio_pci_generic >driver_override; "
                          "echo 0000:00:01.0 >/sys/bus/pci/drivers/uio_pci_generic/bind; "
                          "mkdir -p /dev/hugepages /var/run /run; mount -t hugetlbfs none /dev/hugepages; "
                          "echo 48 >/proc/sys/vm/nr_hugepages")
        self.done(self.a, "mkfifo /tmp/pmd; (exec 4<>/tmp/pmd; echo show port info 0 >&4; echo start >&4; "
                          f"{TESTPMD} <&4 >/tmp/pmd.log 2>&1; echo ended >>/tmp/pmd.log) & "
                          "until grep -q 'testpmd> start\\|ended' /tmp/pmd.log; do usleep 100000; done; sleep 1")
        self.b.run(f"ip neigh flush dev eth0; ping -c 1 -W 1 {self.a.address}")
        try:
            for size in (56, 1472):
                self.pings(self.b, self.a.address, f"-s {size}", count=20)
        finally:
            said = self.done(self.a, "echo stop >/tmp/pmd; echo quit >/tmp/pmd; "
                                     "until grep -q ^ended /tmp/pmd.log; do usleep 100000; done; cat /tmp/pmd.log")
        for line in ("Driver name: net_ixgbe_vf", "MAC address: 52:54:00:40:00:01", "Link speed: 10 Gbps",
                     "Link status: up"):
            self.assertIn(line, said)
        self.assertGreaterEqual(sum(map(int, re.findall(r"TX-packets: (\d+)", said))), 40, said)
        self.assertEqual(set(re.findall(r"RX-dropped: (\d+)", said)), {"0"})
        self.done(self.a, "echo 0000:00:01.0 >/sys/bus/pci/devices/0000:00:01.0/driver/unbind; "
                          "echo ixgbevf >/sys/bus/pci/devices/0000:00:01.0/driver_override; "
                          "echo 0000:00:01.0 >/sys/bus/pci/drivers/ixgbevf/bind; sleep 0.5; "
                          f"ip address add {self.a.address}/24 dev eth0; ip link set eth0 up; sleep 1")
        self.pings(self.a, self.b.address)


if __name__ == "__main__":
    unittest.main(verbosity=2)
