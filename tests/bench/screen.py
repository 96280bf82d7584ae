"""The screen as readers feel it, each figure against the one that was promised: from a control to its picture in a real
Chromium, from a link to its first picture, a room of a hundred, a cold start, ten open tabs.

A move is timed inside the page (stopwatch.js), from the reader's event to the first frame with the new picture, with a text
as long as the browser holds whole (64 tokens). The server and the browser share this machine, as they do on a lecturer's laptop.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from components import compute
from model.text.tokenizer import Tokenizer
from model.text.world import World
from tests.bench.race import Row, row
from tests.bench.room import READERS, knock, room
from tests.browser.chromium import ensure
from tests.browser.serving import ARGUMENTS, serving, settled, watched

LENGTH = 64
CANVAS, PLOTLY = 0.120, 0.200
FIRST_PICTURE, READY, REPLY, MEMORY = 2.5, 8.0, 0.300, 1.0
OPENINGS, MOVES, WARM, TABS = 5, 20, 3, 10
STILL, PATIENCE = 220, 20_000  # milliseconds
STOPWATCH = Path(__file__).with_name("stopwatch.js")


def rows() -> list[Row]:
    """Every promise of the screen: seconds (gigabytes for the tabs), the promise as the peer."""
    start = time.perf_counter()
    with serving() as server:
        knock(server.address)
        ready = time.perf_counter() - start
        with chromium() as browser:
            found = [row("server ready, from start to the first page whole", ready, READY)]
            found += _openings(browser, server.address)
            found += [each for page in PAGES for each in _page(browser, server.address, page)]
            found += _tabs(browser, server.address, psutil.Process(server.pid))
        replies = room(server.address)
    return [*found, row(f"{READERS} readers acting every 2 s, reply, p95", percentile(replies, 0.95), REPLY)]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=ensure(), args=list(ARGUMENTS))
        yield browser
        browser.close()


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


# ---------------------------------------------------------------- opening


def link(address: str, path: str, **parameters: str) -> str:
    """A page about the text, as a shared link opens it."""
    return f"{address}/{path}?{urlencode({'text': text(), **parameters})}"


def text() -> str:
    """Sentences of the micro-world, cut so that with the begin token they make `LENGTH`."""
    tokenizer, world = Tokenizer.load(compute.EMBEDDED / "tokenizer.json"), World(0).documents()
    ids: tuple[int, ...] = ()
    while len(ids) < LENGTH - 1:
        ids += tokenizer.encode(f" {next(world).text}").ids
    return tokenizer.decode(ids[: LENGTH - 1])


@contextmanager
def reader(browser: Browser) -> Iterator[Page]:
    """A new reader's page, nothing kept from before."""
    context = watched(browser.new_context(viewport={"width": 1440, "height": 900}, locale="en"))
    context.add_init_script(path=STOPWATCH)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


def _openings(browser: Browser, address: str) -> list[Row]:
    times = []
    for _ in range(1 + OPENINGS):
        with reader(browser) as page:
            page.goto(link(address, "attention"), wait_until="commit")
            times.append(page.wait_for_function("() => window.picture('theatre') && performance.now()").json_value() / 1_000)
    return [row("attention: from opening a link to the first picture, median", statistics.median(times[1:]), FIRST_PICTURE)]


def _tabs(browser: Browser, address: str, server: psutil.Process) -> list[Row]:
    with reader(browser) as first:
        for number in range(TABS):
            page = first if number == 0 else first.context.new_page()
            page.goto(link(address, PAGES[number % len(PAGES)].path))
            settled(page)
        return [row(f"memory with {TABS} tabs, GB", server.memory_info().rss / 1e9, MEMORY)]


# ---------------------------------------------------------------- moving


@dataclass(frozen=True)
class Picture:
    """What a move changes: its name, the keys it stands under, and the seconds promised."""

    name: str
    keys: tuple[str, ...]
    promise: float


@dataclass(frozen=True)
class Move:
    """One control: how it is moved for the n-th time, the event that tells the page, and what follows."""

    name: str
    act: Callable[[Page, int], None]
    event: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Place:
    """A page of the app with its moves, opened with parameters and made ready."""

    path: str
    moves: tuple[Move, ...]
    parameters: Mapping[str, str]
    prepare: Callable[[Page], object]


