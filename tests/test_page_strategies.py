"""The page of strategies on tiny random models: what is drawn is what the search did, a link says it all, and every text can be taken on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import compute, state, theme
from components.canvas import plate
from components.canvas.beams.growth import PROMPT, grown, path
from components.controls import prompt
from components.i18n import Words
from components.page import Session
from components.pages.strategies import beams, contrastive, filling
from components.writing import COUNT, PICKS, line_of
from model import checkpoints
from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, Fixed, Form, PlainMlp
from model.generation import WAYS, Beams, Contrast, beam_search, contrastive_search, filled
from model.text.tokenizer import BLANK, Tokenizer
from model.transformer import Transformer

EN = Words("en")
FORMS: dict[str, Form] = {"decoder": Decoder(), "masked": Encoder(), "translator": EncoderDecoder(encoder_layers=1)}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with a random model of each form, which reads 40 tokens."""
    folders, heads = {}, Attention(heads=2, kv_heads=1, size=8)
    for name, form in FORMS.items():
        tokenizer = Tokenizer.for_world(*([BLANK] if name == "masked" else []))
        sizes: dict[str, Any] = {"vocabulary": tokenizer.size, "context": 40, "width": 16, "layers": 2, "form": form}
        config = Config(**sizes, attention=heads, mlp=PlainMlp(hidden=32), initialisation=Fixed(deviation=0.4))
        folders[name] = tmp_path_factory.mktemp(name)
        checkpoints.save(folders[name], Transformer(config, seed=3), tokenizer)
    return folders


