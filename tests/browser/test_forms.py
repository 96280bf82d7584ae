"""The three trained models as a reader meets them: chosen in the header, and seen at work in the attention that makes them different."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from components.canvas.plate import visible
from model.checkpoints import MASKED, TRANSLATOR, Loaded, load
from model.generation import generate
from model.layers.masks import parse
from model.text import blanks
from model.text.tokenizer import Tokenizer
from model.trace import Trace, Tracer
from tests.browser.reading import BEGIN, ENGLISH, address, chosen, colour_of, linked, lit, numbers, ready, said, table, tokens
from tests.browser.serving import painted

SOURCE, TARGET = "the yellow boat is in the river", "o barco amarelo está no rio"
FILLED = "Ana comprou umas chaves ___ no jardim."


@cache
def loaded(folder: object) -> Loaded:
    torch.set_num_threads(1)
    return load(folder)  # pyright: ignore[reportArgumentType]


def tokenizer(folder: object) -> Tokenizer:
    found = loaded(folder).tokenizer
    assert found is not None
    return found


def ids(folder: object, text: str) -> list[int]:
    return [tokenizer(folder).begin, *blanks.encode(tokenizer(folder), text).ids]


@cache
def translated(mask: str = "") -> Trace:
    """The translator on the pair, with a mask across if one is given."""
    target, source = ids(TRANSLATOR, TARGET), ids(TRANSLATOR, SOURCE)
    across = parse(mask).across(len(target), len(source)) if mask else None
    return Tracer(loaded(TRANSLATOR).model).trace(target, source=source, across=across).clone()


def weights(page: Page, rows: int, columns: int) -> np.ndarray:
    """The numbers' drawer of the map, as a matrix."""
    frame = table(page, "attention")
    row, column, weight = (frame[ENGLISH(f"attention.table.{name}")].to_numpy() for name in ("row", "column", "weight"))
    matrix = np.zeros((rows, columns))
    matrix[row - 1, column - 1] = weight
    return matrix


@pytest.fixture
def across(tab: Callable[..., Page]) -> Page:
    """Cross-attention, on a sentence that the model translates."""
    return ready(tab(address("attention", SOURCE, model="translator")), "attention")


def test_a_sentence_is_translated_and_its_cross_attention_is_seen(tab: Callable[..., Page]) -> None:
    page = ready(tab("/"), "attention")
    page.locator(".st-key-w-model").get_by_role("button").click()
    page.get_by_role("option", name=ENGLISH("shell.model.shipped.translator")).click()
    expect(page.locator(".st-key-chips ol")).to_have_count(2)
    area = page.locator(".st-key-prompt textarea").first
    area.fill(SOURCE)
    area.press("Control+Enter")
    expect(page.locator(".st-key-chips ol").nth(1)).to_have_text("".join([BEGIN, *TARGET.split()]))
    ready(page, "attention")
    trace, (layer, head, query, key) = translated(), chosen(page)
    own = trace.pattern(layer, "cross")[head].numpy()
    np.testing.assert_allclose(weights(page, *own.shape), own, atol=1e-6)
    assert ENGLISH.percent(own[query, key]) in said(page, "attention")
    linked(page, "model=translator")


def test_what_the_translator_writes_is_its_own_likeliest(across: Page) -> None:
    model, begin = loaded(TRANSLATOR).model, tokenizer(TRANSLATOR).begin
    written = [step.id for step in generate(model, [begin], tokens=40, stop=begin, source=ids(TRANSLATOR, SOURCE))]
    pieces = [visible(tokenizer(TRANSLATOR).piece(id)) for id in written[:-1]]
    assert across.locator(".st-key-chips ol").nth(1).locator("li").all_inner_texts() == [BEGIN, *pieces]
    assert pieces == TARGET.split()


