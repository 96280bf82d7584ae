"""The layers page: what the lens, the race and the pushes are sent, what comes back, what the link keeps, in every form of model."""

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

from components import compute
from components.canvas import lens as canvas
from components.canvas import plate, pushes
from components.canvas import race as racing
from components.i18n import LANGUAGES, Words
from components.pages import layers as page
from model import checkpoints
from model.analysis.lens import Writer, credited, lens, likeliest, neurons, pushed, race, writers
from model.analysis.residual import attribution
from model.config import Config, Encoder, EncoderDecoder, Form, Free, Serial, Transformed
from model.errors import Refusal
from model.text.tokenizer import BLANK, Tokenizer
from model.trace import Tracer
from model.transformer import Transformer
from tests.configs import EVERY

EN = Words("en")
TEXT = "The sky is blue."
TRACE = Tracer(Transformer(EVERY[1], seed=1).eval()).trace((3, 17, 42, 17, 8)).clone()


# ---------------------------------------------------------------- what canvases are sent


@pytest.mark.parametrize("blanks", [(), (1, 3)])
def test_a_packed_lens_is_read_back_as_it_was(blanks: tuple[int, ...]) -> None:
    found = lens(TRACE, halves=True, blanks=blanks)
    read = canvas.unpacked(canvas.pack(found))
    for name in ("top", "rank", "real", "entropy", "divergence"):
        np.testing.assert_array_equal(getattr(read, name), getattr(found, name))
    for name in ("chance", "hit"):
        np.testing.assert_allclose(getattr(read, name), getattr(found, name), atol=4e-5)
    assert read.points == found.points


def test_a_packed_race_is_read_back_bit_for_bit() -> None:
    raced = race(TRACE, 2, (5, 0, 60))
    rank, chance = racing.unpacked(plate.opened(plate.envelope({}, racing.pack(raced)))[1][0], len(raced.points))
    np.testing.assert_array_equal(rank, raced.rank)
    np.testing.assert_array_equal(chance, raced.chance)


@pytest.mark.parametrize("rubbish", [None, {}, {"point": 9, "position": 0}, {"point": 0, "position": -1}, {"point": True, "position": 0}])
def test_a_cell_that_is_not_there_is_refused(rubbish: object) -> None:
    with pytest.raises(Refusal):
        canvas.parse(rubbish, 4, 4)


# ---------------------------------------------------------------- recipes


def cooked(recipe: str, trace: Any, **more: Any) -> dict[str, np.ndarray]:
    """What a recipe leaves as `numbers`."""
    given = {"model": trace.model, "tokenizer": None, "ids": trace.ids.tolist(), "source": [], "trace": trace} | more
    exec(recipe, given)
    return given["numbers"]


def test_recipes_leave_the_numbers_of_the_pictures() -> None:
    found, raced = lens(TRACE, halves=True, blanks=(1,)), race(TRACE, 3, (7, 12), halves=True)
    numbers = cooked(page.lens_recipe(True, (1,)), TRACE)
    assert numbers.keys() == {"top", "chance", "entropy", "divergence", "rank", "hit"}
    for name, values in numbers.items():
        np.testing.assert_array_equal(values, getattr(found, name))
    for name, values in cooked(page.race_recipe(raced, True), TRACE).items():
        np.testing.assert_array_equal(values, getattr(raced, name))


@pytest.mark.parametrize("writer", [None, Writer("attn", 1, 2), Writer("embedding")])
def test_the_pushes_recipe_leaves_the_numbers_of_the_board(writer: Writer | None) -> None:
    push = page.pushing(TRACE, 3, 12, writer)
    numbers = cooked(page.pushes_recipe(push), TRACE)
    np.testing.assert_allclose(numbers["credits"], push.credits, rtol=1e-6)
    for side, ids in (("up", push.up), ("down", push.down)):
        np.testing.assert_array_equal(numbers[side], ids)
        np.testing.assert_array_equal(numbers[f"{side}_logits"], push.logits[ids])
    assert push.writer == (writer or push.writers[int(np.argmax([_single(push, i) for i in range(len(push.writers))]))])


def test_the_neurons_recipe_leaves_every_neurons_numbers() -> None:
    push = page.pushing(TRACE, 3, 12, Writer("mlp", 1))
    found = neurons(TRACE, 3, 1, 12)
    for name, values in cooked(page.neurons_recipe(push), TRACE).items():
        np.testing.assert_array_equal(values, getattr(found, name))


def _single(push: page.Push, i: int) -> float:
    """A credit, unless it is counted in finer parts or is the embedding's."""
    each = push.writers[i]
    return push.credits[i] if each.head is not None or each.kind == "mlp" else -np.inf


# ---------------------------------------------------------------- who writes


@pytest.mark.parametrize("config", [EVERY[0], next(config for config in EVERY if isinstance(config.form, EncoderDecoder))], ids=["one", "two"])
def test_every_writer_has_a_cell_of_its_own_and_a_name_a_link_can_carry(config: Config) -> None:
    everyone = writers(config)
    places = pushes.cells(everyone)
    assert len(set(places)) == len(places)
    assert all(page.WRITER.read(page.WRITER.write(each)) == each for each in everyone)
    for words in map(Words, LANGUAGES):
        assert len({pushes.name(words, each) for each in everyone}) == len(everyone)


