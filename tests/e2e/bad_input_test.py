"""Mistakes in a rack file and on the command line: named, with what is allowed; nothing starts; exit status 2."""

import pathlib
import re
import unittest

import rack

GOOD = pathlib.Path(rack.EXAMPLE).read_text()


def changed(old, new):
    """(the example with the first `old` replaced, the number of that line)."""
    assert old in GOOD, old
    return GOOD.replace(old, new, 1), GOOD[:GOOD.index(old)].count("\n") + 1


def added_vm(text):
    """The example with one more VM of ch1, on a line of its own."""
    old = "  - name: ch2\n"
    return GOOD.replace(old, text + "\n" + old, 1), GOOD[:GOOD.index(old)].count("\n") + 1


def without_nics():
    start, end = GOOD.index("nics:"), GOOD.index("hosts:")
    return GOOD[:start] + GOOD[end:], None


# What is wrong: (text, line or None), field, what the message says, what it says is allowed.
MISTAKES = {
    "unknown key": (changed("    vfs: 8", "    vfz: 8"), "nics[0].vfz", "not a field", "did you mean 'vfs'"),
    "unknown key on top": (changed("seed: 1", "sede: 1"), "sede", "not a field", "did you mean 'seed'"),
    "VF twice": (added_vm("      - {name: vm-c, vf: {nic: nic0, index: 1, mac: 52:54:00:10:00:09}}"),
                 "hosts[1].vms[2].vf.index", "1 of", "line"),
    "MAC twice": (added_vm("      - {name: vm-c, vf: {nic: nic0, index: 4, mac: 52:54:00:10:00:01}}"),
                  "hosts[1].vms[2].vf.mac", "52:54:00:10:00:01", "line"),
    "no such VF": (changed("index: 3", "index: 8"), "hosts[2].guest.vf.index", "out of range", "from 0 to 7"),
    "no such NIC": (changed("nic: nic0, index: 0", "nic: nic9, index: 0"), "hosts[0].vms[0].vf.nic", "nic9", "nic0"),
    "missing NIC": (without_nics(), "nics", "missing", "list the NICs"),
    "impossible unit": (changed("memory: 1GiB", "memory: 1GoB"), "hosts[0].memory", "1GoB", "KiB, MiB, GiB or TiB"),
    "impossible size": (changed("packet_memory: 4MiB", "packet_memory: 4TiB"), "nics[0].packet_memory", "too large",
                        "1 GiB"),
    "negative size": (changed("memory: 1GiB", "memory: -1GiB"), "hosts[0].memory", "-1GiB", "KiB, MiB, GiB or TiB"),
    "memory too small for its guests": (changed("memory: 1GiB", "memory: 256MiB"), "hosts[0].memory", "together",
                                        "give the host more"),
    "not a MAC": (changed("mac: 52:54:00:10:00:00", "mac: 52:54:00:10:00"), "hosts[0].vms[0].vf.mac",
                  "not a MAC address", "six hexadecimal bytes"),
    "no management host": ((changed("role: management", "role: compute")[0], None), "hosts", "no management host",
                           "role: management"),
    "a part without a requester-ID table": (
        changed("kind: virtualized", "ntb: {profile: intel-xeon}"), "hosts[1].ntb.profile",
        "cannot tell its 2 VFs apart", "give the host one VF"),
    "more than a part has": (changed("kind: virtualized", "ntb: {profile: plx-87xx, lut: 64}"), "hosts[1].ntb.lut",
                             "more than plx-87xx has, 32", "write 32 or less"),
    "wrong choice": (changed("mode: mriov+", "mode: mriov++"), "hosts[1].mode", "mriov++", "mriov"),
}


def overlapping_memory():
    first = GOOD.replace("      - name: vm-a\n", "      - name: vm-a\n        memory_at: 8GiB\n")
    return first.replace("      - name: vm-b\n", "      - name: vm-b\n        memory_at: 8320MiB\n")


