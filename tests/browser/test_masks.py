"""The masks page as a reader uses it: every pattern, a mask painted by hand, and a specification that cannot be read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from components.canvas.plate import visible
from components.controls import mask as gallery
from model.analysis.leaking import leaks
from model.analysis.places import Where
from model.layers.masks import Plan, Sights, parse, parse_plan
from tests.browser.reading import ENGLISH, address, ids_of, model, numbers, pieces_of, ready, repainted, said, square, table, tokenizer, traced
from tests.browser.serving import painted, settled

TEXT = "Ana gave the key to Bento."
LENGTH = len(ids_of(TEXT))


def specification(page: Page) -> Locator:
    return page.get_by_label(ENGLISH("masks.spec.label"), exact=True)


def choose(page: Page, name: str) -> None:
    """Click a pattern of the gallery and wait until all of its picture is there."""
    card = page.locator(f".st-key-patterns [data-name={name}]")
    card.click()
    expect(page.locator(f".st-key-patterns [data-painted^='{name}.']")).to_be_attached()
    expect(card).to_have_attribute("aria-checked", "true")
    settled(page)


def shown_mask(page: Page) -> NDArray[np.bool_]:
    """The mask on the plate, as its table writes it row by row."""
    bits = ENGLISH("masks.table.bits")
    return np.array([[bit == "1" for bit in row] for row in table(page, "mask", (bits,))[bits]])


def shown_next(page: Page) -> dict[int, tuple[float, float]]:
    """What comes next by id: the probability by default and under the mask."""
    words = tokenizer()
    id_of = {ENGLISH("shell.prompt.end"): words.begin} | {words.piece(id): id for id in range(words.size) if id != words.begin}
    frame = table(page, "next")
    token, default, masked = (frame[ENGLISH(f"masks.table.{name}")] for name in ("token", "default", "masked"))
    return {id_of[piece]: (before, after) for piece, before, after in zip(token, default, masked, strict=True)}


def built(plan: Plan) -> torch.Tensor | Sights:
    """A plan for the model on show and this text."""
    config = model().config
    return plan.build(config.layers, config.attention.heads, LENGTH)


def assert_follows(page: Page, mask: torch.Tensor | Sights) -> None:
    """The distributions on the page are the model's own, by default and under this mask."""
    before, after = (traced(TEXT, allowed).logits[-1].softmax(-1) for allowed in (None, mask))
    shown = shown_next(page)
    assert int(before.argmax()) in shown
    assert int(after.argmax()) in shown
    for id, pair in shown.items():
        assert pair == pytest.approx((float(before[id]), float(after[id])), abs=1e-6)


@pytest.fixture
def page(tab: Callable[..., Page]) -> Page:
    """The page with a sentence on it."""
    return ready(tab(address("masks", TEXT)), "masks")


def test_patterns_are_applied_to_the_same_model_and_text(page: Page) -> None:
    for name in ("bidirectional", "longformer", "alibi", "hand"):
        choose(page, name)
        spec, allowed = specification(page).input_value(), shown_mask(page)
        if name != "hand":
            plan = parse_plan(spec)
            assert gallery.recognised(Where("decoder"), plan.everywhere)[0] == name
            np.testing.assert_array_equal(allowed, plan.everywhere.mask.build(LENGTH).numpy())
            assert_follows(page, built(plan))
        remaining, all_of_them = numbers(said(page, "mask"))[:2]
        assert (remaining, all_of_them) == (allowed.sum(), LENGTH**2)


def test_a_pattern_is_chosen_with_the_keyboard_and_its_slider_moves_its_number(page: Page) -> None:
    choose(page, "causal")
    page.locator(".st-key-patterns [data-name=window]").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".st-key-patterns [data-name=right]")).to_have_attribute("aria-checked", "true")
    choose(page, "window")
    before = painted(page, "painter")
    slider = page.get_by_role("slider", name=ENGLISH("masks.parameter.window"))
    (number,) = numbers(specification(page).input_value())
    slider.press("ArrowRight")
    repainted(page, "painter", before)
    expect(specification(page)).to_have_value(f"causal & window({number + 1:.0f})")
    np.testing.assert_array_equal(shown_mask(page), parse(f"causal & window({number + 1:.0f})").build(LENGTH).numpy())


def test_one_head_has_a_mask_of_its_own_and_only_its_map_moves(page: Page) -> None:
    choose(page, "causal")
    scope = page.locator(".st-key-scope")
    scope.locator("select[name=layer]").select_option("2")
    scope.locator("select[name=head]").select_option("4")
    expect(page.locator(".st-key-exhibit-maps .v-reading")).to_contain_text("Layer 3, head 5")
    choose(page, "bidirectional")
    expect(specification(page)).to_have_value("causal; L2.H4: bidirectional")
    expect(scope.locator("li")).to_have_count(2)
    assert shown_mask(page).all()
    assert_follows(page, built(parse_plan("causal; L2.H4: bidirectional")))
    frame = table(page, "maps")
    names = {name: ENGLISH(f"masks.table.{name}") for name in ("row", "column", "masked")}
    masked = traced(TEXT, built(parse_plan("causal; L2.H4: bidirectional"))).pattern(2)[4].numpy()
    np.testing.assert_allclose(square(frame, names["row"], names["column"], names["masked"], LENGTH), masked, atol=1e-6)
    scope.locator("li .remove").click()
    expect(specification(page)).to_have_value("causal")
    expect(page.locator(".st-key-exhibit-maps .v-reading")).to_contain_text(ENGLISH("masks.maps.same", layer=3, head=5))


