"""Threads as a reader uses them: what the sums say is the model's own, chosen by click, by key and from a link, at any length."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from playwright.sync_api import Page, Position, expect

from model.analysis.attention import one_head
from tests.browser.reading import ENGLISH, address, link, numbers, pieces_of, ready, table, traced
from tests.browser.serving import painted, settled

TEXT = "Ana gave the key to Bento."
LONG = "Ana gave the key to Bento. The sky is blue. " * 30


def added(text: str, heads: list[tuple[int, int]], tokens: list[int], axis: int = 0) -> NDArray[np.float32]:
    """The model's own weights of some heads, added over some queries (axis 0) or keys (axis 1)."""
    maps = sum(one_head(traced(text), *head).pattern for head in heads)
    assert isinstance(maps, np.ndarray)
    return maps[tokens].sum(0) if axis == 0 else maps[:, tokens].sum(1)


def listed(page: Page, side: int, column: str = "column") -> NDArray[np.float64]:
    """The sums of the numbers' drawer, by the place of the other side's tokens."""
    frame: pd.DataFrame = table(page, "threads")
    return np.bincount(frame[column].to_numpy() - 1, frame.iloc[:, -1].to_numpy(), side).astype(np.float64)


def spoken(page: Page) -> str:
    return page.locator(".st-key-threads .say").inner_text()


def state(page: Page) -> list[str]:
    """What the canvas says it shows: heads, tokens, side, drawing, sink, mean."""
    settled(page)
    return painted(page, "threads").split("/")[1:7]


def press_row(page: Page, at: int, side: str = "query") -> None:
    """Come to a token of a column, see what is painted for that, and click: the token under the pointer stays the same."""
    settled(page)
    loom = page.locator(".st-key-threads .loom")
    x, y = loom.evaluate(PLACE, [side, at])
    where: Position = {"x": x - 8 if side == "query" else x + 8, "y": y}
    loom.hover(position=where)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    loom.click(position=where)


PLACE = "(loom, [side, at]) => { const {x, y} = loom.closest('.threads').drawn.place.of(side, at); return [x, y - loom.scrollTop]; }"
TOGGLED = """threads => {
    threads.querySelector("button[data-layer='0'][data-head='2']").click();
    return [".say", ".picture .note:last-of-type"].map(part => threads.querySelector(part).textContent);
}"""
DRAWN = "({drawn}) => { const {threads, floor} = drawn.drawn(drawn.shown()); return [threads, floor]; }"


def test_heads_and_tokens_are_added_by_click_and_the_link_holds_them(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("attention", TEXT, t_heads="4.1", t_tokens="8")), "attention")
    page.locator(".st-key-threads button[data-layer='2'][data-head='3']").click()
    press_row(page, 4)
    expect(page.locator(".st-key-threads .chip")).to_have_text(["4·1 ×", "3·4 ×"])
    heads, side = [(3, 0), (2, 3)], len(pieces_of(TEXT))
    assert state(page) == ["3.0+2.3", "4+7", "query", "columns", "true", "false"]
    own = added(TEXT, heads, [4, 7])
    most = np.sort(own)[::-1][:3]
    np.testing.assert_allclose(numbers(spoken(page).split(": ")[-1]), most, atol=0.006)
    expect(page.locator(".st-key-exhibit-threads .v-reading")).to_contain_text(f": {ENGLISH.number(float(most[0]), 2)} at ")
    np.testing.assert_allclose(listed(page, side), own, atol=1e-5)
    press_row(page, 2, "key")
    expect(page.locator(".st-key-threads [data-painted*='/2/key/']")).to_have_count(1)
    expect(page).to_have_url(re.compile("t.by=key"))
    np.testing.assert_allclose(listed(page, side, "row"), added(TEXT, heads, [2], 1), atol=1e-5)
    again = ready(tab("/?" + link(page).partition("?")[2]), "attention")
    assert state(again) == state(page)


def test_every_number_is_read_by_keyboard_and_the_sink_is_told_when_left_out(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("attention", TEXT, t_heads="4.1~3.5", t_tokens="5~8", t_sink="0")), "attention")
    own = added(TEXT, [(3, 0), (2, 4)], [4, 7])
    assert f"{ENGLISH.percent(float(own[0] / 4))}" in page.locator(".st-key-threads .picture .note").last.inner_text()
    own[0] = 0
    page.locator(".st-key-threads .loom").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    for at in range(len(own)):
        expect(page.locator(".st-key-threads .say")).to_contain_text(f", {at + 1} of {len(own)}: ")
        assert abs(numbers(spoken(page).split(f"{at + 1} of {len(own)}: ")[1])[0] - own[at]) <= 0.011
        page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+Enter")
    assert state(page)[1] == "7"
    page.keyboard.press("Escape")
    assert state(page)[1] == ""
    assert f"all {len(own)} tokens" in spoken(page)


def test_a_long_text_has_exact_sums_and_draws_what_it_claims(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("attention", LONG, t_heads="4.1", t_tokens="250", t_draw="arcs")), "attention")
    page.locator(".st-key-threads .loom").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".st-key-threads .say")).to_contain_text(re.compile(r", 250 of \d+: "))
    said, note = page.locator(".st-key-threads .threads").evaluate(TOGGLED)
    assert re.search(r", 250 of \d+\. ", said)
    assert not numbers(said.split(": ")[-1])
    assert ENGLISH("threads.soon") in note
    assert ENGLISH("threads.bar").partition("{")[0] not in note
    expect(page.locator(".st-key-threads [data-painted*='3.0+0.2/249'][data-painted$='exact']")).to_have_count(1)
    heads = [(3, 0), (0, 2)]
    own = added(LONG, heads, [249])
    np.testing.assert_allclose(numbers(spoken(page).split(": ")[-1]), np.sort(own)[::-1][:3], atol=0.006)
    drawn, floor = page.locator(".st-key-threads .threads").evaluate(DRAWN)
    rows = [one_head(traced(LONG), *head).pattern[249] for head in heads]
    strong = {(slot, key) for slot, row in enumerate(rows) for key in np.flatnonzero(row >= floor).tolist()}
    assert {(thread["slot"], thread["k"]) for thread in drawn} == strong
    assert f"under {ENGLISH.percent(floor)}" in page.locator(".st-key-threads .picture .note").last.inner_text()
