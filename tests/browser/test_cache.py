"""The cache page as a reader uses it: step by step, with the model's own counts, and a clock that speaks when it has measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from playwright.sync_api import Page, expect

from model.analysis.caching import cached
from model.analysis.places import Where
from model.generation import generate
from tests.browser.reading import ENGLISH, ids_of, linked, model, numbers, ready, repainted, said, table
from tests.browser.serving import painted, settled

HERE = Where("decoder")


def test_a_step_computes_one_key_reads_the_others_and_its_numbers_are_the_models(tab: Callable[..., Page]) -> None:
    page = ready(tab("/cache?kv.layer=3&kv.head=2&kv.step=4"), "cache")
    before, shown = painted(page, "cache-strips"), page.locator(".st-key-cache-strips")
    shown.get_by_role("button", name=ENGLISH("cache.view.step")).click()
    assert repainted(page, "cache-strips", before).endswith("/5")
    given = ids_of(ENGLISH("presets.open.text"))
    text = (*given, *(step.id for step in generate(model(), given, tokens=12)))
    found, length = cached(model(), text, len(given), 2, HERE), len(given) + 5
    expect(page.locator(".st-key-exhibit-stored .v-reading")).to_contain_text(f"{ENGLISH.number(found.ledgers[5].bytes, 0)} bytes")
    layers = model().config.layers
    assert numbers(shown.locator(".counted").inner_text()) == [1, length, length - 1, length, layers]
    listed = table(page, "stored", ("Token",))
    vectors, values = (listed[ENGLISH(f"cache.table.{name}")].to_numpy() for name in ("vector", "value"))
    keys = values[vectors == ENGLISH("cache.view.k")].astype(float)
    assert keys.reshape(length, -1) == pytest.approx(found.k[1, :length], abs=1e-3)
    with torch.no_grad():
        apart = model()(torch.tensor([text]))[0, length - 1] - model()(torch.tensor([text[:length]]))[0, -1]
    assert float(apart.abs().max()) < 1e-3
    strips = shown.locator("canvas.strips")
    strips.focus()
    strips.press("ArrowUp")
    strips.press("Home")
    expect(shown.locator(".readout")).to_contain_text("token 1")
    value = numbers(shown.locator(".readout").inner_text())[2]
    assert value == pytest.approx(found.k[1, 0, 0], abs=1e-3)
    strips.press("Enter")
    expect(page.locator(".st-key-arithmetic-cache button:visible").first).to_be_visible()
    linked(page, "kv.token=1", "kv.step=5")


def test_the_clock_says_nothing_before_it_has_measured_and_a_ratio_after(tab: Callable[..., Page]) -> None:
    page = ready(tab("/cache"), "cache")
    expect(page.locator(".st-key-exhibit-seconds")).to_have_count(0)
    page.locator(".st-key-cache-measure button").click()
    expect(page.locator(".st-key-exhibit-seconds .v-reading")).to_contain_text("Measured here: at 1,024 tokens", timeout=60_000)
    settled(page)
    listed = table(page, "seconds")
    kept, anew, ratio = (listed[ENGLISH(f"cache.table.{name}")].to_numpy() for name in ("kept", "anew", "ratio"))
    assert ratio == pytest.approx(anew / kept, rel=1e-6)
    assert (kept > 0).all()
    assert ENGLISH.number(float(ratio[-1]), 1) in said(page, "seconds")