def test_a_leak_is_found_and_named(page: Page) -> None:
    choose(page, "bidirectional")
    found = leaks(model(), ids_of(TEXT), parse_plan("bidirectional"))
    assert found.worst is not None
    at, token = found.worst
    reading = page.locator(".st-key-exhibit-leaks .v-reading")
    pieces = [visible(piece) for piece in pieces_of(TEXT)]
    expect(reading).to_contain_text(f"after token {at + 1}, “{pieces[at]}”")
    expect(reading).to_contain_text(f"token {token + 1}, “{pieces[token]}”, was exchanged for")
    painted(page, "map-leaks")


def test_painting_by_dragging_changes_the_mask_and_the_prediction(page: Page) -> None:
    choose(page, "causal")
    before = shown_mask(page)
    frame = page.locator(".st-key-painter .matrix")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.97 * box["height"])
    start = numbers(page.locator(".st-key-painter .readout").inner_text())
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.97 * box["height"], steps=9)
    page.mouse.up()
    expect(specification(page)).to_have_value("painted")
    after = shown_mask(page)
    row, first = int(start[0]) - 1, int(start[1]) - 1
    changed = np.argwhere(before != after)
    assert len(changed) >= 3
    assert set(changed[:, 0]) == {row}
    assert changed[0, 1] == first
    assert not after[row, changed[:, 1]].any()
    assert_follows(page, torch.from_numpy(after))
    page.wait_for_function("location.search.includes('m.paint')")
    page.reload()
    ready(page, "masks")
    np.testing.assert_array_equal(shown_mask(page), after)


def test_what_the_keyboard_paints_can_be_undone_and_redone(page: Page) -> None:
    choose(page, "causal")
    frame, reading = page.locator(".st-key-painter .matrix"), page.locator(".st-key-exhibit-mask .v-reading")
    pairs = LENGTH * (LENGTH + 1) // 2
    frame.focus()
    for key, left in (("d", pairs - LENGTH), ("u", pairs), ("y", pairs - LENGTH)):
        frame.press(key)
        expect(reading).to_contain_text(f"{left} of {LENGTH**2}")
    expect(specification(page)).to_have_value("painted")
    np.testing.assert_array_equal(shown_mask(page), np.tri(LENGTH, k=-1, dtype=bool))


def test_strokes_faster_than_their_answers_all_stay(page: Page) -> None:
    choose(page, "prefix")
    before = shown_mask(page)
    frame = page.locator(".st-key-painter .matrix")
    frame.focus()
    for key in ("Control+Home", "ArrowDown", "ArrowDown", "r", "ArrowRight", "c"):
        page.keyboard.press(key)
    page.wait_for_function("location.search.includes('m.paint=')")
    expected = before.copy()
    expected[2, :] = not before[2].mean() > 0.5
    expected[:, 1] = not expected[:, 1].mean() > 0.5
    expect(page.locator(".st-key-exhibit-mask .v-reading")).to_contain_text(ENGLISH.number(int(expected.sum())))
    np.testing.assert_array_equal(shown_mask(page), expected)
    expect(specification(page)).to_have_value("painted")
    expect(page.locator(".st-key-patterns [data-name=hand]")).to_have_attribute("aria-checked", "true")


def test_the_last_word_is_the_readers(page: Page) -> None:
    """What is clicked before the answer does not undo what was chosen, and one may go back as soon as the answer is there."""
    choose(page, "prefix")
    former = specification(page).input_value()
    head = page.locator(".st-key-w-m-head button[aria-checked=false]").first
    card = page.locator(".st-key-patterns [data-name=bidirectional]")
    expect(head).to_be_visible()
    card.evaluate("(card, head) => { card.click(); head.click(); }", head.element_handle())
    page.wait_for_function("location.search.includes('m.head=')")
    settled(page)
    field = specification(page)
    expect(field).to_have_value("bidirectional")
    assert shown_mask(page).all()
    field.fill(former)
    field.press("Enter")
    expect(page.locator(".st-key-patterns [data-name=prefix]")).to_have_attribute("aria-checked", "true")
    card.click()
    expect(field).to_have_value("bidirectional")
    page.wait_for_function("location.search.includes('m.spec=bidirectional')")
    field.fill(former)
    field.press("Enter")
    expect(page.locator(".st-key-patterns [data-name=prefix]")).to_have_attribute("aria-checked", "true")
    settled(page)
    expect(field).to_have_value(former)


def test_a_specification_that_cannot_be_read_is_refused_and_the_last_picture_stays(page: Page) -> None:
    choose(page, "prefix")
    before, mask, good = painted(page, "painter"), shown_mask(page), specification(page).input_value()
    notice = page.locator(".v-note")
    for bad in ("causal & windw(2)", "causal; L1", "🦜", "causal" + " & causal" * 2_000):
        specification(page).fill(bad)
        specification(page).press("Enter")
        expect(notice).to_contain_text(good)
        expect(specification(page)).to_have_value(bad)
        assert painted(page, "painter") == before
        np.testing.assert_array_equal(shown_mask(page), mask)
    specification(page).fill("~causal & bidirectional")
    specification(page).press("Enter")
    expect(notice).to_have_count(0)
    repainted(page, "painter", before)
    np.testing.assert_array_equal(shown_mask(page), ~np.tri(LENGTH, dtype=bool))
