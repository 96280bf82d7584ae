"""A server started once on a free port, a Chromium started once, and pages opened as readers open them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect, sync_playwright

from components.i18n import LANGUAGES, Words
from tests.browser.chromium import ensure
from tests.browser.serving import ARGUMENTS, IDLE, PAINTED, ROOT, Server, painted, serving, settled

__all__ = ["ARGUMENTS", "IDLE", "PAINTED", "ROOT", "Traffic", "Visit", "painted", "serving", "settled"]

MACHINE = {"localhost", "127.0.0.1", ""}
PATIENCE = 90_000  # milliseconds
expect.set_options(timeout=PATIENCE)


# ---------------------------------------------------------------- the server


@pytest.fixture(scope="session")
def app_file() -> Path:
    """The script the server runs; a test module may override it to serve a smaller app."""
    return ROOT / "app.py"


@pytest.fixture(scope="session")
def running(app_file: Path) -> Iterator[Server]:
    """A running server, ended with the session."""
    with serving(app_file) as running:
        yield running


@pytest.fixture(scope="session")
def server(running: Server) -> str:
    """Its address (`http://localhost:PORT`)."""
    return running.address


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

    def listen(self, page: Page) -> None:
        """Hear everything this page does from now on."""
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or ""))
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).hostname or ""))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)
        page.on("dialog", self._dialog)

    def _console(self, message: ConsoleMessage) -> None:
        # Streamlit looks for its server beside the page before it looks above it.
        if message.type == "error" and "/_stcore/" not in message.location["url"]:
            self.complaints.append(message.text)

    def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()


@dataclass(frozen=True)
class Visit:
    """A page as one reader sees it, with its traffic."""

    page: Page
    traffic: Traffic

    def settle(self) -> Page:
        """Wait until the script rests; see `settled`."""
        return settled(self.page)

    def check(self) -> None:
        """What holds of every page at any time: no request leaves the machine, nothing fails, nothing pops up."""
        assert self.traffic.hosts <= MACHINE
        assert self.traffic.complaints == []
        if not self.page.is_closed():
            assert self.page.locator("[data-testid=stException], [data-testid=stErrorElement]").count() == 0
            shown = self.page.locator("body").inner_text()
            assert not any(Words(language)("shell.trouble.unexpected") in shown for language in LANGUAGES)
            assert "Traceback" not in shown


def opened(context: BrowserContext, address: str) -> Visit:
    """A new page of this browser at an address, settled."""
    visit = Visit(context.new_page(), Traffic())
    visit.page.set_default_timeout(PATIENCE)
    visit.traffic.listen(visit.page)
    visit.page.goto(address)
    visit.page.wait_for_selector("html[data-scheme] .st-key-header")
    visit.settle()
    return visit


@pytest.fixture
def visit(server: str, chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """`visit(path, width=1440, height=900, locale="pt-BR", scheme="light")`: a new reader (own context) at `path`, settled."""
    contexts, visits = [], []

    def open_page(path: str = "/", width: int = 1440, height: int = 900, locale: str = "pt-BR", scheme: Literal["light", "dark"] = "light") -> Visit:
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}, locale=locale, color_scheme=scheme))
        visits.append(opened(contexts[-1], path if path.startswith("http") else server + path))
        return visits[-1]

    yield open_page
    for each in visits:
        each.check()
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def desk(chromium: Browser) -> Iterator[BrowserContext]:
    """One English-speaking reader's browser for many tests: a tab is a session of its own, but what is loaded stays loaded."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-US", reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def tab(server: str, desk: BrowserContext) -> Iterator[Callable[..., Page]]:
    """`tab(path)`: a new tab of that browser at `path`, settled. Closed after the test, and nothing may have gone wrong in it."""
    visits = []

    def open_tab(path: str = "/") -> Page:
        visits.append(opened(desk, server + path))
        return visits[-1].page

    yield open_tab
    for each in visits:
        each.check()
        each.page.close()


@pytest.fixture
def page(visit: Callable[..., Visit]) -> Page:
    """The front page at 1440 × 900, in Portuguese and the light theme, settled."""
    return visit().page
