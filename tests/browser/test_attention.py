"""The attention page as a reader uses it: every number, colour and equation on it is the model's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from tests.browser.reading import (
    ENGLISH,
    address,
    chosen,
    colour_of,
    linked,
    lit,
    numbers,
    pieces_of,
    ready,
    said,
    square,
    table,
    tokens,
    traced,
    write,
)
from tests.browser.reading import model as specimen

TEXT = "Ana gave the key to Bento."


def head_on_stage(page: Page) -> tuple[int, int]:
    """Layer and head of the thumbnail that is pressed, counted from 0."""
    thumb = page.locator(".st-key-theatre .thumbs button[aria-pressed=true]")
    return int(thumb.get_attribute("data-layer") or -1), int(thumb.get_attribute("data-head") or -1)


def thumb(page: Page, layer: int, head: int) -> Locator:
    return page.locator(f".st-key-theatre .thumbs button[data-layer='{layer}'][data-head='{head}']")


def weights(page: Page, side: int) -> NDArray[np.float64]:
    """The numbers' drawer of the map, as a matrix."""
    row, column, weight = (ENGLISH(f"attention.table.{name}") for name in ("row", "column", "weight"))
    return square(table(page, "attention"), row, column, weight, side)


@pytest.fixture
def page(tab: Callable[..., Page]) -> Page:
    """The page with a sentence on it."""
    return ready(tab(address("attention", TEXT)), "attention")


def test_a_typed_sentence_is_drawn_with_the_models_own_weights(tab: Callable[..., Page]) -> None:
    page = ready(tab("/"), "attention")
    write(page, TEXT)
    expect(tokens(page, 0)).to_contain_text(pieces_of(TEXT))
    pattern, length = traced(TEXT).pattern, len(pieces_of(TEXT))
    layer, head, query, key = chosen(page)
    own = pattern(layer)[head].numpy()
    np.testing.assert_allclose(weights(page, length), own, atol=1e-6)
    for at in range(query + 1):
        shown = tokens(page, 0).nth(at)
        assert colour_of(shown) == pytest.approx(lit(own[query, at]), abs=4)
        below = shown.locator("small").inner_text()
        assert not below or abs(numbers(below)[0] - 100 * own[query, at]) <= 0.5
    assert ENGLISH.percent(own[query, key]) in said(page, "attention")


def test_the_map_shows_at_every_place_the_colour_of_the_weight_it_names(page: Page) -> None:
    layer, head, *_ = chosen(page)
    own = traced(TEXT).pattern(layer)[head].numpy()
    frame = page.locator(".st-key-theatre .matrix")
    box = frame.bounding_box()
    assert box is not None
    for across, down in [(0.3, 0.4), (0.3, 0.48), (0.37, 0.53), (0.42, 0.7), (0.5, 0.61), (0.3, 0.79)]:
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        page.wait_for_function("new Promise(requestAnimationFrame)")
        row, *_, column = (int(number) for number in numbers(page.locator(".st-key-theatre .say").inner_text()))
        colour = frame.evaluate(PIXEL, [across * box["width"], down * box["height"]])
        assert colour == pytest.approx(lit(own[row - 1, column - 1]), abs=4), (row, column)


PIXEL = """(frame, [x, y]) => {
    const canvas = frame.querySelector("canvas"), ratio = devicePixelRatio, pen = canvas.getContext("2d"), counted = new Map();
    const {data} = pen.getImageData(Math.round((x - 6) * ratio), Math.round((y - 6) * ratio), 12, 12);
    for (let i = 0; i < data.length; i += 4) {
        const colour = `${data[i]},${data[i + 1]},${data[i + 2]}`;
        counted.set(colour, (counted.get(colour) ?? 0) + 1);
    }
    return [...counted].sort((a, b) => b[1] - a[1])[0][0].split(",").map(Number);
}"""


def test_a_head_is_chosen_by_click_and_by_keyboard(page: Page) -> None:
    trace, length = traced(TEXT), len(pieces_of(TEXT))
    thumb(page, 1, 2).click()
    expect(thumb(page, 1, 2)).to_have_attribute("aria-pressed", "true")
    assert chosen(page)[:2] == (1, 2)
    np.testing.assert_allclose(weights(page, length), trace.pattern(1)[2].numpy(), atol=1e-6)
    thumb(page, 1, 2).press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(thumb(page, 2, 1)).to_have_attribute("aria-pressed", "true")
    assert chosen(page)[:2] == (2, 1)
    np.testing.assert_allclose(weights(page, length), trace.pattern(2)[1].numpy(), atol=1e-6)
    linked(page, "a.layer=3", "a.head=2")


