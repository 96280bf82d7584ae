"""The arithmetic of a number on its page: what it opens with, what a link restores, where a step leads, what is refused."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from components import compute
from components.canvas import plate
from components.canvas.derivation import LISTED, header, sheet
from components.canvas.derivation.telling import Teller, key
from components.canvas.plate import visible
from components.controls import arithmetic
from components.i18n import LANGUAGES, Words
from components.pages.inside.derivation import in_words, terms
from model import checkpoints
from model.analysis.derivation import RULES, Number, derive, recipe, value
from model.config import Attention, Config, PlainMlp
from model.errors import Refusal
from model.layers.masks import parse_plan
from model.text.tokenizer import Tokenizer
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told
from tests.pages import said
from tests.test_derivation import places, some, traced

ROOT = Path(__file__).parents[1]
EN = Words("en")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random model of the micro-world's vocabulary."""
    folder, tokenizer = tmp_path_factory.mktemp("tiny"), Tokenizer.for_world()
    heads = Attention(heads=2, kv_heads=1, size=8)
    config = Config(vocabulary=tokenizer.size, context=48, width=16, layers=2, attention=heads, mlp=PlainMlp(hidden=32))
    checkpoints.save(folder, Transformer(config, seed=3), tokenizer)
    return folder


@pytest.fixture
def opened(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    monkeypatch.setattr(compute, "EMBEDDED", tiny)
    st.cache_resource.clear()
    st.session_state.clear()

    def run(**parameters: str) -> AppTest:
        app = AppTest.from_function(page, default_timeout=60)
        for name, given in ({"lang": "en"} | parameters).items():
            app.query_params[name.replace("_", ".")] = given
        return app.run()

    yield run
    st.session_state.clear()
    st.cache_resource.clear()


def page() -> None:
    """The block by itself, with the state and the address it has in the app."""
    from components import compute, permalink, theme
    from components.controls import arithmetic, header, prompt
    from components.page import Session
    from components.pages.inside.derivation import FIELDS, derived

    permalink.restore((*header.FIELDS, *prompt.FIELDS, *FIELDS))
    specimen = compute.embedded()
    session = Session(header.words(), theme.LIGHT, specimen, prompt.prompt(header.words(), specimen))
    arithmetic.under_which(session)
    derived(session)


def drawn(app: AppTest) -> dict[str, Any]:
    """What the canvas was last sent."""
    (found,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "vitrine.derivation")
    return plate.opened(found.bytes)[0]


def kept(tiny: Path) -> Trace:
    """The text of the page in its model."""
    loaded = checkpoints.load(tiny)
    assert loaded.tokenizer is not None
    ids = (loaded.tokenizer.begin, *loaded.tokenizer.encode("The sky is").ids)
    return Tracer(loaded.model.eval()).trace(torch.tensor(ids)).clone()


# ---------------------------------------------------------------- the page


def test_it_opens_with_the_logit_of_the_likeliest_next_token(opened: Callable[..., AppTest], tiny: Path) -> None:
    app, trace = opened(), kept(tiny)
    assert not app.exception
    found = Number.parse(drawn(app)["address"])
    assert found == Number("logits", (3, int(trace.logits[3].argmax())))
    assert drawn(app)["value"] == EN.number(value(trace, found))
    assert drawn(app)["trail"] == []
    assert dict(app.query_params) == {"lang": "en"}


def test_a_link_opens_a_number_and_the_way_to_it(opened: Callable[..., AppTest], tiny: Path) -> None:
    app = opened(i_cell="decoder.blocks.1.attn.pattern[1,3,2]", i_trail="logits[3,7]~decoder.blocks.1.after[3,5]")
    sent = drawn(app)
    assert sent["place"] == "Layer 2, head 2: how much “is” looks at “sky”"
    assert sent["trail"] == [f"logit “{visible(Tokenizer.for_world().piece(7))}”", "residual stream after, 2"]
    assert sent["value"] == EN.number(float(kept(tiny).pattern(1)[1, 3, 2]))
    assert sum(row["own"] for row in sent["rows"]) == 1


@pytest.mark.parametrize("forged", ["decoder.blocks.9.before[0,0]", "logits[400,0]", "logits[0]", "encoder.norm[0,0]", "nowhere[1]"])
def test_a_number_that_is_not_there_is_one_calm_sentence_and_the_default(opened: Callable[..., AppTest], forged: str) -> None:
    app = opened(i_cell=forged)
    assert not app.exception
    assert f"This model and text have no {forged}" in said(app)
    assert drawn(app)["address"].startswith("logits[3,")


def test_a_step_of_the_trail_that_is_not_there_is_left_out(opened: Callable[..., AppTest]) -> None:
    assert len(drawn(opened(i_cell="logits[1,1]", i_trail="logits[99,1]~decoder.norm[1,1]"))["trail"]) == 1


def test_an_empty_text_has_a_number_too(opened: Callable[..., AppTest]) -> None:
    app = opened(text="")
    assert not app.exception
    assert drawn(app)["address"].startswith("logits[0,")


def test_the_picker_goes_to_any_site_and_index(opened: Callable[..., AppTest]) -> None:
    app = opened()
    app.session_state["derivation-picker"] = True
    app.run()
    app.selectbox(key="w:i.site").set_value("decoder.blocks.0.attn.scores").run()
    assert drawn(app)["address"].startswith("decoder.blocks.0.attn.scores[")
    app.selectbox(key="w:i.at.1").set_value(2).run()
    app.selectbox(key="w:i.at.2").set_value(1).run()
    assert drawn(app)["address"].endswith(",2,1]")
    assert app.query_params["i.cell"] in (drawn(app)["address"], [drawn(app)["address"]])


def test_the_code_and_the_same_once_more_stand_behind_their_buttons(opened: Callable[..., AppTest]) -> None:
    app = opened(i_cell="decoder.blocks.1.attn.scores[1,3,2]")
    app.session_state["derivation-code"] = app.session_state["derivation-again"] = True
    app.run()
    shown, lines = (block.value for block in app.code)
    assert "torch.baddbmm(bias, *pairs, alpha=self.scale" in shown
    assert "again = q @ k.transpose(1, 2) / 8 ** 0.5" in lines
    assert "Largest difference from the pass:" in said(app)


def test_attentions_cell_has_a_door_to_its_arithmetic(opened: Callable[..., AppTest]) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, given in {"lang": "en", "a.layer": "2", "a.head": "2", "a.row": "4", "a.column": "3"}.items():
        app.query_params[name] = given
    app.run().button(key="arithmetic-attention").click().run()
    assert not app.exception
    assert drawn(app)["address"] == "decoder.blocks.1.attn.pattern[1,3,2]"
    assert drawn(app)["arrived"] > 0


# ---------------------------------------------------------------- the sheet


def teller(config: Config, language: str = "en") -> Teller:
    words = tuple(f" {name}" for name in "abcdefgh")
    return Teller(Words(language), config, words, words, lambda id: f"w{id}")


@pytest.mark.parametrize("config", [config for config in EVERY if config.attention.kv_heads == 3], ids=told)
def test_every_site_can_be_told_drawn_and_listed(config: Config) -> None:
    trace = traced(config)
    for language in LANGUAGES:
        for site in places(config):
            number = some(trace, site, 1)[0]
            found = derive(trace, number)
            sent = json.loads(json.dumps(header(Words(language), sheet(teller(config, language), found, (number,)))))
            assert sent["address"] == str(number)
            assert len(sent["rows"]) <= LISTED + 1
            assert sent["worked"][-1].endswith(sent["value"])
            assert in_words(teller(config, language), found)
            assert len(terms(Words(language), found)) == len(found.terms)


@pytest.mark.parametrize("config", EVERY[-12:], ids=told)
def test_what_can_be_followed_is_counted_as_it_is_drawn(config: Config) -> None:
    trace = traced(config)
    for site in places(config):
        laid = sheet(teller(config), derive(trace, some(trace, site, 1)[0]), ())
        drawn = [operand for row in laid.rows for operand in row.operands if operand.follow is not None]
        assert [operand.follow for operand in drawn] == list(range(len(laid.ways)))
        assert [operand.address for operand in drawn] == [str(number) for number in laid.ways]
        assert [operand.value for operand in drawn] == [EN.number(value(trace, number)) for number in laid.ways]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_leaf_has_a_name(language: str) -> None:
    assert all(Words(language).has(f"derivation.name.{key(leaf)}") for leaf in RULES if leaf not in ("cross.q_normed", "cross.k_normed"))


# ---------------------------------------------------------------- under a mask


def test_a_number_of_a_masked_pass_is_that_of_the_mask_in_its_link(opened: Callable[..., AppTest], tiny: Path) -> None:
    plan, default = "causal; L1: causal & window(2) + alibi(1)", kept(tiny)
    app = opened(i_cell="decoder.blocks.1.attn.pattern[1,3,2]", i_mask=f"decoder: {plan}")
    masked = Tracer(default.model).trace(default.ids, mask=parse_plan(plan).build(2, 2, 4))
    assert drawn(app)["value"] == EN.number(float(masked.pattern(1)[1, 3, 2])) != EN.number(float(default.pattern(1)[1, 3, 2]))
    assert f"The text is read here under the mask {html.escape(plan)}." in said(app)
    room = {"model": default.model, "trace": default, "ids": default.ids.tolist(), "source": []}
    under, number = arithmetic.Under("decoder", plan), Number.parse("decoder.blocks.1.attn.pattern[1,3,2]")
    exec(under.again(default.model.config) + recipe(default.model.config, number), room)
    assert room["numbers"]["value"] == pytest.approx(float(masked.pattern(1)[1, 3, 2]), abs=1e-6)
    app.button(key="arithmetic-own").click().run()
    assert drawn(app)["value"] == EN.number(float(default.pattern(1)[1, 3, 2]))


@pytest.mark.parametrize("forged", ["nowhere: causal", "decoder: causl", "causal", "decoder: " + "(" * 99])
def test_a_forged_mask_is_refused(forged: str) -> None:
    with pytest.raises(Refusal):
        arithmetic.UNDER.read(forged)


def test_a_mask_for_a_layer_that_is_not_there_is_told_and_left_out(opened: Callable[..., AppTest], tiny: Path) -> None:
    app = opened(i_cell="decoder.blocks.1.attn.pattern[1,3,2]", i_mask="decoder: causal; L7: bidirectional")
    assert not app.exception
    assert drawn(app)["value"] == EN.number(float(kept(tiny).pattern(1)[1, 3, 2]))
