"""The README's picture of the tree is true, and its commands are the ones that run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def drawn() -> set[str]:
    """The paths of the tree as drawn: `model/trace.py`, `components/canvas/`."""
    block = README.split("```\napp.py")[1].split("```")[0]
    found, folder = {"app.py"}, ""
    for line in block.splitlines()[1:]:
        name = line.split()[0]
        if not line.startswith(" "):
            folder = name
        found.add(name if name == folder else folder + name)
    return found


def test_what_is_drawn_exists() -> None:
    for path in drawn():
        assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file(), path


def test_what_exists_is_drawn() -> None:
    tracked = subprocess.run(["git", "ls-files", "model", "components"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for path in map(Path, tracked):
        inside = path.parts[:2]
        shown = f"{inside[0]}/{inside[1]}/" if len(path.parts) > 2 else str(path)
        assert shown in drawn() or path.name in ("__init__.py", "theme.css"), shown


def test_ci_runs_the_readmes_test_command() -> None:
    commands = re.findall(r"```bash\n(python3 -m venv.*?)\n```", README, re.DOTALL)
    assert len(commands) == 2
    assert (ROOT / ".ci/run").read_text().rstrip().endswith(commands[1])


def test_the_picture_is_there() -> None:
    picture = re.search(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert picture
    assert (ROOT / picture.group(1)).is_file()