def test_a_token_shows_where_it_looks_and_who_looks_at_it(page: Page) -> None:
    tokens(page, 0).nth(3).click()
    expect(tokens(page, 0).nth(3)).to_have_attribute("aria-pressed", "true")
    layer, head, query, key = chosen(page)
    own = traced(TEXT).pattern(layer)[head].numpy()
    assert query == 3
    assert key == own[3].argmax()
    for at in range(3, len(own)):
        assert colour_of(tokens(page, 1).nth(at)) == pytest.approx(lit(own[at, 3]), abs=4)
    tokens(page, 0).nth(3).press("ArrowRight")
    page.keyboard.press("Enter")
    expect(tokens(page, 0).nth(4)).to_have_attribute("aria-pressed", "true")
    assert chosen(page)[2] == 4


def test_the_ledger_comes_to_what_the_model_computed(page: Page) -> None:
    tokens(page, 0).nth(5).click()
    layer, head, query, key = chosen(page)
    trace, at = traced(TEXT), f"decoder.blocks.{layer}"
    q, k = trace[f"{at}.attn.q"][head, query], trace[f"{at}.attn.k"][head, key]
    dot, weight = float(q @ k), float(trace.pattern(layer)[head, query, key])
    before, after = trace[f"{at}.before"][query], trace[f"{at}.middle"][query]
    result = [line.inner_text() for line in page.locator(".st-key-ledger li .result").all()]
    assert numbers(result[0])[-1] == pytest.approx(dot, rel=6e-3)
    assert numbers(result[1])[-1] == pytest.approx(dot / len(q) ** 0.5, rel=6e-3)
    assert numbers(result[3])[-1] == pytest.approx(100 * weight, rel=2e-2, abs=0.06)
    lengths = [float(vector.norm()) for vector in (before, after - before, after)]
    assert numbers(result[-1])[:3] == pytest.approx(lengths, rel=6e-3)


def test_a_walk_through_the_ledger_lights_one_line_after_the_other(page: Page) -> None:
    lines, (back, on) = page.locator(".st-key-ledger li"), page.locator(".st-key-ledger .walk button").all()
    expect(back).to_be_disabled()
    for at in range(lines.count()):
        on.click()
        assert [index for index, line in enumerate(lines.all()) if "lit" in (line.get_attribute("class") or "")] == [at]
    on.click()
    expect(back).to_be_disabled()


def test_the_sink_can_be_left_out_of_the_colours_but_not_of_the_numbers(page: Page) -> None:
    thumb(page, 0, 0).click()
    layer, head, query, _ = chosen(page)
    own, length = traced(TEXT).pattern(layer)[head].numpy(), len(pieces_of(TEXT))
    largest = own[:, 1:].max()
    before = weights(page, length)
    box = page.locator(".st-key-theatre .legend input")
    box.check()
    expect(tokens(page, 0).first).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    for at in range(1, query + 1):
        assert colour_of(tokens(page, 0).nth(at)) == pytest.approx(lit(own[query, at] / largest), abs=4)
    ends = numbers(page.locator(".st-key-theatre .legend .marks").inner_text())
    assert ends[-1] == pytest.approx(100 * largest, abs=0.6)
    linked(page, "a.sink=0")
    np.testing.assert_array_equal(weights(page, length), before)
    box.uncheck()
    expect(tokens(page, 0).first).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")


def test_every_head_has_a_thumbnail_that_says_how_much_the_sink_gets(page: Page) -> None:
    config, trace = specimen().config, traced(TEXT)
    shown = page.locator(".st-key-theatre .thumbs button")
    assert shown.count() == config.layers * config.attention.heads
    for layer in range(config.layers):
        sinks = trace.pattern(layer)[:, 1:, 0].mean(1)  # the first token can look at nothing else
        for head, sink in enumerate(sinks):
            label = thumb(page, layer, head).get_attribute("aria-label") or ""
            assert numbers(label)[:2] == [layer + 1, head + 1]
            assert numbers(label)[2] == pytest.approx(100 * float(sink), abs=0.6)


