"""The change page: chips travel in a link and can be had back, what a browser sends is parsed or refused, and what is shown is `compare`'s own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from components import changes, compute
from components.canvas import brush, strip, switches, tiles
from components.canvas.map import Matrix
from components.canvas.strip import Strip, Token
from components.canvas.switches import Panel, Switch
from components.canvas.tiles import Board, Tile
from components.changes import EDITS, Chip, Teller
from components.controls import prompt
from components.i18n import LANGUAGES, Words
from components.pages import change
from components.pages.change import results
from components.pages.change.view import PART
from components.permalink import parse as read_link
from model import checkpoints
from model.analysis import changing
from model.analysis.changing import restoring
from model.config import Attention, Config, Encoder, EncoderDecoder, Fixed, PlainMlp
from model.errors import Refusal
from model.interventions import Output, Prompt, Residual, compare, follow, logit_difference, logits, parse, patching_grid, tap_of
from model.text.tokenizer import Tokenizer
from model.trace import Tracer
from model.transformer import Transformer

TEXT = "The sky is blue. The grass is green."
SPELLED = (
    "silence(L1.H1)",
    "scale(L0.mlp@3-4, 0.5)",
    "replace(L1.H0, H1)",
    "replace(L0.attn, mean)",
    "silence(L1.H0[3,1].renormalised)",
    "paint(L1.H0, 2: 0*2 1 / 4: 0.25*4)",
    "paint(L1.H0, previous)",
    "patch(L1.after@3, 1 2 3 4 5)",
    "steer(L1.after, 1.5, 1 2 | 3 4, 5 6)",
)
SHAPE = Config(
    vocabulary=Tokenizer.for_world().size,
    context=64,
    width=16,
    layers=2,
    attention=Attention(heads=2, kv_heads=2, size=8),
    mlp=PlainMlp(hidden=32),
    initialisation=Fixed(deviation=0.5),
)
FORGED = ("mute(L1)", "off", "off off silence(L1)", "silence(L1);", "~1!!!", "silence(L1); " * 70 + "silence(L1)", "x" * 90_000)


# ---------------------------------------------------------------- chips


@given(some.lists(some.tuples(some.sampled_from(SPELLED), some.booleans()), max_size=12))
def test_chips_travel_in_a_link_the_ones_switched_off_too(drawn: list[tuple[str, bool]]) -> None:
    chips = tuple(Chip(parse(spelled), on) for spelled, on in drawn)
    values, refused = read_link((EDITS,), {"c.edits": EDITS.write(chips)})
    assert values == {EDITS: chips}
    assert not refused


@pytest.mark.parametrize("given", FORGED)
def test_forged_chips_are_refused_and_nothing_is_changed(given: str) -> None:
    values, refused = read_link((EDITS,), {"c.edits": given})
    assert (values, refused) == ({}, ("c.edits",))


@pytest.mark.parametrize("given", ["L", "L1.H", "silence(L1)", "L1) ; silence(L2", "L1.H1[2,2]x", "L" * 900])
def test_a_forged_part_is_refused(given: str) -> None:
    with pytest.raises(Refusal):
        PART.read(given)


def test_painting_a_whole_row_pattern_of_a_long_text_fits_in_a_link() -> None:
    rows = " / ".join(f"{query}: 0*{max(query - 1, 1)} 1" for query in range(2, 1_000))
    chips = (Chip(parse(f"paint(L1.H1, {rows})")),)
    assert EDITS.read(EDITS.write(chips)) == chips


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})


def spelled() -> list[str]:
    return [str(chip) for chip in changes.chips()]


def test_chips_are_switched_moved_removed_and_had_back(desk: None) -> None:
    changes.add(parse(SPELLED[0]))
    changes.add(parse(SPELLED[1]))
    changes.act("toggle", 0)
    assert spelled() == [f"off {SPELLED[0]}", SPELLED[1]]
    changes.act("later", 0)
    assert spelled() == [SPELLED[1], f"off {SPELLED[0]}"]
    changes.act("remove", 0)
    assert spelled() == [f"off {SPELLED[0]}"]
    for _ in range(3):
        changes.undo()
    assert spelled() == [SPELLED[0], SPELLED[1]]
    changes.redo()
    assert spelled() == [f"off {SPELLED[0]}", SPELLED[1]]
    changes.act("clear", 0)
    assert spelled() == []
    changes.redo()
    assert spelled() == []


def test_a_slider_that_goes_on_moving_is_one_step(desk: None) -> None:
    changes.add(parse("scale(L0.mlp, 0.5)"))
    for factor in (0.6, 0.7, 0.8):
        changes.rewrite(0, parse(f"scale(L0.mlp, {factor})"), "factor0")
    changes.undo()
    assert spelled() == ["scale(L0.mlp, 0.5)"]


def test_chips_too_many_for_a_link_change_nothing(desk: None) -> None:
    changes.add(*[parse("silence(L0)")] * changes.MOST)
    changes.add(parse("silence(L1)"))
    assert len(changes.chips()) == changes.MOST
    assert changes.history().refused is not None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_edit_has_a_sentence_of_its_own(language: str) -> None:
    teller = Teller(Words(language), False, {"decoder": ("a", "b", "c", "d", "e")})
    others = ("silence(L1.cross.H0)", "silence(L1.crossed)", "silence(L1)", "paint(L0.H0, uniform)", "paint(L0.H0, H1)")
    told = [teller.edit(parse(each)) for each in (*SPELLED, *others)]
    assert len(set(told)) == len(told)
    assert not any("{" in each for each in told)


def test_an_edit_beyond_the_text_has_no_place_and_the_others_stay() -> None:
    model, prompt = Transformer(SHAPE, seed=0), Prompt((1, 2, 3))
    chips = tuple(Chip(parse(each), on) for each, on in (("silence(L1.H1)", True), ("silence(L1.H1@9)", True), ("silence(L0)", False)))
    assert changes.effective(chips, model, prompt) == (parse("silence(L1.H1)"),)
    refused = changes.unfit(chips[1].edit, model, prompt)
    assert refused is not None
    assert refused.code == "edit.position"


# ---------------------------------------------------------------- what the browser sends


BOARD = Board("parts", (("layer 1", (Tile("L0.H0", "1", "head 1"), Tile("L0.mlp", "MLP", "the MLP", 0.5, "on", True))),), chosen="L0.mlp")
PANEL = Panel((Switch("one", True), Switch("two", False, "no place")), 1)


def test_a_tile_is_named_as_it_was_sent() -> None:
    assert tiles.received({"name": "L0.mlp", "act": "silence"}, ["L0.H0", "L0.mlp"]) == ("L0.mlp", "silence")
    for rubbish in (None, {}, {"name": "L9", "act": "choose"}, {"name": "L0.mlp", "act": "eat"}, {"name": 3, "act": "choose"}):
        with pytest.raises(Refusal):
            tiles.received(rubbish, ["L0.H0", "L0.mlp"])
    drawn = tiles.layout(BOARD)["rows"][0]["tiles"]
    assert [tile["code"] for tile in drawn] == [None, round(127.5 + 127.5 * 0.5**0.5)]


def test_a_chips_act_is_about_the_chips_that_are_there() -> None:
    assert switches.received({"act": "toggle", "at": 1, "revision": PANEL.revision}, PANEL) == ("toggle", 1)
    assert switches.received({"act": "undo", "revision": PANEL.revision}, PANEL) == ("undo", 0)
    now = {"revision": PANEL.revision}
    for rubbish in (None, {"act": "toggle", "at": 2} | now, {"act": "toggle", "at": 0, "revision": "old"}, {"act": "x", "at": 0} | now):
        with pytest.raises(Refusal):
            switches.received(rubbish, PANEL)


def test_tokens_are_chosen_by_their_places() -> None:
    shown = Strip("tokens", (Token("a"), Token("b"), Token("c")), many=True)
    assert strip.received({"chosen": [2, 0, 2]}, shown) == (0, 2)
    for rubbish in (None, {"chosen": [3]}, {"chosen": ["0"]}, {"chosen": [True]}, {"chosen": "0"}):
        with pytest.raises(Refusal):
            strip.received(rubbish, shown)
    with pytest.raises(Refusal):
        strip.received({"chosen": [0, 1]}, Strip("tokens", shown.tokens))


def test_a_stroke_of_the_brush_is_rows_of_weights() -> None:
    assert brush.received({"strokes": 2, "rows": {"1": [0.5, 0.5], "0": [1, 0]}}, 2, 2) == (2, {0: (1.0, 0.0), 1: (0.5, 0.5)})
    for rubbish in (None, {}, *({"strokes": 1, "rows": rows} for rows in ({}, {"2": [1, 0]}, {"0": [1]}, {"0": [0, 0]}, [[1, 0]]))):
        with pytest.raises(Refusal):
            brush.received(rubbish, 2, 2)
    for weight in (float("nan"), -1, 2, "1", None):
        with pytest.raises(Refusal):
            brush.received({"strokes": 1, "rows": {"0": [1, weight]}}, 2, 2)


def test_the_brush_is_sent_every_weight_exactly() -> None:
    values = np.tril(np.random.default_rng(0).random((5, 5))).astype(np.float32)
    sent = brush.layout(Words("en"), Matrix("map", values, ("a",) * 5, ("a",) * 5, allowed=np.tri(5, dtype=bool)), 3)
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(sent["weights"]), "<f4").reshape(5, 5), values)
    assert sent["strokes"] == 3


# ---------------------------------------------------------------- readings


def test_the_likeliest_tokens_are_the_comparisons_own() -> None:
    found = compare(Transformer(SHAPE, seed=0), (1, 2, 3, 4), [parse("silence(L0.mlp)")], at=2)
    reading = changing.next_tokens(found, 5)
    np.testing.assert_allclose(reading.default, found.next.default[reading.ids], rtol=1e-6)
    np.testing.assert_allclose(reading.masked, found.next.changed[reading.ids], rtol=1e-6)
    rest = np.delete(np.maximum(found.next.default, found.next.changed), reading.ids)
    assert rest.max() <= np.maximum(reading.default, reading.masked).min() + 1e-9
    assert reading.divergence == pytest.approx(found.divergence[2])


@pytest.mark.parametrize(("one", "other", "at"), [((), (), None), ((1, 2), (1, 2), None), ((1, 2), (1, 3), 1), ((1,), (1, 2), 1), ((), (4,), 0)])
def test_two_continuations_part_at_their_first_difference(one: tuple[int, ...], other: tuple[int, ...], at: int | None) -> None:
    assert changing.parted(one, other) == at


@pytest.mark.parametrize("site", [Residual(0), Output(0, "attn"), Output(0, "mlp")], ids=str)
def test_shares_are_the_grid_over_the_way_between_the_texts(site: Residual | Output) -> None:
    model, first, second = Transformer(SHAPE, seed=4), Prompt((1, 2, 3, 4)), Prompt((1, 9, 3, 70))
    found = restoring(model, first, second, site, at=-1)
    right, wrong = (int(logits(model, prompt)[-1].argmax()) for prompt in (second, first))
    assert found.answer == (right, wrong)
    ends = [logit_difference(model, prompt, found.answer) for prompt in (first, second)]
    np.testing.assert_allclose(found.shares, patching_grid(model, second.ids, first.ids, site, found.answer) / (ends[1] - ends[0]))
    if isinstance(site, Residual):
        assert found.shares[-1, -1] == pytest.approx(1, abs=1e-4)
        np.testing.assert_allclose(found.shares[-1, :-1], 0, atol=1e-4)


def test_texts_that_lead_to_one_token_have_nothing_to_restore() -> None:
    with pytest.raises(Refusal, match="same token"):
        restoring(Transformer(SHAPE, seed=4), Prompt((1, 2)), Prompt((1, 2)), Residual(0))
    with pytest.raises(Refusal, match="same length"):
        restoring(Transformer(SHAPE, seed=4), Prompt((1, 2)), Prompt((1, 2, 3)), Residual(0))


# ---------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random model of each form."""
    found, tokenizer = {}, Tokenizer.for_world()
    for name, form in {"decoder": None, "encoder": Encoder(), "translator": EncoderDecoder(encoder_layers=2)}.items():
        config = SHAPE if form is None else replace(SHAPE, form=form)
        found[name] = tmp_path_factory.mktemp(name)
        checkpoints.save(found[name], Transformer(config, seed=3), tokenizer)
    return found


