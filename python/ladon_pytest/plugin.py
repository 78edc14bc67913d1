"""The fixtures. Which program: --ladon, or LADON in the environment, or `ladon` of the PATH.

    @pytest.mark.ladon("racks/two-hosts.yaml")
    def test_isolated(ladon_rack):
        assert ladon_rack.audit() == []
"""

import os
import shutil

import pytest

from ladon_pytest.rack import Rack


def pytest_addoption(parser):
    group = parser.getgroup("ladon")
    group.addoption("--ladon", metavar="PROGRAM", help="the program (default: LADON, or `ladon` of the PATH)")
    group.addoption("--ladon-assets", metavar="DIR", help="what real guests start from, as tools/assets makes it")


def pytest_configure(config):
    config.addinivalue_line("markers", "ladon(rack): the rack of `ladon_rack`: a file, or YAML with line breaks")


@pytest.fixture(scope="session")
def ladon_program(request):
    program = request.config.getoption("--ladon") or os.environ.get("LADON") or "ladon"
    found = shutil.which(program)
    if found is None:
        pytest.fail(f"there is no program {program}; name one with --ladon or LADON", pytrace=False)
    return found


@pytest.fixture
def ladon_up(request, ladon_program):
    """A function that starts a rack, of a file or of YAML; all of them end with the test."""
    started = []

    def up(rack):
        started.append(Rack(rack, ladon_program, request.config.getoption("--ladon-assets")))
        return started[-1]

    yield up
    for rack in reversed(started):
        rack.close()


@pytest.fixture
def ladon_rack(request, ladon_up):
    """The rack that the test's mark names."""
    mark = request.node.get_closest_marker("ladon")
    if mark is None or len(mark.args) != 1:
        pytest.fail('mark the test with its rack: @pytest.mark.ladon("rack.yaml")', pytrace=False)
    return ladon_up(mark.args[0])
