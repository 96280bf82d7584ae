"""The lessons about masks as a reader takes them: the run without its causal mask dives under the floor, and the page says what that means."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from components.i18n import Words
from components.runs import floor
from tests.browser.conftest import Visit
from tests.browser.reading import ENGLISH, address, link, ready, said, table
from tests.browser.serving import settled


def column(name: str) -> str:
    return ENGLISH(f"training.table.{name}")


def test_without_the_causal_mask_the_loss_dives_under_the_floor_and_the_page_says_so(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("training", "The sky is", t_u_seconds=10)), "training")
    assert said(page, "training-curve") == ENGLISH("training.unmasked.before")
    page.locator(".st-key-training-start button").click()
    expect(page.locator(".v-progress")).to_have_count(2)
    verdict = page.locator(".st-key-exhibit-training-curve .v-reading")
    expect(verdict).to_contain_text("under the floor since second", timeout=40_000)
    expect(page.locator(".st-key-training-start button")).to_be_visible(timeout=40_000)
    settled(page)
    curves = table(page, "training-curve")
    runs, losses = (curves[ENGLISH(f"size.table.{name}")].to_numpy() for name in ("run", "loss"))
    honest, cheat = (losses[runs == ENGLISH(f"training.unmasked.run_{letter}")].astype(float) for letter in "ab")
    assert float(cheat[-1]) < floor() < float(honest.min())
    found = table(page, "training-result")
    assert found[column("loss_open")][1] < found[column("floor")][1] < found[column("loss_causal")][0] < found[column("loss_causal")][1]
    assert "a loss too good to be true" in said(page, "training-result")
    expect(page.locator(".st-key-training-open-1-generation")).to_be_visible()


def test_a_link_replays_a_lesson_and_what_becomes_of_tokens_is_never_more_than_all(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = ready(tab("/training?t.lesson=blanks&t.rate=30&t.span=3&t.blank=60&t.random=35&t.b.seconds=3&t.seed=4"), "training")
    expect(page.locator(".st-key-training-blanks")).to_contain_text("hidden 60 % · exchanged 35 % · kept 5 %".replace(" %", "\u202f%"))
    page.locator(".st-key-w-t-blank [role=slider]").press("End")
    expect(page.locator(".st-key-training-blanks")).to_contain_text(re.compile("hidden 100.% · exchanged 0.% · kept 0.%"))
    shown = table(page, "training-blanks")
    assert set(shown[column("fate")]) == {ENGLISH("training.blanks.fate.hidden")}
    theirs = ready(visit(link(page), locale="pt-BR").page, "training")
    assert len(table(theirs, "training-blanks")) == len(shown)
    assert said(theirs, "training-curve") in (ENGLISH("training.blanks.before"), Words("pt-BR")("training.blanks.before"))
