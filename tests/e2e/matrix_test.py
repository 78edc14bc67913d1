"""`ladon attack --matrix`: every attack under all 64 sets of defences, each control proven; and what the documentation
says of it is what comes out."""

import json
import pathlib
import re
import unittest

import rack

EXAMPLE = pathlib.Path(rack.EXAMPLE)
DOC = EXAMPLE.parent.parent / "doc"


def drawn_matrix(svg):
    """The part of the picture that does not depend on the machine."""
    return re.search(r"<!-- matrix -->.*<!-- prices -->", svg, re.DOTALL).group()


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = rack.Folder()
        cls.addClassCleanup(cls.folder.remove)
        cls.svg = pathlib.Path(cls.folder.path) / "matrix.svg"
        cls.done = rack.run_ladon(cls.folder, "attack", str(EXAMPLE), "--matrix", "--json", "--no-prices", "--svg",
                                  str(cls.svg))

    def test_every_control_is_proven_and_no_defence_is_idle(self):
        self.assertEqual(self.done.returncode, 0, self.done.stdout + self.done.stderr)
        report = json.loads(self.done.stdout)
        self.assertTrue(report["sound"])
        self.assertEqual((report["idle_defences"], report["prices"]), ([], []))

    def test_the_documented_picture_is_this_one(self):
        documented = (DOC / "matrix.svg").read_text()
        self.assertTrue(drawn_matrix(documented) == drawn_matrix(self.svg.read_text()),
                        "doc/matrix.svg is old: tools/ladon attack examples/two-hosts.yaml --matrix --svg doc/matrix.svg")

    def test_every_attack_carries_a_documented_claim(self):
        text = re.sub(r"(\w)(\d) to \1(\d)", lambda m: ", ".join(m[1] + str(i) for i in range(int(m[2]), int(m[3]) + 1)),
                      (DOC / "security.md").read_text())
        claimed = set(re.findall(r"\b([A-Z]\d+[a-z]?)\b", text.split("## Claims")[1].split("## Hand-over")[0]))
        found = {row["id"] for row in json.loads(self.done.stdout)["rows"]}
        self.assertEqual(found - claimed, set())

    def test_the_documented_table_is_this_one(self):
        rows = re.findall(r"^\| ([A-Z]\d+[a-z]?) \| (.*?) \| (\w+) \| (.*?) \|$", (DOC / "attacks.md").read_text(),
                          re.MULTILINE)
        documented = [(id, title, sorted(re.findall(r"`(.*?)`", sets))) for id, title, _, sets in rows]
        found = [(row["id"], row["title"], sorted(row["minimal"])) for row in json.loads(self.done.stdout)["rows"]]
        self.assertEqual(documented, found)


if __name__ == "__main__":
    unittest.main()
