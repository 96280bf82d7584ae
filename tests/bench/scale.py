"""Every head at once and one head at any length: what the page on attention promises at 12 layers of 12 heads and 1,024 tokens, and
BertViz's grid and head view of the same tensors, in the same browser, at the longest text that it can still draw.

BertViz draws a line for every weight. Its page is opened from memory, with jQuery and d3 from this machine's disk, so that no network is
timed; ours is the theatre alone, mounted on bare bytes in just the same way.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as Late

from components import compute
from components.canvas import plate, theatre
from components.i18n import Words
from model import checkpoints
from model.analysis.attention import one_head, overview
from model.families.gpt2 import configuration
from model.text.tokenizer import Tokenizer
from model.text.world import World
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests.bench.race import Row, row, timed
from tests.bench.screen import chromium, link, reader
from tests.browser.serving import painted, serving, settled

LENGTH, SHORT = 1_024, 64
OVERVIEW, MEGABYTES, EXACT, FRAME, SWITCH = 3.0, 6.0, 0.300, 1 / 30, 0.100
LADDER, PATIENCE = (16, 32, 64, 128), 90.0  # tokens tried with BertViz, and the seconds it may take for each
ROUNDS, SECONDS = 5, 3.0
NAME = "gpt2-small-random"
THUMBS = ".st-key-theatre .thumbs button"


def rows() -> list[Row]:
    """Every row of this course: seconds (megabytes where the name says so), the promise or BertViz's figure as the peer."""
    torch.set_num_threads(1)
    tokenizer = Tokenizer.load(compute.EMBEDDED / "tokenizer.json")
    model = Transformer(replace(configuration(768, 12, 12), vocabulary=tokenizer.size), seed=0).eval().requires_grad_(False)
    trace = Tracer(model).trace(torch.arange(LENGTH) % tokenizer.size)
    found = _machine(trace)
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        checkpoints.save(Path(folder) / NAME, model, tokenizer)
        found += _screen(browser, folder, tokenizer)
        found += _peer(browser, model)
    return found


# ---------------------------------------------------------------- before the screen


def _machine(trace: Trace) -> list[Row]:
    """From a finished forward pass to the bytes that the browser is sent."""
    allowed = trace.allowed().numpy()
    seconds = [timed(lambda: theatre.pack_all(overview(trace), allowed)) for _ in range(ROUNDS)]
    maps, one = theatre.pack_all(overview(trace), allowed), one_head(trace, 5, 5)
    exact = [timed(lambda: theatre.pack_one(one_head(trace, 5, 5).pattern, one.allowed)) for _ in range(ROUNDS)]
    size = (len(maps) + len(theatre.pack_one(one.pattern, one.allowed))) / compute.MEGABYTE
    named = f"144 heads × {LENGTH}"
    return [
        row(f"{named}: from the forward pass to all small maps", statistics.median(seconds), OVERVIEW),
        row(f"{named}: MB sent, with one exact map", size, MEGABYTES),
        row(f"{named}: one exact map worked out and packed", statistics.median(exact), EXACT),
    ]


# ---------------------------------------------------------------- on the screen


def _screen(browser: Browser, folder: str, tokenizer: Tokenizer) -> list[Row]:
    with serving(compute.EMBEDDED.parents[1] / "app.py", "--models", folder) as server, reader(browser) as page:
        page.goto(link(server.address, "attention"))
        settled(page)
        found = [row(f"{SHORT} tokens: choose a head with the server held still → painted", _held(page, server.pid), SWITCH)]
        page.goto(link(server.address, "attention", text=_text(tokenizer)))
        painted(page, "theatre")
        _open(page)
        found += [row(f"144 heads × {LENGTH}: choose a head → its exact map", _exact(page), EXACT)]
        return [*found, *_moves(page)]


def _text(tokenizer: Tokenizer) -> str:
    ids: list[int] = []
    for document in World(0).documents():
        ids += tokenizer.encode(f" {document.text}").ids
        if len(ids) >= LENGTH:
            break
    return tokenizer.decode(ids[: LENGTH - 1])


def _open(page: Page) -> None:
    """Open the random model through the operator's counter."""
    before = painted(page, "theatre").split("/")[0]
    page.locator(".st-key-opening-door button").click()
    page.locator(".st-key-opening-shelf button", has_text=NAME).click()
    while painted(page, "theatre").split("/")[0] == before:
        page.wait_for_timeout(100)
    settled(page)


CHOSEN = """number => new Promise(resolve => {
    const {root, heads} = window.theatre(), before = root.dataset.painted, start = performance.now();
    const there = () => root.dataset.painted !== before && root.dataset.painted.endsWith("exact");
    const look = () => (there() ? resolve(performance.now() - start) : requestAnimationFrame(look));
    heads.buttons[number].click();
    look();
})"""
THEATRE = """() => { window.theatre = (node = document.querySelector(".st-key-theatre")) =>
    node.drawn ?? [...(node.shadowRoot?.children ?? []), ...node.children].map(child => window.theatre(child)).find(Boolean); }"""


def _held(page: Page, server: int) -> float:
    """Seconds to another head's picture while the server does not run at all."""
    page.evaluate(THEATRE)
    with _still(server):
        return statistics.median(page.evaluate(CHOSEN, number) for number in range(1, 1 + ROUNDS)) / 1_000


@contextmanager
def _still(server: int) -> Iterator[None]:
    process = psutil.Process(server)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def _exact(page: Page) -> float:
    page.evaluate(THEATRE)
    times = []
    for number in range(10, 10 + ROUNDS):
        times.append(page.evaluate(CHOSEN, number))
        settled(page)
    return statistics.median(times) / 1_000


