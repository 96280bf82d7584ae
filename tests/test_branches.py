"""Branches: what is kept, what leaves, what a link may say, and going back to one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import streamlit as st

from components import branches, compute, state, theme
from components.branches import BRANCHES, LONGEST, MOST, Branch
from components.canvas import branches as canvas
from components.controls import prompt
from components.i18n import Words
from components.page import Session
from components.pages.generation.beside import branches_again, branches_in_words, branches_table, difference, scene
from components.writing import AT, COUNT, PICKS, STOP, Continued, act, branch, ids_of, line_of, throw_again, turn, visit
from model import checkpoints
from model.config import Attention, Config, PlainMlp
from model.errors import Refusal
from model.generation import Continuation
from model.text.tokenizer import Tokenizer
from model.transformer import Transformer

Parted = tuple[Continued, dict[Branch, Continuation]]
EN, OWNER = Words("en"), ("model", (1, 2), ())


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    st.session_state.clear()
    yield
    st.session_state.clear()


@pytest.fixture(scope="module")
def specimen(tmp_path_factory: pytest.TempPathFactory) -> compute.Specimen:
    folder, tokenizer = tmp_path_factory.mktemp("tiny"), Tokenizer.for_world()
    heads = Attention(heads=2, kv_heads=1, size=8)
    config = Config(vocabulary=tokenizer.size, context=40, width=16, layers=2, attention=heads, mlp=PlainMlp(hidden=32))
    checkpoints.save(folder, Transformer(config, seed=3), tokenizer)
    return compute.specimen(checkpoints.load(folder), "tiny")


@pytest.fixture
def session(specimen: compute.Specimen) -> Session:
    state.put(STOP, False)
    return Session(EN, theme.LIGHT, specimen, prompt.read(EN, specimen, "The sky"))


def kept() -> list[tuple[int, ...]]:
    return [each.ids for each in state.get(BRANCHES)]


def test_the_newest_comes_first_and_the_oldest_that_is_not_pinned_leaves() -> None:
    for number in range(MOST):
        branches.keep(OWNER, (number, 9))
    branches.pin(OWNER, Branch((0, 9)).key)
    branches.keep(OWNER, (40,))
    assert kept() == [(40,), (5, 9), (4, 9), (3, 9), (2, 9), (0, 9)]
    assert [each.pinned for each in branches.of(OWNER)] == [False] * 5 + [True]


def test_room_is_always_left_for_what_comes() -> None:
    for number in range(MOST):
        branches.keep(OWNER, (number,))
        branches.pin(OWNER, Branch((number,)).key)
    assert sum(each.pinned for each in branches.of(OWNER)) == MOST - 1
    branches.keep(OWNER, (77,))
    assert kept()[0] == (77,)


def test_what_another_branch_goes_on_from_is_not_kept_twice() -> None:
    branches.keep(OWNER, (1, 2))
    branches.pin(OWNER, Branch((1, 2)).key)
    branches.keep(OWNER, (1, 2, 3))
    branches.keep(OWNER, (1,))
    assert branches.of(OWNER) == (Branch((1, 2, 3), pinned=True),)
    branches.drop(OWNER, 5)
    assert kept() == [(1, 2, 3)]
    branches.drop(OWNER, Branch((1, 2, 3)).key)
    assert kept() == []


def test_another_text_has_branches_of_its_own() -> None:
    branches.keep(OWNER, (1,))
    assert branches.of(("model", (1, 3), ())) == ()
    assert kept() == []


@pytest.mark.parametrize("count", [1, 12, LONGEST])
def test_branches_live_in_a_link(count: int) -> None:
    given = tuple(Branch(tuple(range(at, at + count)), at % 2 == 1) for at in range(MOST))
    assert BRANCHES.read(BRANCHES.write(given)) == given


@pytest.mark.parametrize("given", ["", "-", "1.", ".1", "x1", "pp1", "1.2-", "1.²", "12345678901", "1-" * MOST + "1", "1." * LONGEST + "1", "~1abc"])
def test_forged_branches_are_refused(given: str) -> None:
    with pytest.raises(Refusal):
        BRANCHES.read(given)


# ---------------------------------------------------------------- with a text


def again(session: Session) -> tuple[int, ...]:
    """What the link's own fields write."""
    fields: list[state.Field[Any]] = [COUNT, AT, PICKS, STOP]
    values = [state.get(field) for field in fields]
    st.session_state.clear()
    for field, value in zip(fields, values, strict=True):
        state.put(field, value)
    return ids_of(line_of(session))


def test_a_token_put_there_by_hand_keeps_what_it_took_the_place_of(session: Session) -> None:
    line = line_of(session)
    before = ids_of(line)
    act(line, "go", 4)
    branch(line, 9)
    assert kept() == [before]
    act(line, "go", 4)
    branch(line, 9)
    assert kept() == [before]


