"""The tree grown by hand: three levels deep by pointer and by keys, every number the model's own, back, and off on a branch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from tests.browser.reading import BEGIN, ENGLISH, address, go, ids_of, linked, model, numbers, ready, repainted, table, tokenizer
from tests.browser.serving import painted, settled

TEXT = "Ana"


def nats(path: tuple[int, ...]) -> torch.Tensor:
    """The next token's log-probabilities after the text and a path, from a whole pass."""
    return model()(torch.tensor([[*ids_of(TEXT), *path]]))[0, -1].double().log_softmax(-1)


def chosen(ranks: str) -> tuple[int, ...]:
    """The ids that these choices lead to: the likeliest, the next …, at each step."""
    path: tuple[int, ...] = ()
    for rank in map(int, ranks):
        path = (*path, int(nats(path).argsort(descending=True)[rank]))
    return path


def piece(id: int) -> str:
    return ENGLISH("shell.prompt.end") if id == tokenizer().begin else tokenizer().piece(id)


def node(page: Page, ranks: str) -> Locator:
    return page.locator(f".st-key-grown [data-node='{ranks}']")


def pressed(page: Page, act: Callable[[], None]) -> None:
    before = painted(page, "grown")
    act()
    repainted(page, "grown", before)


def test_a_tree_three_levels_deep_and_back_and_a_branch(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("tree", TEXT, **{"tree.depth": 1})), "tree")
    assert page.locator(".st-key-grown [role=treeitem]").count() == 4
    pressed(page, node(page, "2").click)
    node(page, "2").press("ArrowRight")
    expect(node(page, "20")).to_be_focused()
    node(page, "20").press("ArrowDown")
    expect(node(page, "21")).to_be_focused()
    node(page, "21").press("ArrowUp")
    pressed(page, lambda: node(page, "20").press("Enter"))
    expect(node(page, "20")).to_have_attribute("aria-expanded", "true")
    expect(node(page, "20")).to_be_focused()
    pressed(page, node(page, "201").click)
    path = chosen("201")
    steps = [float(nats(path[:at])[id]) for at, id in enumerate(path)]
    facts = [numbers(fact)[0] for fact in page.locator(".st-key-grown .card dd").all_inner_texts()]
    assert facts[1] == pytest.approx(steps[-1], abs=1e-3)
    assert facts[3:] == pytest.approx([sum(steps), math.exp(-sum(steps) / 3)], rel=1e-3)
    expect(page.locator(".st-key-grown .card .text")).to_have_text(TEXT + "".join(map(piece, path)))
    listed = table(page, "tree", (ENGLISH("tree.table.ids"), ENGLISH("tree.table.text")))
    paths = [tuple(map(int, ids.split())) for ids in listed[ENGLISH("tree.table.ids")]]
    assert listed[ENGLISH("tree.table.nats")].tolist() == pytest.approx([float(nats(ids[:-1])[ids[-1]]) for ids in paths], abs=1e-4)
    linked(page, "tree.flip=2-20-201", "tree.at=201")

    node(page, "201").focus()
    node(page, "201").press("ArrowLeft")
    expect(node(page, "20")).to_be_focused()
    pressed(page, lambda: node(page, "20").press("Enter"))
    pressed(page, lambda: node(page, "20").press("Enter"))
    expect(node(page, "20")).to_have_attribute("aria-expanded", "false")
    expect(node(page, "20")).to_be_focused()
    expect(node(page, "201")).to_have_count(0)
    pressed(page, node(page, "1").click)
    page.get_by_role("button", name=ENGLISH("tree.acts.keep"), exact=True).click()
    expect(page.get_by_role("button", name=ENGLISH("tree.acts.kept"), exact=True)).to_be_disabled()
    settled(page)
    pressed(page, node(page, "10").click)
    page.get_by_role("button", name=ENGLISH("tree.acts.write"), exact=True).click()
    page.wait_for_url(re.compile("/generation"))
    ready(page, "generation")
    expect(page.locator(".st-key-player .position")).to_contain_text(re.compile("^token 2 of"))
    assert tuple(table(page, "text")[ENGLISH("generation.table.id")][:2]) == chosen("10")
    go(page, "tree")
    ready(page, "tree")
    expect(node(page, "10")).to_have_attribute("aria-selected", "true")


def test_opening_the_most_probable_leaf_until_greedy_is_beaten_for_certain(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("tree", TEXT, **{"tree.depth": 1, "tree.width": 5})), "tree")
    said = page.locator(".st-key-exhibit-leaves .v-reading")
    for _ in range(8):
        if ENGLISH("tree.verdict.certain") in said.inner_text() and "“made a”" in said.inner_text():
            break
        pressed(page, page.get_by_role("button", name=ENGLISH("tree.acts.ripen")).click)
    expect(said).to_contain_text("“made a” is more probable")
    expect(said).to_contain_text(ENGLISH("tree.verdict.certain"))
    expect(page.locator(".v-leaves tr.best th")).to_contain_text("made a")
    assert BEGIN not in page.locator(".v-leaves").inner_text()