# ---------------------------------------------------------------- a text too long to be sent whole

LONG = " ".join([TEXT] * 40)
READ = """(root, read) => {
    const found = node => node.drawn ?? [...(node.shadowRoot?.children ?? []), ...node.children].map(found).find(Boolean);
    return new Function("theatre", `return ${read}`)(found(root));
}"""


def read(page: Page, what: str) -> Any:
    """Something of the theatre in the page: an expression about `theatre`."""
    return page.locator(".st-key-theatre").evaluate(READ, what)


def within(page: Page, what: str) -> None:
    """Wait until an expression about `theatre` holds."""
    page.wait_for_function(f"([root, what]) => !!({READ})(root, what)", arg=[page.locator(".st-key-theatre").element_handle(), what])


def test_of_a_long_text_the_stage_has_the_exact_map_and_each_thumbnail_the_largest_weights(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("attention", LONG, a_layer=2, a_head=3)), "attention")
    trace, length = traced(LONG), len(pieces_of(LONG))
    for layer, head in [(1, 2), (3, 4)]:
        thumb(page, layer, head).click()
        exact = re.compile(rf"/{layer}/{head}/\d+/\d+/true/exact$")
        expect(page.locator(".st-key-theatre [data-painted]")).to_have_attribute("data-painted", exact)
        own = trace.pattern(layer)[head].numpy()
        shown = np.array(read(page, "[...theatre.matrix.map.values]")).reshape(length, length)
        np.testing.assert_allclose(shown, own, atol=2e-5)
        np.testing.assert_allclose(read(page, "[...theatre.matrix.map.margin]"), own.sum(0), atol=0.05)
        block, high = read(page, "[theatre.header.block, theatre.header.high]")
        small = np.array(read(page, f"[...theatre.coarse({layer}, {head}).values]")).reshape(high, high)
        padded = np.pad(own, (0, high * block - length))
        np.testing.assert_allclose(small, padded.reshape(high, block, high, block).max((1, 3)), atol=4e-3)


def test_the_window_onto_a_long_map_is_zoomed_moved_and_travelled(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("attention", LONG, a_layer=2, a_head=3)), "attention")
    own, frame = traced(LONG).pattern(1)[2].numpy(), page.locator(".st-key-theatre .matrix")
    frame.scroll_into_view_if_needed()
    box, (x, y) = frame.bounding_box(), read(page, "[theatre.matrix.x(40.5), theatre.matrix.y(200.5)]")
    assert box is not None
    page.mouse.move(box["x"] + x - 3, box["y"] + y)
    page.mouse.move(box["x"] + x, box["y"] + y)
    within(page, "theatre.matrix.ready && theatre.matrix.map")
    for _ in range(9):
        page.mouse.wheel(0, -240)
    within(page, "theatre.matrix.cell >= 30")
    under = read(page, f"theatre.matrix.cellAt({x}, {y})")
    assert (abs(under["row"] - 200) <= 1, abs(under["column"] - 40) <= 1) == (True, True)
    page.mouse.down()
    page.mouse.move(box["x"] + x + 90, box["y"] + y + 40, steps=4)
    page.mouse.up()
    moved = read(page, f"theatre.matrix.cellAt({x} + 90, {y} + 40)")
    assert moved == under
    frame.focus()
    for key in ["Shift+ArrowRight"] * 3 + ["ArrowUp", "-", "+"]:
        page.keyboard.press(key)
    at, seen = read(page, "[theatre.matrix.hovered, theatre.matrix.seen()]")
    assert seen["rows"][0] <= at["row"] < seen["rows"][1]
    assert seen["columns"][0] <= at["column"] < seen["columns"][1]
    assert seen["columns"][1] < len(own)
    row, *_, column = (int(number) for number in numbers(page.locator(".st-key-theatre .say").inner_text()))
    assert (row, column) == (at["row"] + 1, at["column"] + 1)
    page.keyboard.press("Enter")
    assert chosen(page)[2:] == (at["row"], at["column"])
    page.keyboard.press("0")
    assert read(page, "[theatre.matrix.zoom, theatre.matrix.from.row, theatre.matrix.from.column]") == [1, 0, 0]
    expect(page.locator(".st-key-theatre .lens button").last).to_be_disabled()
