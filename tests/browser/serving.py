"""What browser tests and benchmarks share: a server on a free port, how Chromium is started, how to wait for a picture."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).parents[2]
ARGUMENTS = (
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)
READY = 60.0


# ---------------------------------------------------------------- the server


@dataclass(frozen=True)
class Server:
    """A running server: its address (`http://localhost:PORT`) and its process."""

    address: str
    pid: int


@contextmanager
def serving(app_file: Path = ROOT / "app.py", *asked: str) -> Iterator[Server]:
    """A Streamlit server on a free port, once it is ready, its app `asked` as an operator would; it ends with the block. Raises with
    its log if it does not start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(app_file), "--server.headless", "true", "--server.port", str(port), "--", *asked]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            _await(f"http://localhost:{port}/_stcore/health", process, log)
            yield Server(f"http://localhost:{port}", process.pid)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await(health: str, process: subprocess.Popen[bytes], log: IO[str]) -> None:
    deadline = time.monotonic() + READY
    while not _answers(health):
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise RuntimeError(f"the server did not start:\n{log.read()}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except (urllib.error.URLError, OSError):
        return False


# ---------------------------------------------------------------- what it shows


REST = Path(__file__).with_name("rest.js").read_text(encoding="utf-8")
_looks = itertools.count()


def watched(context: BrowserContext) -> BrowserContext:
    """A browser whose pages know when they are at rest."""
    context.add_init_script(REST)
    return context


def settled(page: Page, still: int = 50, *, wholly: bool = False) -> Page:
    """Wait until all that this page (of a `watched` browser) asked is answered, no script runs and nothing is about to be sent, for `still`
    milliseconds; `wholly`: until no drawer is opening and no colour fading either."""
    page.wait_for_function("given => window.atRest(given)", arg=[next(_looks), still, wholly], timeout=90_000)
    return page


PAINTED = """([key, revision]) => {
    const said = (node) => {
        if (!node) return null;
        if (node.dataset?.painted) return node.dataset.painted;
        return [...(node.shadowRoot?.children ?? []), ...(node.children ?? [])].map(said).find(Boolean);
    };
    const found = said(document.querySelector(`.st-key-${key}`));
    return found && (revision === null || found === revision) ? found : null;
}"""


def painted(page: Page, key: str, revision: str | None = None) -> str:
    """Wait until the canvas under `.st-key-<key>` says it has painted (`revision`, or anything); return what it says."""
    return page.wait_for_function(PAINTED, arg=[key, revision]).json_value()
