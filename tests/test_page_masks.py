"""The masks page: patterns and specifications read each other back, strokes are parsed or refused, and what is shown is the trace's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from components import compute, state, theme
from components.canvas import painter, patterns, scope
from components.canvas.painter import Board, Sheet, received
from components.canvas.patterns import Group, Picture
from components.canvas.plate import visible
from components.controls import mask, prompt
from components.controls.arithmetic import Under
from components.controls.mask import Desk
from components.figures import masking as figures
from components.i18n import Words
from components.pages.masks import answer, bench, costs, leaks, travel
from components.permalink import parse as read_link
from model import checkpoints
from model.analysis import leaking
from model.analysis.masking import LossReading, NextReading
from model.analysis.places import CROSS, Where
from model.config import Attention, Config, PlainMlp
from model.errors import Refusal
from model.layers.masks import Bidirectional, Causal, Painted, Shaded, Spot, parse, parse_plan
from model.text.tokenizer import Tokenizer
from model.trace import Tracer
from model.transformer import Transformer

DECODER = Where("decoder")
PLACES = (DECODER, Where("encoder"), CROSS)
SPEC, PAINT = mask.SHEETS["decoder"].fields
ROOT = Path(__file__).parents[1]
TEXT = "The sky is blue. The grass is green."
LABELS = {name: name for name in ("axis_token", "axis_probability", "axis_position", "axis_loss", "default", "masked", "told")}
LABELS["change"] = "{value} pp"


def booleans(specification: str, length: int) -> np.ndarray:
    return parse(specification).build(length).numpy()


# ---------------------------------------------------------------- patterns and specifications


def desk(length: int, where: Where = DECODER, keys: int | None = None) -> Desk:
    return Desk(where, length, keys or length)


@given(some.sampled_from(PLACES), some.integers(1, 60))
def test_a_pattern_is_recognised_in_its_own_specification(where: Where, number: int) -> None:
    for name in mask.SHEETS[where.name].names[:-1]:
        numbers = tuple(number + at for at in range(len(mask.NUMBERS.get(name, ()))))
        assert mask.recognised(where, parse_plan(str(mask.made(where, name, numbers))).everywhere) == (name, numbers)


@pytest.mark.parametrize("specification", ["causal & window(3) & prefix(2)", "window(3)", "causal & packed(2,3)", "~causal", "prefix(2) | causal"])
def test_any_other_combination_is_ones_own(specification: str) -> None:
    assert mask.recognised(DECODER, parse_plan(specification).everywhere) == (mask.OWN, ())


@pytest.mark.parametrize("length", [1, 2, 3, 7, 64, 1_024])
def test_every_pattern_of_the_gallery_can_be_built_at_every_length(length: int) -> None:
    for where in PLACES:
        at = desk(length, where, keys=length + 3 if where == CROSS else length)
        for name in at.sheet.names:
            assert at.build(at.made(name, at.numbers(name))).shape == (at.queries, at.keys)


@pytest.mark.parametrize("name", ["left", "right", "prefix", "window", "packed"])
def test_a_pattern_shows_something_even_in_a_short_text(name: str) -> None:
    assert not np.array_equal(desk(4).build(desk(4).made(name, desk(4).numbers(name))), booleans("causal", 4))


@given(some.integers(1, painter.WIDEST), some.integers(0, 2**32 - 1))
def test_a_painted_mask_travels_in_the_link(length: int, seed: int) -> None:
    painted = Painted.of(np.random.default_rng(seed).random((length, length)) < 0.5)
    for paintings in (((None, painted),), ((None, painted), (Spot(2), painted), (Spot(2, 5), painted))):
        values, refused = read_link((PAINT,), {"m.paint": PAINT.write(paintings)})
        assert values == {PAINT: paintings}
        assert not refused


FORGED = ["", "4", "4.", "4.!!!!", "0.eNpjAAAAAQAB", "257.eNpjAAAAAQAB", "9.eNpjAAAAAQAB", "²." + state.pack(b"\x00"), "4." + "A" * 9_000]


@pytest.mark.parametrize("given", [*FORGED, "L:4." + state.pack(b"\x00\x00"), "L2.H:4.x", "x:4." + state.pack(b"\x00\x00")])
def test_a_forged_painting_is_refused(given: str) -> None:
    with pytest.raises(Refusal):
        PAINT.read(given)


def test_a_painting_that_inflates_without_end_is_refused() -> None:
    with pytest.raises(Refusal, match="damaged"):
        PAINT.read("4." + state.pack(bytes(50_000_000)))


def test_a_link_with_an_unreadable_specification_falls_back() -> None:
    values, refused = read_link((SPEC,), {"m.spec": "causal & windw(2)"})
    assert (values, refused) == ({}, ("m.spec",))


# ---------------------------------------------------------------- where it acts


def test_a_head_can_have_a_mask_of_its_own_and_lose_it_again(opened: Callable[..., AppTest]) -> None:
    app = opened(spec="causal; L1: causal & window(3); L2.H1: bidirectional", at="L2.H1")
    assert not app.exception
    np.testing.assert_array_equal(shown(app), booleans("bidirectional", 11))
    chips = sent(app, "vitrine.scope")["chips"]
    assert [(chip["layer"], chip["head"]) for chip in chips] == [(-1, -1), (1, -1), (2, 1)]
    assert chips[1]["told"] == "Layer 2: Sliding window (3)"
    specification(app).set_value("causal; L1: causal & window(3)").run()
    np.testing.assert_array_equal(shown(app), booleans("causal", 11))
    assert len(sent(app, "vitrine.scope")["chips"]) == 2


def test_the_gallery_and_the_painter_change_the_mask_in_hand_alone(opened: Callable[..., AppTest]) -> None:
    app = opened(spec="causal; L1: causal & window(3)", at="L1")
    app.slider(key="w:m.window").set_value(5).run()
    assert specification(app).value == "causal; L1: causal & window(5)"
    app.button(key="combine-or").click().run()
    assert specification(app).value == "causal; L1: causal & window(5) | causal | prefix(3)"


def test_a_layer_has_a_painting_of_its_own(opened: Callable[..., AppTest]) -> None:
    one, other = np.eye(11, dtype=bool), booleans("~causal", 11)
    painted = PAINT.write(((None, Painted.of(one)), (Spot(2), Painted.of(other))))
    np.testing.assert_array_equal(shown(opened(spec="painted; L2: painted", paint=painted)), one)
    np.testing.assert_array_equal(shown(opened(spec="painted; L2: painted", paint=painted, at="L2")), other)


def test_what_the_model_has_not_rests_and_is_told(opened: Callable[..., AppTest]) -> None:
    app = opened(spec="causal; L9: bidirectional; L1.H7: bidirectional", at="L9")
    assert not app.exception
    np.testing.assert_array_equal(shown(app), booleans("causal", 11))
    assert "no L9, L1.H7" in said(app)
    assert "the mask leaves every weight as it was" in said(app)


def test_only_the_head_with_a_mask_of_its_own_looks_elsewhere(opened: Callable[..., AppTest]) -> None:
    plan = {"spec": "causal; L2.H1: causal & window(1)", "layer": "3"}
    assert "the mask leaves every weight as it was" in said(opened(**plan, head="1"))
    assert "of the attention goes elsewhere" in said(opened(**plan, head="2"))


NOWHERE = [None, 3, {}, {"act": "go"}, *({"act": act, "layer": layer, "head": 0} for act, layer in (("go", 3), ("go", -1), ("x", 0)))]


@pytest.mark.parametrize("given", NOWHERE)
def test_what_is_no_layer_and_no_head_is_refused(given: Any) -> None:
    with pytest.raises(Refusal, match="gone to or removed"):
        scope.received(given, scope.Reach(3, 2, ()))


def test_a_soft_mask_is_drawn_fainter_with_distance_and_hides_nothing() -> None:
    at = desk(9)
    weight = at.weight(at.made("alibi", (1,)))
    assert weight is not None
    assert (np.diag(weight) == 1).all()
    assert (np.diff(weight[8]) > 0).all()
    assert at.build(at.made("alibi", (1,))).sum() == 45
    assert at.weight(at.made("window", (3,))) is None


# ---------------------------------------------------------------- what the browser sends


def stroke(allowed: np.ndarray, revision: int) -> dict[str, Any]:
    rows, columns = allowed.shape
    return {"rows": rows, "columns": columns, "revision": revision, "bits": base64.b64encode(painter.packed(allowed)).decode(), "stroke": 1}


def test_a_stroke_is_taken_on_the_picture_it_was_painted_on_and_keeps_its_revision() -> None:
    board, before, after = Board(), booleans("causal", 9), booleans("causal & window(2)", 9)
    revision = board.show(before)
    taken = board.take(stroke(after, revision))
    assert taken is not None
    np.testing.assert_array_equal(taken, after)
    assert board.show(after) == revision


def test_a_late_stroke_on_a_picture_that_was_replaced_is_dropped() -> None:
    board = Board()
    old = board.show(booleans("causal", 9))
    new = board.show(booleans("bidirectional", 9))
    assert new == old + 1
    assert board.take(stroke(booleans("~causal", 9), old)) is None
    assert board.show(booleans("bidirectional", 9)) == new


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        [],
        {},
        {"rows": 3, "columns": 3, "revision": 1},
        {"rows": "3", "columns": 3, "revision": 1, "bits": "AAA="},
        {"rows": 3, "columns": 3, "revision": 1, "bits": "AA=="},
        {"rows": 3, "columns": 6, "revision": 1, "bits": "AAA="},
        {"rows": 3, "columns": 3, "revision": 1, "bits": "not base64"},
        {"rows": 0, "columns": 3, "revision": 1, "bits": ""},
        {"rows": -3, "columns": -3, "revision": 1, "bits": "AAA="},
        {"rows": 257, "columns": 1, "revision": 1, "bits": base64.b64encode(bytes(33)).decode()},
    ],
)
def test_a_stroke_of_another_shape_is_refused(given: Any) -> None:
    with pytest.raises(Refusal, match="a stroke has"):
        received(given)


def test_a_choice_that_is_no_picture_is_refused() -> None:
    with pytest.raises(Refusal, match="causal"):
        patterns.received("<script>", [Group("", (Picture("causal", "", "Causal", b""),))])


# ---------------------------------------------------------------- what is sent


def test_the_painter_is_sent_every_bit_up_to_256_tokens_and_regions_above() -> None:
    for length, block, editable in ((5, 1, True), (64, 1, True), (65, 2, True), (256, 4, True), (257, 5, False), (1_024, 16, False)):
        allowed = booleans("causal & window(9)", length)
        sent = painter.layout(Sheet(allowed, ["a"] * length, ["a"] * length), 3, {})
        cells = base64.b64decode(sent["cells"])
        assert (sent["block"], sent["editable"]) == (block, editable)
        if editable:
            np.testing.assert_array_equal(painter.unpacked(cells, length, length), allowed)
        else:
            side = -(-length // block)
            assert len(cells) == side * side
            assert cells[0] == round(255 * allowed[:block, :block].mean())


def test_what_was_painted_names_revision_and_bits() -> None:
    one, other = (painter.layout(Sheet(booleans(spec, 6), "abcdef", "abcdef"), 2, {})["painted"] for spec in ("causal", "bidirectional"))
    assert one.startswith("2.")
    assert one != other


def test_a_picture_says_of_every_cell_whether_and_how_much() -> None:
    causal, weight = booleans("causal", 5), np.tri(5) * 0.2
    np.testing.assert_array_equal(np.frombuffer(patterns.cells(causal), np.uint8).reshape(5, 5), 255 * causal)
    np.testing.assert_array_equal(np.frombuffer(patterns.cells(causal, weight), np.uint8).reshape(5, 5), 51 * causal)


@pytest.mark.parametrize("length", [32, 33, 300, 1_024])
def test_a_picture_of_a_long_text_is_lit_wherever_a_pair_is_allowed(length: int) -> None:
    block = -(-length // patterns.SIDE)
    one = np.zeros((length, length), bool)
    one[length - 1, 0] = True
    side = -(-length // block)
    lit = np.frombuffer(patterns.cells(one, np.full(one.shape, 1e-6)), np.uint8).reshape(side, side)
    assert np.argwhere(lit).tolist() == [[side - 1, 0]]


def test_pictures_are_sent_in_their_groups_one_after_the_other() -> None:
    causal, full = (patterns.cells(booleans(name, 5)) for name in ("causal", "bidirectional"))
    one, other = Picture("causal", "C", "Causal", causal), Picture("full", "F", "Full", full)
    sent = patterns.layout("title", [Group("a", (one,)), Group("b", (other,))], "causal", (5, 5))
    assert base64.b64decode(sent["cells"]) == causal + full
    assert [group["label"] for group in sent["groups"]] == ["a", "b"]
    assert sent["groups"][1]["pictures"] == [{"name": "full", "label": "F", "title": "Full"}]


# ---------------------------------------------------------------- charts


def test_bars_show_both_probabilities_on_a_fixed_scale_with_their_difference() -> None:
    reading = NextReading(np.array([4, 9]), np.array([0.75, 0.1], np.float32), np.array([0.05, 0.42], np.float32), 1.0)
    figure: Any = figures.next_tokens(reading, [" blue", "<b>x</b>"], LABELS, theme.layout(theme.LIGHT))
    default, masked, change = figure.data
    np.testing.assert_array_equal(default.x, reading.default)
    np.testing.assert_array_equal(masked.x, reading.masked)
    assert [text.strip() for text in change.text] == ["−70 pp", "+32 pp"]
    low, high = figure.layout.xaxis.range
    assert low == 0
    assert high >= 1
    assert list(figure.layout.yaxis.ticktext) == ["blue", "&lt;b&gt;x&lt;/b&gt;"]


@pytest.mark.parametrize("length", [2, 12, 40, 41, 500])
def test_losses_are_drawn_whole_and_what_was_told_is_marked(length: int) -> None:
    generator = np.random.default_rng(0)
    default, masked = generator.random((2, length)).astype(np.float32)
    told = np.arange(length) < length // 2
    figure: Any = figures.losses(LossReading(default, masked, told), ["<i>"] * length, LABELS, theme.layout(theme.LIGHT))
    traces = figure.data
    by_name = {trace.name: trace for trace in traces}
    np.testing.assert_array_equal(by_name["default"].y, default)
    np.testing.assert_array_equal(by_name["masked"].y, masked)
    assert np.isfinite(by_name["told"].y).sum() == told.sum()
    assert not any("<i>" in str(trace.text) for trace in traces)


# ---------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, tokenizer = tmp_path_factory.mktemp("tiny"), Tokenizer.for_world()
    heads = Attention(heads=2, kv_heads=1, size=8)
    config = Config(vocabulary=tokenizer.size, context=300, width=16, layers=3, attention=heads, mlp=PlainMlp(hidden=32))
    checkpoints.save(folder, Transformer(config, seed=3), tokenizer)
    return folder


def alone() -> None:
    """The page by itself: what app.py puts above every page is left out."""
    import streamlit

    from components import compute, permalink, theme
    from components.controls import prompt
    from components.i18n import Words
    from components.page import Session
    from components.pages import masks

    said = streamlit.session_state["said"]
    permalink.restore(masks.PAGE.fields)
    words, specimen = Words(said["lang"]), compute.embedded()
    masks.PAGE.render(Session(words, theme.LIGHT, specimen, prompt.read(words, specimen, said["text"]), {"inside": "inside"}))
    permalink.publish()


@pytest.fixture
def opened(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    monkeypatch.setattr(compute, "EMBEDDED", tiny)
    st.cache_resource.clear()

    def run(text: str = TEXT, lang: str = "en", **parameters: str) -> AppTest:
        app = AppTest.from_function(alone, default_timeout=60)
        app.session_state["said"] = {"text": text, "lang": lang}
        for name, value in parameters.items():
            app.query_params[f"m.{name}"] = value
        return app.run()

    yield run
    st.cache_resource.clear()


def sent(app: AppTest, name: str) -> dict[str, Any]:
    (found,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == name)
    return json.loads(found.json)


def shown(app: AppTest) -> np.ndarray:
    data = sent(app, "vitrine.painter")
    return painter.unpacked(base64.b64decode(data["cells"]), data["rows"], data["columns"])


def said(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.html)


def specification(app: AppTest) -> Any:
    return app.text_input(key="w:m.draft")


def test_the_first_paint_shows_a_mask_that_changes_something(opened: Callable[..., AppTest]) -> None:
    app = opened()
    assert not app.exception
    assert dict(app.query_params) == {}
    assert sent(app, "vitrine.patterns")["chosen"] == "window"
    np.testing.assert_array_equal(shown(app), booleans("causal & window(2)", 11))
    assert "21 of 121 pairs remain" in said(app)
    assert "the mask leaves every weight as it was" not in said(app)


def test_the_default_mask_changes_nothing_and_says_so(opened: Callable[..., AppTest]) -> None:
    app = opened(spec="causal")
    assert sent(app, "vitrine.patterns")["chosen"] == "causal"
    assert "the mask leaves every weight as it was" in said(app)
    assert "nothing changes" in said(app)


def test_a_link_opens_the_same_mask_layer_and_head(opened: Callable[..., AppTest]) -> None:
    app = opened(spec="(causal | prefix(3)) & ~packed(4)", layer="3", head="2")
    assert sent(app, "vitrine.patterns")["chosen"] == mask.OWN
    np.testing.assert_array_equal(shown(app), booleans("(causal | prefix(3)) & ~packed(4)", 11))
    assert "Layer 3, head 2:" in said(app)


def test_a_link_opens_a_painted_mask_and_a_combination_with_it(opened: Callable[..., AppTest]) -> None:
    allowed = np.random.default_rng(0).random((11, 11)) < 0.4
    painted = PAINT.write(((None, Painted.of(allowed)),))
    np.testing.assert_array_equal(shown(opened(spec="painted", paint=painted)), allowed)
    both = shown(opened(spec="painted & window(3)", paint=painted))
    np.testing.assert_array_equal(both, allowed & booleans("window(3)", 11))


def test_a_painted_mask_goes_on_causally_when_the_text_grows(opened: Callable[..., AppTest]) -> None:
    painted = PAINT.write(((None, Painted.of(booleans("bidirectional", 4))),))
    allowed = shown(opened(spec="painted", paint=painted))
    assert allowed[:4, :4].all()
    np.testing.assert_array_equal(allowed[4:], booleans("causal", 11)[4:])


def test_a_slider_rewrites_the_specification(opened: Callable[..., AppTest]) -> None:
    app = opened()
    app.slider(key="w:m.window").set_value(5).run()
    assert specification(app).value == "causal & window(5)"
    np.testing.assert_array_equal(shown(app), booleans("causal & window(5)", 11))


def test_a_typed_specification_moves_the_slider(opened: Callable[..., AppTest]) -> None:
    app = opened()
    specification(app).set_value("causal|prefix(6)").run()
    assert app.slider(key="w:m.prefix").value == 6
    assert sent(app, "vitrine.patterns")["chosen"] == "prefix"


def test_an_unreadable_specification_is_refused_beside_the_field_and_the_picture_stays(opened: Callable[..., AppTest]) -> None:
    app = opened()
    before = sent(app, "vitrine.painter")["painted"]
    specification(app).set_value("causal & windw(2)").run()
    assert not app.exception
    assert specification(app).value == "causal & windw(2)"
    assert "got windw at character 10. The picture still shows causal &amp; window(2)." in said(app)
    assert sent(app, "vitrine.painter")["painted"] == before
    specification(app).set_value("causal").run()
    assert "still shows" not in said(app)
    np.testing.assert_array_equal(shown(app), booleans("causal", 11))


def test_blind_rows_and_leaks_are_told(opened: Callable[..., AppTest]) -> None:
    app = opened(spec="causal & pad_left(3) | prefix(1) & ~causal")
    assert "Row 1 may look at nothing" not in said(app)
    assert "Rows 1, 2, 3 may look at nothing" in said(opened(spec="causal & pad_left(3)"))
    ahead = said(opened(spec="bidirectional"))
    assert "55 of them look ahead: row 1, “⟨begin⟩”, sees “The”" in ahead
    assert "10 tokens were predicted from places that could see them" in ahead


def test_what_it_costs_is_the_readings_own(opened: Callable[..., AppTest]) -> None:
    pairs, flops, cache = opened(spec="causal & window(2)").metric
    assert (pairs.value, pairs.delta) == ("21", "causal: 66")
    assert flops.value == Words("en").count(21 * 4 * 2 * 8 * 3)
    assert (cache.value, cache.delta) == (Words("en").bytes(2 * 2 * 8 * 3 * 4), f"causal: {Words('en').bytes(11 * 2 * 8 * 3 * 4)}")


@pytest.mark.parametrize("text", ["", " ", "<b>sky</b> & *is* {x}", "céu \u0000 \n\t 🙂"])
def test_any_text_has_its_page(opened: Callable[..., AppTest], text: str) -> None:
    for spec in ("causal & window(2)", "~bidirectional"):
        app = opened(text=text, spec=spec)
        assert not app.exception
        assert "Something went wrong" not in said(app)
        assert "<b>" not in said(app)


def test_a_long_text_is_drawn_by_regions_and_not_painted(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is blue. " * 80)
    data = sent(app, "vitrine.painter")
    assert not app.exception
    assert (data["rows"], data["block"], data["editable"]) == (300, 5, False)


def test_the_page_speaks_portuguese(opened: Callable[..., AppTest]) -> None:
    app = opened(lang="pt-BR", spec="causal & pad_left(1)")
    assert not app.exception
    assert "A linha 1 não pode olhar para nada" in said(app)


def test_causal_stands_where_nothing_was_painted() -> None:
    assert (desk(4).made("hand", ()), desk(4, Where("encoder")).made("hand", ())) == (Shaded(Causal()), Shaded(Bidirectional()))


# ---------------------------------------------------------------- below the first pictures


Kept = dict[str, tuple[str, Callable[[], pd.DataFrame], Callable[[], str]]]


@pytest.fixture
def kept(opened: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Kept]:
    """Every exhibit of the page by its key: its sentence, its table and its recipe."""
    found: Kept = {}

    def keep(session: Any, key: str, draw: Any, reading: str, table: Any, recipe: Any = None) -> None:
        draw()
        found[key] = reading, table, recipe

    for room in (answer, bench, costs, leaks, travel):
        monkeypatch.setattr(room, "exhibit", keep)

    def run(**parameters: str) -> Kept:
        app = opened(**parameters)
        assert not app.exception
        assert "Something went wrong" not in said(app)
        return found

    return run


def ids_of(text: str = TEXT) -> list[int]:
    return list(prompt.read(Words("en"), compute.embedded(), text).ids)


PLAN = "causal | prefix(4); L1: causal & window(2); L2.H1: bidirectional + alibi(1)"


def test_recipes_leave_the_numbers_of_the_pictures(kept: Callable[..., Kept]) -> None:
    found: dict[str, Any] = {}
    for key, (_, _, recipe) in kept(spec=PLAN, layer="3", head="2").items():
        model = compute.embedded().loaded.model
        given = {"model": model, "ids": ids_of(), "source": [], "trace": Tracer(model).trace(ids_of()).clone()}
        exec(recipe(), given)
        found[key] = given["numbers"]
    assert found.keys() == {"mask", "maps", "next", "loss", "leaks", "costs", "travel"}
    model, plan = compute.embedded().loaded.model, parse_plan(PLAN)
    masked = Tracer(model).trace(ids_of(), mask=plan.build(3, 2, 11)).clone()
    np.testing.assert_allclose(found["maps"]["masked"], masked.pattern(2)[1].numpy(), atol=1e-6)
    np.testing.assert_array_equal(found["mask"]["allowed"], booleans("causal | prefix(4)", 11))
    np.testing.assert_allclose(found["leaks"]["moved"], leaking.leaks(model, ids_of(), plan).moved, atol=1e-6)
    assert found["leaks"]["leaked"].any()
    reached = leaking.travel(plan, model.config, DECODER, 11, 11).reached
    np.testing.assert_array_equal(found["travel"]["arrival"] <= 3, reached[3])
    at = [*sorted({*costs.LENGTHS, 11})].index(11)
    pairs = [booleans(spec, 11).sum() for spec in ("causal | prefix(4)", "causal & window(2)", "bidirectional")]
    assert found["costs"]["this"][at] == 3 * pairs[0] + 2 * pairs[1] + pairs[2]


def test_a_leak_is_named_with_what_was_exchanged_for_what(kept: Callable[..., Kept]) -> None:
    reading, table, _ = kept(spec="bidirectional")["leaks"]
    found = leaking.leaks(compute.embedded().loaded.model, ids_of(), parse_plan("bidirectional"))
    assert found.worst is not None
    at, token = found.worst
    pieces = prompt.read(Words("en"), compute.embedded(), TEXT).pieces
    assert f"after token {at + 1}, “{visible(pieces[at])}”" in reading
    assert f"token {token + 1}, “{visible(pieces[token])}”, was exchanged for “{visible(pieces[ids_of().index(int(found.by[token]))])}”" in reading
    first = table().iloc[0]
    assert (first["predicted after"], first["exchanged"]) == (at + 1, token + 1)
    assert len(table()) == 55


def test_a_causal_mask_is_not_suspected_until_one_asks(opened: Callable[..., AppTest]) -> None:
    app = opened(spec="causal")
    assert "nothing can leak" in "".join(element.value for element in app.markdown)
    app.button(key="masks-leaks").click().run()
    assert "No prediction changed with a token that was still to come" in said(app)


def test_how_far_news_travels_is_told_layer_by_layer(kept: Callable[..., Kept]) -> None:
    reading, table, _ = kept(spec="causal & window(2)")["travel"]
    for layer, first in ((1, 10), (2, 9), (3, 8)):
        assert f"after {layer} layer{'s' if layer > 1 else ''} back to" in reading
        assert f"(token {first}):" in reading
    assert table().iloc[-1, 2:].tolist() == [2, 3, 4]
    assert "hears from nobody but itself" in kept(spec="causal & window(1)")["travel"][0]


def test_the_curve_counts_what_the_masks_keep(kept: Callable[..., Kept]) -> None:
    frame = kept(spec="causal & window(2)")["costs"][1]()
    for length, this, own, every in frame.itertuples(index=False):
        assert (this, own, every) == (6 * (2 * length - 1), 6 * length * (length + 1) // 2, 6 * length**2)
    assert 11 in frame.iloc[:, 0].tolist()


def test_a_pass_is_timed_when_one_asks(opened: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "SECONDS", 0.05)
    app = opened(spec="causal & window(2)")
    assert "medians of" not in said(app)
    app.button(key="masks-measure").click().run()
    assert not app.exception
    assert "passes each over 300 tokens" in said(app)
    assert "13 of 25 blocks" not in said(app)
    assert "9 of 25 blocks of 64 × 64 pairs" in said(app)


def test_what_happens_when_is_set_and_told(opened: Callable[..., AppTest]) -> None:
    app = opened(spec="causal")
    app.button(key="edge-blind").click().run()
    assert specification(app).value == "causal & pad_left(2)"
    assert "Rows 1, 2 may look at nothing. A softmax over nothing would be 0/0; here their weights are defined as zero (they sum to 0)" in said(app)
    assert ", 0 are not finite" in said(app)
    app.button(key="edge-uneven").click().run()
    assert "2 padding tokens on the left, 1 on the right: 0 looks go there" in said(app)
    app.button(key="edge-other").click().run()
    assert specification(app).value == "painted"
    assert "Painted for 5 tokens, and the text has 11" in said(app)
    np.testing.assert_array_equal(shown(app), Painted.of(np.ones((5, 5), bool)).build(11).numpy())


# ---------------------------------------------------------------- the arithmetic of what is shown


def test_the_numbers_shown_have_doors_that_carry_the_mask(opened: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[str] = []
    monkeypatch.setattr(st, "switch_page", went.append)
    plan = "causal; L1: causal & window(3) + alibi(1)"
    app = opened(spec=plan, layer="2", head="2", row="5", column="4")
    loaded = checkpoints.load(compute.EMBEDDED)
    masked = Tracer(loaded.model.eval()).trace(ids_of(), mask=parse_plan(plan).build(3, 2, 11))
    weight = Words("en").percent(float(masked.pattern(1)[1, 4, 3]))
    assert app.button(key="arithmetic-masks-masked").label == f"masked {weight}, its arithmetic"
    for key, cell, under in (
        ("masks-masked", "decoder.blocks.1.attn.pattern[1,4,3]", Under("decoder", plan)),
        ("masks-default", "decoder.blocks.1.attn.pattern[1,4,3]", None),
        ("masks-next", f"logits[10,{int(masked.logits[10].argmax())}]", Under("decoder", plan)),
    ):
        app.button(key=f"arithmetic-{key}").click().run()
        assert not app.exception
        values = app.session_state["vitrine.values"]
        assert (str(values["i.cell"]), values["i.mask"]) == (cell, under)
    assert went == ["inside"] * 3
