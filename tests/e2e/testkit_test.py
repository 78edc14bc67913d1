"""The test kit as other projects get it: installed to a folder of its own, and both examples built and run against that."""

import os
import pathlib
import shutil
import subprocess
import unittest

import processes
import rack

BUILD = os.environ.get("LADON_BUILD", "")
EXAMPLES = rack.ROOT / "examples" / "testkit"
# Debian's, whose packages tools/setup installs; another python3 may come first in the PATH.
PYTHON = "/usr/bin/python3"


# What it takes to install the plugin and to run it.
PACKAGES = ("pip", "pytest", "setuptools", "wheel")


def has_packages():
    look = f"import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, {PACKAGES})))"
    return pathlib.Path(PYTHON).exists() and subprocess.run([PYTHON, "-c", look]).returncode == 0


def run(*command, environment=None):
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300, preexec_fn=processes.die_with_parent)
    if done.returncode != 0:
        raise AssertionError(f"{command} ends with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Kit(unittest.TestCase):
    def setUp(self):
        self.folder = rack.Folder()
        self.addCleanup(self.folder.remove)
        self.prefix = self.folder.path / "prefix"

    def copy(self, name):
        """Where nothing of the project is beside it."""
        return pathlib.Path(shutil.copytree(EXAMPLES / name, self.folder.path / name))

    def test_cmake_package(self):
        run("cmake", "--install", BUILD, "--component", "testkit", "--prefix", str(self.prefix))
        headers = {path.name for path in self.prefix.rglob("*.h")}
        self.assertEqual(headers, {"rack.h", "guest.h", "path.h", "fault.h"})
        source = self.copy("cpp")
        build = source / "build"
        run("cmake", "-S", str(source), "-B", str(build), f"-DCMAKE_PREFIX_PATH={self.prefix}",
            environment={"CXXFLAGS": "-Wall -Wextra -Werror"})
        run("cmake", "--build", str(build))
        self.assertIn("one-way traffic", run(str(build / "lost_interrupts")))
        self.assertIn("100% tests passed", run("ctest", "--test-dir", str(build)))

    def test_the_page_shows_what_is_run(self):
        page = (rack.ROOT / "doc" / "testkit.md").read_text()
        shown = {line[4:] for line in page.splitlines() if line.startswith("    ")}
        source = (EXAMPLES / "cpp" / "lost_interrupts.cpp").read_text()
        wanted = source[source.index("class Receiver"):source.index("namespace {")] + source[source.index("int main()"):]
        wanted += (EXAMPLES / "cpp" / "CMakeLists.txt").read_text()
        tests = (EXAMPLES / "pytest" / "test_rack.py").read_text()
        wanted += tests[tests.index("@pytest.mark"):]
        self.assertEqual([line for line in wanted.splitlines() if line and line not in shown], [])

    @unittest.skipUnless(has_packages(), f"{PYTHON} lacks one of {', '.join(PACKAGES)} (tools/setup --test)")
    def test_pytest_plugin(self):
        run("cmake", "--install", BUILD, "--component", "program", "--prefix", str(self.prefix))
        # A copy, since pip builds beside the source.
        source = shutil.copytree(rack.ROOT / "python", self.folder.path / "python",
                                 ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
        packages = self.folder.path / "packages"
        run(PYTHON, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target",
            str(packages), str(source))
        tests = self.copy("pytest")
        said = run(PYTHON, "-B", "-m", "pytest", "-p", "no:cacheprovider", "--ladon", str(self.prefix / "bin" / "ladon"),
                   str(tests), environment={**self.folder.environment(), "PYTHONPATH": str(packages)})
        self.assertRegex(said, r"\b4 passed\b")
        self.assertEqual(self.folder.left_behind(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
