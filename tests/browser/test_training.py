"""The lessons about masks as a reader takes them: the run without its causal mask dives under the floor, and the page says what that means."""

from __future__ import annotations

import re
from collections.abc import Callable

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
