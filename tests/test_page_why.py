"""Why this token, and what if another: the page's tables are the model's own numbers, and hold still while the text plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import streamlit as st

from components import branches, compute, state, theme
from components.canvas import grid
from components.canvas.distribution import Dials
from components.canvas.grid import Cell, Grid
from components.controls import prompt
from components.i18n import LANGUAGES, Words
from components.page import Session, quoted
from components.pages.generation import why as page
from components.writing import FIRST, STOP, Continued, Filled, act, branch, ids_of, line_of, turn, what_if
from model.checkpoints import Loaded
from model.checkpoints.loading import Report
from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, Form, Learned, PlainMlp
from model.generation import Greedy, generate, stages
from model.generation.account import CUTS, TEMPERATURES, removals
from model.text.tokenizer import BLANK, Tokenizer
from model.transformer import Transformer

FORMS: dict[str, Form] = {"decoder": Decoder(), "pair": EncoderDecoder(encoder_layers=1), "encoder": Encoder()}


@pytest.fixture
def opened() -> Iterator[Callable[..., Session]]:
    """A session with a random model of one of the three forms."""

    def furnish(form: str, language: Any = "en") -> Session:
        st.session_state.clear()
        state.put(STOP, False)
        tokenizer, words = Tokenizer.for_world(BLANK), Words(language)
        heads = Attention(heads=2, kv_heads=1, size=8)
        shape: dict[str, Any] = {"vocabulary": tokenizer.size, "context": 40, "width": 16, "layers": 2, "positions": Learned()}
        model = Transformer(Config(**shape, form=FORMS[form], attention=heads, mlp=PlainMlp(hidden=32)), seed=3)
        model.embed.token.weight.data.mul_(20)
        specimen = compute.specimen(Loaded(model, tokenizer, None, Report("test", 0, (), (), ())), form)
        text, source = ("The ___ is ___.", None) if form == "encoder" else ("The sky", "the sky is blue" if form == "pair" else None)
        return Session(words, theme.LIGHT, specimen, prompt.read(words, specimen, text, source))

    yield furnish
    st.session_state.clear()


@pytest.mark.parametrize("form", FORMS)
def test_the_last_layer_and_the_last_filter_say_what_the_page_shows(opened: Callable[..., Session], form: str) -> None:
    session = opened(form)
    line = line_of(session)
    turn(line, Dials(temperature=1.3, top_k=7))
    for _ in range(2):
        act(line, "step", 0)
        now, asked = line.moment(), page.asked(session, line)
        own = stages(now.logits, Dials(temperature=1).choose(), ())[0].before
        found = page.lens_of(session, asked)
        assert found.hit[-1] == pytest.approx(own[asked.token], abs=1e-5)
        assert found.top[-1] == own.argmax()
        assert found.rank[-1] == 1 + (own > own[asked.token]).sum()
        left = stages(now.logits, line.dials.choose(), now.history)[-1].after
        assert removals(asked.logits, asked.dials.choose(), asked.history, asked.token)[-1].after == left[asked.token]
        assert page.chances_of(session, asked)[TEMPERATURES.index(1.0), 0] == pytest.approx(own[asked.token])
        assert asked.written == (now.written is not None)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", FORMS)
def test_everything_is_said_and_laid_out(opened: Callable[..., Session], form: str, language: str) -> None:
    session = opened(form, language)
    line = line_of(session)
    for dials in (Dials(temperature=0), Dials(temperature=0.7, top_k=3, typical=0.5, presence_penalty=0.4)):
        turn(line, dials)
        asked = page.asked(session, line)
        lens, chances = page.lens_of(session, asked), page.chances_of(session, asked)
        removed = removals(asked.logits, dials.choose(), asked.history, asked.token)
        assert len(page.filters_grid(session, asked, removed).rows) == (2 if dials.temperature == 0 else 5)
        for shown in (page.lens_grid(session, asked, lens), page.filters_grid(session, asked, removed), page.settings_grid(session, asked, chances)):
            assert {len(row) for row in shown.rows} == {len(shown.heads)}
            assert grid.layout(language, shown)["rows"][shown.marked[0][0] if shown.marked else 0]
        said = page.lens_in_words(session, lens), page.filters_in_words(session, asked, removed), page.settings_in_words(session, asked, chances)
        assert all(sentence.endswith(".") for sentence in said)
        assert page.settings_table(session, chances).shape == (len(TEMPERATURES), 1 + len(CUTS))


@pytest.mark.parametrize("form", FORMS)
def test_a_notebook_accounts_for_the_choice_again(opened: Callable[..., Session], form: str) -> None:
    session = opened(form)
    line = line_of(session)
    turn(line, Dials(temperature=0.7, top_k=9, repetition_penalty=1.3))
    act(line, "step", 0)
    asked = page.asked(session, line)
    given: dict[str, Any] = {"model": session.specimen.loaded.model, "source": list(session.prompt.source_ids)}
    exec(page.account_again(asked, "chances", "{'probability': found}"), given)
    np.testing.assert_allclose(given["numbers"]["probability"], page.chances_of(session, asked), atol=1e-5)
    exec(page.account_again(asked, "removals", page.FILTER_NUMBERS), given)
    found = removals(asked.logits, asked.dials.choose(), asked.history, asked.token)
    assert given["numbers"]["removed"].tolist() == [each.removed for each in found]
    exec(page.lens_again(asked), given)
    np.testing.assert_allclose(given["numbers"]["asked"], page.lens_of(session, asked).hit, atol=1e-6)


def test_the_account_holds_still_while_the_text_plays(opened: Callable[..., Session]) -> None:
    session = opened("decoder")
    line = line_of(session)
    first = page.held_still(session, line)
    act(line, "play", 0)
    assert page.held_still(session, line) is first
    act(line, "rest", 1)
    assert line.at == 1
    assert page.held_still(session, line).ids == line.seen != first.ids


def test_only_a_step_of_the_prompt_has_its_arithmetic_on_another_page(opened: Callable[..., Session]) -> None:
    for form, later in (("decoder", False), ("encoder", False)):
        session = opened(form)
        line = line_of(session)
        assert page.stands_in_the_prompt(session, page.asked(session, line))
        act(line, "step", 0)
        assert page.stands_in_the_prompt(session, page.asked(session, line)) is later


def test_a_last_blank_is_asked_about_as_it_stood(opened: Callable[..., Session]) -> None:
    session = opened("encoder")
    line = line_of(session)
    assert isinstance(line, Filled)
    while not line.over:
        act(line, "step", 0)
    asked = page.asked(session, line)
    assert (asked.ids[asked.place], asked.token) == (line.filler.blank, line.steps[-1].id)
    assert page.lens_of(session, asked).hit[-1] == pytest.approx(line.steps[-1].probability, abs=1e-5)


@pytest.mark.parametrize("form", ["decoder", "pair"])
def test_what_if_keeps_what_would_follow_and_leaves_the_text(opened: Callable[..., Session], form: str) -> None:
    session = opened(form)
    line = line_of(session)
    assert isinstance(line, Continued)
    act(line, "go", 3)
    before = ids_of(line)
    for choose in (line.dials.choose(), Greedy()):
        what_if(line, 9, choose)
        (kept, *_) = branches.of(line.key)
        source = session.prompt.source_ids or None
        steps = generate(session.specimen.loaded.model, (*session.prompt.given, *before[:3], 9), choose, FIRST - 1, source=source)
        assert kept.ids == (*before[:3], 9, *(step.id for step in steps))
    assert (ids_of(line), line.at) == (before, 3)
    by_dials = branches.of(line.key)[-1].ids
    branch(line, 9)
    assert branches.begins(by_dials, ids_of(line))


def test_a_token_is_data_where_markdown_is_read() -> None:
    assert quoted("a*b_[c](d) :smile: $x$ <b>") == r"a\*b\_\[c\]\(d\) \:smile\: \$x\$ \<b\>"


def test_a_grid_says_what_is_set_off() -> None:
    shown = grid.layout("en", Grid("t", ("a", "b"), ((Cell("x"), Cell("y", "heat", 0.25)),), "1", ((0, 1),)))
    assert [cell["marked"] for cell in shown["rows"][0]] == [False, True]
    assert shown["rows"][0][1] == {"text": "y", "kind": "heat", "share": 0.25, "marked": True}
