"""The families page: every family has its words, one or two are drawn, run in miniature and trained; all of it lives in the link."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import runs
from components.canvas.lineage import Entry, layout, received
from components.figures import masklet
from components.i18n import LANGUAGES, Words
from components.pages.families import choice, training
from components.permalink import parse as read_link
from model.analysis.places import own, places
from model.config import Decoder, Encoder, EncoderDecoder
from model.cost import parameters
from model.errors import Refusal
from model.families import FAMILIES, find

ENTRIES = [Entry("old", "Old", 2017), Entry("new", "New", 2023), Entry("newer", "Newer", 2023)]
DECODER, ENCODER, PAIR = "gpt2", "bert-base-uncased", "t5-small"


# ---------------------------------------------------------------- words and fields


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_says_what_it_changed_and_why(family: Any, language: str) -> None:
    for told in ("title", "changed", "why"):
        assert Words(language)(f"families.family.{family.name}.{told}")


def test_nothing_is_told_of_families_that_are_not_there() -> None:
    from components.i18n import catalogue

    told = {key.split(".")[2] for key in catalogue("en") if key.startswith("families.family.")}
    assert told == {family.name for family in FAMILIES}


def test_every_choice_travels_in_the_link() -> None:
    given = {"f.a": "t5-11b", "f.b": "gpt2-xl", "f.part": "cross.heads", "f.width": "96", "f.layers": "4", "f.heads": "8", "f.seed": "7"}
    given |= {"f.weights": "here", "f.where": "cross", "f.layer": "2", "f.head": "3", "f.seconds": "10"}
    values, refused = read_link(choice.FIELDS, given)
    assert not refused
    assert {field.name: field.write(value) for field, value in values.items()} == given


FORGED = [("f.a", "gpt5"), ("f.b", "x"), ("f.width", "640"), ("f.layers", "12"), ("f.seconds", "9000"), ("f.where", "up")]


@pytest.mark.parametrize(("name", "given"), FORGED)
def test_what_the_page_does_not_offer_is_refused(name: str, given: str) -> None:
    assert read_link(choice.FIELDS, {name: given}) == ({}, (name,))


# ---------------------------------------------------------------- the line of families


def test_families_stand_at_their_years_in_order() -> None:
    sent = layout(Words("en"), list(reversed(ENTRIES)), ("new",))
    assert [year["year"] for year in sent["years"]] == [2017, 2023]
    assert {each["name"] for each in sent["years"][1]["families"]} == {"new", "newer"}
    assert sent["titles"] == ["New"]


def test_only_a_family_in_one_of_two_places_comes_back() -> None:
    assert received({"slot": 1, "family": "new"}, ENTRIES) == (1, "new")
    assert received({"slot": 1, "family": ""}, ENTRIES) == (1, "")
    for rubbish in (None, {}, {"slot": 0, "family": ""}, {"slot": 2, "family": "new"}, {"slot": 0, "family": "<b>"}, {"slot": True, "family": "new"}):
        with pytest.raises(Refusal):
            received(rubbish, ENTRIES)


# ---------------------------------------------------------------- masks as pictures


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (3, 9), (40, 100)])
def test_a_mask_is_drawn_cell_by_cell_or_region_by_region(shape: tuple[int, int]) -> None:
    allowed = np.zeros(shape, bool)
    allowed[0, 0] = allowed[-1, -1] = True
    cells = masklet.svg(allowed).count("v.86h-.86z")
    assert cells == len({(0, 0), (shape[0] - 1, shape[1] - 1)})
    assert max(masklet.size(allowed)) == masklet.LARGEST
    assert "#" not in masklet.address(allowed)


# ---------------------------------------------------------------- the page


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A short examination, and no caches of other tests' models."""
    monkeypatch.setattr(runs, "EXAMINED", 20)
    monkeypatch.setattr(runs, "PROBES", 2)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def alone() -> None:
    """The page by itself."""
    import streamlit

    from components import compute, permalink, theme
    from components.controls import prompt
    from components.i18n import Words
    from components.page import Session
    from components.pages import families

    said = streamlit.session_state["said"]
    permalink.restore(families.PAGE.fields)
    words, specimen = Words(said["lang"]), compute.embedded()
    families.PAGE.render(Session(words, theme.LIGHT, specimen, prompt.read(words, specimen, said["text"])))
    permalink.publish()


@pytest.fixture
def opened() -> Callable[..., AppTest]:
    def run(text: str = "The sky is blue.", lang: str = "en", **parameters: str) -> AppTest:
        app = AppTest.from_function(alone, default_timeout=90)
        app.session_state["said"] = {"text": text, "lang": lang}
        for name, value in parameters.items():
            app.query_params[f"f.{name}"] = value
        return app.run()

    return run


def sent(app: AppTest, name: str) -> Any:
    import json

    (found,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == name)
    return json.loads(found.json)


def said(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.html)


