"""The generation page with the two other models that ship, as a reader uses it: a sentence is translated, blanks are filled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from components.canvas.plate import visible
from model.checkpoints import MASKED, TRANSLATOR, Loaded, load
from model.generation import Fill, Step, fill_blanks, generate, softmax
from model.text import blanks
from tests.browser.reading import ENGLISH, address, colour_of, lit, numbers, ready, said, table
from tests.browser.serving import painted, settled

SOURCE = "the yellow boat is in the river"
BLANKS = "The ___ is blue. The ___ is ___."
OTHER = 2  # the blank that is chosen by hand
torch.set_num_threads(1)


@cache
def loaded(name: str) -> Loaded:
    return load(TRANSLATOR if name == "translator" else MASKED)


def ids_of(name: str, text: str) -> list[int]:
    tokenizer = loaded(name).tokenizer
    assert tokenizer is not None
    return [tokenizer.begin, *blanks.encode(tokenizer, text).ids]


def piece(name: str, id: int) -> str:
    tokenizer = loaded(name).tokenizer
    assert tokenizer is not None
    return ENGLISH("shell.prompt.end") if name == "translator" and id == tokenizer.begin else visible(tokenizer.piece(id))


def translated() -> list[Step]:
    begin = loaded("translator").marks.start
    assert begin is not None
    return list(generate(loaded("translator").model, [begin], stop=begin, source=ids_of("translator", SOURCE)))


def filled(text: str = BLANKS) -> list[Fill]:
    tokenizer = loaded("masked").tokenizer
    assert tokenizer is not None
    assert tokenizer.blank is not None
    return list(fill_blanks(loaded("masked").model, ids_of("masked", text), tokenizer.blank))


def press(page: Page, name: str) -> None:
    page.locator(f".st-key-player .keys .{name}").click()


def stands(page: Page, form: str, at: int, count: int) -> None:
    """Wait until the cursor is behind `at` of `count` tokens or blanks."""
    expect(page.locator(".st-key-player .position")).to_have_text(ENGLISH(f"generation.player.{form}.position", at=at, count=count))
    settled(page)


def column(name: str) -> str:
    return ENGLISH(f"generation.table.{name}")


def first_bar(page: Page) -> Locator:
    return page.locator(".st-key-dials .bars li").first.locator(".token")


# ---------------------------------------------------------------- a translation


@pytest.fixture
def translator(tab: Callable[..., Page]) -> Page:
    page = ready(tab(address("generation", SOURCE, model="translator", g_n=0)), "generation")
    painted(page, "across")
    return page


def test_a_sentence_is_translated_token_by_token_and_each_looks_at_its_source(translator: Page) -> None:
    page, steps = translator, translated()
    for number, step in enumerate(steps, 1):
        looked = page.locator(".st-key-player .pieces .looked")
        assert looked.all_inner_texts() == [ENGLISH("shell.prompt.begin"), *SOURCE.split()]
        shares = step.cross.mean((0, 1))
        assert [colour_of(each) for each in looked.all()] == [lit(float(share)) for share in shares]
        press(page, "step")
        stands(page, "written", number, number)
    assert page.locator(".st-key-player .text button").all_inner_texts() == [piece("translator", step.id) for step in steps]
    assert page.locator(".st-key-player .ended").inner_text() == ENGLISH("generation.ended.source")
    assert table(page, "text", (column("token"),))[column("id")].tolist() == [step.id for step in steps]
    source, target = numbers(page.locator(".st-key-player .cache").inner_text())[:2]
    assert (source, target) == (len(SOURCE.split()) + 1, len(steps) + 1)


def test_where_it_looks_across_is_the_pattern_of_the_last_token(translator: Page) -> None:
    page, step = translator, translated()[2]
    for number in (1, 2):
        press(page, "step")
        stands(page, "written", number, number)
    frame = table(page, "across", (column("token"),))
    weights = frame[column("weight")].to_numpy().reshape(step.cross.shape)
    np.testing.assert_allclose(weights, step.cross, atol=1e-5)
    assert frame[column("token")].str.strip().tolist()[1 : step.cross.shape[2]] == SOURCE.split()
    strongest = SOURCE.split()[int(step.cross[:, :, 1:].max((0, 1)).argmax())]
    assert f"falls on “{strongest}”" in said(page, "across")


def test_what_was_written_becomes_the_source_and_is_translated_back(translator: Page) -> None:
    page, steps = translator, translated()
    for number in range(1, len(steps) + 1):
        press(page, "step")
        stands(page, "written", number, number)
    page.locator(".st-key-player .swap").click()
    written = " ".join(piece("translator", step.id) for step in steps[:-1])
    expect(page.locator(".st-key-prompt textarea").first).to_have_value(written)
    expect(page.locator(".st-key-player .pieces .looked")).to_have_text([ENGLISH("shell.prompt.begin"), *written.split()])
    expect(page.locator(".st-key-player .text button")).to_have_text([*SOURCE.split(), ENGLISH("shell.prompt.end")])


# ---------------------------------------------------------------- blanks


@pytest.fixture
def encoder(tab: Callable[..., Page]) -> Page:
    return ready(tab(address("generation", BLANKS, model="masked")), "generation")


def slots(page: Page) -> Locator:
    return page.locator(".st-key-player .text .slot")


def test_a_blank_under_the_pointer_shows_what_the_model_expects_there(encoder: Page) -> None:
    page, guesses = encoder, filled()[0].guesses
    for slot, place in zip(slots(page).all(), guesses.places, strict=True):
        slot.hover()
        hint = page.locator(".st-key-player .hint.shown")
        likeliest = np.argsort(-guesses.at(place), kind="stable")[:5]
        expect(hint.locator(".piece")).to_have_text([piece("masked", int(id)) for id in likeliest])
        shown = [numbers(text)[0] / 100 for text in hint.locator(".share").all_inner_texts()]
        np.testing.assert_allclose(shown, softmax(guesses.at(place))[likeliest], atol=0.006)


def test_blanks_are_filled_the_surest_first_and_opened_again(encoder: Page) -> None:
    page, steps = encoder, filled()
    for number, step in enumerate(steps, 1):
        expect(first_bar(page)).to_have_text(piece("masked", step.id))
        press(page, "step")
        stands(page, "filled", number, len(steps))
        expect(page.locator(".st-key-player .text .token")).to_have_count(number)
    expect(slots(page)).to_have_count(0)
    assert page.locator(".st-key-player .ended").inner_text() == ENGLISH("generation.ended.blanks")
    shown = table(page, "text", (column("token"),))
    assert list(zip(shown[column("position")] - 1, shown[column("id")], strict=True)) == [(step.place, step.id) for step in steps]
    press(page, "back")
    stands(page, "filled", len(steps) - 1, len(steps))
    expect(slots(page)).to_have_count(1)


def test_another_blank_is_chosen_and_another_candidate_put_into_it(encoder: Page) -> None:
    page, guesses = encoder, filled()[0].guesses
    slots(page).nth(OTHER).click()
    expect(slots(page).nth(OTHER)).to_have_attribute("aria-current", "step")
    settled(page)
    place = guesses.places[OTHER]
    likeliest = np.argsort(-guesses.at(place), kind="stable")
    expect(first_bar(page)).to_have_text(piece("masked", int(likeliest[0])))
    page.locator(".st-key-dials .bars li button").nth(1).click()
    stands(page, "filled", 1, len(guesses.places))
    (token,) = page.locator(".st-key-player .text .token").all()
    assert token.inner_text() == piece("masked", int(likeliest[1]))
    assert "held" in (token.get_attribute("class") or "")
    page.wait_for_function("said => location.search.includes(said)", arg=f"g.fills=0.{place}.{likeliest[1]}")


def test_a_blank_is_made_by_a_tap_on_a_word(tab: Callable[..., Page]) -> None:
    page = tab(address("generation", "The sky is blue.", model="masked"))
    expect(page.get_by_text(ENGLISH("generation.no_blank"))).to_be_visible()
    page.locator(".st-key-chips li").nth(4).click()
    ready(page, "generation")
    expect(slots(page)).to_have_count(1)
    press(page, "step")
    stands(page, "filled", 1, 1)
    expect(page.locator(".st-key-player .text .token")).to_have_text([piece("masked", filled("The sky is ___.")[0].id)])
