"""The embeddings page: every set, method and form, the link's state, and numbers equal to the model's own."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from components import compute
from components.canvas import plate
from components.canvas.scatter import Field, Group, pack
from components.i18n import LANGUAGES, Words
from components.pages import embeddings as page
from model import checkpoints
from model.analysis import embedding
from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, Form, Learned, PlainMlp, Positions, Rotary
from model.errors import Refusal
from model.text.tokenizer import BLANK, Tokenizer
from model.trace import Tracer
from model.transformer import Transformer


def tiny(form: Form, positions: Positions, vocabulary: int) -> Config:
    attention = Attention(heads=2, kv_heads=2, size=8)
    plain = Config(vocabulary=vocabulary, context=64, width=16, layers=2, attention=attention, mlp=PlainMlp(hidden=32))
    return dataclasses.replace(plain, positions=positions, form=form)


PAGE = """
from components import compute, permalink, state
from components.controls import header, prompt
from components.i18n import Words
from components.page import Session
from components.pages import embeddings
from components.theme import LIGHT
permalink.restore((*header.FIELDS, *prompt.FIELDS, *embeddings.PAGE.fields))
words = Words(state.get(header.LANGUAGE) or "en")
specimen = compute.embedded()
embeddings.render(Session(words, LIGHT, specimen, prompt.prompt(words, specimen)))
permalink.publish()
"""


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    def run(form: Form | None = None, positions: Positions | None = None, **parameters: str) -> AppTest:
        form = form or Decoder()
        tokenizer = Tokenizer.for_world(BLANK) if isinstance(form, Encoder) else Tokenizer.for_world()
        checkpoints.save(tmp_path, Transformer(tiny(form, positions or Rotary(), tokenizer.size), seed=0), tokenizer)
        monkeypatch.setattr(compute, "EMBEDDED", tmp_path)
        monkeypatch.setattr(embedding.examples, "__defaults__", (3,))
        st.cache_resource.clear()
        app = AppTest.from_string(PAGE, default_timeout=90)
        for name, value in parameters.items():
            app.query_params[name.replace("_", ".")] = value
        return app.run()

    yield run
    st.cache_resource.clear()


def sent(app: AppTest) -> tuple[dict[str, Any], bytes]:
    """What the scatter was sent."""
    (element,) = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "vitrine.scatter"]
    header, (part,) = plate.opened(element.bytes)
    return header, part


def said(app: AppTest) -> str:
    return html.unescape("\n".join(element.proto.body for element in app.html))


# ---------------------------------------------------------------- the picture


def field(**changed: Any) -> Field:
    given: dict[str, Any] = {
        "revision": "r",
        "title": "t",
        "stages": ("a", "b"),
        "places": np.arange(12, dtype=np.float32).reshape(2, 3, 2),
        "labels": ("x", "y", "<b>"),
        "details": ("", "", ""),
        "groups": (0, -1, 0),
        "kinds": (Group("names", "#ffffff"),),
        "marked": (2,),
        "nearest": np.array([[[1, 2], [0, 2], [0, 1]]] * 2),
        "cosines": np.linspace(-1, 1, 12).reshape(2, 3, 2),
    }
    return Field(**given | changed)


def test_the_numbers_travel_as_they_are() -> None:
    data = pack(field())
    assert data[:1] == b"\0"
    numbers = data[1:]
    assert np.array_equal(np.frombuffer(numbers, "<f4", 12), np.arange(12))
    assert np.allclose(np.frombuffer(numbers, "<f4", 12, 48), np.linspace(-1, 1, 12))
    assert np.frombuffer(numbers, "<u2", 12, 96).tolist() == [1, 2, 0, 2, 0, 1] * 2


def test_a_place_for_every_point_or_none() -> None:
    with pytest.raises(Refusal, match="2 points at 2 stages"):
        field(labels=("x", "y"))


# ---------------------------------------------------------------- the page


@pytest.mark.parametrize("what", page.SETS)
@pytest.mark.parametrize("form", [Decoder(), Encoder(), EncoderDecoder(encoder_layers=2)])
def test_every_set_of_every_form_is_drawn(shown: Callable[..., AppTest], form: Form, what: str) -> None:
    app = shown(form, text="Ana viu o mar.", e_set=what, e_method="pca")
    assert not app.exception
    header, _ = sent(app)
    assert header["marked"]
    assert len(header["stages"]) == (1 if what == "words" else 4)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_text_passes_through_is_the_traces(shown: Callable[..., AppTest], language: str) -> None:
    app = shown(text="Ana viu o mar.", lang=language, e_set="text", e_stage="2", e_point="3")
    header, part = sent(app)
    model, tokenizer = compute.embedded().loaded.model, compute.embedded().tokenizer
    ids = [tokenizer.begin, *tokenizer.encode("Ana viu o mar.").ids]
    vectors = Tracer(model).trace(torch.tensor(ids))["decoder.blocks.1.after"].numpy()
    near = embedding.nearest(vectors)
    count, kept = len(ids), near.indices.shape[1]
    cosines = np.frombuffer(part, "<f4", 4 * count * kept, 8 * 4 * count).reshape(4, count, kept)
    assert np.allclose(cosines[2], near.cosines, atol=1e-6)
    assert (header["stage"], header["chosen"], header["neighbours"]) == (2, 2, kept)
    words = Words(language)
    assert words.number(float(near.cosines[2][0]), 2) in said(app)


def test_a_recipe_gives_the_same_numbers(shown: Callable[..., AppTest]) -> None:
    app = shown(text="Ana viu o mar.", e_set="text")
    _, part = sent(app)
    specimen = compute.embedded()
    ids = [specimen.tokenizer.begin, *specimen.tokenizer.encode("Ana viu o mar.").ids]
    for what, method in (("words", "pca"), ("text", "pca"), ("others", "pca")):
        seen = page.Shown(session=None, what=what, stack="decoder", method=method, seed=0)  # pyright: ignore[reportArgumentType]
        known: dict[str, Any] = {"model": specimen.loaded.model, "tokenizer": specimen.tokenizer, "ids": ids, "source": []}
        known["trace"] = Tracer(specimen.loaded.model).trace(ids).clone()
        exec(page.recipe(seen), known)
        numbers = known["numbers"]
        if what == "text":
            sent_places = np.frombuffer(part, "<f4", numbers["places"].size).reshape(numbers["places"].shape)
            assert np.allclose(np.abs(sent_places), np.abs(numbers["places"]), atol=1e-4)
        assert np.allclose(numbers["cosines"].max(-1), numbers["cosines"][..., 0])


def test_positions_that_are_added_can_be_compared_by_themselves(shown: Callable[..., AppTest]) -> None:
    app = shown(Decoder(), Learned(), text="Ana viu o mar.")
    assert not app.exception
    assert Words("en")("embeddings.alike.about_added") in said(app)
    app = shown(Decoder(), Rotary(), text="Ana viu o mar.")
    assert Words("en")("embeddings.alike.about_added") not in said(app)


def test_an_empty_text_and_a_forged_link_leave_the_page_whole(shown: Callable[..., AppTest]) -> None:
    app = shown(text="", e_set="text", e_point="99999", e_stage="9")
    assert not app.exception
    assert Words("en")("embeddings.few") in said(app)
    app = shown(text="Ana", e_set="galaxy", e_point="-4", e_method="umap")
    assert not app.exception
    assert len(sent(app)[0]["stages"]) == 1


def test_the_positions_of_a_long_text_are_spread_evenly() -> None:
    kept = page.spread(1_000)
    assert (kept[0], kept[-1], len(kept)) == (0, 999, page.ALIKE)
    assert page.spread(5) == [0, 1, 2, 3, 4]
