"""The heads page: a first picture at once, numbers that are the model's own, every state drawn and told, recipes that compute them again."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from components import compute
from components.canvas import kin, lit, plate, roster
from components.canvas.lit import Lit
from components.canvas.map import Matrix, header
from components.canvas.roster import Entry, Roster
from components.i18n import LANGUAGES, Words
from components.pages.heads import finder, recipes, study
from components.pages.heads.finder import measures, ranking
from model import checkpoints
from model.analysis.found import FILE, kept
from model.analysis.heads import LOOKS, Effect, Head, find, glance
from model.analysis.likeness import likeness
from model.analysis.places import Where, places
from model.analysis.rollout import reach
from model.checkpoints import EMBEDDED, MASKED, TRANSLATOR
from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, Form, PlainMlp
from model.errors import Refusal
from model.text.tokenizer import Tokenizer
from model.text.world import Dials
from model.trace import Trace, Tracer
from model.transformer import Transformer

EN = Words("en")
WORLD = Tokenizer.for_world()
DECODER = Where("decoder")


def tiny(form: Form | None = None, context: int = 160) -> Config:
    attention = Attention(heads=4, kv_heads=2, size=8)
    plain = Config(vocabulary=WORLD.size, context=context, width=16, layers=2, attention=attention, mlp=PlainMlp(hidden=32))
    return replace(plain, form=form or Decoder())


def traced(form: Form | None = None) -> Trace:
    source = torch.tensor([0, 7, 8, 9]) if isinstance(form, EncoderDecoder) else None
    return Tracer(Transformer(tiny(form), seed=4)).trace(torch.tensor([0, 5, 9, 12, 5, 9]), source=source).clone()


# ---------------------------------------------------------------- the ranking


def head(score: float, effect: Effect | None, number: int = 0) -> Head:
    return Head(DECODER, 0, number, {"induction": score, "first token": 0.1}, {} if effect is None else {"induction": effect}, 1.5, 0.5)


@pytest.mark.parametrize(
    ("score", "effect", "standing", "chip"),
    [
        (0.9, Effect(0.1, 0.01), "named", "induction"),
        (0.9, Effect(0.1, 0.09), "close", "looks, not missed"),
        (0.9, None, "close", "not silenced yet"),
        (LOOKS - 0.05, Effect(0.1, 0.01), "close", "close, not confirmed"),
        (LOOKS - 0.05, Effect(0.0, 0.01), "none", ""),
        (0.1, Effect(0.1, 0.01), "none", ""),
    ],
)
def test_a_name_is_given_only_where_score_and_silence_agree(score: float, effect: Effect | None, standing: str, chip: str) -> None:
    ranked = ranking([head(score, effect)], "induction")
    assert ranked.standing(0) == standing
    assert finder._entry(EN, ranked, 0, 1.0).chip == chip


@pytest.mark.parametrize("folder", [EMBEDDED, MASKED, TRANSLATOR])
def test_every_measure_of_every_place_is_ranked_and_told_in_both_languages(folder: Path) -> None:
    stored = kept(folder / FILE).heads
    for where in {each.where for each in stored}:
        heads = [each for each in stored if each.where == where]
        for measure in measures(heads):
            ranked = ranking(heads, measure)
            scores = [ranked.scores[number] for number in ranked.order]
            assert scores == sorted(scores, reverse=True)
            if ranked.share:
                named = [number for number in ranked.order if ranked.standing(number) == "named"]
                assert named == [number for number in ranked.order if ranked.name in heads[number].labels]
            for language in LANGUAGES:
                assert finder.in_words(Words(language), ranked)
                assert len(finder.every(Words(language), heads)) == len(heads)


def test_the_page_says_that_no_head_agrees() -> None:
    heads = kept(EMBEDDED / FILE).heads
    assert "No head earns the name here" in finder.in_words(EN, ranking(heads, "agreement"))
    assert "3 heads earn the name: 4·2, 4·4, 1·3." in finder.in_words(EN, ranking(heads, "induction"))


# ---------------------------------------------------------------- what the canvases are given


def test_a_roster_lists_what_leads_and_its_bars_end_at_the_farthest_whisker() -> None:
    entries = (Entry(0, 0.5, "50 %", 0.1, 0.05, "+0.1", "named", "x"), Entry(1, 0.2, "20 %", -0.3, 0.1, "−0.3"))
    drawn = roster.layout(Roster("r", 1, 2, entries, (0, 1), 0, {}))
    assert (drawn["farthest"], drawn["below"], drawn["silenced"]) == (pytest.approx(0.4), True, True)
    assert [entry["named"] for entry in drawn["entries"]] == [True, False]
    assert not roster.layout(Roster("r", 1, 1, (Entry(0, 0.5, ""),), (0,), 0, {}))["silenced"]
    with pytest.raises(Refusal, match="2 layers of 2 heads need as many entries, got 1"):
        Roster("r", 2, 2, entries[:1], (), 0, {})


def test_a_lit_text_needs_a_share_a_token() -> None:
    assert lit.layout(EN, Lit("r", np.array([0.25, 1.0]), (" a", "\n"), 0, 1, {}))["pieces"] == ["a", "⏎"]
    with pytest.raises(Refusal, match="1 tokens need as many shares, got 2"):
        Lit("r", np.array([0.25, 1.0]), ("a",), 0, 0, {})


def test_small_maps_keep_the_peak_of_every_square() -> None:
    pattern = np.random.default_rng(0).random((100, 70)).astype(np.float32)
    small = kin.small(pattern)
    assert small.shape == (34, 24)
    assert small[3, 2] == pattern[9:12, 6:9].max()
    assert small[33, 23] == pattern[99:, 69:].max()
    _, (part,) = plate.opened(plate.envelope({}, kin.pack((kin.Relative(0, "", "", pattern),))))
    np.testing.assert_allclose((np.frombuffer(part, np.uint8) / 255.0) ** 2, small.ravel(), atol=0.005)


def test_a_map_of_anything_brings_its_own_words() -> None:
    said = {"rows": "head", "cell": "{query} and {key}"}
    drawn = header(EN, Matrix("t", np.eye(2), ("a", "b"), ("a", "b"), said=said, omit=0), "r", None, 100)
    assert drawn["words"]["rows"] == "head"
    assert drawn["words"]["columns"] == EN("map.columns")
    assert drawn["omit"] == 0


# ---------------------------------------------------------------- recipes


def run(recipe: str, trace: Trace) -> dict[str, np.ndarray]:
    source = [] if trace.source is None else trace.source.tolist()
    known = {"model": trace.model, "tokenizer": WORLD, "ids": trace.ids.tolist(), "source": source, "trace": trace}
    exec(recipe, known)
    return known["numbers"]


@pytest.mark.parametrize("form", [Decoder(), Encoder(), EncoderDecoder(encoder_layers=1)])
def test_recipes_compute_what_the_pictures_show(form: Form) -> None:
    trace = traced(form)
    for where in places(trace.model.config).values():
        heads = [each for each in glance(trace) if each.where == where]
        for measure in measures(heads):
            np.testing.assert_array_equal(run(recipes.finder(measure, where, recipes.glance()), trace)["score"], ranking(heads, measure).scores)
        shown = likeness(trace, where, "says")
        found = run(recipes.likeness(where, "says", True), trace)
        np.testing.assert_array_equal(found["distances"], shown.distances)
        np.testing.assert_array_equal(found["order"], shown.order)
        np.testing.assert_array_equal(run(recipes.reach(where, 1, "flow", "norms"), trace)["rows"], reach(trace, where, 1, "flow", "norms").rows)
        pattern = trace.pattern(0, where.branch, where.stack)[1].numpy()
        np.testing.assert_array_equal(run(recipes.pattern(where, 0, 1), trace)["pattern"], pattern)


def test_the_recipe_for_silencing_is_the_search_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    few = dict.fromkeys(("documents", "repeats", "agreement", "coreference"), 3)
    monkeypatch.setattr(find, "__defaults__", (None, few))
    trace = traced()
    ranked = ranking(find(trace.model, WORLD, Dials(portuguese=0.25)), "induction")
    found = run(recipes.finder("induction", DECODER, recipes.world(Dials(portuguese=0.25))), trace)
    np.testing.assert_array_equal(found["score"], ranked.scores)
    np.testing.assert_array_equal(found["effect"], [effect.nats for effect in ranked.effects if effect])
    alien = run(recipes.finder("induction", DECODER, recipes.foreign(1, 0)), trace)
    assert np.isfinite(alien["error"]).all()
    assert len(alien["error"]) == 8


# ---------------------------------------------------------------- the page


def alone() -> None:
    """The page by itself: what app.py puts above every page is left out."""
    import streamlit

    from components import compute, permalink, theme
    from components.controls import prompt
    from components.i18n import Words
    from components.page import Session
    from components.pages import heads

    said = streamlit.session_state["said"]
    permalink.restore(heads.PAGE.fields)
    words, specimen = Words(said["lang"]), compute.shipped(said["model"])
    heads.PAGE.render(Session(words, theme.LIGHT, specimen, prompt.read(words, specimen, said["text"], said["source"])))
    permalink.publish()


@pytest.fixture
def opened() -> Iterator[Callable[..., AppTest]]:
    def run(text: str = "Ana gave Bento the key. The sky", source: str | None = None, model: str = "", lang: str = "en", **fields: str) -> AppTest:
        app = AppTest.from_function(alone, default_timeout=120)
        app.session_state["said"] = {"text": text, "source": source, "model": model, "lang": lang}
        for name, value in fields.items():
            app.query_params[f"h.{name}"] = value
        return app.run()

    yield run
    st.cache_resource.clear()


def lines(app: AppTest, kind: str) -> list[str]:
    found = [element.proto.body for element in app.get("html")]
    return [html.unescape(re.sub("<[^>]+>", "", body)) for body in found if kind in body]


STATES = (
    {},
    {"text": "", "lang": "pt-BR"},
    {"text": "sky", "way": "flow"},
    {"text": "céu azul " * 60, "way": "flow", "weigh": "norms", "kin": "says", "sink": "0", "lang": "pt-BR"},
    {"measure": "entropy", "layer": "3", "head": "2", "row": "4", "column": "1"},
    {"layer": "90", "head": "90", "row": "4000", "depth": "90", "token": "4000", "where": "cross", "measure": "coreference"},
    {"model": "masked", "text": "The sky ___ blue.", "measure": "coreference"},
    {"model": "translator", "text": "o barco", "source": "the yellow boat is in the river"},
    {"model": "translator", "text": "o barco", "source": "the yellow boat", "where": "encoder", "way": "flow"},
    {"model": "translator", "text": "o barco", "source": "the yellow boat", "where": "decoder", "measure": "induction"},
)


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
def test_every_state_is_drawn_and_told(opened: Callable[..., AppTest], state: dict[str, str]) -> None:
    app = opened(**state)
    assert not app.exception
    trouble = [Words(language)("shell.trouble.unexpected") for language in LANGUAGES]
    assert not set(lines(app, "v-note")) & set(trouble)
    assert len(lines(app, "v-reading")) == (1 if state.get("text") == "" else 6)


def test_a_long_text_says_what_it_leaves_out(opened: Callable[..., AppTest]) -> None:
    notes = lines(opened(text="The sky is blue. " * 20, way="flow"), "v-note")
    assert notes == [EN("heads.reach.long_flow", limit=64, given=102)]


def test_a_shipped_model_shows_at_once_what_lies_beside_it_and_when_it_was_measured(opened: Callable[..., AppTest]) -> None:
    app, stored = opened(), kept(EMBEDDED / FILE)
    assert any(f"{stored.computed:%Y-%m-%d}" in caption.value for caption in app.caption)
    assert app.button(key="heads-start").label == EN("heads.source.again")


@pytest.fixture
def unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In place of the decoder that ships, one that nobody has measured."""
    checkpoints.save(tmp_path / "unknown", Transformer(tiny(), seed=3), WORLD)
    monkeypatch.setattr(compute, "EMBEDDED", tmp_path / "unknown")
    monkeypatch.setattr(study, "questions", lambda config, tokenizer, dials: study.plain(config, (0, 9, 30, 40, 50, 9, 30)))
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def test_an_unknown_model_is_looked_at_first_and_silenced_when_asked(opened: Callable[..., AppTest], unknown: None) -> None:
    app = opened(text="The sky is blue. The sky is")
    assert EN("heads.source.glance") in [caption.value for caption in app.caption]
    assert "Silenced" not in lines(app, "v-reading")[0]
    app.button(key="heads-start").click().run()
    for _ in range(200):
        if any(EN("heads.source.live") in caption.value for caption in app.caption):
            break
        time.sleep(0.05)
        app.run()
    assert any(EN("heads.source.live") in caption.value for caption in app.caption)
    assert "Silenced" in lines(app, "v-reading")[0]
    assert not app.exception


def test_the_table_lists_every_head_as_it_is_kept() -> None:
    stored = kept(EMBEDDED / FILE).heads
    frame = finder.every(EN, stored)
    assert isinstance(frame, pd.DataFrame)
    assert frame[EN("heads.table.score", measure=EN("heads.measure.induction.name"))].tolist() == [each.scores["induction"] for each in stored]
    assert frame[EN("heads.table.distance")].tolist() == [each.distance for each in stored]
