"""The positions page as a reader uses it: hands that turn under a slider, numbers that are the model's own, two schemes trained and read further."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from components.i18n import Words
from model.analysis import positions
from model.analysis.lengths import elsewhere
from tests.browser.conftest import Visit
from tests.browser.reading import ENGLISH, ids_of, link, linked, model, numbers, pictures, ready, repainted, said, table, traced, write
from tests.browser.serving import painted, settled

TEXT = "Ana gave the key to Bento. The sky is blue."


def named(column: str) -> str:
    return ENGLISH(f"positions.table.{column}")


def test_hands_turn_in_the_browser_and_the_link_keeps_where_they_were_left(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = ready(tab("/positions"), "positions")
    before, drawn = painted(page, "positions-scheme"), pictures(page, ".st-key-positions-scheme")
    page.route("**/_stcore/**", lambda route: route.abort())
    slider = page.locator(".st-key-positions-scheme input[type=range]")
    slider.evaluate("input => { input.value = 40; input.dispatchEvent(new Event('input', {bubbles: true})); }")
    expect(page.locator(".st-key-positions-scheme output")).to_have_text("40")
    after = pictures(page, ".st-key-positions-scheme")
    assert len(after) == len(drawn) == 2
    assert all(one != other for one, other in zip(drawn, after, strict=True))
    slider.press("ArrowRight")
    assert repainted(page, "positions-scheme", before).endswith("/41")
    page.wait_for_url(re.compile(r"pos\.mark=41"))
    theirs = ready(visit(link(page), locale="en-US").page, "positions")
    assert painted(theirs, "positions-scheme") == painted(page, "positions-scheme")


def test_what_the_picture_lists_is_the_cosine_of_every_pair_at_every_distance(tab: Callable[..., Page]) -> None:
    page = ready(tab("/positions"), "positions")
    listed = table(page, "scheme")
    speeds = 10_000.0 ** (-np.arange(16) / 16)
    expected = np.cos(speeds[listed[named("row")].to_numpy(int) - 1] * listed[named("distance")].to_numpy())
    assert listed[named("value")].to_numpy() == pytest.approx(expected, abs=1e-4)
    assert len(listed) == 16 * 256


def test_what_is_added_to_the_scores_is_that_of_a_trace_of_the_same_text(tab: Callable[..., Page]) -> None:
    page = tab("/positions?pos.layer=3")
    write(page, TEXT)
    ready(page, "positions")
    listed, trace = table(page, "added"), traced(TEXT)
    found = positions.by_distance(trace, 2)
    for head in range(model().config.attention.heads):
        mine = listed[listed[named("head")] == head + 1].pivot_table(named("mean"), named("distance"), named("term"), sort=True)
        for name, values in zip(found.names, found.means[:, head], strict=True):
            assert mine[ENGLISH(f"positions.term.{name}")].to_numpy() == pytest.approx(values, abs=1e-4)
        diagonals = [np.diagonal(trace.scores(2)[head].numpy(), -distance).mean() for distance in found.distances]
        assert mine.sum(axis=1).to_numpy() == pytest.approx(diagonals, abs=1e-3)


def test_a_text_begun_elsewhere_costs_what_the_model_says(tab: Callable[..., Page]) -> None:
    page = tab("/positions")
    write(page, TEXT)
    page.locator(".st-key-w-pos-start").get_by_text("500", exact=True).click()
    expect(page.locator(".st-key-exhibit-elsewhere .v-reading")).to_contain_text("Begun at 500")
    settled(page)
    listed = table(page, "elsewhere")
    for found in elsewhere(model(), ids_of(TEXT), (0, 500)):
        shown = listed[ENGLISH("positions.elsewhere.begins", start=ENGLISH.number(found.start, 0))].to_numpy()
        assert shown == pytest.approx(found.loss, abs=1e-3)
    linked(page, "pos.start=500")


def apart(page: Page) -> bool:
    """Whether both have been read and the second is plainly worse beyond its trained length than the first, as far as the page says."""
    found = numbers(said(page, "lengths"))  # of each: within the trained length, up to twice of it, up to four times
    return len(found) == 6 and found[5] / found[3] > 1.08 * found[2] / found[0]


def test_two_schemes_trained_alike_and_the_one_that_breaks_is_shown_on_the_page(tab: Callable[..., Page]) -> None:
    page = tab("/positions?pos.steps=200&pos.a=alibi&pos.b=learned")
    assert said(page, "lengths").startswith("Nothing is trained yet")
    page.locator(".st-key-positions-train button").click()
    expect(page.locator(".st-key-positions-stop button")).to_be_visible()
    expect(page.locator(".v-progress")).to_have_count(2)
    while not apart(page) and page.locator(".st-key-positions-stop").count():
        page.wait_for_timeout(250)
    page.evaluate("document.querySelector('.st-key-positions-stop button')?.click()")
    page.locator(".st-key-positions-show-1").wait_for()
    expect(page.locator(".st-key-positions-train button")).to_be_visible()
    settled(page)
    listed = table(page, "lengths")
    worsened = {}
    for letter in "AB":
        mine = listed[named("scheme")].str.startswith(letter).to_numpy()
        until, ratio = (listed[named(column)].to_numpy()[mine] for column in ("until", "ratio"))
        assert until[-1] == 256
        assert (ratio > 1).all()
        worsened[letter] = ratio[until > 96].mean() / ratio[until <= 64].mean()
    assert worsened["B"] > 1.1 * worsened["A"]
    assert len(numbers(said(page, "lengths"))) >= 6
    page.locator(".st-key-positions-show-1 button").click()
    learned = Words("en")("settings.kinds.Learned.name")
    expect(page.locator(".st-key-positions-scheme h2")).to_contain_text(learned)
    expect(page.locator(".st-key-exhibit-elsewhere .v-reading")).to_contain_text("knows places")
    linked(page, "model=")
