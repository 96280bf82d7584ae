"""The change page as a reader uses it: a head silenced by keyboard, what becomes of the answer, and the default again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from playwright.sync_api import Page, expect

from model.interventions import Prompt, logits, parse, tap_of
from tests.browser.reading import ENGLISH, address, ids_of, model, ready, repainted, table, tokenizer
from tests.browser.serving import painted, settled

TEXT = "Again: key book river key book"


def shown(page: Page) -> dict[int, tuple[float, float]]:
    """What comes next by id: the probability by default and changed."""
    words = tokenizer()
    id_of = {ENGLISH("shell.prompt.end"): words.begin} | {words.piece(id): id for id in range(words.size) if id != words.begin}
    frame = table(page, "change-next")
    token, default, changed = (frame[ENGLISH(f"change.table.{name}")] for name in ("token", "default", "changed"))
    return {id_of[piece]: (before, after) for piece, before, after in zip(token, default, changed, strict=True)}


def assert_follows(page: Page, *edits: str) -> None:
    """The distributions on the page are the model's own, without and with these edits."""
    prompt, some = Prompt(ids_of(TEXT)), [parse(edit) for edit in edits]
    before, after = (logits(model(), prompt, tap_of(way, model()))[-1].softmax(-1) for way in ([], some))
    found = shown(page)
    assert int(torch.argmax(after)) in found
    for id, pair in found.items():
        assert pair == pytest.approx((float(before[id]), float(after[id])), abs=1e-5)


def test_a_head_is_silenced_by_keyboard_and_switched_off_again(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("change", TEXT)), "change")
    chips, before = page.locator(".st-key-change-chips"), painted(page, "change-chips")
    page.locator('.st-key-change-parts [data-name="L0.before"]').focus()
    for key in (*["ArrowDown"] * 4, "ArrowRight", "s"):
        page.keyboard.press(key)
    before = repainted(page, "change-chips", before)
    expect(chips.get_by_text("layer 4, head 2: silenced", exact=True)).to_be_visible()
    assert_follows(page, "silence(L3.H1)")
    chips.get_by_role("switch").press("Enter")
    repainted(page, "change-chips", before)
    expect(chips.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    assert_follows(page)
    page.wait_for_function("/off[ +]silence/.test(decodeURIComponent(location.search))")


def test_a_pattern_is_painted_and_its_row_stays_whole(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("change", TEXT, c_layer=4, c_head=2)), "change")
    before = painted(page, "change-chips")
    frame = page.locator(".st-key-change-map-changed .matrix")
    frame.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "o", "Space"):
        page.keyboard.press(key)
    repainted(page, "change-chips", before)
    settled(page)
    frame = table(page, "change-maps")
    row = frame[frame[ENGLISH("change.table.row")] == 3]
    changed = dict(zip(row[ENGLISH("change.table.column")], row[ENGLISH("change.table.changed")], strict=True))
    assert json.dumps({int(key): round(value, 4) for key, value in sorted(changed.items())}) == '{"1": 0.0, "2": 1.0, "3": 0.0}'
