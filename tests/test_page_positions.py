"""The positions page: every scheme drawn and told, the link's state, a text begun elsewhere, and two schemes trained and read further."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import compute, swap
from components.canvas import distances as picture
from components.canvas import plate
from components.canvas.distances import Grid
from components.figures import positions as figures
from components.i18n import LANGUAGES, Words
from components.pages import attention, families, generation, masks, paper, size
from components.pages import positions as page
from components.swap import READ, TRAINED, WAYS, Trial
from model import checkpoints
from model.analysis import positions
from model.config import (
    Alibi,
    Attention,
    Config,
    Decoder,
    Encoder,
    EncoderDecoder,
    Form,
    Learned,
    NoPositions,
    PlainMlp,
    Positions,
    Relative,
    Rotary,
    Sinusoidal,
)
from model.errors import Refusal
from model.text.tokenizer import BLANK, Tokenizer
from model.training import Steps
from model.training.session import Preset
from model.transformer import Transformer
from tests.pages import worked

EN = Words("en")
SCHEMES = (Learned(), Sinusoidal(), Rotary(), Alibi(), Relative(buckets=8, reach=16), NoPositions())


def tiny(positions: Positions, form: Form | None = None, vocabulary: int = 61) -> Config:
    attention = Attention(heads=2, kv_heads=2, size=8)
    plain = Config(vocabulary=vocabulary, context=160, width=16, layers=2, attention=attention, mlp=PlainMlp(hidden=32))
    return dataclasses.replace(plain, positions=positions, form=form or Decoder())


# ---------------------------------------------------------------- the picture


def grid(values: np.ndarray, columns: np.ndarray) -> Grid:
    return Grid(
        revision="r",
        title="t",
        rows=("1", "2"),
        columns=columns,
        values=values,
        table="diverging",
        low=-1,
        high=1,
        rooted=False,
        names=("row", "column", "slider"),
        speeds=(1.0, 0.5),
    )


def test_a_packed_picture_holds_its_numbers_bit_for_bit_and_its_mark_inside() -> None:
    values = np.linspace(-1, 1, 10, dtype=np.float32).reshape(2, 5)
    drawn = grid(values, np.arange(-2, 3))
    header, (numbers,) = plate.opened(plate.envelope(picture.header(EN, drawn, 99), picture.pack(drawn)))
    assert np.frombuffer(numbers, "<f4").tolist() == values.ravel().tolist()
    assert header["columns"] == [-2, -1, 0, 1, 2]
    assert header["at"] == 4
    assert header["speeds"] == [1.0, 0.5]


def test_a_picture_with_too_few_numbers_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        grid(np.zeros((2, 4)), np.arange(5))
    assert refused.value.code == "canvas.distances"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("given", SCHEMES, ids=lambda given: type(given).__name__)
def test_every_scheme_is_drawn_told_and_listed(given: Positions, language: str) -> None:
    words, far = Words(language), np.arange(40)
    found = positions.scheme(Transformer(tiny(given), seed=0), distances=far)
    shape = figures.shape(words, found, far, heads=2)
    drawn = figures.drawn(words, shape, "name", "r")
    assert np.abs(drawn.values).max() <= drawn.high + 1e-6
    assert len(figures.frame(words, shape)) == drawn.values.size
    assert "{" not in figures.scheme_in_words(words, found, far)
    assert bool(drawn.speeds) == isinstance(given, Rotary)


# ---------------------------------------------------------------- the schemes to choose from


@pytest.mark.parametrize("way", WAYS)
def test_every_way_trains_on_short_rows_for_a_context_four_times_as_long(way: str) -> None:
    preset = swap.preset(way, 200, 5)
    assert (preset.recipe.context, preset.config.context, preset.recipe.seed) == (TRAINED, READ, 5)
    assert READ == 4 * TRAINED
    assert preset.config.positions == WAYS[way].trained
    assert all(words.has(f"positions.way.{way}.{part}") for words in map(Words, LANGUAGES) for part in ("name", "about"))


def brief(way: str, steps: int, seed: int, preset: Callable[..., Preset] = swap.preset) -> Preset:
    """A run of a few steps of a tiny model."""
    whole = preset(way, steps, seed)
    config = dataclasses.replace(tiny(whole.config.positions), context=READ)
    return dataclasses.replace(whole, config=config, recipe=dataclasses.replace(whole.recipe, batch=2, warmup=0, budget=Steps(count=10)))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "preset", brief)
    monkeypatch.setattr(swap, "FEW", 60)
    monkeypatch.setattr(swap, "ALL", 90)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("way", ["stretched", "learned"])
def test_a_trial_is_read_on_the_way_and_at_the_end_with_its_own_angles(way: str) -> None:
    trial = Trial(way, 200, 0)
    work = trial.work()
    early = [trial.measured for step in work if step.step == 3]
    assert early[0] is not None
    assert trial.final
    assert trial.measured is not None
    assert trial.measured is not early[0]
    assert trial.measured.ends[-1] == READ
    assert trial.model().config.positions == (WAYS[way].read or WAYS[way].trained)


# ---------------------------------------------------------------- the page


PAGE = """
import streamlit as st
from components import permalink, theme
from components.controls import header, prompt
from components.i18n import Words
from components.page import Session
from components.pages import positions

