"""Threads: sums are the trace's own, strong weights keep what they claim, fields say what they hold, and the page shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from components import compute, theme
from components.canvas import plate
from components.canvas import threads as canvas
from components.canvas.threads import HUES, Choice, Limits, by_layer, pack_strong, unpacked_strong
from components.i18n import Words
from components.pages.threads import HEADS, TOKENS, Loom, in_words, recipe, weights
from model.analysis.attention import credits, one_head, overview, rows_at
from model.analysis.places import CROSS, Where, places
from model.analysis.threads import RUNGS, speaking, strong, sunk, threads
from model.config import Alibi, Attention, Config
from model.errors import Refusal
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests import pages
from tests.configs import EVERY, told

ROOT = Path(__file__).parents[1]
EN = Words("en")
HERE = Where("decoder")
PIECES = ("⟨begin⟩", " The", " sky", " is", " blue", ".", " The", " sky", " is", " <b>")


def traced(config: Config, length: int = 10, source: int = 7) -> Trace:
    draw = torch.Generator().manual_seed(2)
    ids, about = (torch.randint(0, config.vocabulary, (size,), generator=draw) for size in (length, source))
    tracer = Tracer(Transformer(config, seed=1).eval().requires_grad_(False))
    return tracer.trace(ids, source=about if CROSS in places(config).values() else None).clone()


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Ten tokens in a model of 2 layers of 3 heads with ALiBi."""
    return traced(Config(vocabulary=50, width=24, layers=2, attention=Attention(heads=3, kv_heads=1, size=8), positions=Alibi()))


LOOM = Loom(HERE, PIECES, PIECES, tuple(range(10)), 0, 9)

# ---------------------------------------------------------------- the reading

SEVERAL = ((1, 2), (0, 0), (1, 0))
EVERYWHERE = [(config, where) for config in EVERY[::9] for where in places(config).values()]


@pytest.mark.parametrize(("config", "where"), EVERYWHERE, ids=[f"{where.name}-{told(config)}" for config, where in EVERYWHERE])
def test_sums_are_the_traces_own_on_both_sides_wherever_tokens_look(config: Config, where: Where) -> None:
    trace = traced(config)
    maps = np.stack([trace.pattern(layer, where.branch, where.stack)[head].numpy() for layer, head in SEVERAL])
    np.testing.assert_allclose(threads(trace, SEVERAL, (5, 2), "query", where).by_head, maps[:, [5, 2]].sum(1), atol=1e-6)
    np.testing.assert_allclose(threads(trace, SEVERAL, (3, 0), "key", where).by_head, maps[:, :, [3, 0]].sum(2), atol=1e-6)
    np.testing.assert_allclose(threads(trace, SEVERAL, (3, 0), "key", where, sink=False).by_head, maps[:, :, 3], atol=1e-6)


def test_no_tokens_at_all_are_all_of_them(trace: Trace) -> None:
    everything = threads(trace, SEVERAL, ())
    assert everything.whole == pytest.approx(30, abs=1e-4)
    np.testing.assert_allclose(everything.averaged.sum(), 1, atol=1e-6)
    np.testing.assert_array_equal(everything.by_head, threads(trace, SEVERAL, range(10)).by_head)


def test_the_sink_is_left_out_and_nothing_else_grows(trace: Trace) -> None:
    whole, without = threads(trace, SEVERAL, (8, 9)), threads(trace, SEVERAL, (8, 9), sink=False)
    assert without.summed[0] == 0
    np.testing.assert_array_equal(whole.by_head[:, 1:], without.by_head[:, 1:])
    assert sunk(trace, SEVERAL, (8, 9)) == pytest.approx(1 - without.whole / 6, abs=1e-5)


def test_without_heads_there_is_nothing(trace: Trace) -> None:
    nothing = threads(trace, (), (1,))
    assert (nothing.summed.tolist(), nothing.averaged.tolist(), nothing.whole, sunk(trace, (), (1,))) == ([0] * 10, [0] * 10, 0, 0)


