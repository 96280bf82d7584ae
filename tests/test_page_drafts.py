"""Speculative decoding on the page: the story is what the two models wrote, the proof adds up, trial and clocks say what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from components import compute, theme
from components.canvas import plate
from components.canvas.drafts import stages
from components.compute import Specimen
from components.controls import prompt
from components.i18n import Words
from components.page import Session
from components.pages.strategies import speculative
from model.checkpoints import DRAFT, EMBEDDED, load
from model.config import Attention
from model.generation import Greedy, Sample, generate, speculate, tally
from model.generation.agreement import judged, proof, trial
from model.generation.duel import duel
from model.transformer import Transformer

torch.set_num_threads(1)
EN = Words("en")
TEXT = "Ana viu uma bola azul no parque."
WAY = {"b_way": "speculative", "lang": "en"}


@pytest.fixture
def opened() -> Iterator[Callable[..., AppTest]]:
    """`opened("translator", b_ahead="3")`: the page alone, about a model that ships, its fields from the link."""
    st.cache_resource.clear()
    st.session_state.clear()

    def run(name: str = "", **parameters: str) -> AppTest:
        app = AppTest.from_function(page, args=(name,), default_timeout=60)
        for field, value in (WAY | parameters).items():
            app.query_params[field.replace("_", ".")] = value
        return app.run()

    yield run
    st.session_state.clear()
    st.cache_resource.clear()


def page(name: str) -> None:
    """The page by itself, with the state and the address it has in the app."""
    from components import compute, permalink, theme
    from components.controls import header, prompt
    from components.page import Session
    from components.pages.strategies import PAGE

    permalink.restore((*header.FIELDS, *prompt.FIELDS, *PAGE.fields))
    specimen = compute.shipped(name)
    PAGE.render(Session(header.words(), theme.LIGHT, specimen, prompt.prompt(header.words(), specimen)))
    permalink.publish()


def story(app: AppTest) -> dict[str, Any]:
    """What the canvas was last sent."""
    (found,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "vitrine.drafts")
    return plate.opened(found.bytes)[0]


def said(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.html)


def ids() -> list[int]:
    tokenizer = load(EMBEDDED).tokenizer
    assert tokenizer is not None
    return [tokenizer.begin, *tokenizer.ids(TEXT)]


def session() -> Session:
    specimen = compute.embedded()
    return Session(EN, theme.LIGHT, specimen, prompt.read(EN, specimen, TEXT))


# ---------------------------------------------------------------- the story


@pytest.mark.parametrize(("heat", "ahead"), [("0", 3), ("1.1", 4)])
def test_the_story_is_the_one_the_two_models_wrote(opened: Callable[..., AppTest], heat: str, ahead: int) -> None:
    app = opened(text=TEXT, b_heat=heat, b_ahead=str(ahead), b_length="16", b_dice="5")
    assert not app.exception
    drawn, target = story(app), load(EMBEDDED)
    choose = Greedy() if heat == "0" else Sample(temperature=float(heat), seed=5)
    rounds = list(speculate(target.model, load(DRAFT).model, ids(), choose, ahead=ahead, tokens=16))
    assert len(drawn["rounds"]) == len(rounds)
    for shown, round in zip(drawn["rounds"], rounds, strict=True):
        assert [draft["verdict"] and draft["verdict"]["accepted"] for draft in shown["drafts"]] == [
            round.verdicts[place].accepted if place < len(round.verdicts) else None for place in range(len(round.drafts))
        ]
        assert (shown["added"] and shown["added"]["origin"]) == (round.added and round.added.origin)
    count = tally(rounds)
    assert EN.percent(count.rate or 0) in said(app)
    assert f"{count.rounds} passes" in said(app)
    kept = [draft["piece"] for round in drawn["rounds"] for draft in round["drafts"] if draft["verdict"] and draft["verdict"]["accepted"]]
    assert len(kept) == count.accepted
    if heat == "0":
        alone = [step.id for step in generate(target.model, ids(), tokens=16)]
        assert [id for round in rounds for id in round.ids] == alone


def test_at_every_judged_place_kept_and_replaced_are_p(opened: Callable[..., AppTest]) -> None:
    drawn = story(opened(text=TEXT, b_heat="1.3"))
    proofs = [draft["proof"] for round in drawn["rounds"] for draft in round["drafts"] if draft["verdict"]]
    assert proofs
    for found in proofs:
        rows = np.array([*(row[1:] for row in found["rows"]), found["rest"][1:]])
        q, p, kept, replaced = rows.T
        np.testing.assert_allclose(kept + replaced, p, atol=1e-12)
        np.testing.assert_allclose([q.sum(), p.sum()], 1, atol=1e-12)
        assert (kept <= np.minimum(p, q) + 1e-12).all()


def test_a_stage_is_told_apart_and_one_in_which_nothing_happens_is_left_out() -> None:
    target, draft = load(EMBEDDED).model, load(DRAFT).model
    rounds = list(speculate(target, draft, ids(), ahead=4, tokens=11))
    told = stages(rounds)
    for round in rounds:
        kinds = [stage.kind for stage in told if stage.round == round.number]
        assert kinds == (["propose", "read", "judge", "add"] if round.drafts else ["read", "add"])


def test_the_lines_of_the_notebook_leave_the_pictures_numbers(opened: Callable[..., AppTest]) -> None:
    reader = session()
    told = speculative._found(reader, compute.drafts(reader.specimen))
    recipe = speculative._recipe(reader, told)
    assert recipe is not None
    names: dict[str, Any] = {"model": reader.specimen.loaded.model, "ids": list(reader.prompt.ids), "source": []}
    exec(recipe(), names)
    frame = speculative._table(reader, told)
    column = lambda name: frame[EN(f"strategies.drafts.table.{name}")]  # noqa: E731
    judged = column("fate").isin([EN("strategies.drafts.accepted"), EN("strategies.drafts.rejected")])
    for name in ("round", "id", "q", "p", "die"):
        np.testing.assert_allclose(names["numbers"][name], column(name)[judged].astype(float), atol=1e-9)
    np.testing.assert_array_equal(names["numbers"]["written"], told.ids)


# ---------------------------------------------------------------- who may propose


def test_who_may_propose(opened: Callable[..., AppTest]) -> None:
    target = compute.embedded()
    first, itself = compute.drafts(target)
    assert (first.name, itself) == (compute.DRAFTED, target)
    small = Transformer(target.config, seed=1)
    trained = compute.adopt(type(target.loaded)(small, target.loaded.tokenizer, None, target.loaded.report), "trained here")
    foreign = Transformer(type(target.config)(vocabulary=40, width=16, attention=Attention(heads=2, kv_heads=2, size=8)), seed=1)
    compute.adopt(type(target.loaded)(foreign, None, None, target.loaded.report), "a stranger")
    assert [own.name for own in compute.drafts(target)] == [compute.DRAFTED, trained.name, target.name]


def test_a_translator_has_no_draft_and_says_why(opened: Callable[..., AppTest]) -> None:
    app = opened("translator")
    assert not app.exception
    assert EN("strategies.drafts.alone_source") in said(app)
    assert all(draft["verdict"]["accepted"] for round in story(app)["rounds"] for draft in round["drafts"])


def test_an_empty_text_and_one_that_fills_the_context(opened: Callable[..., AppTest]) -> None:
    app = opened(text="", b_length="8", b_stage="400", lang="pt-BR")
    assert not app.exception
    assert story(app)["at"] == len(story(app)["stages"])
    full = opened(text="word " * 900)
    assert not full.exception
    assert "No room for another token: the text has all 1024" in said(full)


# ---------------------------------------------------------------- the trial and the clocks


def test_a_trial_says_its_chi_square(opened: Callable[..., AppTest]) -> None:
    app = opened(text=TEXT, b_heat="1.0", b_try="1", b_stage="3")
    assert not app.exception
    first = next(speculate(load(EMBEDDED).model, load(DRAFT).model, ids(), Sample(seed=0), ahead=4, tokens=24)).verdicts[0]
    found = trial(first.p, first.draft.q, times=2_000)
    assert found.counts.sum() == 2_000
    assert f"chi-square {EN.number(found.statistic, 2)} with {found.freedom} degrees" in said(app)
    assert found.chance > 0.001
    often = found.p * 2_000 >= 5
    rest = found.counts[~often].sum() - 2_000 * found.p[~often].sum()
    due = 2_000 * found.p[often]
    by_hand = ((found.counts[often] - due) ** 2 / due).sum() + rest**2 / (2_000 * found.p[~often].sum())
    assert found.statistic == pytest.approx(by_hand)


def test_a_token_in_the_trials_label_is_no_markup(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The *", b_length="4", b_stage="0")
    assert "“\\*”" in app.toggle[-1].label


def test_a_rule_that_writes_something_else_is_found_out() -> None:
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    told = trial(p, q, times=2_000)
    assert told.chance > 0.001
    assert proof(p, q).acceptance == pytest.approx(0.7)
    assert proof(p, q).error < 1e-15
    wrong = judged(trial(q, p, times=2_000).counts, p)
    assert wrong.statistic > 100
    assert wrong.chance < 1e-12
    never = judged(np.array([1_999, 0, 1]), np.array([1.0, 0.0, 0.0]))
    assert (never.statistic, never.chance) == (np.inf, 0.0)


def test_chances_are_those_of_the_table() -> None:
    from model.generation.agreement import _beyond

    for statistic, freedom, chance in ((37.70, 15, 0.001), (24.32, 7, 0.001), (3.841, 1, 0.05), (0.0, 4, 1.0)):
        assert _beyond(statistic, freedom) == pytest.approx(chance, rel=2e-3)


def test_the_clocks_are_two_and_told_as_they_stand(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky", b_length="6")
    (button,) = (button for button in app.button if button.label == EN("strategies.drafts.time"))
    button.click().run()
    assert not app.exception
    assert "tokens a second, with the draft" in said(app)


def test_what_a_duel_tells_adds_up() -> None:
    specimen: Specimen = compute.embedded()
    found = duel(specimen.loaded.model, load(DRAFT).model, ids(), Sample(), ahead=3, tokens=9, laps=2)
    assert found.speed_up == pytest.approx(found.together / found.alone)
    assert found.step == pytest.approx(1 / found.alone)
    rate = found.count.rate
    assert rate is not None
    expected = sum(rate**n for n in range(4))
    assert found.expected == pytest.approx(expected)
    assert found.promised == pytest.approx(expected / (3 * found.cost + 1))
    assert found.explained == pytest.approx(expected / (3 * found.cost + found.reading / found.step))
    assert found.count.tokens == 2 * 9