def alone() -> None:
    """The page by itself: what app.py puts above every page is left out."""
    import streamlit

    from components import compute, permalink, theme
    from components.controls import prompt
    from components.i18n import Words
    from components.page import Session
    from components.pages import change

    said = streamlit.session_state["said"]
    permalink.restore(change.PAGE.fields)
    words, specimen = Words(said["lang"]), compute.embedded()
    text = ("", said["text"]) if said["source"] else (said["text"],)
    change.PAGE.render(Session(words, theme.LIGHT, specimen, prompt.read(words, specimen, *text)))
    permalink.publish()


@pytest.fixture
def opened(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    def run(text: str = TEXT, lang: str = "en", form: str = "decoder", **parameters: str) -> AppTest:
        monkeypatch.setattr(compute, "EMBEDDED", folders[form])
        st.cache_resource.clear()
        app = AppTest.from_function(alone, default_timeout=60)
        app.session_state["said"] = {"text": text, "lang": lang, "source": form == "translator"}
        for name, value in parameters.items():
            app.query_params[f"c.{name}"] = value
        return app.run()

    yield run
    st.cache_resource.clear()


def sent(app: AppTest, name: str) -> list[dict[str, Any]]:
    return [json.loads(element.proto.json) for element in app.get("bidi_component") if element.proto.component_name == name]


def linked(app: AppTest) -> list[str]:
    """The edits as the link has them."""
    given = dict(app.query_params).get("c.edits", "")
    return [str(chip) for chip in EDITS.read(given if isinstance(given, str) else given[0])]


def said(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.html)


@pytest.mark.parametrize("form", ["decoder", "encoder", "translator"])
@pytest.mark.parametrize("text", ["", "The sky is", "The ___ is blue."])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_form_opens_with_nothing_changed(opened: Callable[..., AppTest], form: str, text: str, lang: str) -> None:
    app = opened(text, lang, form)
    assert not app.exception
    assert Words(lang)("shell.trouble.unexpected") not in said(app)
    assert dict(app.query_params) == {}
    assert Words(lang)("change.chips.empty") in [chips["words"]["empty"] for chips in sent(app, "vitrine.switches")]


@pytest.mark.parametrize("edit", SPELLED)
def test_every_kind_of_edit_is_shown_as_compare_has_it(opened: Callable[..., AppTest], edit: str) -> None:
    app = opened(edits=edit, chip="1")
    assert not app.exception
    assert "shell.trouble" not in said(app)
    (chips,) = sent(app, "vitrine.switches")
    assert [(chip["on"], chip["reason"]) for chip in chips["switches"]] == [(True, "")]
    specimen = compute.embedded()
    ids = (specimen.tokenizer.begin, *specimen.tokenizer.encode(TEXT).ids)
    found = compare(specimen.loaded.model, ids, [parse(edit)])
    assert found.losses is not None
    words = Words("en")
    before, after = (words.number(float(side.mean()), 2) for side in (found.losses.default, found.losses.changed))
    assert f"Loss per token: {before} nats by default, {after} changed" in said(app)
    assert f"{words.number(float(found.divergence[-1]), 2)} nats (KL divergence)" in said(app)


def test_a_switched_off_chip_changes_nothing_and_stays_in_the_link(opened: Callable[..., AppTest]) -> None:
    app = opened(edits="off silence(L1.H1)")
    assert "Nothing is changed yet." in said(app)
    assert linked(app) == ["off silence(L1.H1)"]
    (board,) = [board for board in sent(app, "vitrine.tiles") if board["silences"]]
    marks = {tile["name"]: tile["mark"] for row in board["rows"] for tile in row["tiles"]}
    assert {name for name, mark in marks.items() if mark} == {"L1.H1"}
    assert marks["L1.H1"] == "off"


def test_an_edit_beyond_the_text_is_dimmed_with_its_reason(opened: Callable[..., AppTest]) -> None:
    (chips,) = sent(opened("The sky is", edits="silence(L1.H1@20)"), "vitrine.switches")
    assert chips["switches"][0]["reason"] == "No place here: The positions here are 0 to 3; got 20."


def test_a_forged_link_leaves_the_page_as_it_is(opened: Callable[..., AppTest]) -> None:
    app = opened(edits="silence(L1.H1); boom", part="<b>", at="x", chip="-3")
    assert not app.exception
    assert "Nothing is changed yet." in said(app)
    assert dict(app.query_params) == {}


def test_a_button_makes_a_chip_and_its_slider_moves_it(opened: Callable[..., AppTest]) -> None:
    app = opened(part="L0.mlp")
    app.button(key="change-do-scale").click().run()
    assert linked(app) == ["scale(L0.mlp, 0.5)"]
    app.slider(key="w:c.moved").set_value(2.0).run()
    assert linked(app) == ["scale(L0.mlp, 2)"]


def test_an_example_sets_chips_with_one_click(opened: Callable[..., AppTest]) -> None:
    app = opened()
    app.button(key="change-example-first_layer").click().run()
    assert linked(app) == ["silence(L0.H0)", "silence(L0.H1)"]


def test_a_direction_becomes_an_edit(opened: Callable[..., AppTest]) -> None:
    app = opened("The sky is")
    app.button(key="change-do-steer").click().run()
    assert linked(app)[0].startswith("steer(L1.after, 1, ")


# ---------------------------------------------------------------- recipes


@pytest.mark.parametrize("form", ["decoder", "encoder", "translator"])
def test_recipes_leave_the_numbers_of_the_pictures(opened: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    kept: dict[str, str] = {}

    def keep(session: Any, key: str, draw: Any, reading: str, table: Any, recipe: Any = None) -> None:
        kept[key] = recipe()

    monkeypatch.setattr(results, "exhibit", keep)
    monkeypatch.setattr(change.second, "exhibit", keep)
    edit = {"decoder": "silence(L1.mlp)", "encoder": "silence(encoder.L1.mlp)", "translator": "silence(L1.mlp)"}[form]
    opened("The ___ is blue.", form=form, edits=edit, other="The ___ is green.")
    specimen = compute.embedded()
    words = Words("en")
    read = prompt.read(words, specimen, *(("", "The ___ is blue.") if form == "translator" else ("The ___ is blue.",)))
    ids, source = list(read.ids), list(read.source_ids)
    trace = Tracer(specimen.loaded.model).trace(ids, source=source or None)
    found = {}
    for key, lines in kept.items():
        given = {"model": specimen.loaded.model, "tokenizer": specimen.tokenizer, "ids": ids, "source": source, "trace": trace}
        exec(lines, given)
        found[key] = given["numbers"]
    edits = [parse(edit)]
    plain = compare(specimen.loaded.model, ids, edits, source or None)
    np.testing.assert_allclose(found["change-text"]["kl"], plain.divergence, atol=1e-9)
    np.testing.assert_allclose(found["change-maps"]["difference"], found["change-maps"]["changed"] - found["change-maps"]["default"], atol=1e-9)
    assert found["change-next"]["default"].max() <= 1
    if form == "decoder":
        assert found["change-written"]["changed"].tolist() == list(follow(specimen.loaded.model, ids, edits, tokens=12))
        changed = logits(specimen.loaded.model, Prompt(tuple(ids)), tap_of(edits, specimen.loaded.model)).double().softmax(-1)[-1].numpy()
        np.testing.assert_allclose(found["change-next"]["changed"], changed[found["change-next"]["ids"]], atol=1e-6)