@pytest.fixture
def opened(shelf: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """`opened("decoder", b_width="3")`: the page alone, about a model of this form, its fields from the link."""
    st.cache_resource.clear()
    st.session_state.clear()

    def run(form: str = "decoder", **parameters: str) -> AppTest:
        monkeypatch.setattr(compute, "EMBEDDED", shelf[form])
        st.cache_resource.clear()
        app = AppTest.from_function(page, default_timeout=60)
        for name, value in ({"lang": "en"} | parameters).items():
            app.query_params[name.replace("_", ".")] = value
        return app.run()

    yield run
    st.session_state.clear()
    st.cache_resource.clear()


def page() -> None:
    """The page by itself, with the state and the address it has in the app."""
    from components import compute, permalink, theme
    from components.controls import header, prompt
    from components.page import Session
    from components.pages.strategies import PAGE

    permalink.restore((*header.FIELDS, *prompt.FIELDS, *PAGE.fields))
    specimen = compute.embedded()
    PAGE.render(Session(header.words(), theme.LIGHT, specimen, prompt.prompt(header.words(), specimen)))
    permalink.publish()


def session_of(form: str, shelf: dict[str, Path], text: str = "The sky") -> Session:
    """A reader who wrote two words."""
    specimen = compute.specimen(checkpoints.load(shelf[form]), form)
    read = prompt.read(EN, specimen, "", text) if form == "translator" else prompt.read(EN, specimen, text)
    return Session(EN, theme.LIGHT, specimen, read)


def canvas(app: AppTest, name: str) -> dict[str, Any]:
    """The header of what the component of this name was last sent."""
    (found,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == f"vitrine.{name}")
    return plate.opened(found.bytes)[0]


def again(recipe: str, session: Session) -> dict[str, np.ndarray]:
    """What a notebook's lines leave, run as it runs them."""
    names: dict[str, Any] = {"model": session.specimen.loaded.model, "ids": list(session.prompt.ids), "source": list(session.prompt.source_ids)}
    exec(recipe, names)
    return names["numbers"]


# ---------------------------------------------------------------- beams


@pytest.mark.parametrize("form", ["decoder", "translator"])
def test_what_is_drawn_is_what_the_search_did(form: str, opened: Callable[..., AppTest], shelf: dict[str, Path]) -> None:
    app = opened(form, text="The sky", b_width="3", b_tokens="6", b_penalty="0.5", b_stop="0")
    assert not app.exception
    session, drawn = session_of(form, shelf), canvas(app, "beams")
    how = Beams(width=3, tokens=6, length_penalty=0.5)
    given, source = session.prompt.given, session.prompt.source_ids or None
    steps = list(beam_search(session.specimen.loaded.model, given, how, source=source))
    assert (drawn["steps"], len(drawn["rows"])) == (6, 5)
    for one, row in zip(steps[-1].finished, drawn["rows"], strict=False):
        assert row["told"]["score"] == EN.number(one.score, 3)
        totals = [drawn["nodes"][at]["total"] for at in row["path"]]
        np.testing.assert_allclose(totals, np.cumsum(one.text.log_probabilities), atol=1e-5)
    assert [row["kind"] for row in drawn["rows"]] == ["found"] * 3 + ["greedy", "drawn"]
    assert sum(node["fate"] == "alive" and node["death"] is not None for node in drawn["nodes"]) == sum(len(step.dead) for step in steps)


def test_every_node_grew_from_the_column_before_and_the_dead_say_why() -> None:
    heads = Attention(heads=2, kv_heads=2, size=8)
    config = Config(vocabulary=30, context=32, width=16, layers=1, attention=heads, initialisation=Fixed(deviation=0.5))
    steps = list(beam_search(Transformer(config, seed=1).eval(), (1, 2), Beams(width=4, tokens=8, stop=7)))
    nodes = grown(steps)
    for node in nodes:
        assert node.parent == PROMPT if node.step == 0 else nodes[node.parent].step == node.step - 1
        if node.death is not None:
            assert node.death.total <= node.death.bar
    for step in steps:
        column = [node for node in nodes if node.step == step.index]
        assert [node.lane for node in column] == list(range(len(column)))
        going = [node.total for node in column if node.fate not in ("crowded", "late")]
        assert going == sorted(going, reverse=True)
        assert sum(node.fate in ("crowded", "late") for node in column) == len(step.dead)
    for one in steps[-1].finished:
        assert [nodes[at].id for at in path(nodes, one.text.ids)] == list(one.text.ids)


def test_the_lines_of_the_notebook_leave_the_pictures_numbers(shelf: dict[str, Path], opened: Callable[..., AppTest]) -> None:
    session = session_of("decoder", shelf)
    found = beams._found(session)
    frame, numbers = beams._table(session, found), again(beams._again(session, found.how), session)
    for name in ("step", "id", "nats", "total"):
        np.testing.assert_allclose(numbers[name], frame[EN(f"strategies.table.{name}")], atol=1e-6)


def test_a_text_goes_on_at_the_generation_page_token_by_token(shelf: dict[str, Path], opened: Callable[..., AppTest]) -> None:
    session = session_of("decoder", shelf)
    ids = beams._found(session).best.ids
    state.put(PICKS, tuple(enumerate(ids)))
    state.put(COUNT, len(ids))
    assert tuple(step.id for step in line_of(session).steps) == ids


# ---------------------------------------------------------------- contrastive search


@pytest.mark.parametrize("form", ["decoder", "translator"])
def test_every_candidate_is_shown_with_what_it_resembles(form: str, opened: Callable[..., AppTest], shelf: dict[str, Path]) -> None:
    app = opened(form, text="The sky", b_way="contrastive", b_alpha="0.5", b_k="3", b_n="6", b_at="3")
    assert not app.exception
    session, drawn = session_of(form, shelf), canvas(app, "contrast")
    given, source = session.prompt.given, session.prompt.source_ids or None
    steps = list(contrastive_search(session.specimen.loaded.model, given, Contrast(alpha=0.5, top_k=3, tokens=6), source=source))
    assert (drawn["at"], len(drawn["steps"]), len(drawn["given"])) == (2, 6, len(given))
    for step, shown in zip(steps, drawn["steps"], strict=True):
        assert shown["chosen"] == step.chosen
        for trial, bar in zip(step.trials, shown["trials"], strict=True):
            assert [bar["share"], bar["likeness"], bar["score"]] == pytest.approx([trial.probability, trial.likeness, trial.score], abs=1e-6)
            assert bar["place"] == trial.place < len(given) + step.index


def test_the_lines_of_the_contrastive_notebook_leave_its_numbers(shelf: dict[str, Path], opened: Callable[..., AppTest]) -> None:
    session = session_of("decoder", shelf)
    pair = contrastive._pair(session)
    frame, numbers = contrastive._table(session, pair), again(contrastive._again(session, pair.how), session)
    for name, values in numbers.items():
        np.testing.assert_allclose(values, frame[EN(f"strategies.table.{name}")], atol=1e-6)


# ---------------------------------------------------------------- blanks


BLANKS = "The ___ is ___ the ___."


def test_blanks_are_filled_in_every_way(opened: Callable[..., AppTest], shelf: dict[str, Path]) -> None:
    app = opened("masked", text=BLANKS, b_rounds="3")
    assert not app.exception
    session, drawn = session_of("masked", shelf, BLANKS), canvas(app, "fillings")
    ids, blank = session.prompt.ids, session.prompt.ids[session.prompt.blanks[0]]
    for way, shown in zip(WAYS, drawn["ways"], strict=True):
        found = filled(session.specimen.loaded.model, ids, blank, way, rounds=3)
        assert (shown["filled"], shown["pseudo"]) == (EN.number(found.log_probability, 2), EN.number(found.pseudo, 2))
        assert {int(place): line[-1]["share"] for place, line in shown["put"].items()} == {
            place: pytest.approx(put.probability, abs=1e-6) for place, put in found.last.items()
        }
    state.put(filling.ROUNDS, 3)
    frame, numbers = filling._table(session, filling._found(session)), again(filling._again(session), session)
    for name, values in numbers.items():
        np.testing.assert_allclose(values, frame[EN(f"strategies.table.{name}")], atol=1e-5)


def test_without_two_blanks_it_says_so_and_offers_a_text(opened: Callable[..., AppTest]) -> None:
    app = opened("masked", text="The sky is ___.")
    assert EN("strategies.filling.few") in "".join(element.proto.body for element in app.html)
    app.button(key="try-filling-0").click().run()
    assert not app.exception
    assert len(canvas(app, "fillings")["ways"]) == 4


def test_a_translation_is_held_against_the_grammars_own(shelf: dict[str, Path], opened: Callable[..., AppTest]) -> None:
    specimen = compute.specimen(checkpoints.load(checkpoints.TRANSLATOR), "translator")
    session = Session(EN, theme.LIGHT, specimen, prompt.read(EN, specimen, "", "the red keys are in the garden"))
    said = beams._told(session, beams._found(session))
    assert EN("strategies.beams.right_both", reference="as chaves vermelhas estão no jardim") in said
    unknown = Session(EN, theme.LIGHT, specimen, prompt.read(EN, specimen, "", "the zordo"))
    assert beams._judged(unknown, beams._found(unknown)) == ""
