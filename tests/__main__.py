"""Everything that must hold before a change lands: style, types, import directions, tests. `python -m tests [pytest arguments]`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
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


def main(arguments: list[str]) -> int:
    """Run the checks, then pytest with `arguments`; the exit status of the first that fails, 0 if none does."""
    print(f"chromium: {ensure()}", flush=True)
    for name, command in CHECKS:
        print(f"{name}: {Path(command[0]).name}", flush=True)
        if status := subprocess.run(command, cwd=ROOT).returncode:
            return status
    return subprocess.run([*PYTEST, *arguments], cwd=ROOT).returncode if arguments else side_by_side()


def side_by_side() -> int:
    """All tests, a browser's beside the others, for a browser mostly waits; what came of it is printed when the others have ended."""
    with tempfile.TemporaryFile("w+") as said:
        browser = subprocess.Popen([*PYTEST, "tests/browser"], cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        status = subprocess.run([*PYTEST, "--ignore", "tests/browser"], cwd=ROOT).returncode
        waited = browser.wait()
        said.seek(0)
        print(said.read(), flush=True)
    return status or waited


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