def mended(app: AppTest) -> None:
    assert not app.exception
    assert "v-note" not in said(app)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_family_opens_with_its_drawing_its_story_and_its_sizes(opened: Callable[..., AppTest], family: Any) -> None:
    size = next(iter(family.sizes))
    app = opened(lang="pt-BR", a=size)
    mended(app)
    drawn = sent(app, "vitrine.blueprint")
    assert len(drawn["figures"]) == 1
    assert drawn["figures"][0]["title"].endswith(size)
    assert drawn["legend"] == []
    words = Words("pt-BR")
    assert any(words(f"families.family.{family.name}.why") in element.value for element in app.markdown)
    frame = app.dataframe[0].value
    counted = dict(zip(frame[words("families.sizes.size")], frame[words("families.sizes.parameters")], strict=True))
    assert counted == {name: parameters(each.config) for name, each in family.sizes.items()}


def test_two_families_are_drawn_with_their_differences_lit_and_told(opened: Callable[..., AppTest]) -> None:
    app = opened(a="gpt2", b="llama2-70b", part="mlp")
    mended(app)
    drawn = sent(app, "vitrine.blueprint")
    states = [figure["parts"]["mlp"]["state"] for figure in drawn["figures"]]
    assert states == ["lit", "lit"]
    assert drawn["chosen"] == "mlp"
    assert "differ in" in said(app)
    assert {line["part"] for line in drawn["differences"]} <= set(drawn["figures"][0]["parts"]) | set(drawn["figures"][1]["parts"])


@pytest.mark.parametrize(("first", "second"), [(DECODER, ENCODER), (PAIR, DECODER), ("mistral-7b", "falcon-7b")])
def test_miniatures_have_one_size_and_masks_of_their_own(opened: Callable[..., AppTest], first: str, second: str) -> None:
    app = opened(a=first, b=second, width="32", heads="2")
    mended(app)
    shown = said(app)
    for name in (first, second):
        config = find(name).config
        where = places(config).get("cross") or next(iter(places(config).values()))
        small = choice.miniature(config, vocabulary=60, width=32, heads=2, layers=2)
        assert str(own(small, where)).replace("&", "&amp;") in shown
    assert "random, drawn from seed 0" in " ".join(caption.value for caption in app.caption)


def test_random_weights_are_the_same_for_everybody_and_follow_the_seed(opened: Callable[..., AppTest]) -> None:
    def reading(**fields: str) -> str:
        return next(body for body in said(opened(**fields)).split("\n") if "pairs may look" in body)

    assert reading() == reading()
    assert reading() != reading(seed="1")


def test_a_model_that_ships_is_offered_for_each_form_but_not_twice(opened: Callable[..., AppTest]) -> None:
    both = opened(a=DECODER, b=ENCODER, weights="shipped")
    mended(both)
    assert "Vitrine masked" in said(both)
    alike = opened(a=DECODER, b="llama-7b", weights="shipped")
    mended(alike)
    assert "random, drawn from seed 0" in " ".join(caption.value for caption in alike.caption)


def test_speed_is_measured_when_it_is_asked_for_and_forgotten_when_the_models_change(opened: Callable[..., AppTest]) -> None:
    app = opened(a=DECODER, b=ENCODER, width="32")
    assert "has not been measured" in said(app)
    app.button(key="families-measure").click().run()
    mended(app)
    assert "measured here" in said(app)
    app.button_group(key="w:f.width").set_value(64).run()
    assert "has not been measured" in said(app)


def finish(app: AppTest, patience: float = 60) -> AppTest:
    end = time.monotonic() + patience
    while training_bench(app).alive and time.monotonic() < end:
        time.sleep(0.2)
        app.run()
    return app.run()


def training_bench(app: AppTest) -> training.Bench:
    return app.session_state["vitrine.remembered"]["families.bench"]


@pytest.mark.parametrize(("first", "second", "charts"), [(DECODER, "llama-7b", 1), (DECODER, ENCODER, 2)])
def test_two_families_are_trained_with_one_seed_and_budget_and_then_looked_into(
    opened: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, first: str, second: str, charts: int
) -> None:
    from model.training import Steps

    monkeypatch.setattr(training, "Seconds", lambda length: Steps(count=60))
    app = opened(a=first, b=second, width="32", heads="2", layers="1", seed="5")
    app.button(key="families-train").click().run()
    finish(app)
    mended(app)
    made = training_bench(app)
    assert [job.state for job in made.jobs] == ["done", "done"]
    one, other = (attempt.plan for attempt in made.attempts)
    assert (one.seed, one.recipe) == (other.seed, other.recipe)
    assert len([each for each in app.get("bidi_component") if each.proto.component_name == "vitrine.losscurve"]) == charts
    told = " ".join(element.value for element in app.markdown)
    assert ("cannot be compared" in told) == (charts == 2)
    app.button_group(key="w:f.weights").set_value("here").run()
    mended(app)
    assert "trained below" in " ".join(caption.value for caption in app.caption)
    assert app.query_params["f.weights"] == "here"


def test_a_miniature_that_many_people_cannot_share_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch, opened: Callable[..., AppTest]) -> None:
    monkeypatch.setattr(runs, "STEP_FLOPS", 1e6)
    app = opened(a=DECODER)
    assert not app.exception
    assert "GFLOP" in said(app)
    assert not [button for button in app.button if button.key == "families-train"]


def test_forms_have_names_the_page_knows() -> None:
    for form in (Decoder, Encoder, EncoderDecoder):
        assert Words("en")(f"families.train.task.{form.__name__}")