class BadInput(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)

    def refuse(self, *arguments):
        """What it says when it is asked for the impossible."""
        done = rack.run_ladon(self.folder, *arguments, seconds=20)
        self.assertEqual(done.returncode, 2, f"{arguments}: {done.stdout}{done.stderr}")
        self.assertNotIn("Sanitizer", done.stderr)
        self.assertEqual(self.folder.left_behind(), [])
        return done.stderr

    def refuse_rack(self, text):
        """The same of each command that reads a rack file, which must all say the same."""
        path = self.folder.write("bad.yaml", text)
        said = {command: self.refuse(command, path) for command in ("up", "path")}
        said["demo"] = self.refuse("demo", path, "--assets", rack.ASSETS, "--out", str(self.folder.path / "out"))
        self.assertFalse((self.folder.path / "out").exists())
        self.assertEqual(len(set(said.values())), 1, said)
        return said["up"]

    def test_mistakes_in_the_rack_file(self):
        for what, ((text, line), field, wrong, allowed) in MISTAKES.items():
            with self.subTest(what):
                said = self.refuse_rack(text)
                where = rf"bad\.yaml:{line or '[0-9]+'}:[0-9]+: {re.escape(field)}: "
                self.assertRegex(said, where)
                message = next(line for line in said.splitlines() if re.search(where, line))
                self.assertIn(wrong, message)
                self.assertIn(allowed, message)

    def test_overlapping_memory(self):
        text = overlapping_memory()
        first, second = (number for number, line in enumerate(text.splitlines(), 1) if "memory_at" in line)
        said = self.refuse_rack(text)
        self.assertRegex(said, rf"bad\.yaml:{second}:\d+: hosts\[1\]\.vms\[1\]\.memory_at: overlaps .* line {first};")
        self.assertIn("leave memory_at out", said)

    def test_several_mistakes_are_all_named(self):
        text, _ = changed("    vfs: 8", "    vfs: 800")
        said = self.refuse_rack(text.replace("mode: mriov+", "mode: fast"))
        self.assertIn("nics[0].vfs", said)
        self.assertIn("hosts[1].mode", said)
        self.assertIn("hosts[2].mode", said)

    def test_not_yaml(self):
        for text in ("name: [two-hosts", "name: two-hosts\n\tseed: 1\n", "}{", b"\x00\xff\xfe\x00", b"\x7fELF\x02\x01"):
            with self.subTest(text):
                self.assertRegex(self.refuse_rack(text), r"bad\.yaml(:\d+:\d+)?: ")

    def test_not_a_rack(self):
        for text in ("", "\n\n", "# nothing\n", "---\n", "null\n"):
            with self.subTest(text):
                self.assertIn("the file is empty", self.refuse_rack(text))
        for text in ("[]", "rack", "- 1\n- 2\n"):
            with self.subTest(text):
                self.assertIn("not a map of fields", self.refuse_rack(text))

    def test_files_that_cannot_be_read(self):
        for path in (str(self.folder.path / "missing.yaml"), str(self.folder.path), "/dev/zero"):
            with self.subTest(path):
                said = self.refuse("up", path)
                self.assertIn(path, said)
                self.assertIn("give the path of a rack file", said)

    def test_wrong_use(self):
        for arguments in ((), ("fly",), ("up",), ("up", rack.EXAMPLE, "--fast"), ("up", rack.EXAMPLE, "another"),
                          ("demo", rack.EXAMPLE, "--seconds", "0"), ("demo", rack.EXAMPLE, "--seconds", "soon"),
                          ("path", rack.EXAMPLE, "--vm"), ("path", rack.EXAMPLE, "--vm", "nobody"),
                          ("path", rack.EXAMPLE, "--msi", "99"), ("path", rack.EXAMPLE, "--dma", "here"),
                          ("--log", "loud", "up", rack.EXAMPLE)):
            with self.subTest(arguments):
                self.assertNotEqual(self.refuse(*arguments), "")

    def test_demo_without_assets(self):
        said = self.refuse("demo", rack.EXAMPLE, "--assets", str(self.folder.path / "none"), "--out",
                           str(self.folder.path / "out"))
        self.assertIn("tools/assets", said)

    def test_help_is_no_mistake(self):
        done = rack.run_ladon(self.folder, "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("up", done.stdout)


if __name__ == "__main__":
    unittest.main()
