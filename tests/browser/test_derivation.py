"""A number followed back by keyboard alone, from the logit to the embedding, every step held against the trace."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from model.analysis.derivation import Number, value
from tests.browser.reading import ENGLISH, address, model, numbers, repainted, said, traced
from tests.browser.serving import painted, settled

TEXT = "The sky is"
WAY = (
    r"decoder\.norm",
    r"decoder\.blocks\.3\.after",
    r"\.middle",
    r"attn\.out",
    r"attn\.by_head",
    r"attn\.mixed",
    r"attn\.pattern",
    r"attn\.masked",
    r"attn\.scores",
    r"attn\.q",
    r"attn\.q_projected",
    r"norm1",
    r"3\.before",
    r"2\.after",
    r"2\.middle",
    r"2\.before",
    r"1\.after",
    r"1\.middle",
    r"1\.before",
    r"0\.after",
    r"0\.middle",
    r"0\.before",
    r"embed\.sum",
    r"embed\.token",
)


def sheet(page: Page, part: str) -> str:
    return page.locator(f".st-key-derivation .derivation {part}").first.inner_text()


GRID = """rows => [...rows.querySelectorAll("li")].map(row => [...row.querySelectorAll("button")].map(operand => operand.dataset.address))
    .filter(row => row.length)"""


def focused(page: Page) -> str:
    """The address of the operand with the focus."""
    return page.evaluate("document.activeElement.shadowRoot?.activeElement?.dataset.address ?? document.activeElement.dataset.address")


def reach(page: Page, wanted: str) -> str:
    """Travel with the arrow keys to the first operand of a site, first among the terms, then among a term's factors; return its address."""
    grid: list[list[str]] = page.locator(".st-key-derivation .rows").evaluate(GRID)
    target = next(address for row in grid for address in row if re.search(wanted + r"\[", address))
    here, there = (next(at for at, row in enumerate(grid) if address in row) for address in (focused(page), target))
    for _ in range(abs(there - here)):
        page.keyboard.press("ArrowDown" if here < there else "ArrowUp")
    for _ in grid[there]:
        if focused(page) != target:
            page.keyboard.press("ArrowRight")
    assert focused(page) == target
    return target


@pytest.fixture
def page(tab: Callable[..., Page]) -> Page:
    page = tab(address("inside", TEXT))
    painted(page, "derivation")
    return settled(page)


def test_the_way_from_the_logit_to_the_embedding_by_keyboard(page: Page) -> None:
    trace = traced(TEXT)
    assert sheet(page, "code") == f"logits[3,{int(trace.logits[3].argmax())}]"
    before, target, found = painted(page, "derivation"), "", 0.0
    page.locator(".st-key-derivation .rows button").first.focus()
    for wanted in WAY:
        target = reach(page, wanted)
        page.keyboard.press("Enter")
        before = repainted(page, "derivation", before)
        assert sheet(page, "code") == target
        found = value(trace, Number.parse(target))
        assert numbers(sheet(page, ".value"))[0] == pytest.approx(found, rel=6e-3, abs=6e-4)
    assert page.locator(".st-key-derivation .rows button").count() == 0
    assert ENGLISH("derivation.reading.lookup").partition(": ")[2] in said(page, "derivation")
    assert float(model().get_parameter("embed.token.weight")[trace.ids[3], Number.parse(target).index[1]]) == pytest.approx(found)
    page.keyboard.press("Backspace")
    repainted(page, "derivation", before)
    assert sheet(page, "code").startswith("decoder.embed.sum[")
    expect(page.locator(".st-key-derivation .trail li")).to_have_count(len(WAY))
