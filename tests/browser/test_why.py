"""The decoding lab as a reader uses it: a branch is kept and gone back to, and what the filters removed is what Python removes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from playwright.sync_api import Page, expect

from components.branches import BRANCHES
from model.generation import Sample, continuation
from model.generation.account import removals
from tests.browser.reading import ENGLISH, address, ids_of, model, painted, ready, repainted, table, tokenizer
from tests.browser.serving import settled

TEXT = "Ana gave the key to Bento. Then"


def shown(page: Page, row: int) -> list[str]:
    return page.locator(".st-key-branches li").nth(row).locator(".token").all_inner_texts()


def column(name: str) -> str:
    return ENGLISH(f"generation.table.{name}")


def test_a_branch_is_kept_beside_the_text_and_gone_back_to(tab: Callable[..., Page]) -> None:
    page = ready(tab(address("generation", TEXT, g_n=8, g_at=3, g_stop=0)), "generation")
    before = page.locator(".st-key-player .text .token").all_inner_texts()
    page.locator(".st-key-what-if-0 button").click()
    painted(page, "branches")
    expect(page.locator(".st-key-branches li")).to_have_count(2)
    page.locator(".st-key-dials .bars li:not(.drawn):not(.written):not(.others) button").nth(3).click()
    expect(page.locator(".st-key-branches li")).to_have_count(3)
    left = page.locator(".st-key-branches li", has_text=ENGLISH("generation.branches.branch", number=1))
    assert left.locator(".token").all_inner_texts() == before[3:]
    assert left.locator(".token.parting").inner_text() == before[3]
    settled(page)
    (branch, _) = BRANCHES.read(page.evaluate("new URL(location).searchParams.get('g.branches')"))
    found = continuation(model(), ids_of(TEXT), branch.ids)
    frame = table(page, "branches", (column("token"),))
    own = frame[column("branch")].to_numpy() == 1
    assert frame[column("total")].to_numpy()[own][-1] == pytest.approx(found.total, abs=1e-3)
    assert frame[column("perplexity")].to_numpy()[own][-1] == pytest.approx(found.perplexity, rel=1e-3)
    was = painted(page, "branches")
    left.get_by_role("button", name=ENGLISH("generation.branches.visit")).click()
    repainted(page, "branches", was)
    expect(page.locator(".st-key-player .text .token")).to_have_text(before)
    page.reload()
    ready(page, "generation")
    expect(page.locator(".st-key-player .text .token")).to_have_text(before)
    expect(page.locator(".st-key-branches li")).to_have_count(3)


def test_what_the_filters_removed_is_what_python_removes(tab: Callable[..., Page]) -> None:
    dials = {"g_n": 0, "g_stop": 0, "g_t": 1.3, "g_k": 30, "g_p": 0.8, "g_typ": 0.7, "g_freq": 0.5}
    page = ready(tab(address("generation", TEXT, **dials)), "generation")
    ids = ids_of(TEXT)
    logits = model()(torch.tensor([ids]))[0, -1].numpy()
    choose = Sample(temperature=1.3, top_k=30, top_p=0.8, typical=0.7, frequency_penalty=0.5)
    bar = page.locator(".st-key-dials .bars li.drawn .token").inner_text()
    token = next(id for id in range(len(logits)) if tokenizer().piece(id).removeprefix(" ") == bar)
    frame = table(page, "why-filters", (column("token"), column("filter")))
    for row, each in zip(frame.to_dict("records"), removals(logits, choose, ids, token), strict=True):
        assert row[column("filter")] == ENGLISH(f"generation.dials.{each.name}")
        assert (row[column("removed")], row[column("left")]) == (each.removed, each.left)
        assert [row[column("mass")], row[column("asked")]] == pytest.approx([each.mass, each.after], abs=1e-5)