def _moves(page: Page) -> list[Row]:
    """Seconds a frame while the pointer wanders over the whole map, and while a part of it is dragged about."""
    frame = page.locator(".st-key-theatre .matrix")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box is not None
    x, y = box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"]
    found = [row(f"144 heads × {LENGTH}: hover, seconds a frame", _frames(page, x, y), FRAME)]
    for _ in range(8):
        page.mouse.wheel(0, -240)
    page.mouse.down()
    found.append(row(f"144 heads × {LENGTH}: pan when zoomed, seconds a frame", _frames(page, x, y), FRAME))
    page.mouse.up()
    return found


TICKING = """() => {
    window.ticks = [];
    const tick = at => { window.ticks.push(at); requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
}"""


def _frames(page: Page, x: float, y: float) -> float:
    page.evaluate(TICKING)
    start, step = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        step += 1
        page.mouse.move(x - 80 + 7 * step % 160, y + 3 * step % 90)
    ticks = page.evaluate("() => { const {ticks} = window; window.ticks = []; return [ticks.at(0), ticks.at(-1), ticks.length]; }")
    return (ticks[1] - ticks[0]) / (ticks[2] - 1) / 1_000


# ---------------------------------------------------------------- beside BertViz


def _peer(browser: Browser, model: Transformer) -> list[Row]:
    """Its two views and ours of the same patterns, up to the longest text that its grid draws within the patience."""
    found: list[Row] = []
    for length in LADDER:
        trace = Tracer(model).trace(torch.arange(length))
        theirs, ours = _drawn(browser, lambda trace=trace: _grid(trace)), _drawn(browser, lambda trace=trace: _own(trace))
        if theirs is None or ours is None:
            break
        head = _drawn(browser, lambda trace=trace: _lines(trace))
        named = f"144 heads × {length}"
        found = [
            row(f"{named}: MB of the page, BertViz model_view", ours[1], theirs[1]),
            row(f"{named}: tensors → first picture, BertViz model_view", ours[0], theirs[0]),
            *([row(f"{named}: MB of the page, BertViz head_view", ours[1], head[1])] if head else []),
            *([row(f"{named}: tensors → first picture, BertViz head_view", ours[0], head[0])] if head else []),
        ]
    return found


def _drawn(browser: Browser, build: Callable[[], str]) -> tuple[float, float] | None:
    """Seconds from tensors to the first picture, and the page's megabytes; `None` where the patience ends."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    start = time.perf_counter()
    html = build()
    try:
        page.set_default_timeout(1_000 * PATIENCE)
        page.set_content(html, wait_until="commit")
        page.wait_for_function("document.querySelector('svg line, [data-painted]') && new Promise(done => requestAnimationFrame(() => done(true)))")
        return time.perf_counter() - start, len(html.encode()) / compute.MEGABYTE
    except Late:
        return None
    finally:
        context.close()


def _grid(trace: Trace) -> str:
    return _local(importlib.import_module("bertviz").model_view(*_given(trace), html_action="return"))


def _lines(trace: Trace) -> str:
    return _local(importlib.import_module("bertviz").head_view(*_given(trace), html_action="return"))


def _local(returned: Any) -> str:
    """What a view returns, its scripts from this machine."""
    return _scripts() + returned.data.replace("https://cdnjs.cloudflare.com", "about:")


def _given(trace: Trace) -> tuple[list[torch.Tensor], list[str]]:
    return [trace.pattern(layer)[None] for layer in range(12)], [f"t{place}" for place in range(len(trace.ids))]


def _scripts() -> str:
    """What its pages load: jQuery and d3 from the disk, and in require.js's place three lines that hand them over."""
    beside = importlib.util.find_spec("mpld3")  # its d3 is wanted, not the matplotlib that importing it takes
    assert beside is not None
    assert beside.origin is not None
    files = (Path(importlib.import_module("xstatic.pkg.jquery").BASE_DIR) / "jquery.min.js", Path(beside.origin).parent / "js" / "d3.v5.min.js")
    libraries = "".join(f"<script>{file.read_text(encoding='utf-8')}</script>" for file in files)
    return f"{libraries}<script>window.require = {{config() {{}}}}; window.requirejs = (names, run) => run(jQuery, d3);</script>"


def _own(trace: Trace) -> str:
    """The theatre alone on a page, with every head of this trace."""
    pieces, words = tuple(f" t{place}" for place in range(len(trace.ids))), Words("en")
    maps = theatre.pack_all(overview(trace), trace.allowed().numpy())
    facts, (part,) = plate.split(maps)
    exact = b"" if theatre.whole(maps) else theatre.pack_one(one_head(trace, 0, 0).pattern, one_head(trace, 0, 0).allowed)
    stage = (0, 0) if exact else None
    scene = theatre.Scene(revision="bench", serial=0, queries=pieces, maps=maps, choice=theatre.Choice(0, 0, 1, 0, True), stage=stage, exact=exact)
    data = plate.envelope(facts | theatre.header(words, scene), part, *([exact] if exact else []))
    script = plate.script(Path(theatre.__file__).parent, "matrix.js", "lens.js").replace("export default function", "function mount")
    style = plate.style(Path(theatre.__file__).parent, "plate.css")
    return f"""<style>{style}</style><main><div class="theatre plate"></div></main><script>{{{script}
        const data = Uint8Array.from(atob("{base64.b64encode(data).decode()}"), letter => letter.charCodeAt(0));
        mount({{parentElement: document.querySelector("main"), data, setTriggerValue() {{}}}});
    }}</script>"""
