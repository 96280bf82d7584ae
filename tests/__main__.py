"""Everything that must hold before a change lands: style, types, import directions, tests. `python -m tests [pytest arguments]`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.browser.chromium import ensure

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PYTEST = (sys.executable, "-m", "pytest")
CHECKS = (
    ("style", [str(BIN / "ruff"), "check", "."]),
    ("import directions", [str(BIN / "lint-imports")]),
)
TYPES = [str(BIN / "pyright"), "--pythonpath", sys.executable]
"""They take a minute or two of one core, while tests that wait for a browser leave it idle: so both run at once."""
EVERYTHING = ("-n", "2", "--dist", "worksteal", "--durations", "15")
"""Two tests at a time, for a browser mostly waits; each worker has a server and a Chromium of its own, and who is done takes from the other."""


def main(arguments: list[str]) -> int:
    """Run the checks, then pytest with `arguments` while the types are checked; the exit status of the first that fails, 0 if none does."""
    print(f"chromium: {ensure()}", flush=True)
    for name, command in CHECKS:
        print(f"{name}: {Path(command[0]).name}", flush=True)
        if status := subprocess.run(command, cwd=ROOT).returncode:
            return status
    quiet = {"OMP_NUM_THREADS": "1"} | os.environ
    with subprocess.Popen(TYPES, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as types:
        tested = subprocess.run([*PYTEST, *(arguments or EVERYTHING)], cwd=ROOT, env=quiet).returncode
        found, _ = types.communicate()
    print(f"types: pyright\n{found}", flush=True)
    return tested or types.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
