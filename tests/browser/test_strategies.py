"""The page of strategies as a reader uses it: beams that are the model's own and say why they died, a translator's beams, blanks in rounds."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from model import checkpoints
from model.generation import Beams, beam_search
from tests.browser.reading import ENGLISH, address, ids_of, model, painted, ready, said, table
from tests.browser.reading import tokenizer as speller

TEXT, SOURCE = "Ana", "the yellow boat is in the river"


def test_the_beams_are_the_models_own_and_a_dead_one_says_why(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("strategies", TEXT, b_width=3, b_tokens=10)), "strategies")
    how = Beams(width=3, tokens=10, stop=speller().begin)
    steps = list(beam_search(model(), ids_of(TEXT), how))
    shown = table(page, "beams", (ENGLISH("strategies.table.token"),))
    weighed = [one for step in steps for one in step.candidates]
    assert shown[ENGLISH("strategies.table.id")].tolist() == [one.id for one in weighed]
    assert shown[ENGLISH("strategies.table.fate")].tolist() == [ENGLISH(f"strategies.fate.{one.fate}") for one in weighed]
    rows = page.locator(".st-key-beams .texts button")
    texts = [speller().decode(one.text.ids).strip() for one in steps[-1].finished]
    assert rows.locator(".text").all_inner_texts()[:3] == texts
    frame, spoken = page.locator(".st-key-beams .frame"), page.locator(".st-key-beams .readout")
    frame.focus()
    dead = next((step.index, number) for step in steps for number in step.dead)
    page.keyboard.press("Home")
    for _ in range(dead[0] - 1):
        page.keyboard.press("ArrowRight")
    heard = set()
    for _ in range(6):
        page.keyboard.press("ArrowUp")
    for _ in range(6):
        heard.add(spoken.inner_text())
        page.keyboard.press("ArrowDown")
    assert any(ENGLISH("strategies.canvas.dies").partition(":")[0] in sentence for sentence in heard)
    before = painted(page, "beams")
    rows.nth(1).click()
    expect(page.locator(".st-key-beams [data-painted]")).not_to_have_attribute("data-painted", before)
    expect(rows.nth(1)).to_have_attribute("aria-pressed", "true")


def test_a_translators_beams_and_its_text_taken_on(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("strategies", SOURCE, model="translator", b_width=4)), "strategies")
    loaded = checkpoints.load(checkpoints.TRANSLATOR)
    assert loaded.tokenizer is not None
    source = [*loaded.tokenizer.opening, *loaded.tokenizer.encode(SOURCE).ids, *loaded.tokenizer.closing]
    how = Beams(width=4, tokens=16, stop=loaded.marks.stop)
    *_, last = beam_search(loaded.model, [loaded.marks.start or 0], how, source=source)
    scores = page.locator(".st-key-beams .texts button.found .score").all_inner_texts()
    assert scores == [ENGLISH.number(round(one.score, 3) + 0.0, 3) for one in last.finished]
    assert ENGLISH("strategies.beams.right_both", reference="o barco amarelo está no rio") in said(page, "beams")
    page.locator(".st-key-onward-beams button").click()
    expect(page.locator(".st-key-player .text button")).to_have_count(len(last.finished[0].text.ids))
