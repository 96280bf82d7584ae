"""The families page as a reader uses it: every family opened, two compared part by part, both run, both trained."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from playwright.sync_api import Locator, Page, expect

from components.canvas.blueprint.anatomy import anatomy, compared, differences
from model.families import FAMILIES, find
from tests.browser.conftest import Visit
from tests.browser.reading import ENGLISH, link, numbers, ready, repainted, said, table
from tests.browser.serving import painted, settled

TEXT = "Ana gave the key to Bento."


def choose(page: Page, family: str) -> None:
    """Click a family on the line and wait for its drawing."""
    before = painted(page, "blueprint")
    page.locator(f".st-key-lineage .family[data-name={family}]").click()
    repainted(page, "blueprint", before)


def parts(page: Page, figure: int = 0) -> Locator:
    """The parts of one drawing."""
    return page.locator(f".st-key-blueprint .part[data-figure='{figure}']")


def names(found: Locator) -> list[str]:
    return [part.get_attribute("data-part") or "" for part in found.all()]


def card(page: Page) -> str:
    return page.locator(".st-key-blueprint .cards").inner_text()


def test_every_family_opens_with_each_of_its_parts(tab: Callable[..., Page]) -> None:
    page = ready(tab(f"/families?f.a={next(iter(FAMILIES[-1].sizes))}"), "families")
    for family in FAMILIES:
        size = next(iter(family.sizes))
        choose(page, family.name)
        expect(page.locator(".st-key-blueprint .title")).to_contain_text(size)
        config = find(size).config
        assert sorted(names(parts(page))) == sorted(part.name for part in anatomy(config) if part.present)
        assert page.locator(".st-key-blueprint .sum[data-branches]:not(.input)").count() >= 1
        expect(page.get_by_text(ENGLISH(f"families.family.{family.name}.why"))).to_be_visible()


def test_two_families_differ_where_their_configurations_do(tab: Callable[..., Page]) -> None:
    page = ready(tab("/families"), "families")
    page.locator(".st-key-lineage .offer").click()
    choose(page, "llama")
    page.wait_for_function("location.search.includes('f.b=llama-7b')")
    configs = find("gpt2").config, find("llama-7b").config
    for number, (mine, theirs) in enumerate((configs, configs[::-1])):
        states = compared(mine, theirs)
        for state in ("lit", "size", "same", "absent"):
            shown = page.locator(f".st-key-blueprint .part.{state}[data-figure='{number}']")
            assert sorted(names(shown)) == sorted(name for name, each in states.items() if each == state)
    assert page.locator(".st-key-blueprint tbody tr:not(.kind)").count() == len(differences(*configs))
    assert len(table(page, "blueprint")) == len(differences(*configs))
    page.locator(".st-key-lineage .removal").click()
    page.wait_for_function("!location.search.includes('f.b=')")
    expect(page.locator(".st-key-blueprint .drawing")).to_have_count(1)


def test_a_part_tells_its_numbers_by_pointer_by_keyboard_and_by_link(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = ready(tab("/families?f.a=llama2-70b"), "families")
    parts(page).and_(page.locator("[data-part=heads]")).hover()
    config = find("llama2-70b").config
    heads = next(part for part in anatomy(config) if part.name == "heads")
    assert heads.total in numbers(card(page))
    first = page.locator(".st-key-blueprint .part[tabindex='0']")
    first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    focused = "stream"  # after the text, the token table and the layer
    assert page.locator(".st-key-blueprint .part[tabindex='0']").get_attribute("data-part") == focused
    page.keyboard.press("Enter")
    page.wait_for_function("name => location.search.includes('f.part=' + name)", arg=focused)
    told = card(page)
    theirs = ready(visit(link(page), locale="en-US").page, "families")
    assert card(theirs) == told
    expect(theirs.locator(f".st-key-blueprint .part[data-part='{focused}']")).to_have_attribute("aria-pressed", "true")


def test_both_are_run_on_the_readers_text_and_measured(tab: Callable[..., Page]) -> None:
    page = ready(tab(f"/families?f.a=mistral-7b&f.b=bert-base-uncased&text={TEXT}"), "families")
    painted(page, "families-map-1")
    causal, everything = (numbers(sentence)[:2] for sentence in re.findall(r"(\d+ of \d+) pairs", said(page, "families-maps")))
    assert everything[0] == everything[1] == causal[1]
    assert causal[0] < causal[1]
    frame = table(page, "families-maps")
    weight, per_row = (ENGLISH(f"families.table.{name}") for name in ("weight", "row"))
    sums = frame.pivot_table(values=weight, index=ENGLISH("families.table.model"), columns=per_row, aggfunc="sum")
    np.testing.assert_allclose(sums.to_numpy(), 1, rtol=1e-5)
    assert ENGLISH("families.speed.unmeasured") in said(page, "families-speed")
    page.locator(".st-key-families-measure button").click()
    expect(page.locator(".st-key-exhibit-families-speed table")).to_contain_text(ENGLISH("size.figures.measured"))
    expect(page.locator(".st-key-exhibit-families-speed .v-reading")).not_to_contain_text(ENGLISH("families.speed.unmeasured"))


def test_two_are_trained_on_tasks_that_cannot_be_compared_and_then_looked_into(tab: Callable[..., Page]) -> None:
    page = ready(tab(f"/families?f.a=llama-7b&f.b=bert-base-uncased&f.width=32&f.layers=1&f.seconds=10&text={TEXT}"), "families")
    painted(page, "families-curve-1")
    expect(page.get_by_text(ENGLISH("families.train.tasks"))).to_be_visible()
    random = said(page, "families-maps")
    page.locator(".st-key-families-train button").click()
    expect(page.locator(".v-progress", has_text="finished")).to_have_count(2)
    settled(page)
    page.get_by_text(ENGLISH("families.run.weights.here"), exact=True).click()
    page.wait_for_function("location.search.includes('f.weights=here')")
    expect(page.locator(".st-key-exhibit-families-maps .v-reading")).not_to_have_text(random)
