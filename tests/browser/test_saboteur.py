"""The page under hostile hands: any text, any link, any click. Nothing fails, nothing pops up, and the page stays usable.

What must never happen (an exception, a page error, a dialog, a request that leaves) is watched by the fixtures in every test.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from components.canvas.painter import WIDEST
from components.controls import prompt
from components.controls.mask import SHEETS
from model.layers.masks import Painted
from tests.browser.conftest import Visit
from tests.browser.reading import ADDRESS, ENGLISH, go, pieces_of, ready, write
from tests.browser.serving import painted, settled
from tests.fields import FIELDS, RUBBISH

TEXTS = {
    "letters": "👩‍👩‍👧‍👦 🏳️‍🌈 🦜🦜 é שלום עולם مرحبا \u202eabc\u202c a\x07b\u200b\u2028\ufeff\uffff\t\t\n\n\n c",
    "markup": "# big **bold** _it_ `code` [x](javascript:alert(3)) ![i](http://example.com/i.png) :red[x] :smile:\n"
    "<script>alert(1)</script><img src=x onerror=alert(2)> </textarea></script>",
    "formulas": r"$\frac{1}{0}$ $$\int_0^\infty$$ \(x\) \begin{align} {row} {0} {query!r} %s ${x} {{",
    "spaces": " " * 40,
    "100,000 characters": "céu<b>" + "x y" * 33_331,
    "nothing": "",
}
SAID = {
    ("strategies", "100,000 characters"): "No room for another token",
    ("heads", "nothing"): "A single token can look nowhere but at itself",
    ("positions", "nothing"): "One token has no distance to another",
}
"""Where a text leaves a page nothing to draw, it says why."""
STRANGE = ".katex, .stMain img:not([src^='data:image/svg+xml,']), .stMain a[href*=javascript], .stMain script"
"""What no text may become; the only pictures are those the page itself draws."""


def chips(page: Page) -> Locator:
    return page.locator(".st-key-chips li")


@pytest.mark.parametrize("name", ADDRESS)
def test_any_text_is_data(stroll: Visit, name: str) -> None:
    page = stroll.page
    go(page, name)
    ready(page, name)
    for kind, text in TEXTS.items():
        area = page.locator(".st-key-prompt textarea")
        area.fill(text)
        area.press("Control+Enter")
        shown = pieces_of(area.input_value()[: prompt.LIMIT])
        expect(chips(page)).to_have_count(len(shown))
        if len(shown) < 300:
            expect(chips(page)).to_have_text([piece.strip() for piece in shown])
        if (name, kind) in SAID:
            expect(page.locator(".v-note").first).to_contain_text(SAID[name, kind])
            settled(page)
        else:
            ready(page, name)
        assert page.locator(STRANGE).count() == 0, kind
    write(page, "The sky is")
    ready(page, name)
    stroll.check()


def test_a_forged_link_opens_every_page_at_its_defaults_and_says_so(tab: Callable[..., Page]) -> None:
    """Every field of every page forged at once; `tests/test_permalink.py` reads each of them from every piece of rubbish."""
    forged = {field.name: RUBBISH[3 * at % len(RUBBISH)] for at, field in enumerate(FIELDS)}
    page = tab(f"/?{urlencode(forged)}")
    expect(page.locator(".v-note").first).to_contain_text("m.paint")
    for name in ADDRESS:
        go(page, name)
        ready(page, name)
    write(page, "The sky is")


EXTREMES = {
    "a": {"layer": 96, "head": 128, "row": 4_096, "column": 4_096, "sink": 0},
    "m": {"spec": "~bidirectional | pad_left(9999) & window(1)", "layer": 96, "head": 128, "window": 1_024, "packed": 1_024},
    "g": {"n": 1_024, "at": 1_024, "t": 2, "r": 2, "k": 100, "p": 0.05, "m": 0.5, "seed": 9_999, "picks": "0.755-1.9999999-1023.5"},
    "s": {"a": "config.layers~1~config.dropout~0.5", "b": "default"},
}
BLANK = SHEETS["decoder"].paint.write(((None, Painted.of(np.zeros((WIDEST, WIDEST), bool))),))


def test_a_link_of_extremes_is_brought_to_what_there_is(tab: Callable[..., Page]) -> None:
    extremes = {f"{room}.{name}": value for room, fields in EXTREMES.items() for name, value in fields.items()}
    page = ready(tab("/?" + urlencode(extremes | {"m.paint": BLANK, "model": "f" * 32})), "attention")
    for name in ("masks", "generation", "size", "attention"):
        go(page, name)
        ready(page, name)


def test_a_link_of_unknown_parameters_is_no_trouble(tab: Callable[..., Page]) -> None:
    page = ready(tab("/?utm_source=x&a.layer=1&a.layer=2&__proto__=1&constructor=<b>&text=The+sky+is"), "attention")
    expect(chips(page)).to_have_text(pieces_of("The sky is"))


def test_double_clicks_on_attention(tab: Callable[..., Page]) -> None:
    page = ready(tab("/"), "attention")
    page.locator(".st-key-theatre .thumbs button").last.dblclick()
    page.locator(".st-key-theatre .tokens button").nth(1).dblclick()
    page.locator(".st-key-theatre .matrix").dblclick()
    page.locator(".st-key-ledger .walk button").last.dblclick()
    for name in ("share", "examples"):
        page.locator(f".st-key-{name} button").first.dblclick()
        settled(page)
    page.locator(".st-key-theatre .thumbs button").first.click()
    expect(page.locator(".st-key-theatre .thumbs button").first).to_have_attribute("aria-pressed", "true")


def test_double_clicks_on_masks(tab: Callable[..., Page]) -> None:
    page = ready(tab("/masks"), "masks")
    page.locator(".st-key-patterns [data-name=hand]").dblclick()
    page.locator(".st-key-painter .matrix").dblclick()
    page.locator(".st-key-painter [data-name=invert]").dblclick()
    page.locator(".st-key-painter [data-name=undo]").dblclick()
    page.locator(".st-key-patterns [data-name=causal]").dblclick()
    expect(page.locator(".st-key-patterns [data-name=causal]")).to_have_attribute("aria-checked", "true")
    ready(page, "masks")


def test_double_clicks_on_generation(tab: Callable[..., Page]) -> None:
    page = ready(tab("/generation?g.stop=0"), "generation")
    for name in ("step", "back", "restart", "play", "step"):
        page.locator(f".st-key-player .keys .{name}").dblclick(force=True)
        settled(page)
    page.locator(".st-key-dials .again").dblclick()
    page.locator(".st-key-dials .bars button").first.dblclick()
    page.locator(".st-key-player .keys .restart").click()
    expect(page.locator(".st-key-player .position")).to_have_text(ENGLISH("generation.player.written.position", at=0, count=0))


def test_double_clicks_on_size(tab: Callable[..., Page]) -> None:
    page = ready(tab("/size?s.a=recipe.budget.length~300"), "size")
    page.locator(".st-key-size-train button").dblclick()
    stop = page.locator(".st-key-size-stop button")
    expect(stop).to_be_visible()
    stop.dblclick()
    expect(page.locator(".st-key-size-train button")).to_be_enabled()


def test_two_tabs_of_one_browser_keep_out_of_each_others_way(tab: Callable[..., Page]) -> None:
    mine, other = ready(tab("/"), "attention"), ready(tab("/"), "attention")
    write(mine, "The sun is")
    write(other, "Ana gave the key to Bento.")
    go(mine, "masks")
    painted(mine, "painter")
    expect(chips(mine)).to_have_text(pieces_of("The sun is"))
    expect(chips(other)).to_have_text(pieces_of("Ana gave the key to Bento."))


def test_a_reload_and_the_way_back_lose_nothing(visit: Callable[..., Visit]) -> None:
    page = ready(visit("/", locale="en-US").page, "attention")
    write(page, "Ana gave the key to Bento.")
    page.locator(".st-key-theatre .thumbs button").nth(5).click()
    page.wait_for_function("location.search.includes('a.head=6')")
    settled(page).reload()
    page.wait_for_selector("html[data-scheme] .st-key-header")
    ready(page, "attention")
    expect(chips(page)).to_have_text(pieces_of("Ana gave the key to Bento."))
    expect(page.locator(".st-key-theatre .thumbs button").nth(5)).to_have_attribute("aria-pressed", "true")
    go(page, "masks")
    page.go_back()
    ready(page, "attention")
    expect(page.locator(".st-key-theatre .thumbs button").nth(5)).to_have_attribute("aria-pressed", "true")
