"""What can be read off a page, and the model's own numbers to hold it against.

Pictures are read where they say something: their tables (the CSV that everyone can download), their sentences, the colours
of their tokens and pixels. The model's side is a plain trace of the same text.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from components import theme
from components.canvas.plate import visible
from components.i18n import Words
from model import checkpoints
from model.layers.masks import Mask, Sights
from model.text.tokenizer import Tokenizer
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests.browser.serving import painted, settled

EMBEDDED = Path(__file__).parents[2] / "model" / "embedded"
ENGLISH = Words("en")
BEGIN = ENGLISH("shell.prompt.begin")
PAGES = (
    *("inside", "layers", "heads", "embeddings", "change", "masks", "training", "generation", "tree", "strategies", "cache"),
    *("size", "positions", "families"),
)
ADDRESS = {"attention": "/"} | {name: f"/{name}" for name in PAGES}
CANVASES = {
    "attention": ("theatre", "threads", "ledger"),
    "layers": ("lens", "race", "pushes"),
    "inside": ("flow", "derivation"),
    "change": ("change-parts", "change-chips", "change-text", "change-map-default", "change-map-changed", "change-map-difference"),
    "masks": ("scope", "patterns", "painter", "map-default", "map-masked", "map-difference"),
    "training": ("training-curve",),
    "embeddings": ("scatter",),
    "generation": ("player", "dials", "gaze", "why-lens", "why-filters", "why-settings"),
    "tree": ("grown",),
    "strategies": ("beams",),
    "cache": ("cache-strips",),
    "size": ("size-curve",),
    "heads": ("roster", "headmap", "kin", "likeness", "lit", "reachmap"),
    "positions": ("positions-scheme", "positions-added"),
    "families": ("lineage", "blueprint", "families-map-0", "families-curve-0"),
}


# ---------------------------------------------------------------- the model's own numbers


@cache
def _loaded() -> tuple[Transformer, Tokenizer]:
    torch.set_num_threads(1)
    loaded = checkpoints.load(EMBEDDED)
    assert loaded.tokenizer is not None
    return loaded.model.eval().requires_grad_(False), loaded.tokenizer


def model() -> Transformer:
    """The model on show."""
    return _loaded()[0]


def tokenizer() -> Tokenizer:
    """What it reads with."""
    return _loaded()[1]


def ids_of(text: str) -> tuple[int, ...]:
    """A text as the model reads it, the begin token first."""
    return (tokenizer().begin, *tokenizer().encode(text).ids[: model().config.context - 1])


def pieces_of(text: str) -> list[str]:
    """Its tokens as every picture writes them."""
    room = model().config.context - 1
    return [BEGIN, *(visible(piece) for piece in tokenizer().encode(text).pieces[:room])]


def traced(text: str, mask: Mask | torch.Tensor | Sights | None = None) -> Trace:
    """Everything that happens in the model on a text."""
    ids = ids_of(text)
    allowed = mask.build(len(ids)) if isinstance(mask, Mask) else mask
    return Tracer(model()).trace(torch.tensor(ids), mask=allowed).clone()


# ---------------------------------------------------------------- what the reader does


def ready(page: Page, name: str) -> Page:
    """Wait until every canvas of a page has been painted."""
    for key in CANVASES[name]:
        painted(page, key)
    return settled(page)


def address(name: str, text: str, **fields: object) -> str:
    """The address of a page with a text already written, and other fields (`g_n` for `g.n`)."""
    return f"{ADDRESS[name]}?{urlencode({'text': text} | {field.replace('_', '.'): value for field, value in fields.items()})}"


def write(page: Page, text: str) -> None:
    """Type a text over the old one and wait until its tokens are there."""
    area = page.locator(".st-key-prompt textarea")
    area.fill(text)
    area.press("Control+Enter")
    expect(page.locator(".st-key-chips li")).to_have_count(len(ids_of(text)))
    settled(page)


def go(page: Page, name: str) -> None:
    """Take the menu's way to a page."""
    page.locator(".st-key-menu a").get_by_text(ENGLISH(f"shell.menu.{name}"), exact=True).click()
    expect(page.locator(".st-key-menu a[aria-current]")).to_have_text(ENGLISH(f"shell.menu.{name}"))
    settled(page)


