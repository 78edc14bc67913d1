"""A rack that serves, looked at from outside: `pytest` with the plugin, no QEMU. doc/testkit.md walks through it."""

import pytest
from ladon_pytest import Refused

TWO_TENANTS = """
name: two-tenants
nics:
  - {name: nic0, vfs: 8}
hosts:
  - {name: mh, role: management, memory: 256MiB}
  - name: ch1
    role: compute
    memory: 1GiB
    vms:
      - {name: red, memory: 64MiB, vf: {nic: nic0, index: 1}}
      - {name: blue, memory: 64MiB, vf: {nic: nic0, index: 2}}
"""


@pytest.mark.ladon(TWO_TENANTS)
def test_tenants_are_isolated(ladon_rack):
    assert ladon_rack.audit() == []
    assert ladon_rack.refusals() == []
    assert ladon_rack.counters() == {}


@pytest.mark.ladon(TWO_TENANTS)
def test_each_guest_has_a_qemu_line(ladon_rack):
    assert set(ladon_rack.guests) == {"red", "blue"}
    for guest in ladon_rack.guests.values():
        assert guest.host == "ch1"
        assert any(guest.vfio_user_socket in word for word in guest.command)


@pytest.mark.ladon(TWO_TENANTS)
def test_a_limit_is_set_while_it_runs(ladon_rack):
    ladon_rack.ask("vf_set", nic="nic0", vf=1, settings=[["rx_max", "100Mbit"]])
    (nic,) = ladon_rack.ask("vf_show")["nics"]
    (red,) = [vf for vf in nic["vfs"] if vf["guest"] == "red"]
    assert red["level"]["rx_max_bits_per_second"] == 100_000_000
    with pytest.raises(Refused, match="no NIC is named"):
        ladon_rack.ask("vf_set", nic="nic7", vf=1, settings=[["rx_max", "100Mbit"]])


def test_a_bad_rack_is_named(ladon_up):
    with pytest.raises(RuntimeError, match="vfs"):
        ladon_up(TWO_TENANTS.replace("vfs: 8", "vfs: 800"))
