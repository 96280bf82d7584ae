"""A server started once on a free port, a Chromium started once, and pages opened as readers open them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect, sync_playwright

from components.i18n import LANGUAGES, Words
from tests.browser.chromium import ensure
from tests.browser.serving import ARGUMENTS, PAINTED, ROOT, Server, painted, serving, settled, watched

__all__ = ["ARGUMENTS", "PAINTED", "ROOT", "Traffic", "Visit", "painted", "serving", "settled", "watched"]

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

    def forget(self) -> None:
        """Begin anew."""
        self.hosts.clear()
        self.complaints.clear()

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

    def open(self, address: str) -> Visit:
        """Go to an address as one who types it, and wait until it is there and settled."""
        self.page.goto(address)
        self.page.wait_for_selector("html[data-scheme] .st-key-header")
        self.settle()
        return self

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


FORGET = "localStorage.clear(); sessionStorage.clear()"
WORN = 10  # entries in a tab's history; Chromium counts no further than 50


@dataclass(frozen=True)
class Desk:
    """A reader's browser. Its tabs are used again: an address opened in one is a session of its own, but what the tab has loaded and compiled
    stays, which halves the time. What a reader left behind is forgotten."""

    context: BrowserContext
    idle: list[Visit] = field(default_factory=list)

    def tab(self) -> Visit:
        """A tab in which nothing has happened yet."""
        if self.idle:
            return self.idle.pop()
        visit = Visit(self.context.new_page(), Traffic())
        visit.page.set_default_timeout(PATIENCE)
        visit.traffic.listen(visit.page)
        return visit

    def close(self, visit: Visit) -> None:
        """End a tab's session, see that nothing went wrong in it, and keep the tab for the next."""
        visit.check()
        page = visit.page
        if page.is_closed():
            return
        page.evaluate(FORGET)
        page.mouse.move(0, 0)
        page.unroute_all()
        worn = page.evaluate("history.length") > WORN
        page.goto("about:blank")
        self.context.clear_cookies()
        visit.traffic.forget()
        if worn:
            page.close()
        else:
            self.idle.append(visit)


@pytest.fixture(scope="session")
def shelf() -> dict[str, list[Desk]]:
    """The browsers of readers who come and go, by language: those that nobody uses."""
    return defaultdict(list)


@pytest.fixture
def visit(server: str, chromium: Browser, shelf: dict[str, list[Desk]]) -> Iterator[Callable[..., Visit]]:
    """`visit(path, width=1440, height=900, locale="pt-BR", scheme="light")`: a new reader (own browser) at `path`, settled."""
    taken: list[tuple[str, Desk, Visit]] = []

    def open_page(path: str = "/", width: int = 1440, height: int = 900, locale: str = "pt-BR", scheme: Literal["light", "dark"] = "light") -> Visit:
        desk = shelf[locale].pop() if shelf[locale] else Desk(watched(chromium.new_context(locale=locale)))
        visit = desk.tab()
        visit.page.set_viewport_size({"width": width, "height": height})
        visit.page.emulate_media(color_scheme=scheme)
        taken.append((locale, desk, visit.open(path if path.startswith("http") else server + path)))
        return visit

    yield open_page
    for locale, desk, visit in taken:
        desk.close(visit)
        shelf[locale].append(desk)


@pytest.fixture(scope="session")
def desk(chromium: Browser) -> Desk:
    """One English-speaking reader's browser for many tests."""
    return Desk(watched(chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-US", reduced_motion="reduce")))


@pytest.fixture
def tab(server: str, desk: Desk) -> Iterator[Callable[..., Page]]:
    """`tab(path)`: another tab of that browser at `path`, settled. Afterwards nothing may have gone wrong in it."""
    visits = []

    def open_tab(path: str = "/") -> Page:
        visits.append(desk.tab().open(server + path))
        return visits[-1].page

    yield open_tab
    for each in visits:
        desk.close(each)


@pytest.fixture(scope="module")
def stroll(server: str, desk: Desk) -> Iterator[Visit]:
    """One tab for all tests of a file, which go from page to page by the menu; each looks at what it found with `check`."""
    visit = desk.tab().open(server)
    yield visit
    desk.close(visit)


@pytest.fixture
def page(visit: Callable[..., Visit]) -> Page:
    """The front page at 1440 × 900, in Portuguese and the light theme, settled."""
    return visit().page