@pytest.mark.parametrize(("heads", "tokens"), [(((2, 0),), (0,)), (((0, 3),), (0,)), (((0, 0),), (10,)), (((0, 0),), (-1,))])
def test_a_head_or_a_token_that_is_not_there_is_refused(trace: Trace, heads: tuple[tuple[int, int], ...], tokens: tuple[int, ...]) -> None:
    with pytest.raises(Refusal):
        threads(trace, heads, tokens)


@pytest.mark.parametrize(("config", "where"), EVERYWHERE, ids=[f"{where.name}-{told(config)}" for config, where in EVERYWHERE])
def test_rows_are_worked_out_without_their_maps(config: Config, where: Where) -> None:
    spelled, lean = traced(config), traced(config)
    for name in [name for name in lean.sites if name.endswith("pattern")]:
        del lean.sites[name]
    np.testing.assert_allclose(rows_at(lean, where, 1, [4, 6]), spelled.pattern(1, where.branch, where.stack)[:, [4, 6]], atol=1e-5)


def test_the_page_begins_with_the_head_of_the_theatre_and_those_that_speak_next_to_it(trace: Trace) -> None:
    layer, head, query = overview(trace).telling
    first, *others = speaking(trace, query, HERE)
    assert first == (layer, head)
    rows = np.stack([rows_at(trace, HERE, layer, [9])[:, 0, 0] for layer in range(2)])
    score = credits(trace, HERE, slice(9, 10))[..., 0] * (1 - rows)
    assert [score[one] for one in (first, *others)] == sorted(score[score > 0], reverse=True)[:3]


# ---------------------------------------------------------------- strong weights


@pytest.mark.parametrize("per_query", [1, 3, 12])
def test_no_weight_over_the_floor_is_missing_and_none_under_it_is_kept(per_query: int) -> None:
    pattern = np.random.default_rng(0).dirichlet(np.full(90, 0.05), 80).astype(np.float32)
    found = strong(pattern, per_query)
    again = np.zeros_like(pattern)
    again[np.repeat(np.arange(80), found.counts), found.keys] = found.weights
    np.testing.assert_array_equal(again, np.where(pattern >= found.floor, pattern, 0))
    assert found.floor in RUNGS
    assert len(found.keys) <= max(per_query * 80, np.count_nonzero(pattern >= RUNGS[-1]))


def test_strong_weights_travel_in_sixteen_bits(trace: Trace) -> None:
    found = strong(one_head(trace, 1, 1).pattern)
    again = unpacked_strong(pack_strong(found))
    np.testing.assert_array_equal(again.counts, found.counts)
    np.testing.assert_array_equal(again.keys, found.keys)
    np.testing.assert_allclose(again.weights, found.weights, atol=2e-5)
    assert again.floor == found.floor


# ---------------------------------------------------------------- colours


def rgb(colours: tuple[str, ...]) -> np.ndarray:
    return np.array([list(bytes.fromhex(colour[1:])) for colour in colours]) / 255


@pytest.mark.parametrize("colours", [HUES, by_layer(4), by_layer(12)], ids=["heads", "4 layers", "12 layers"])
def test_colours_stand_out_from_the_plate_and_from_each_other(colours: tuple[str, ...]) -> None:
    weights = np.array([0.2126, 0.7152, 0.0722])
    light = [np.where(each <= 0.04045, each / 12.92, ((each + 0.055) / 1.055) ** 2.4) @ weights for each in rgb((*colours, theme.DARK.plate))]
    assert min((one + 0.05) / (light[-1] + 0.05) for one in light[:-1]) >= 4.5
    lab = theme.rgb_to_oklab(rgb(colours))
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + np.eye(len(lab))
    assert apart.min() > 0.05


# ---------------------------------------------------------------- the link, and what a browser sends


@pytest.mark.parametrize(("value", "written"), [((), "none"), (((3, 0), (0, 7)), "4.1~1.8")])
def test_heads_are_written_as_layer_and_head(value: tuple[tuple[int, int], ...], written: str) -> None:
    assert HEADS.write(value) == written
    assert HEADS.read(written) == value


