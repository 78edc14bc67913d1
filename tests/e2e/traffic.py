"""Pings from inside a guest, and captures of what was on a wire."""

import re
import struct


class Flow:
    """A ping that runs in the background of `guest` until its end is asked for, so that each lost echo is noticed. It
    is to be the guest's only one: its socket gets every ICMP message that reaches the guest, and holds only a few."""

    def __init__(self, guest, address, interval=0.1):
        self.guest = guest
        self.interval = interval
        self.file = f"/tmp/flow-{guest.requests}"
        status, self.pid = guest.run(f"ping -i {interval} {address} >{self.file} 2>&1 & echo $!")
        assert status == 0, self.pid

    def end(self):
        """(sequence numbers that were never answered, how many were answered, how many messages did reach the guest
        but not its ping, because that was too slow). Echoes under way at the end are not counted as lost."""
        _, text = self.guest.run(f"awk 'NR > 1 {{ sum += $NF }} END {{ print \"dropped \" sum + 0 }}' /proc/net/raw; "
                                 f"kill -INT {self.pid}; sleep 1; cat {self.file}; rm {self.file}")
        answered = {int(number) for number in re.findall(r"seq=(\d+)", text)}
        dropped, summary = re.search(r"dropped (\d+)", text), re.search(r"(\d+) packets transmitted", text)
        assert dropped and summary, text
        sent = int(summary.group(1))
        until = max(answered, default=-1) + 1
        if (sent - until) * self.interval > 3:
            until = sent
        return sorted(set(range(until)) - answered), len(answered), int(dropped.group(1))


def ping(guest, address, count=3):
    """(sent, received); whoever needs none to be lost compares them."""
    _, text = guest.run(f"ping -c {count} -i 0.2 -W 5 {address}")
    found = re.search(r"(\d+) packets transmitted, (\d+)", text)
    assert found, text
    return int(found.group(1)), int(found.group(2))


def read_pcap(path):
    """The frames of a capture in the classic format, microseconds or nanoseconds, of Ethernet."""
    data = path.read_bytes()
    magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    assert magic in (0xA1B2C3D4, 0xA1B23C4D), hex(magic)
    assert link == 1, link
    frames, at = [], 24
    while at < len(data):
        _, _, captured, length = struct.unpack_from("<IIII", data, at)
        assert captured <= length <= 65536, (captured, length)
        assert at + 16 + captured <= len(data), "the last record is cut"
        frames.append(data[at + 16:at + 16 + captured])
        at += 16 + captured
    return frames
