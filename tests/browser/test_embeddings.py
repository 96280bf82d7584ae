"""The embeddings page as a reader uses it: by keyboard from point to point and from stage to stage, its numbers the model's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from playwright.sync_api import Page, expect

from model.analysis import embedding
from tests.browser.reading import ENGLISH, address, linked, pieces_of, ready, table, traced
from tests.browser.serving import settled

TEXT = "Ana gave the key to Bento. Then"


def column(name: str) -> str:
    return ENGLISH(f"embeddings.table.{name}")


def test_by_keyboard_to_another_stage_and_token_whose_neighbours_are_the_models(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("embeddings", TEXT, e_set="text", e_point=2)), "embeddings")
    picture = page.locator(".st-key-scatter canvas")
    expect(page.locator(".st-key-scatter h3")).to_have_text("Ana")
    picture.focus()
    page.keyboard.press("PageDown")
    expect(page.locator(".st-key-scatter .stage output")).to_have_text(ENGLISH("embeddings.stage.layer", layer=1))
    page.locator(".st-key-scatter ol button").first.press("Enter")
    expect(page.locator(".st-key-scatter h3")).not_to_have_text("Ana")
    chosen = page.locator(".st-key-scatter h3").inner_text()
    settled(page)
    rows = table(page, "embeddings", (column("token"),))
    pieces = [piece.strip() for piece in pieces_of(TEXT)]
    near = embedding.nearest(traced(TEXT)["decoder.blocks.0.after"].numpy())
    point = int(embedding.nearest(traced(TEXT)["decoder.blocks.0.after"].numpy()).indices[1][0])
    assert pieces[point] == chosen
    here = rows[rows[column("stage")] == ENGLISH("embeddings.stage.layer", layer=1)]
    assert here[column("token")].tolist() == [pieces[other] for other in near.indices[point]]
    assert np.allclose(here[column("cosine")], near.cosines[point], atol=1e-4)
    linked(page, "e.stage=1", f"e.point={point + 1}")
