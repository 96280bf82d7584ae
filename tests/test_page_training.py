"""The page of masks in training: each lesson at rest, run, stopped and changed; its link; its recipes; and what its numbers say in words."""

from __future__ import annotations

import dataclasses
import html
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import lessons
from components.figures import strips
from components.figures.strips import Token
from components.i18n import LANGUAGES, Words
from components.pages.training import LESSONS, answers, blanks, curves, unmasked
from model.config import Attention, PlainMlp
from model.training import Budget, Masked, Objective, Steps
from model.training.session import Preset

EN = Words("en")
PAGE = """
import streamlit as st
from components import permalink, theme
from components.controls import header, prompt
from components.i18n import Words
from components.page import Session
from components.pages import training

permalink.restore((*header.FIELDS, *prompt.FIELDS, *training.PAGE.fields))
words, specimen = Words("en"), header.specimen()
training.PAGE.render(Session(words, theme.LIGHT, specimen, prompt.prompt(words, specimen)))
permalink.publish()
"""
WHOLE = lessons.preset


def brief(steps: int) -> Callable[..., Preset]:
    """Tiny models, and so many steps."""

    def preset(objective: Objective, budget: Budget, seed: int, dials: Any = None) -> Preset:
        whole = WHOLE(objective, budget, seed, dials)
        attention, mlp = Attention(heads=1, kv_heads=1, size=16), PlainMlp(hidden=32)
        config = dataclasses.replace(whole.config, width=16, layers=1, attention=attention, mlp=mlp)
        return dataclasses.replace(whole, config=config, recipe=dataclasses.replace(whole.recipe, batch=2, warmup=0, budget=Steps(count=steps)))

    return preset


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    def run(steps: int = 12, **parameters: str) -> AppTest:
        monkeypatch.setattr(lessons, "preset", brief(steps))
        app = AppTest.from_string(PAGE, default_timeout=60)
        for name, value in parameters.items():
            app.query_params[name.replace("_", ".")] = value
        return app.run()

    for name, few in (("FEW", 12), ("MANY", 20), ("ASKED_FEW", 8), ("ASKED_MANY", 16), ("PULLED", 4), ("BLANKS_A_KIND", 3)):
        monkeypatch.setattr(lessons, name, few)
    for cached in (lessons.examined, lessons.instructed):
        cached.cache_clear()
    yield run
    for cached in (lessons.examined, lessons.instructed):
        cached.cache_clear()
    st.cache_resource.clear()


def said(app: AppTest) -> str:
    return html.unescape("\n".join(element.proto.body for element in app.html))


def rested(app: AppTest) -> AppTest:
    """The page once nothing moves any more."""
    until = time.monotonic() + 60
    while not any(button.key == "training-start" for button in app.button):
        assert time.monotonic() < until
        time.sleep(0.1)
        app.run()
    return app


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_at_rest_says_what_will_happen_and_run_says_what_did(opened: Callable[..., AppTest], name: str) -> None:
    app = opened(t_lesson=name, text="The sky is")
    assert not app.exception
    assert EN(f"training.{name}.before") in said(app)
    assert EN("training.takes", steps=EN.number(int(app.number_input[0].value or 0)), seed=0) in said(app)
    app.button(key="training-start").click().run()
    rested(app)
    assert not app.exception
    assert "v-note" not in said(app)
    assert EN(f"training.{name}.before") not in said(app)
    told = {"unmasked": "Reading causally, A pays", "blanks": "held-out blanks rightly", "answers": "held-out instructions rightly"}[name]
    assert told in said(app)
    assert EN(f"training.{name}.result") in [header.value for header in app.header]
    assert {button.key for button in app.button} >= {"training-open-0-attention", "training-start"}
    app.number_input[1].set_value(5).run()
    assert EN("size.changed") in [caption.value for caption in app.caption]