def _page(browser: Browser, address: str, place: Place) -> list[Row]:
    with reader(browser) as page:
        page.goto(link(address, place.path, **place.parameters))
        settled(page)
        place.prepare(page)
        return [each for move in place.moves for each in _moved(page, place.path, move)]


def _moved(page: Page, path: str, move: Move) -> list[Row]:
    keys = [key for picture in move.pictures for key in picture.keys]
    laps: list[dict[str, float]] = []
    for turn in range(WARM + MOVES):
        settled(page, STILL)
        page.evaluate("([event, keys, patience]) => { window.running = window.lap(event, keys, patience); }", [move.event, keys, PATIENCE])
        move.act(page, turn)
        laps.append(page.evaluate("window.running"))
    found = []
    for picture in move.pictures:
        times = [max(lap[key] for key in picture.keys) / 1_000 for lap in laps[WARM:]]
        name = f"{path}: {move.name} → {picture.name}"
        found += [row(f"{name}, median", statistics.median(times), picture.promise), row(f"{name}, p95", percentile(times, 0.95), picture.promise)]
    return found


# ---------------------------------------------------------------- the moves


def press(selector: str, *names: str) -> Callable[[Page, int], None]:
    """Click the n-th thing that matches, or the one with the n-th name in `{}`, over and over."""

    def act(page: Page, turn: int) -> None:
        if names:
            page.locator(selector.replace("{}", names[turn % len(names)])).first.click()
        else:
            every = page.locator(selector)
            every.nth((7 * turn + 3) % every.count()).click()

    return act


def paint(page: Page, turn: int) -> None:
    """Dab a cell of the last row but one, so that something after it changes."""
    frame = page.locator(".st-key-painter .matrix")
    x, y, side = frame.evaluate("({parentElement: {painter}}) => [painter.left, painter.top, painter.cell]")
    frame.click(position={"x": x + (turn + 3.5) * side, "y": y + (LENGTH - 1.5) * side})


def slide(selector: str) -> Callable[[Page, int], None]:
    """Move a slider by one stop with the keyboard, to and fro over four of them."""

    def act(page: Page, turn: int) -> None:
        page.locator(selector).first.focus()
        page.keyboard.press("ArrowRight" if turn % 8 < 4 else "ArrowLeft")

    return act


MAPS = Picture("maps", ("painter", "map-masked", "map-difference"), CANVAS)
CHARTS = Picture("charts", ("chart-next", "chart-loss"), PLOTLY)
SPOTLIGHT = (Picture("maps and arithmetic", ("theatre", "ledger"), CANVAS),)
DIAL = ".st-key-dials .dial[data-name=temperature] input"
AXIS = ".st-key-w-s-x button:has-text('{}')"
SETTING = "[class*='--config-layers'] input"

PAGES = (
    Place(
        "attention",
        (
            Move("choose a head", press(".st-key-theatre .thumbs button"), "click", SPOTLIGHT),
            Move("choose a token", press(".st-key-theatre .side:first-child .tokens button"), "click", SPOTLIGHT),
        ),
        {},
        settled,
    ),
    Place(
        "masks",
        (
            Move("choose a pattern", press(".st-key-patterns button[data-name={}]", "prefix", "window", "packed", "left"), "click", (MAPS, CHARTS)),
            Move("paint a cell", paint, "pointerup", (MAPS, CHARTS)),
        ),
        {},
        settled,
    ),
    Place(
        "generation",
        (
            Move("move the temperature", slide(DIAL), "input", (Picture("bars", ("dials",), CANVAS),)),
            Move("write one token", press(".st-key-player .step"), "click", (Picture("text, bars and gaze", ("player", "dials", "gaze"), CANVAS),)),
        ),
        {"g.n": "0", "g.stop": "0"},
        settled,
    ),
    Place(
        "size",
        (
            Move("change the axis", press(AXIS, "Tokens", "Time"), "click", (Picture("loss", ("size-curve",), CANVAS),)),
            Move("change the layers", slide(SETTING), "keydown", (Picture("bars", ("exhibit-weights",), CANVAS),)),
        ),
        {},
        lambda page: page.click(".st-key-size-drawer summary"),
    ),
)