@pytest.mark.parametrize("forged", ["attn", "attn.x", "mlp.1.2", "embedding.3", "cross", "attn.1.2.3"])
def test_nobody_writes_under_a_forged_name(forged: str) -> None:
    with pytest.raises(Refusal):
        page.WRITER.read(forged)


# ---------------------------------------------------------------- the page


PAGE = """
import streamlit as st
from components import permalink, theme
from components.controls import header, prompt
from components.i18n import LANGUAGES, Words
from components.page import Session
from components.pages import layers

permalink.restore((*header.FIELDS, *prompt.FIELDS, *layers.PAGE.fields))
words, specimen = Words("en"), header.specimen()
layers.PAGE.render(Session(words, theme.LIGHT, specimen, prompt.prompt(words, specimen)))
permalink.publish()
"""


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    def run(config: Config | None = None, folder: Path | None = None, **parameters: str) -> AppTest:
        if config is not None:
            checkpoints.save(tmp_path, Transformer(config, seed=0), tokenizer(config.form))
        if config or folder:
            monkeypatch.setattr(compute, "EMBEDDED", tmp_path)
            st.cache_resource.clear()
        app = AppTest.from_string(PAGE, default_timeout=60)
        for name, value in parameters.items():
            app.query_params[name.replace("_", ".")] = value
        return app.run()

    yield run
    st.cache_resource.clear()


def tokenizer(form: Form) -> Tokenizer:
    return Tokenizer.for_world(BLANK) if isinstance(form, Encoder) else Tokenizer.for_world()


def tiny(**parts: Any) -> Config:
    """A small model of the micro-world with these parts."""
    plain = dataclasses.replace(EVERY[-1], **parts)
    return dataclasses.replace(plain, vocabulary=tokenizer(plain.form).size)


FORMS = {
    "untied": tiny(output=Free(bias=True)),
    "encoder": tiny(form=Encoder(), readout=Transformed(), arrangement=Serial(norm_place="after"), final_norm=False),
    "pair": tiny(form=EncoderDecoder(encoder_layers=2)),
}


def drawn(app: AppTest, name: str) -> tuple[dict[str, Any], list[bytes]]:
    """What a canvas was last sent."""
    return next(plate.opened(each.proto.bytes) for each in app.get("bidi_component") if each.proto.component_name == f"vitrine.{name}")


def said(app: AppTest) -> str:
    return html.unescape("\n".join(element.proto.body for element in app.html))


def shown(app: AppTest) -> str:
    return "\n".join(element.value for element in app.markdown)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("text", [TEXT, ""])
def test_every_form_of_model_is_read_and_told_what_the_lens_is_not(opened: Callable[..., AppTest], name: str, text: str) -> None:
    config = FORMS[name]
    app = opened(config, text=text or ("The" if name == "encoder" else text), l_halves="1")
    assert not app.exception
    assert "v-note" not in said(app)
    header, _ = drawn(app, "lens")
    halves = 2 if name != "pair" else 3
    assert len(header["points"]) == 1 + halves * config.layers
    assert all(EN(f"layers.not.{caveat}") in shown(app) for caveat in page.caveats(config))
    assert {"untied": "free", "encoder": "transformed", "pair": "pair"}[name] in page.caveats(config)


def test_a_model_without_a_tokenizer_is_read_by_the_numbers_of_its_tokens(opened: Callable[..., AppTest], tmp_path: Path) -> None:
    checkpoints.save(tmp_path, Transformer(FORMS["untied"], seed=0), Tokenizer.for_world())
    (tmp_path / "tokenizer.json").unlink()
    app = opened(folder=tmp_path, ids="3 17 42", l_at="2")
    assert not app.exception
    assert drawn(app, "lens")[0]["pieces"] == ["3", "17", "42"]
    app.text_input(key="w:l.add").input("230").run()
    assert drawn(app, "race")[0]["tokens"][-1] == 230
    app.text_input(key="w:l.add").input("blue").run()
    assert "tokens of this model are the numbers 0 to" in said(app)


def test_the_page_shows_the_numbers_of_the_model(opened: Callable[..., AppTest]) -> None:
    app = opened(text=TEXT, l_at="4", l_point="2", l_tokens="17.40", l_measure="probability")
    specimen = compute.embedded()
    trace = compute.traced(specimen, (specimen.tokenizer.begin, *specimen.tokenizer.encode(TEXT).ids))
    header, _ = drawn(app, "lens")
    assert header["choice"] == {"point": 2, "position": 3}
    names = [header["names"][header["ids"].index(token)] for token in lens(trace).top[2, 3]]
    assert "blue" in names
    race_header, (numbers,) = drawn(app, "race")
    raced = race(trace, 3, (17, 40))
    np.testing.assert_array_equal(racing.unpacked(numbers, 5)[0], raced.rank)
    assert race_header["tokens"] == [17, 40]
    assert race_header["measure"] == "probability"