@pytest.mark.parametrize(("value", "written"), [((), "none"), ((0, 1, 2, 8), "1-3~9"), ((4,), "5"), (tuple(range(1024)), "1-1024")])
def test_tokens_are_written_as_runs(value: tuple[int, ...], written: str) -> None:
    assert TOKENS.write(value) == written
    assert TOKENS.read(written) == value


def test_every_head_of_a_large_model_goes_into_a_link() -> None:
    heads = tuple((layer, head) for layer in range(12) for head in range(12))
    assert HEADS.read(HEADS.write(heads)) == heads


@pytest.mark.parametrize("forged", ["0", "1-", "-3", "a", "1-99999", "<b>", "1.5", "1~~2", "4~2", "1-3~3"])
def test_what_is_no_run_of_tokens_is_refused(forged: str) -> None:
    with pytest.raises(Refusal):
        TOKENS.read(forged)


@pytest.mark.parametrize("forged", ["0.1", "1", "1.0", "1.2.3", "x.y", "1.99999", "1.-1"])
def test_what_is_no_head_is_refused(forged: str) -> None:
    with pytest.raises(Refusal):
        HEADS.read(forged)


LIMITS = Limits(2, 3, 10, 7)


def test_a_choice_is_read_with_its_tokens_in_order_and_each_once() -> None:
    sent = {"heads": [[1, 2], [0, 0], [1, 2]], "tokens": [6, 1, 6], "side": "key", "draw": "arcs", "sink": False, "mean": True}
    assert canvas.parse(sent, LIMITS) == Choice(((1, 2), (0, 0)), (1, 6), "key", "arcs", False, True)
    assert canvas.parse({"heads": [], "tokens": [9]}, LIMITS) == Choice((), (9,))


RUBBISH = [None, 7, [], {}, {"heads": [[0, 0]]}]
RUBBISH += [{"heads": heads, "tokens": []} for heads in ([[2, 0]], [[0, 3]], [[0]], ["01"], [None], [[0, 0]] * 7)]
RUBBISH += [{"heads": [], "tokens": tokens, "side": "key"} for tokens in ([7], [-1], ["1"], [True], [0.5], "12", None, [0] * 8)]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_choice_that_is_not_of_this_model_and_text_is_refused(rubbish: object) -> None:
    with pytest.raises(Refusal):
        canvas.parse(rubbish, LIMITS)


# ---------------------------------------------------------------- words, tables, notebooks


def test_the_sentence_names_where_most_goes_and_what_the_sink_takes(trace: Trace) -> None:
    reading = threads(trace, ((1, 2),), (9,))
    told = in_words(EN, LOOM, reading, trace, Choice(((1, 2),), (9,)))
    best = int(reading.summed.argmax())
    assert told.startswith("Added over layer 2, head 3, for “<b>”: ")
    assert f"{EN.number(float(reading.summed[best]), 2)} at “{plate.visible(PIECES[best])}”" in told
    assert told.endswith(f"takes {EN.percent(float(reading.summed[0]))} of all that they give.")


@pytest.mark.parametrize("side", ["query", "key"])
def test_the_table_adds_up_to_the_sum(trace: Trace, side: Any) -> None:
    reading = threads(trace, SEVERAL, (4, 9), side)
    table = weights(EN, LOOM, reading, trace)
    other = table["column" if side == "query" else "row"].to_numpy() - 1
    np.testing.assert_allclose(np.bincount(other, table["sum"], 10), reading.summed, atol=1e-5)
    np.testing.assert_allclose(np.bincount(other, table["layer 2, head 3"], 10), reading.by_head[0], atol=1e-5)
    assert np.diff(table["sum"]).max() <= 0


