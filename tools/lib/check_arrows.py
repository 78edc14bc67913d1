"""What tools/check-arrows does; see there. The standard library only."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

LONGEST_FILE = 500
SOURCE_FOLDERS = ("src", "tests", "fuzz", "bench", "tools", "guest", "cmake")
SOURCE_ENDINGS = {".h", ".cpp", ".c", ".py", ".sh", ".cmake", ".txt", ""}
# In two halves, so that this file does not accuse itself.
LEFT_OVER = re.compile("|".join(rf"\b{a}{b}\b" for a, b in (("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK"))))
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
TOP_ROOM = "machine"
ABOVE_TOP = ("testkit", "trial", "experiment")  # rooms between it and the program
PROGRAM = "app"


def cmake_calls(text, function):
    """The words of each call of a CMake function, comments taken out."""
    text = re.sub(r"#.*", "", text)
    return [call.split() for call in re.findall(rf"\b{function}\s*\(([^)]*)\)", text)]


def used_by_call(words):
    """{name: rooms after USES} of one ladon_room or ladon_tests call."""
    used, taking = [], False
    for word in words[1:]:
        if word in ("USES", "LIBRARIES"):
            taking = word == "USES"
        elif taking:
            used.append(word)
    return words[0], used


class House:
    def __init__(self, root):
        self.root = root
        self.mistakes = []
        self.arrows = dict(map(used_by_call, cmake_calls(self.read("src/CMakeLists.txt"), "ladon_room")))
        self.tests = dict(map(used_by_call, cmake_calls(self.read("tests/CMakeLists.txt"), "ladon_tests")))

    def read(self, path):
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def complain(self, where, what):
        self.mistakes.append(f"{where}: {what}")

    def closure(self, rooms):
        reached, waiting = set(), list(rooms)
        while waiting:
            room = waiting.pop()
            if room not in reached:
                reached.add(room)
                waiting += self.arrows.get(room, [])
        return reached

    def check_list(self):
        if not self.arrows:
            self.complain("src/CMakeLists.txt", "lists no room")
        folders = {path.name for path in (self.root / "src").iterdir() if path.is_dir()} if self.arrows else set()
        for room in sorted(folders - set(self.arrows) - {PROGRAM}):
            if any((self.root / "src" / room).iterdir()):
                self.complain(f"src/{room}", "is a room that src/CMakeLists.txt does not list")
        for room, used in self.arrows.items():
            for other in used:
                if other not in self.arrows:
                    self.complain("src/CMakeLists.txt", f"{room} uses {other}, which is no room")
                if other == TOP_ROOM and room not in ABOVE_TOP:
                    self.complain("src/CMakeLists.txt", f"{room} uses {TOP_ROOM}, which only {PROGRAM} and tests may")
        self.check_circles()

    def check_circles(self):
        done = set()

        def visit(room, path):
            if room in path:
                circle = " -> ".join([*path[path.index(room):], room])
                self.complain("src/CMakeLists.txt", f"the arrows make a circle: {circle}")
                return
            if room in done:
                return
            for other in self.arrows.get(room, []):
                visit(other, [*path, room])
            done.add(room)

        for room in self.arrows:
            visit(room, [])

    def files(self, folder, endings):
        return sorted(p for p in (self.root / folder).rglob("*") if p.is_file() and p.suffix in endings)

    def check_includes(self, path, allowed, whose):
        """Every include in quotes names a file of an allowed room, or one beside the file."""
        text = path.read_text(encoding="utf-8", errors="replace")
        for found in INCLUDE.finditer(text):
            target = found.group(1)
            where = f"{path.relative_to(self.root)}:{text.count(chr(10), 0, found.start()) + 1}"
            if "/" not in target and (path.parent / target).is_file() and "src" != path.relative_to(self.root).parts[0]:
                continue
            room = target.split("/")[0]
            if room == "..":
                self.complain(where, f'"{target}": write the path from src')
            elif not (self.root / "src" / target).is_file() and not (self.root / "tests" / target).is_file():
                self.complain(where, f'"{target}" is no file of src: write the path from src')
            elif allowed is not None and room not in allowed:
                self.complain(where, f'{whose} may not use {room} ("{target}")')

    def shared_by(self, paths, shared):
        """The headers out of shared folders of tests/ that these files include, directly or not."""
        reached, waiting = set(), list(paths)
        while waiting:
            for target in INCLUDE.findall(waiting.pop().read_text(encoding="utf-8", errors="replace")):
                path = self.root / "tests" / target
                if target.split("/")[0] in shared and path.is_file() and path not in reached:
                    reached.add(path)
                    waiting.append(path)
        return sorted(reached)

    def check_arrows(self):
        for room, used in self.arrows.items():
            for path in self.files(f"src/{room}", {".h", ".cpp"}):
                self.check_includes(path, {room, *used}, room)
        for path in self.files(f"src/{PROGRAM}", {".h", ".cpp"}):
            self.check_includes(path, {PROGRAM, *self.arrows}, PROGRAM)
        shared = {path.name for path in (self.root / "tests").iterdir() if path.is_dir()} - set(self.tests)
        for name, used in self.tests.items():
            allowed = {name} | self.closure(used) | shared
            mine = self.files(f"tests/{name}", {".h", ".cpp"})
            for path in mine:
                self.check_includes(path, allowed, f"the tests of {name}")
            for path in self.shared_by(mine, shared):
                self.check_includes(path, allowed, f"what the tests of {name} include")

    def check_files(self):
        for folder in SOURCE_FOLDERS:
            for path in self.files(folder, SOURCE_ENDINGS):
                # Files without an ending are scripts if they say so.
                if path.suffix == "" and not path.read_bytes().startswith(b"#!"):
                    continue
                self.check_file(path)

    def check_file(self, path):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        where = path.relative_to(self.root)
        if len(lines) > LONGEST_FILE:
            self.complain(where, f"{len(lines)} lines; more than {LONGEST_FILE} are too many, split it")
        for number, line in enumerate(lines, 1):
            if found := LEFT_OVER.search(line):
                self.complain(f"{where}:{number}", f"says {found.group()}: do it, or open an issue")
        if path.suffix == ".h" and "#pragma once" not in lines:
            self.complain(where, "has no #pragma once")

    def built_alone(self, header):
        """Its own source includes it before all else: every build compiles it alone."""
        source = header.with_suffix(".cpp")
        if not source.is_file():
            return False
        first = re.search(r"^[ \t]*#[ \t]*include[ \t]*(\S+)", source.read_text(encoding="utf-8"), re.MULTILINE)
        return first is not None and first.group(1) == f'"{header.relative_to(self.root / "src")}"'

    def check_headers(self):
        compiler = os.environ.get("CXX", "c++").split()
        headers = [header for header in self.files("src", {".h"}) if not self.built_alone(header)]
        command = [*compiler, "-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-I", str(self.root / "src")]
        command += ["-DSPDLOG_FMT_EXTERNAL", "-x", "c++", "-"]

        def compile_one(header):
            source = f'#include "{header.relative_to(self.root / "src")}"\n'
            return subprocess.run(command, input=source, capture_output=True, text=True, check=False)

        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for header, result in zip(headers, pool.map(compile_one, headers)):
                if result.returncode != 0:
                    errors = [line for line in result.stderr.splitlines() if "error" in line]
                    self.complain(header.relative_to(self.root), "does not compile alone: " + "".join(errors[:1]))


def main():
    parser = argparse.ArgumentParser(prog="tools/check-arrows", description="Check the rooms and their arrows.")
    parser.add_argument("--headers", action="store_true", help="compile every header alone")
    default = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--root", type=pathlib.Path, default=default, help="the tree to check")
    options = parser.parse_args()
    house = House(options.root.resolve())
    if options.headers:
        house.check_headers()
    else:
        house.check_list()
        house.check_arrows()
        house.check_files()
    for mistake in house.mistakes:
        print(mistake)
    return 1 if house.mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
