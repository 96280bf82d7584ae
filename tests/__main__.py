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
    ("types", [str(BIN / "pyright"), "--pythonpath", sys.executable]),
    ("import directions", [str(BIN / "lint-imports")]),
)
EVERYTHING = ("-n", "2", "--dist", "worksteal", "--durations", "15")
"""Two tests at a time, for a browser mostly waits; each worker has a server and a Chromium of its own, and who is done takes from the other."""


def main(arguments: list[str]) -> int:
    """Run the checks, then pytest with `arguments`; the exit status of the first that fails, 0 if none does."""
    print(f"chromium: {ensure()}", flush=True)
    for name, command in CHECKS:
        print(f"{name}: {Path(command[0]).name}", flush=True)
        if status := subprocess.run(command, cwd=ROOT).returncode:
            return status
    quiet = {"OMP_NUM_THREADS": "1"} | os.environ
    return subprocess.run([*PYTEST, *(arguments or EVERYTHING)], cwd=ROOT, env=quiet).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