def test_a_run_stopped_early_says_so_and_keeps_what_it_found(opened: Callable[..., AppTest]) -> None:
    app = opened(steps=100_000, t_lesson="unmasked", text="The sky is")
    app.button(key="training-start").click().run()
    until = time.monotonic() + 60
    while not any(one.value == EN("training.unmasked.result") for one in app.header):
        assert time.monotonic() < until
        time.sleep(0.2)
        app.run()
    app.button(key="training-stop").click().run()
    rested(app)
    assert EN("training.stopped") in said(app)
    assert any(one.value == EN("training.unmasked.result") for one in app.header)


def test_a_link_replays_settings_and_shares_are_never_more_than_all(opened: Callable[..., AppTest]) -> None:
    app = opened(t_lesson="blanks", t_rate="30", t_blank="60", t_random="35", t_span="2.5", t_b_steps="140", t_seed="4")
    assert [slider.value for slider in app.slider] == [30, 60, 35, 2.5]
    assert [box.value for box in app.number_input] == [140, 4]
    app.slider(key="w:t.blank").set_value(90).run()
    assert [slider.value for slider in app.slider][1:3] == [90, 10]
    app.slider(key="w:t.random").set_value(50).run()
    assert [slider.value for slider in app.slider][1:3] == [50, 50]
    forged = opened(t_lesson="blanks", t_blank="90", t_random="80", t_span="99", t_seed="-3")
    assert not forged.exception
    assert [slider.value for slider in forged.slider] == [15, 90, 10, 1.0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_drawn_is_what_the_recipes_compute(language: str) -> None:
    words, space = Words(language), {}
    exec(unmasked.MASKS_AGAIN.format(seed=2, row=lessons.ROW, shown=unmasked.SHOWN), space)
    causal, everything = unmasked.masks()
    assert np.array_equal(space["numbers"]["causal"], causal)
    assert np.array_equal(space["numbers"]["open"], everything)
    pieces, said = unmasked.row(2)
    assert [lessons.blank_words().piece(number) for number in space["numbers"]["ids"].tolist()] == list(pieces)
    assert pieces[1:] == said[:-1]
    task = Masked(rate=0.3, span=2.0)
    again = blanks.HIDDEN_AGAIN.format(objective=task, seed=3, dials=lessons.BLANK_WORLD.weights, shown=lessons.SHOWN)
    exec(again, space)
    given = lessons.hidden(task, 3)
    assert space["numbers"]["shown"].tolist() == [one for row in given.shown for one in row]
    assert space["numbers"]["asked"].tolist() == [one for row in given.asked for one in row]
    batch = lessons.LIVE.recipe.batch
    exec(answers.MASK_AGAIN.format(seed=1, row=lessons.ROW, shown=answers.SHOWN, dials=lessons.ASKING_WORLD.weights, batch=batch), space)
    _, counted = answers.row(1)
    assert space["numbers"]["answer"].tolist() == list(counted)
    assert "{" not in blanks._shares(words, task)


def test_the_moment_under_the_floor_is_read_off_the_curve() -> None:
    points = np.array([[second, 100 * second, loss] for second, loss in enumerate((5.0, 3.0, 1.5, 0.8, 0.2))])
    assert curves.under(points, 1.0) == (3.0, 300)
    assert curves.under(points, 0.1) is None
    assert curves.under(points[:0], 1.0) is None


def test_tokens_are_data_and_their_kind_is_told_by_more_than_colour() -> None:
    drawn = strips.strip([[Token("<b>", "kept", "a & b", True), Token("x", "exchanged")]], ["<i>"])
    assert "<b>&lt;i&gt;</b>" in drawn
    assert "= &lt;b&gt;" in drawn
    assert "a &amp; b" in drawn
    assert "⇄ x" in drawn
    said = {"yes": "may", "ahead": "may, ahead", "no": "may not", "answer": "may, answer", "way": "rows"}
    square = strips.grid("t", ["a", "b"], np.tri(2, dtype=bool), np.eye(2, k=1, dtype=bool), said)
    assert square.count('class="v-yes"') == 3
    assert square.count('class="v-no"') == 1
    everything = strips.grid("t", ["a", "b", "c"], np.ones((3, 3), bool), np.eye(3, k=1, dtype=bool), said)
    assert [everything.count(f'class="v-{kind}"') for kind in ("yes", "ahead", "answer", "no")] == [6, 1, 2, 0]
