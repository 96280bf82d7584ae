"""A 70 B model planned before an audience: how many machines hold it, in which precision, with how much text; and the link that shows it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from components.figures import paper
from components.figures.paper import Subject
from model.cost import bytes_by_precision, parameters
from model.cost.hardware import Hardware
from model.cost.paper import Assumptions, Serving
from model.families import find
from tests.browser.conftest import Visit
from tests.browser.reading import ENGLISH, link, said, table
from tests.browser.serving import settled
from tests.browser.test_phone import NARROW, SMALLEST_TARGET, SMALLEST_TEXT, WIDTH

SIZE = "llama2-70b"


def weighed(**serving: object) -> Subject:
    """What the page should say of it."""
    assumed = dataclasses.replace(Assumptions(), serving=dataclasses.replace(Serving(), **serving))
    return Subject(SIZE, find(SIZE).config, assumed)


def choose(page: Page, label: str, option: str, typed: str = "") -> None:
    """Open a list, type to search it if there is something to type, and take an option."""
    field = page.get_by_role("combobox", name=label)
    field.click()
    if typed:
        field.fill(typed)
    page.get_by_role("option", name=option).first.click()
    settled(page)


def boxes(page: Page) -> Locator:
    """The machines of the first picture."""
    return page.locator(".st-key-exhibit-first .v-boxes span")


def test_plan_a_seventy_billion_parameter_model(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = tab("/paper?p.size=gpt2")
    choose(page, ENGLISH("paper.choose.size"), SIZE, typed=SIZE)
    expect(page.locator(".st-key-exhibit-first .v-reading")).to_have_text(paper.first_reading(ENGLISH, [weighed()]))
    assert weighed().serving.bytes["weights"] == pytest.approx(140e9, rel=0.02)
    expect(boxes(page)).to_have_count(2)
    choose(page, ENGLISH("paper.assume.serving.weights.name"), ENGLISH("paper.assume.serving.options.int4.name"))
    expect(boxes(page)).to_have_count(1)
    slider = page.get_by_role("slider", name=ENGLISH("paper.assume.serving.context.name"))
    for _ in range(7):
        slider.press("ArrowRight")
    long = weighed(weights="int4", context=4_096 * 2**7)
    expect(page.locator(".st-key-exhibit-first .v-reading")).to_have_text(paper.first_reading(ENGLISH, [long]))
    expect(boxes(page)).to_have_count(long.serving.machines(Hardware()))
    settled(page)
    frame = table(page, "first")
    held = dict(zip(frame[ENGLISH("paper.table.figure")], frame[SIZE], strict=True))
    assert held[ENGLISH("paper.load.weights")] == bytes_by_precision(long.config)["int4"]
    assert held[ENGLISH("paper.load.cache")] == long.serving.bytes["cache"]
    theirs = visit(link(page), locale="en-US").page
    for key in ("first", "serve", "training", "energy", "scale"):
        expect(theirs.locator(f".st-key-exhibit-{key} .v-reading")).to_have_text(said(page, key))
    expect(boxes(theirs)).to_have_count(long.serving.machines(Hardware()))


def test_two_sizes_share_their_scales(tab: Callable[..., Page]) -> None:
    page = tab(f"/paper?p.size={SIZE}&p.with=gpt2-xl")
    bars = page.locator(".st-key-exhibit-first .v-bar > span")
    expect(bars).to_have_count(2)
    lengths = [sum(piece.evaluate("node => node.getBoundingClientRect().width") for piece in bar.locator("i").all()) for bar in bars.all()]
    share = parameters(find("gpt2-xl").config) / parameters(find(SIZE).config)
    assert lengths[1] / lengths[0] < 2 * share + 0.02  # a piece is never thinner than it can be seen
    ticks = [row.inner_text() for row in page.locator(".st-key-exhibit-first .v-ticks").all()]
    assert len(ticks) == 2
    assert ticks[0] == ticks[1]


def test_measured_here_stands_beside_arithmetic(tab: Callable[..., Page]) -> None:
    page = tab("/paper")
    times = page.locator(".st-key-exhibit-first .v-spans .v-measured")
    expect(times).to_have_count(0)
    page.locator(".st-key-paper-measure button").click()
    expect(times).to_have_count(1)
    config = find("vitrine-embedded").config
    weights = ENGLISH.number(bytes_by_precision(config)["fp32"], 0)
    row = page.locator(".v-figures tr", has_text=ENGLISH("paper.here.weights"))
    expect(row.locator("td")).to_have_text([weights, weights])


def test_what_is_unpublished_is_said_and_not_computed(tab: Callable[..., Page]) -> None:
    page = tab("/paper")
    choose(page, ENGLISH("paper.choose.size"), "GPT-4", typed="GPT-4")
    expect(page.locator(".v-rumour")).to_have_count(1)
    expect(page.locator(".v-rumour")).to_contain_text("arXiv:2303.08774")
    expect(page.locator(".v-paper, .v-cards, .v-checks")).to_have_count(0)


def test_the_first_screen_of_a_projector_shows_size_memory_and_time(visit: Callable[..., Visit]) -> None:
    page = visit("/paper", width=1280, height=720, locale="en-US").page
    for part in page.locator(".st-key-exhibit-first .v-paper section").all():
        box = part.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 720


def test_a_phone_shows_the_size_before_its_assumptions_and_nothing_too_wide_or_small(visit: Callable[..., Visit]) -> None:
    page = visit("/paper?p.with=gpt3-175b", width=WIDTH, height=844).page
    tops = [page.locator(f".st-key-{key}").bounding_box() for key in ("paper-choice", "exhibit-first", "exhibit-serve")]
    slider = page.get_by_role("slider").first.bounding_box()
    heights = [box["y"] for box in (*tops, slider) if box is not None]
    assert len(heights) == 4
    assert heights == sorted(heights)
    for drawer in page.locator("[data-testid=stExpander] summary").all():
        drawer.click()
        settled(page)
    settled(page, wholly=True)
    assert page.locator("[data-testid=stMain]").evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    assert page.evaluate(NARROW, [SMALLEST_TEXT, SMALLEST_TARGET]) == []
