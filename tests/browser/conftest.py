"""A server started once on a free port, a Chromium started once, and pages opened as readers open them."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import ensure

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
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


# ---------------------------------------------------------------- the server


@pytest.fixture(scope="session")
def app_file() -> Path:
    """The script the server runs; a test module may override it to serve a smaller app."""
    return ROOT / "app.py"


@pytest.fixture(scope="session")
def server(app_file: Path) -> Iterator[str]:
    """The address of a running server (`http://localhost:PORT`), ended with the session."""
    with serving(app_file) as address:
        yield address


@contextmanager
def serving(app_file: Path) -> Iterator[str]:
    """A Streamlit server on a free port: its address once it is ready; it ends with the block. Raises with its log if it does not start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(app_file), "--server.port", str(port)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            _await(f"http://localhost:{port}/_stcore/health", process, log)
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
            process.wait(10)


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


# ---------------------------------------------------------------- the browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests. Fails, never skips, where there is none and none can be installed."""
    try:
        executable = ensure()
    except SystemExit as reason:
        pytest.fail(str(reason))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Traffic:
    """What a page asked for and complained about."""

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Visit:
    """A page as one reader sees it, with its traffic."""

    page: Page
    traffic: Traffic

    def settle(self) -> Page:
        """Wait until the script rests; see `settled`."""
        return settled(self.page)


@pytest.fixture
def visit(server: str, chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """`visit(path, width=1440, height=900, locale="pt-BR", scheme="light")`: a new reader (own context) at `path`, settled."""
    contexts = []

    def open_page(path: str = "/", width: int = 1440, height: int = 900, locale: str = "pt-BR", scheme: Literal["light", "dark"] = "light") -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": height}, locale=locale, color_scheme=scheme)
        contexts.append(context)
        page, traffic = context.new_page(), Traffic()
        page.on("request", lambda request: traffic.hosts.add(urlsplit(request.url).hostname or ""))
        page.on("websocket", lambda socket: traffic.hosts.add(urlsplit(socket.url).hostname or ""))
        page.on("pageerror", lambda error: traffic.complaints.append(str(error)))
        page.goto(path if path.startswith("http") else server + path)
        page.wait_for_selector("html[data-scheme] .st-key-header", timeout=90_000)
        return Visit(settled(page), traffic)

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(visit: Callable[..., Visit]) -> Page:
    """The front page at 1440 × 900, in Portuguese and the light theme, settled."""
    return visit().page


def settled(page: Page, still: int = 150) -> Page:
    """Wait until no script runs and none has started for `still` milliseconds; then the picture is the last one."""
    page.wait_for_selector(IDLE, timeout=90_000)
    while True:
        page.wait_for_timeout(still)
        if page.query_selector(IDLE):
            return page
        page.wait_for_selector(IDLE, timeout=90_000)


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
