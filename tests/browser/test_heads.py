"""The heads page by keyboard alone: a head found, looked at, compared and followed through the layers, and what the link keeps of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from components.i18n import Words
from model.analysis.found import FILE, kept
from model.analysis.likeness import likeness
from model.analysis.places import Where
from model.analysis.rollout import reach
from model.checkpoints import EMBEDDED
from tests.browser.conftest import Visit
from tests.browser.reading import ENGLISH, address, link, numbers, ready, repainted, said, table, traced
from tests.browser.serving import painted

TEXT = "The sky is blue. The sun is yellow. The sky is"
DECODER = Where("decoder")


def test_a_head_is_found_compared_and_followed_by_keyboard_and_a_link_keeps_it(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = ready(tab(address("heads", TEXT)), "heads")
    stored = kept(EMBEDDED / FILE).heads
    best = max(stored, key=lambda head: head.scores["induction"])
    assert said(page, "finder").startswith(f"Head {best.layer + 1}·{best.head + 1} ")
    cells, before = page.locator(".st-key-roster canvas"), painted(page, "roster")
    cells.focus()
    cells.press("Home")
    cells.press("ArrowRight")
    row = stored[8 * best.layer + 1]
    expect(page.locator(".st-key-roster [aria-live]")).to_contain_text(f"head {row.head + 1}")
    cells.press("ArrowUp")
    cells.press("Enter")
    assert repainted(page, "roster", before).endswith(f"/{8 * (best.layer - 1) + 1}")
    nearest = likeness(traced(TEXT), DECODER).relatives(8 * (best.layer - 1) + 1, 1)[0]
    expect(page.locator(".st-key-exhibit-kin .v-reading")).to_contain_text(f"{nearest // 8 + 1}·{nearest % 8 + 1}")
    lit = page.locator(".st-key-lit button[tabindex='0']")
    before = painted(page, "lit")
    lit.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    repainted(page, "lit", before)
    page.wait_for_url(re.compile(r"h\.token=12"))
    rows = reach(traced(TEXT), DECODER, 11).rows
    assert numbers(said(page, "reach"))[1] == pytest.approx(100 * rows[-1, 11], abs=0.51)
    listed = table(page, "reach")
    np.testing.assert_allclose(listed[ENGLISH("heads.table.share")].to_numpy().reshape(rows.shape), rows, atol=1e-5)
    theirs = ready(visit(link(page), locale="en-US").page, "heads")
    for key in ("roster", "headmap", "kin", "likeness", "lit", "reachmap"):
        painted(theirs, key, painted(page, key))


def test_every_head_can_be_silenced_anew_and_stopped(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("heads", TEXT, h_measure="agreement")), "heads")
    assert Words("en")("heads.reading.named_none", looks="", costs="", sure="")[:20] in said(page, "finder")
    page.locator(".st-key-heads-start button").click()
    bar = page.locator(".st-key-heads-source [role=progressbar]")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"[1-9]\d*"))
    page.locator(".st-key-heads-stop button").click()
    expect(page.locator(".st-key-heads-start button")).to_be_visible()
    page.locator(".st-key-heads-attention button").click()
    page.wait_for_url(re.compile(r"/attention.*a\.head="))