@pytest.mark.parametrize("side", ["query", "key"])
@pytest.mark.parametrize("tokens", [(4, 9), ()])
@pytest.mark.parametrize("sink", [True, False])
def test_the_recipe_comes_to_the_same_numbers(trace: Trace, side: Any, tokens: tuple[int, ...], sink: bool) -> None:
    reading = threads(trace, SEVERAL, tokens, side, sink=sink)
    given: dict[str, Any] = {"trace": trace, "model": trace.model, "ids": list(range(10)), "source": [], "tokenizer": None}
    exec(recipe(tuple(range(10)), LOOM, reading), given)
    np.testing.assert_allclose(given["numbers"]["by_head"], reading.by_head, atol=1e-6)
    np.testing.assert_allclose(given["numbers"]["sum"], reading.summed, atol=1e-6)
    np.testing.assert_allclose(given["numbers"]["mean"], reading.averaged, atol=1e-6)


# ---------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model of 3 layers of 2 heads that reads 90 tokens."""
    return pages.tiny(tmp_path_factory.mktemp("tiny"), context=90, layers=3)


@pytest.fixture
def opened(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    with pages.installed(tiny, monkeypatch):
        yield pages.whole


def woven(app: AppTest) -> tuple[dict[str, Any], list[bytes]]:
    (found,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "vitrine.threads")
    return plate.opened(found.bytes)


def test_it_opens_with_the_last_token_in_the_heads_that_speak(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is")
    header, (codes,) = woven(app)
    assert not app.exception
    assert header["choice"]["tokens"] == [3]
    assert 0 < len(header["choice"]["heads"]) <= 3
    planes = np.frombuffer(codes, np.uint8).reshape(2, 3, 2, 4, 4)
    ids = tuple(compute.embedded().tokenizer.encode("The sky is").ids)
    own = compute.traced(compute.embedded(), (compute.embedded().tokenizer.begin, *ids))
    np.testing.assert_allclose(plate.unrooted(list(planes))[2], own.pattern(2), atol=2e-5)


def test_a_link_opens_the_same_heads_and_tokens(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is", t_heads="3.2~1.1", t_tokens="2-3", t_by="key", t_draw="arcs", t_sink="0", t_mean="1")
    told = {"heads": [[2, 1], [0, 0]], "tokens": [1, 2], "side": "key", "draw": "arcs", "sink": False, "mean": True}
    assert woven(app)[0]["choice"] == told


def test_a_link_to_heads_and_tokens_that_are_not_here_opens_with_others(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is", t_heads="9.1", t_tokens="70")
    assert not app.exception
    assert woven(app)[0]["choice"]["tokens"] == [3]


def test_no_head_at_all_is_a_choice(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is", t_heads="none")
    assert not app.exception
    assert woven(app)[0]["choice"]["heads"] == []


def test_an_empty_text_has_one_token(opened: Callable[..., AppTest]) -> None:
    app = opened(text=" ")
    app.text_area(key="w:text").set_value("").run()
    assert not app.exception
    assert woven(app)[0]["queries"]["texts"] == ["⟨begin⟩"]


def test_what_the_model_writes_next_is_read_with_the_text(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is", t_next="4")
    header, _ = woven(app)
    assert (header["written"], len(header["queries"]["texts"]), header["choice"]["tokens"]) == (4, 8, [4, 5, 6, 7])


def test_a_new_text_keeps_the_heads_and_forgets_the_tokens(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is", t_heads="2.2", t_tokens="1")
    app.text_area(key="w:text").set_value("The sun is yellow").run()
    choice = woven(app)[0]["choice"]
    assert (choice["heads"], choice["tokens"]) == ([[1, 1]], [4])


def test_of_a_long_text_strong_weights_and_exact_sums_travel(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is blue. " * 20, t_heads="3.2~1.1", t_tokens="40~90")
    header, (sums, *heads) = woven(app)
    tokenizer = compute.embedded().tokenizer
    ids = (tokenizer.begin, *tokenizer.encode("The sky is blue. " * 20).ids)[:90]
    trace = compute.traced(compute.embedded(), ids)
    assert (header["dense"], len(heads)) == (False, 2)
    np.testing.assert_array_equal(np.frombuffer(sums, "<f4").reshape(2, 90), threads(trace, ((2, 1), (0, 0)), (39, 89)).by_head)
    assert [found["floor"] for found in header["strong"]] == [strong(one_head(trace, *head).pattern).floor for head in ((2, 1), (0, 0))]