def test_another_throw_and_a_restart_keep_the_text_and_a_dial_does_not(session: Session) -> None:
    line = line_of(session)
    first = ids_of(line)
    throw_again(line)
    second = ids_of(line)
    assert kept() == [first]
    turn(line, line.dials.__class__(temperature=0.0))
    assert kept() == [first]
    third = ids_of(line)
    act(line, "restart", 0)
    assert kept() == [third, first]
    assert second not in kept()


def test_a_branch_is_gone_back_to_where_it_parts_and_the_text_takes_its_place(session: Session) -> None:
    line = line_of(session)
    before = ids_of(line)
    act(line, "go", 4)
    branch(line, 9)
    other = ids_of(line)
    visit(line, Branch(before).key)
    assert (ids_of(line), line.at) == (before, 4)
    assert kept() == [other]
    visit(line, Branch(other).key)
    assert (ids_of(line), kept()) == (other, [before])
    assert again(session) == other


def test_a_branch_that_this_model_cannot_write_is_passed_over(session: Session) -> None:
    line = line_of(session)
    assert isinstance(line, Continued)
    before = ids_of(line)
    for forged in ((5, 999_999), tuple(range(60))):
        branches.keep(line.key, forged)
        visit(line, Branch(forged).key)
        assert ids_of(line) == before


def test_what_another_page_keeps_stands_beside_the_text(session: Session) -> None:
    branches.keep(branches.owner(session), (3, 4, 5))
    line = line_of(session)
    assert [each.ids for each in branches.of(line.key)] == [(3, 4, 5)]
    visit(line, Branch((3, 4, 5)).key)
    assert ids_of(line) == (3, 4, 5)


# ---------------------------------------------------------------- side by side


@pytest.fixture
def parted(session: Session) -> Parted:
    """A text with two branches, which part from it at tokens 3 and 5."""
    line = line_of(session)
    assert isinstance(line, Continued)
    for place in (4, 2):
        act(line, "go", place)
        branch(line, 9 + place)
    return line, {each: compute.scored(session.specimen, line.writer.prompt, each.ids) for each in branches.of(line.key)}


def test_rows_stand_under_one_another_from_where_the_first_branch_parts(session: Session, parted: Parted) -> None:
    line, found = parted
    shown = scene(session, line, line.course, found)
    assert (shown.first, [row.parting for row in shown.rows]) == (3, [None, 0, 0])
    assert [row.key for row in shown.rows] == [None, *(each.key for each in found)]
    steps = line.steps[2:]
    assert shown.rows[0].shares == pytest.approx([step.probability for step in steps])
    assert shown.rows[0].figures[0].startswith("−")
    assert shown.rows[1].told.startswith("Parts at token 3: ")
    drawn = canvas.layout(EN, shown)
    assert all(len(row["pieces"]) == len(row["shares"]) == len(line.steps) - 2 for row in drawn["rows"])


def test_what_parts_later_is_shown_from_the_first_parting_on(session: Session) -> None:
    line = line_of(session)
    assert isinstance(line, Continued)
    own = ids_of(line)
    for ids in ((*own[:5], 7), own[:3], (*own, 8)):
        branches.keep(line.key, ids)
    found = {each: compute.scored(session.specimen, line.writer.prompt, each.ids) for each in branches.of(line.key)}
    shown = scene(session, line, line.course, found)
    assert [difference(session, line, line.course, each).split()[0] for each in found.values()] == ["Goes", "Parts"]
    assert (shown.first, [row.parting for row in shown.rows]) == (6, [None, 7, 0])
    assert [each.ids for each in branches.of(line.key)] == [(*own, 8), (*own[:5], 7)]


def test_a_notebook_finds_the_numbers_of_the_branches_again(session: Session, parted: Parted) -> None:
    line, found = parted
    given: dict[str, Any] = {"model": session.specimen.loaded.model, "source": []}
    exec(branches_again(line, found), given)
    table = branches_table(session, line, line.course, found)
    for name, values in given["numbers"].items():
        np.testing.assert_allclose(values, table[EN(f"generation.table.{name}")].to_numpy(float), rtol=1e-4, atol=1e-4)
    assert "perplexity" in branches_in_words(session, line, line.course, found)


@pytest.mark.parametrize("sent", [None, {}, {"act": "visit"}, {"act": "fly", "key": 3}, {"act": "drop", "key": 4}, {"act": "pin", "key": True}])
def test_only_branches_on_show_are_heard_of(sent: Any) -> None:
    assert canvas.received({"act": "pin", "key": 3}, [1, 3]) == ("pin", 3)
    with pytest.raises(Refusal):
        canvas.received(sent, [1, 3])
