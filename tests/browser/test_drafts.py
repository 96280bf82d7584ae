"""Speculative decoding stepped through as a reader does it: the text at the end is the target's own, and what was accepted can be counted."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, expect

from components.canvas.drafts import stages
from components.canvas.plate import visible
from model.checkpoints import DRAFT, load
from model.generation import generate, speculate, tally
from tests.browser.conftest import Visit
from tests.browser.reading import ENGLISH, address, ids_of, link, model, numbers, said, tokenizer
from tests.browser.serving import painted, settled
from tests.browser.test_axe import broken

TEXT, AHEAD, TOKENS = "Ana viu uma bola azul no parque.", 3, 12


def pieces(found: Locator) -> list[str]:
    return found.all_inner_texts()


def shown(ids: list[int]) -> list[str]:
    """Tokens as the page writes them: the one that opens the next document ends this one."""
    return [ENGLISH("shell.prompt.end") if id == tokenizer().begin else visible(tokenizer().piece(id)) for id in ids]


def test_stepping_to_the_end_writes_what_the_target_writes_alone(visit: Callable[..., Visit]) -> None:
    given = {"b_way": "speculative", "b_heat": 0, "b_ahead": AHEAD, "b_length": TOKENS, "b_stage": 0}
    page = visit(address("strategies", TEXT, **given), locale="en").page
    painted(page, "drafts")
    settled(page)
    drafts = page.locator(".st-key-drafts .drafts")
    rounds = list(speculate(model(), load(DRAFT).model, ids_of(TEXT), ahead=AHEAD, tokens=TOKENS))
    told = stages(rounds)
    for number, stage in enumerate(told, 1):
        if number % 2:
            drafts.locator(".keys .step").click()
        else:
            drafts.press("ArrowRight")
        current = drafts.locator(".stages [aria-current]")
        expect(current).to_have_text(ENGLISH(f"strategies.drafts.stage_{stage.kind}"))
        round = rounds[stage.round]
        if stage.kind == "propose":
            assert pieces(drafts.locator(".cells .piece")) == shown([draft.id for draft in round.drafts])
        if stage.kind == "judge":
            expect(drafts.locator(".cells .accepted")).to_have_count(len(round.accepted))
            expect(drafts.locator(".cells .rejected")).to_have_count(sum(not verdict.accepted for verdict in round.verdicts))
            sums = numbers(" ".join(pieces(drafts.locator(".proof .row:not(.head) .sum"))))
            assert abs(sum(sums) - 100) < 1
    alone = shown([step.id for step in generate(model(), ids_of(TEXT), tokens=TOKENS)])
    assert pieces(drafts.locator(".text :is(.accepted, .correction, .bonus)")) == alone
    expect(drafts.locator(".keys .step")).to_be_disabled()
    accepted, judged = drafts.locator(".rounds .pieces .accepted").count(), drafts.locator(".rounds .pieces :is(.accepted, .rejected)").count()
    count = tally(rounds)
    assert (accepted, judged) == (count.accepted, count.judged)
    assert numbers(said(page, "drafts"))[:2] == [count.tokens, count.rounds]
    assert broken(page) == []
    drafts.press("ArrowLeft")
    expect(drafts.locator(".keys .step")).to_be_enabled()
    settled(page)
    assert f"b.stage={len(told) - 1}" in link(page)