def link(page: Page) -> str:
    """What Share would copy."""
    page.click(".st-key-share button")
    field = page.locator("[data-testid=stPopoverBody] input")
    address = field.input_value()
    page.keyboard.press("Escape")
    expect(field).to_have_count(0)
    settled(page)
    return address


def linked(page: Page, *said: str) -> None:
    """Wait until the address says all of this."""
    page.wait_for_function("said => said.every(part => decodeURIComponent(location.search).includes(part))", arg=said)


def repainted(page: Page, key: str, before: str) -> str:
    """Wait until the canvas under `key` no longer says what it said before; return what it says."""
    expect(page.locator(f".st-key-{key} [data-painted]").first).not_to_have_attribute("data-painted", before)
    settled(page)
    return painted(page, key)


# ---------------------------------------------------------------- what the reader reads


def table(page: Page, key: str, text: tuple[str, ...] = ()) -> pd.DataFrame:
    """The numbers of an exhibit, as its CSV has them; the columns `text` are text even where they look like numbers."""
    settled(page)
    button = page.locator(f".st-key-csv-{key} button")
    if not button.count():
        page.locator(f".st-key-numbers-{key} summary").click()
        settled(page)
    with page.expect_download() as coming:
        button.click()
    return pd.read_csv(coming.value.path(), keep_default_na=False, dtype=dict.fromkeys(text, str))


def said(page: Page, key: str) -> str:
    """The sentence under an exhibit."""
    return page.locator(f".st-key-exhibit-{key} .v-reading").inner_text()


NUMBER = re.compile(r"(−?)(\d+(?:,\d{3})*(?:\.\d+)?)(?:\s×\s10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?")
SUPERSCRIPT = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def numbers(text: str) -> list[float]:
    """Every number in an English sentence, as it was meant."""
    return [_meant(*found) for found in NUMBER.findall(text)]


def _meant(sign: str, digits: str, power: str) -> float:
    return (-1 if sign else 1) * float(digits.replace(",", "")) * 10.0 ** int((power or "0").translate(SUPERSCRIPT))


def tokens(page: Page, side: int) -> Locator:
    """The theatre's text that is looked at (side 0), or the one that looks (side 1)."""
    return page.locator(".st-key-theatre .tokens").nth(side).locator("button")


def chosen(page: Page) -> tuple[int, int, int, int]:
    """Layer, head, query and key, as the theatre says once all of it is painted and the server has answered."""
    settled(page)
    layer, head, query, key = (int(part) for part in painted(page, "theatre").split("/")[1:5])
    expect(page.locator(".st-key-ledger [data-painted]")).to_have_attribute("data-painted", painted(page, "theatre").rsplit("/", 2)[0])
    return layer, head, query, key


def colour_of(element: Locator) -> tuple[int, ...]:
    """An element's own background, (red, green, blue); empty where it has none."""
    shown = element.evaluate("node => getComputedStyle(node).backgroundColor")
    return () if shown == "rgba(0, 0, 0, 0)" else tuple(int(part) for part in re.findall(r"\d+", shown)[:3])


def lit(share: float) -> tuple[int, ...]:
    """The sequential colour of a share of the scale's end: colours follow the square root."""
    return tuple(int(part) for part in theme.SEQUENTIAL[round(255 * min(1.0, share) ** 0.5)])


def pictures(page: Page, within: str = "[data-testid=stMain]") -> list[str]:
    """Every canvas on the page, pixel by pixel, as the browser would save it; the pointer and the focus out of the way."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement?.blur()")
    settled(page)
    return page.evaluate(
        """async selector => {
            await document.fonts.ready;
            await new Promise(requestAnimationFrame);
            const inside = node => [...(node.shadowRoot?.children ?? []), ...node.children];
            const all = node => [...(node.matches("canvas") ? [node] : []), ...inside(node).flatMap(all)];
            return all(document.querySelector(selector)).filter(canvas => canvas.width && canvas.height).map(canvas => canvas.toDataURL());
        }""",
        within,
    )


def square(frame: pd.DataFrame, row: str, column: str, value: str, side: int) -> NDArray[np.float64]:
    """A table of pairs, counted from 1, as the matrix (side, side) it lists; 0 where nothing is listed."""
    matrix: NDArray[Any] = np.zeros((side, side))
    matrix[frame[row].to_numpy() - 1, frame[column].to_numpy() - 1] = frame[value].to_numpy()
    return matrix
