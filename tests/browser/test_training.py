"""The lessons about masks as a reader takes them: the run without its causal mask dives under the floor, and the page says what that means."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from components.runs import floor
from tests.browser.reading import ENGLISH, address, ready, said, table
from tests.browser.serving import settled

PLAIN = re.compile(r"B pays 0\.[0-5]\d* nats per token, under the floor")


def column(name: str) -> str:
    return ENGLISH(f"training.table.{name}")


def test_without_the_causal_mask_the_loss_dives_under_the_floor_and_the_page_says_so(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("training", "The sky is", t_u_steps=160)), "training")
    assert said(page, "training-curve") == ENGLISH("training.unmasked.before")
    page.locator(".st-key-training-start button").click()
    expect(page.locator(".v-progress")).to_have_count(2)
    verdict = page.locator(".st-key-exhibit-training-curve .v-reading")
    expect(verdict).to_contain_text("under the floor since second", timeout=180_000)
    expect(page.locator(".st-key-exhibit-training-result .v-reading")).to_contain_text(PLAIN, timeout=180_000)
    expect(page.locator(".st-key-training-start button")).to_be_visible(timeout=180_000)
    settled(page)
    curves = table(page, "training-curve")
    runs, losses = (curves[ENGLISH(f"size.table.{name}")].to_numpy() for name in ("run", "loss"))
    honest, cheat = (losses[runs == ENGLISH(f"training.unmasked.run_{letter}")].astype(float) for letter in "ab")
    assert float(cheat[-5:].mean()) < floor() < float(honest.min())
    found = table(page, "training-result")
    seen, exact, causal = (found[column(name)].to_numpy(float) for name in ("loss_open", "floor", "loss_causal"))
    assert seen[1] < exact[1] < causal[0] < causal[1]
    assert "a loss too good to be true" in said(page, "training-result")
    expect(page.locator(".st-key-training-open-1-generation")).to_be_visible()


def lesson(page: Page, name: str) -> str:
    """Press the button of a lesson, await its end, and say what its curve says."""
    page.locator(".st-key-training-start button").click()
    expect(page.locator(".v-progress").first).to_be_visible()
    expect(page.locator(".st-key-exhibit-training-curve .v-reading")).not_to_have_text(ENGLISH(f"training.{name}.before"), timeout=60_000)
    expect(page.locator(".st-key-training-start button")).to_be_visible(timeout=60_000)
    settled(page)
    return said(page, "training-curve")


def test_blanks_and_answers_are_trained_by_their_links_steps_and_told_as_they_were_measured(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("training", "", t_lesson="blanks", t_b_steps=40, t_rate=30)), "training")
    told = lesson(page, "blanks")
    kinds, curve, guesses = (table(page, name) for name in ("training-kinds", "training-curve", "training-blanks"))
    counts, right, losses = (kinds[column(name)].to_numpy(float) for name in ("blanks", "right", "loss"))
    share, mean = (float((values * counts).sum() / counts.sum()) for values in (right, losses))
    assert f"fills {ENGLISH.percent(share, 0)} of {counts.sum():.0f} held-out blanks" in told
    assert f"it pays {ENGLISH.number(mean, 2)} nats each" in told
    assert float(curve[ENGLISH("size.table.loss")].iloc[-1]) == pytest.approx(mean, abs=0.01)
    hit = int((guesses[column("guess")].to_numpy() == guesses[column("truth")].to_numpy()).sum())
    assert f"{hit} of {len(guesses)}" in said(page, "training-blanks")

    page = ready(tab(address("training", "", t_lesson="answers", t_a_steps=40)), "training")
    told = lesson(page, "answers")
    found = table(page, "training-result")
    (masked, plain), (loss, plain_loss) = (found[column(name)].to_numpy(float) for name in ("right", "loss_answer"))
    assert f"A answers {ENGLISH.percent(masked, 0)} of" in told
    assert f"B {ENGLISH.percent(plain, 0)}; a token of an answer costs A {ENGLISH.number(loss, 2)} nats, B {ENGLISH.number(plain_loss, 2)}" in told
    prompts, answers = (float(found[column(f"pull_{part}")].iloc[1]) for part in ("prompt", "answer"))
    assert ENGLISH.percent(prompts / (prompts + answers), 0) in said(page, "training-result")
