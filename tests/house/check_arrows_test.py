"""tools/check-arrows finds what it is there to find, each in a small house of its own."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/lib/check_arrows.py"
GOOD = {
    "src/CMakeLists.txt": "ladon_room(base USES LIBRARIES fmt::fmt)\nladon_room(pcie USES base)\n"
    "ladon_room(client USES base pcie)\nladon_room(nic USES base pcie)  # a comment (with parentheses)\nladon_room(machine USES base pcie\n  nic LIBRARIES yaml)\n",
    "tests/CMakeLists.txt": "ladon_tests(nic USES nic client)\n",
    "src/base/a.h": "#pragma once\n",
    "src/pcie/p.h": '#pragma once\n#include "base/a.h"\n',
    "src/nic/n.h": '#pragma once\n#include <vector>\n#include "pcie/p.h"\n',
    "src/nic/n.cpp": '#include "nic/n.h"\n',
    "src/machine/m.h": '#pragma once\n#include "nic/n.h"\n',
    "src/app/main.cpp": '#include "machine/m.h"\nint main() {}\n',
    "src/client/c.h": '#pragma once\n#include "pcie/p.h"\n',
    "tests/nic/n_test.cpp": '#include "nic/n.h"\n\n#include "client/c.h"\n#include "helper.h"\n',
    "tests/nic/helper.h": '#pragma once\n#include "base/a.h"\n',
}


def check(changes, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in {**GOOD, **changes}.items():
            file = pathlib.Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        command = [sys.executable, str(TOOL), "--root", folder, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr


class CheckArrows(unittest.TestCase):
    def expect(self, changes, *words, arguments=()):
        status, output = check(changes, *arguments)
        self.assertEqual(status, 1, output)
        self.assertEqual(len(output.splitlines()), 1, output)
        for word in words:
            self.assertIn(word, output)

    def test_a_good_house(self):
        self.assertEqual(check({}), (0, ""))

    def test_an_arrow_that_is_not_listed(self):
        self.expect({"src/pcie/q.cpp": '\n#include "nic/n.h"\n'}, "src/pcie/q.cpp:2", "pcie may not use nic")

    def test_arrows_do_not_reach_through_other_rooms(self):
        rooms = GOOD["src/CMakeLists.txt"].replace("nic USES base pcie)", "nic USES pcie)")
        self.expect({"src/CMakeLists.txt": rooms, "src/nic/q.cpp": '#include "base/a.h"\n'}, "nic may not use base")

    def test_a_circle(self):
        rooms = GOOD["src/CMakeLists.txt"].replace("pcie USES base", "pcie USES base nic")
        self.expect({"src/CMakeLists.txt": rooms}, "circle: pcie -> nic -> pcie")

    def test_only_the_program_uses_the_machine(self):
        rooms = GOOD["src/CMakeLists.txt"] + "ladon_room(audit USES machine)\n"
        self.expect({"src/CMakeLists.txt": rooms}, "audit uses machine")

    def test_a_room_that_is_not_listed(self):
        self.expect({"src/attic/x.h": "#pragma once\n"}, "src/attic")

    def test_the_client_knows_no_hardware(self):
        self.expect({"src/client/d.h": '#pragma once\n#include "nic/n.h"\n'}, "client may not use nic")

    def test_tests_use_what_their_room_does(self):
        self.expect({"tests/nic/x_test.cpp": '#include "machine/m.h"\n'}, "the tests of nic may not use machine")

    def test_shared_helpers_smuggle_nothing_in(self):
        helper = {"tests/nic/x_test.cpp": '#include "fakes/f.h"\n'}
        good = {**helper, "tests/fakes/f.h": '#pragma once\n#include "pcie/p.h"\n'}
        self.assertEqual(check(good), (0, ""))
        bad = {**helper, "tests/fakes/f.h": '#pragma once\n#include "machine/m.h"\n'}
        self.expect(bad, "tests/fakes/f.h:2", "what the tests of nic include may not use machine")

    def test_paths_are_written_from_src(self):
        self.expect({"src/nic/q.cpp": '#include "n.h"\n'}, "path from src")
        self.expect({"src/nic/q.cpp": '#include "../pcie/p.h"\n'}, "path from src")

    def test_long_files_left_overs_and_guards(self):
        self.expect({"src/nic/q.cpp": "\n" * 501}, "501 lines")
        self.expect({"src/nic/q.cpp": "int a;  // TO" + "DO: b\n"}, "src/nic/q.cpp:1", "do it")
        self.expect({"src/nic/q.h": "int a;\n"}, "#pragma once")

    def test_headers_that_lean_on_others(self):
        self.assertEqual(check({}, "--headers"), (0, ""))
        broken = {"src/nic/q.h": "#pragma once\nstd::vector<int> a();\n"}
        self.expect(broken, "src/nic/q.h", "alone", arguments=("--headers",))


if __name__ == "__main__":
    unittest.main()
