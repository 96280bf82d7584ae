"""Find Debian's Chromium, or install it, or say in one line how."""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = ("apt-get", "install", "-y", "-qq", "chromium")


def find() -> str | None:
    """The path of an installed Chromium, if any."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def ensure() -> str:
    """A path that starts a Chromium, installing Debian's where this user may. Raises `SystemExit` with one line otherwise."""
    if path := find():
        return path
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(INSTALL, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    if path := find():
        return path
    raise SystemExit("the browser tests need Chromium: sudo apt-get install chromium, then run this again")
