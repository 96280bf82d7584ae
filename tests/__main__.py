"""Everything that must hold before a change lands: style, types, import directions, tests. `python -m tests [pytest arguments]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.browser.chromium import ensure

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
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
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
