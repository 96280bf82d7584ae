"""The flow by keyboard: from the model into a block, a head and a number, every number read on the way held against the trace."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from model.analysis.places import Where
from model.analysis.residual import attribution, sliced, stream
from tests.browser.reading import address, model, numbers, pieces_of, ready, tokenizer, traced
from tests.browser.serving import settled

TEXT = "The sky is"


def sentence(page: Page) -> str:
    return page.locator(".st-key-flow .say").inner_text()


def stands(page: Page, place: str) -> None:
    """Wait until this place is painted."""
    expect(page.locator(".st-key-flow [data-painted]").first).to_have_attribute("data-painted", re.compile(rf"/{re.escape(place)}/\d+$"))


def test_the_keyboard_leads_from_the_model_to_a_head_and_to_one_of_its_numbers(tab: Callable[..., Page]) -> None:
    page, trace = ready(tab(address("inside", TEXT)), "inside"), traced(TEXT)
    stage, sizes, place = page.locator(".st-key-flow .stage"), stream(trace), len(trace.ids) - 1
    likeliest = int(trace.logits[place].argmax())
    pushes = attribution(trace, place, (likeliest,))
    stage.focus()
    for key in ("Space", "Space", "ArrowRight", "ArrowRight"):  # the text, the embedding, layer 1, layer 2
        stage.press(key)
    assert sentence(page).startswith("Layer 2, head ")
    stage.press("Enter")
    expect(page.locator(".st-key-flow .crumbs button[aria-current]")).to_have_text("Layer 2")
    stands(page, "decoder.2")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown", "Enter"):  # norm 1, the heads, the third of them
        stage.press(key)
    expect(page.locator(".st-key-flow .crumbs button[aria-current]")).to_have_text("Head 3")
    for _ in range(4):
        stage.press("ArrowRight")
    assert sizes.added["attn"].heads is not None
    row, added, push = trace.pattern(1)[2, place], sizes.added["attn"].heads[1, 2, place], pushes.heads["attn"][0, 1, 2]
    layer, head, share, read, pushed = numbers(sentence(page))
    assert (layer, head) == (2, 3)
    assert share == pytest.approx(100 * float(row.max()), abs=0.51)
    assert (read, pushed) == (pytest.approx(float(added), rel=6e-3), pytest.approx(float(push), rel=6e-3))
    assert f"“{pieces_of(TEXT)[int(row.argmax())]}”" in sentence(page)
    for key in ("ArrowRight", "ArrowRight", "Enter", "ArrowRight"):  # mixed, written, into it, its second number
        stage.press(key)
    written = sliced(trace.model, Where("decoder"), 1)[2] @ trace["decoder.blocks.1.attn.mixed"][2, place]
    assert numbers(sentence(page).partition("=")[2])[0] == pytest.approx(float(written[1]), rel=1e-3)
    stage.press("Enter")
    page.wait_for_url("**i.cell=*by_head*")
    for place_left in ("decoder.2.attn.3", "decoder.2", ""):
        stage.press("Escape")
        stands(page, place_left)
    settled(page)


def test_a_click_follows_another_token_and_a_link_brings_it_back(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("inside", TEXT, i_at=3, i_place="decoder.4.attn.2")), "inside")
    trace = traced(TEXT)
    page.locator(".st-key-flow .stage").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert numbers(sentence(page))[2] == pytest.approx(100 * float(trace.pattern(3)[1, 2].max()), abs=0.51)
    page.locator(".st-key-flow .crumbs button").first.click()
    stands(page, "")
    box = page.locator(".st-key-flow .stage canvas").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 20 / 1160, box["y"] + box["width"] * 33 / 1160)  # the first token
    page.wait_for_url("**i.at=1*")
    settled(page)
    first = trace.logits[0].softmax(-1)
    page.locator(".st-key-flow .stage").press("End")
    expect(page.locator(".st-key-flow .say")).to_contain_text(f"“{tokenizer().piece(int(first.argmax())).strip()}”")
    assert np.isfinite(first.numpy()).all()
    assert model().config.main == "decoder"
