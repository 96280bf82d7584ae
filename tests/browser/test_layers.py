"""The layers page by keyboard: a cell is chosen in the lens, the race and the pushes follow, and every number is the model's own."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from model.analysis.lens import Writer, credited, lens, likeliest, pushed, race, writers
from model.analysis.residual import attribution
from tests.browser.conftest import Visit
from tests.browser.reading import ENGLISH, address, ids_of, link, linked, model, pieces_of, ready, repainted, table, traced
from tests.browser.serving import painted

TEXT = "Ana gave the key to Bento. The sky is yellow."
COLUMNS = tuple(ENGLISH(f"layers.table.{name}") for name in ("token", "guess"))


def named(column: str) -> str:
    return ENGLISH(f"layers.table.{column}")


def test_a_cell_chosen_by_keyboard_is_read_out_and_the_race_follows(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = ready(tab(address("layers", TEXT)), "layers")
    before, frame, said = painted(page, "race"), page.locator(".st-key-lens .frame"), page.locator(".st-key-lens .readout")
    frame.focus()
    for _ in range(2):
        frame.press("ArrowLeft")
    frame.press("ArrowDown")
    found, position = lens(traced(TEXT)), len(ids_of(TEXT)) - 3
    expect(said).to_contain_text(f"After layer 3, at “{pieces_of(TEXT)[position]}” (token {position + 1})")
    frame.press("Enter")
    repainted(page, "race", before)
    page.wait_for_url(re.compile(rf"l\.at={position + 1}"))
    expect(page.locator(".st-key-race h3")).to_contain_text(f"token {position + 1}")
    listed = table(page, "lens", COLUMNS)
    assert listed[named("probability")].to_numpy().reshape(found.chance.shape) == pytest.approx(found.chance, abs=1e-4)
    assert (listed[named("real_rank")].to_numpy().reshape(found.chance.shape)[..., 0] == found.rank).all()
    theirs = ready(visit(link(page), locale="en-US").page, "layers")
    expect(theirs.locator(".st-key-lens .readout")).to_have_text(said.inner_text())
    assert painted(theirs, "race") == painted(page, "race")


def test_a_token_is_typed_in_taken_out_and_followed_to_who_pushed_it(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("layers", TEXT, l_at=10)), "layers")
    trace, before = traced(TEXT), painted(page, "race")
    runners = (*likeliest(trace, 9), ids_of(TEXT)[10])
    runners = runners[:-1] if runners[-1] in runners[:-1] else runners
    page.locator(".st-key-w-l-add input").fill("Bento")
    page.locator(".st-key-w-l-add input").press("Enter")
    before = repainted(page, "race", before)
    bento = ids_of("Bento")[1]
    listed, raced = table(page, "race", COLUMNS), race(trace, 9, (*runners, bento))
    assert listed[named("rank")].to_numpy().reshape(raced.rank.shape).tolist() == raced.rank.tolist()
    page.get_by_role("button", name="take “Bento” out of the race").press("Enter")
    repainted(page, "race", before)
    asked = attribution(trace, 9, (bento,))
    values = [float(credited(asked, writer)[0]) for writer in writers(model().config)]
    grid, pushing = page.locator(".st-key-pushes .frame"), painted(page, "pushes")
    grid.focus()
    grid.press("End")
    grid.press("ArrowUp" if "layer 1" in page.locator(".st-key-pushes .readout").inner_text() else "ArrowDown")
    grid.press("Enter")
    repainted(page, "pushes", pushing)
    linked(page, "mlp.")
    layer = int(re.findall(r"mlp\.(\d)", page.evaluate("location.search"))[0]) - 1
    listed = table(page, "pushes", COLUMNS)[named("logits")].to_numpy()
    assert listed[: len(values)] == pytest.approx(values, abs=1e-3)
    order = np.sort(pushed(trace, 9, Writer("mlp", layer)))
    assert listed[len(values) :] == pytest.approx([*order[::-1][:10], *order[:10][::-1]], abs=1e-3)