def test_the_board_shows_who_pushes_the_followed_token_and_follows_another(opened: Callable[..., AppTest]) -> None:
    app = opened(text=TEXT, l_at="4", l_writer="attn.2.3", l_token="41")
    specimen = compute.embedded()
    trace = compute.traced(specimen, (specimen.tokenizer.begin, *specimen.tokenizer.encode(TEXT).ids))
    header, (numbers,) = drawn(app, "pushes")
    asked, writer = attribution(trace, 3, (40,)), Writer("attn", 1, 2)
    np.testing.assert_allclose(np.frombuffer(numbers, "<f4"), [credited(asked, each)[0] for each in writers(specimen.config)], atol=1e-5)
    logits = pushed(trace, 3, writer)
    assert header["names"][header["chosen"]] == EN("layers.writer.attn_head", layer=2, head=3)
    assert [id for id, *_ in header["lists"][0]] == np.argsort(-logits, kind="stable")[:10].tolist()
    assert header["followed"] == 40
    token = likeliest(trace, 3, 2)[1]
    app.selectbox(key="w:l.token").set_value(token + 1).run()
    assert drawn(app, "pushes")[0]["followed"] == token
    assert "".join(app.query_params["l.token"]) == str(token + 1)


def test_an_mlp_is_taken_apart_into_its_neurons_and_a_head_is_not(opened: Callable[..., AppTest]) -> None:
    app = opened(text=TEXT, l_at="4", l_writer="mlp.1")
    specimen = compute.embedded()
    trace = compute.traced(specimen, (specimen.tokenizer.begin, *specimen.tokenizer.encode(TEXT).ids))
    credits = neurons(trace, 3, 0, likeliest(trace, 3, 1)[0]).credits
    listed = app.dataframe[0].value
    assert listed[EN("layers.table.logits")].to_numpy() == pytest.approx(credits[np.argsort(-np.abs(credits))[:10]], abs=1e-4)
    assert listed[EN("layers.table.speaks_for")].str.split(", ").str.len().min() >= 5
    assert f"number {np.abs(credits).argmax() + 1} does most" in said(app)
    assert not opened(text=TEXT, l_writer="attn.1.1").dataframe


def test_a_writer_of_another_model_gives_way_to_the_one_that_pushes_most(opened: Callable[..., AppTest]) -> None:
    app = opened(text=TEXT, l_writer="cross.1.1", l_token="9999999")
    assert not app.exception
    header, (numbers,) = drawn(app, "pushes")
    assert header["names"][header["chosen"]].startswith(("Head", "The MLP"))
    assert header["followed"] == drawn(app, "race")[0]["tokens"][0]
    assert np.isfinite(np.frombuffer(numbers, "<f4")).all()


def test_unless_others_are_chosen_the_likeliest_race_with_what_the_text_really_has(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is yellow.", l_at="4")
    specimen = compute.embedded()
    ids = (specimen.tokenizer.begin, *specimen.tokenizer.encode("The sky is yellow.").ids)
    usual = likeliest(compute.traced(specimen, ids), 3)
    header, _ = drawn(app, "race")
    assert tuple(header["tokens"]) == (usual if ids[4] in usual else (*usual, ids[4]))
    assert header["real"] == header["tokens"].index(ids[4])
    assert "Ana" not in header["names"]
    app.text_input(key="w:l.add").input("Ana").run()
    assert drawn(app, "race")[0]["names"][-1] == "Ana"
    assert str(specimen.tokenizer.encode("Ana").ids[0]) in "".join(app.query_params["l.tokens"]).split(".")
    app.button(key="race-again").click().run()
    assert drawn(app, "race")[0]["tokens"] == header["tokens"]


def test_what_is_no_token_of_this_model_is_refused_in_a_sentence(opened: Callable[..., AppTest]) -> None:
    app = opened(text=TEXT)
    before = drawn(app, "race")[0]["tokens"]
    app.text_input(key="w:l.add").input("photosynthesis").run()
    assert "is no single token of this model" in said(app)
    assert drawn(app, "race")[0]["tokens"] == before


@pytest.mark.parametrize("forged", ["1.1", "x", "1.2.3.4.5.6.7.8.9", "999999999999.4"])
def test_a_forged_link_leaves_the_likeliest(opened: Callable[..., AppTest], forged: str) -> None:
    app = opened(text=TEXT, l_tokens=forged, l_point="-2", l_at="4000", l_light="sideways")
    assert not app.exception
    header, _ = drawn(app, "lens")
    assert header["choice"] == {"point": 4, "position": len(header["pieces"]) - 1}
    assert header["light"] == "probability"


def test_a_full_field_lets_a_newcomer_in_for_the_last() -> None:
    assert page.joined((1, 2), 3) == (1, 2, 3)
    assert page.joined((1, 2), 2) == (1, 2)
    assert page.joined(tuple(range(8)), 50) == (*range(7), 50)


def test_the_settled_point_is_where_nothing_changes_any_more() -> None:
    assert page._settled(np.array([True, False, True, True])) == 2
    assert page._settled(np.array([True, True])) == 0