def test_each_text_is_lit_by_the_other(across: Page) -> None:
    thumb = across.locator(".st-key-theatre .thumbs button[data-layer='1'][data-head='0']")
    thumb.click()
    tokens(across, 1).nth(1).click()
    expect(tokens(across, 1).nth(1)).to_have_attribute("aria-pressed", "true")
    layer, head, query, key = chosen(across)
    own = translated().pattern(1, "cross")[0].numpy()
    assert (layer, head, query, key) == (1, 0, 1, own[1].argmax())
    for at, weight in enumerate(own[1]):
        assert colour_of(tokens(across, 0).nth(at)) == pytest.approx(lit(weight), abs=4)
    for at, weight in enumerate(own[:, key]):
        assert colour_of(tokens(across, 1).nth(at)) == pytest.approx(lit(weight), abs=4)
    tokens(across, 0).nth(2).click()
    expect(tokens(across, 0).nth(2)).to_have_attribute("aria-pressed", "true")
    assert chosen(across) == (1, 0, 1, 2)
    for at, weight in enumerate(own[:, 2]):
        assert colour_of(tokens(across, 1).nth(at)) == pytest.approx(lit(weight), abs=4)


def test_the_ledger_comes_to_what_the_model_computed_across(across: Page) -> None:
    layer, head, query, key = chosen(across)
    trace, at = translated(), f"decoder.blocks.{layer}"
    q, k = trace[f"{at}.cross.q"][head, query], trace[f"{at}.cross.k"][head, key]
    before, after = trace[f"{at}.middle"][query], trace[f"{at}.crossed"][query]
    result = [line.inner_text() for line in across.locator(".st-key-ledger li .result").all()]
    assert numbers(result[0])[-1] == pytest.approx(float(q @ k), rel=6e-3)
    assert numbers(result[3])[-1] == pytest.approx(100 * float(trace.pattern(layer, "cross")[head, query, key]), rel=2e-2, abs=0.06)
    lengths = [float(vector.norm()) for vector in (before, after - before, after)]
    assert numbers(result[-1])[:3] == pytest.approx(lengths, rel=6e-3)


def test_each_stack_is_a_click_away(across: Page) -> None:
    for name, side in (("encoder", len(ids(TRANSLATOR, SOURCE))), ("decoder", len(ids(TRANSLATOR, TARGET)))):
        before = painted(across, "theatre")
        across.get_by_role("radio", name=ENGLISH(f"where.{name}"), exact=True).click()
        expect(across.locator(".st-key-theatre [data-painted]").first).not_to_have_attribute("data-painted", before)
        layer, head, *_ = chosen(across)
        own = translated().pattern(layer, "attn", name)[head].numpy()  # pyright: ignore[reportArgumentType]
        np.testing.assert_allclose(weights(across, side, side), own, atol=1e-6)
        linked(across, f"a.where={name}")


def test_an_encoder_says_what_it_expects_under_the_pointer(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("attention", FILLED, model="masked")), "attention")
    read = ids(MASKED, FILLED)
    logits = Tracer(loaded(MASKED).model).trace(read).logits.softmax(-1)
    place = read.index(tokenizer(MASKED).blank or -1)
    assert chosen(page)[2] == place
    guess = page.locator(".st-key-theatre .guess")
    for at in (place, 3, 4):
        tokens(page, 0).nth(at).hover()
        best = int(logits[at].argmax())
        expect(guess).to_contain_text(f"“{visible(tokenizer(MASKED).piece(best))}” {ENGLISH.percent(float(logits[at, best]))}")


def test_a_token_is_left_blank_by_a_tap(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("attention", "The sky is blue.", model="masked")), "attention")
    page.locator(".st-key-chips li button").nth(3).click()
    expect(page.locator(".st-key-prompt textarea")).to_have_value("The sky is ___.")
    expect(page.locator(".st-key-chips li.blank")).to_have_count(1)


def test_a_translator_that_may_not_wait_writes_another_word(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("masks", SOURCE, model="translator", m_x_spec="wait(1)")), "masks")
    default, masked = translated().logits.softmax(-1), translated("wait(1)").logits.softmax(-1)
    moved = (default * (default / masked).log()).nansum(-1)
    at = int(moved.argmax())
    was, now = (visible(tokenizer(TRANSLATOR).piece(int(trace[at].argmax()))) for trace in (default, masked))
    assert was != now
    told = said(page, "next")
    assert f"“{was}”" in told
    assert f"“{now}”" in told
    assert ENGLISH.percent(float(masked[at].max())) in told