permalink.restore((*header.FIELDS, *prompt.FIELDS, *positions.PAGE.fields))
words, specimen = Words("en"), header.specimen()
positions.PAGE.render(Session(words, theme.LIGHT, specimen, prompt.prompt(words, specimen)))
permalink.publish()
"""


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    def run(scheme: Positions, form: Form | None = None, **parameters: str) -> AppTest:
        tokenizer = Tokenizer.for_world(BLANK) if isinstance(form, Encoder) else Tokenizer.for_world()
        checkpoints.save(tmp_path, Transformer(tiny(scheme, form, tokenizer.size), seed=0), tokenizer)
        monkeypatch.setattr(compute, "EMBEDDED", tmp_path)
        st.cache_resource.clear()
        app = AppTest.from_string(PAGE, default_timeout=60)
        for name, value in parameters.items():
            app.query_params[name.replace("_", ".")] = value
        return app.run()

    yield run
    st.cache_resource.clear()


def drawn(app: AppTest) -> list[dict[str, Any]]:
    """What the pictures by distance were last sent, their numbers left out."""
    found = [element.proto for element in app.get("bidi_component") if element.proto.component_name == "vitrine.distances"]
    return [plate.opened(element.bytes)[0] for element in found]


def said(app: AppTest) -> str:
    return html.unescape("\n".join(element.proto.body for element in app.html))


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda given: type(given).__name__)
def test_the_page_draws_the_scheme_of_the_model_on_show(opened: Callable[..., AppTest], scheme: Positions) -> None:
    app = opened(scheme)
    assert not app.exception
    first, second = drawn(app)
    assert EN(f"settings.kinds.{type(scheme).__name__}.name") in first["title"]
    assert second["title"] == EN("positions.added.grid", layer=1)
    assert second["columns"] == list(range(len(second["columns"])))
    moves = isinstance(scheme, Learned | Sinusoidal)
    assert ("knows places, not only distances" in said(app)) == moves
    assert ("only the distances between its tokens count" in said(app)) != moves
    assert bool(first["speeds"]) == isinstance(scheme, Rotary)
    assert EN("positions.swap.none", trained=TRAINED) in said(app)


@pytest.mark.parametrize("form", [Encoder(), EncoderDecoder(encoder_layers=1)])
def test_encoders_and_models_of_two_stacks_have_their_pictures(opened: Callable[..., AppTest], form: Form) -> None:
    app = opened(Relative(buckets=8, reach=16), form, pos_stack="encoder", text="The sky is blue.")
    assert not app.exception
    assert "v-note" not in said(app)
    first, second = drawn(app)
    assert first["columns"][0] < 0
    assert second["columns"][0] < 0


def test_another_stack_is_read_throughout(opened: Callable[..., AppTest]) -> None:
    app = opened(Relative(buckets=8, reach=16), EncoderDecoder(encoder_layers=1), text="The sky is blue.")
    assert [each["columns"][0] for each in drawn(app)] == [0, 0]
    app.segmented_control(key="w:pos.stack").set_value("encoder").run()
    assert not app.exception
    assert all(each["columns"][0] < 0 for each in drawn(app))
    assert app.query_params["pos.stack"] in ("encoder", ["encoder"])


def test_a_link_opens_the_same_view(opened: Callable[..., AppTest]) -> None:
    chosen = {"pos_a": "alibi", "pos_b": "none", "pos_steps": "300"}
    app = opened(Rotary(), pos_layer="2", pos_view="equal", pos_head="2", pos_mark="30", pos_start="10", **chosen)
    first, second = drawn(app)
    assert first["at"] == 30
    assert second["title"] == EN("positions.added.grid_equal", layer=2)
    assert "head 2 scores" in said(app)
    assert "Begun at 10" in said(app)
    assert [box.value for box in app.selectbox] == ["alibi", "none"]
    assert app.slider[0].value == 300


def test_a_forged_link_leaves_the_defaults(opened: Callable[..., AppTest]) -> None:
    app = opened(Rotary(), pos_layer="-3", pos_view="sideways", pos_a="telepathy", pos_steps="9999", pos_start="77")
    assert not app.exception
    assert [box.value for box in app.selectbox] == ["rotary", "learned"]
    assert "Begun at 100" in said(app)


def test_an_empty_text_is_told_what_is_missing(opened: Callable[..., AppTest]) -> None:
    app = opened(Rotary(), text="")
    assert not app.exception
    assert said(app).count(EN("positions.added.short")) == 2


@pytest.mark.usefixtures("short")
def test_two_schemes_train_are_read_and_one_becomes_the_model_on_show(opened: Callable[..., AppTest]) -> None:
    app = opened(Rotary(), pos_a="alibi", pos_b="learned")
    worked(app.button(key="positions-train").click().run(), "positions.studio")
    assert not app.exception
    assert "A · ALiBi:" in said(app)
    assert "B · Learned:" in said(app)
    assert "finished:" in said(app)
    app.button(key="positions-show-1").click().run()
    assert EN("settings.kinds.Learned.name") in drawn(app)[0]["title"]
    assert app.query_params["model"]


def test_no_other_page_has_a_field_of_the_same_name() -> None:
    others = {field.name for each in (attention, families, generation, masks, paper, size) for field in each.PAGE.fields}
    assert not others & {field.name for field in page.PAGE.fields}


def test_what_holds_suffers_and_breaks() -> None:
    assert page._verdict(1.6, 1.7) == "holds"
    assert page._verdict(1.6, 2.0) == "suffers"
    assert page._verdict(1.6, 3.7) == "breaks"
