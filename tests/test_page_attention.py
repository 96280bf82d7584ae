"""The attention page on a tiny random model: what it opens with, what a link restores, and that each number is the trace's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from components import compute
from components.canvas import plate, theatre
from components.canvas.ledger import layout, pack
from components.canvas.ledger.arithmetic import of_cell
from components.canvas.theatre import Choice, Limits
from components.i18n import LANGUAGES, Words
from components.pages import attention
from components.pages.attention import Place, Wanted, head_in_words, pairs, settle, vectors
from model.analysis.attention import Cell, Overview, arithmetic, one_head, overview, thumbnail
from model.analysis.places import Where
from model.config import Alibi, Attention, Config
from model.errors import Refusal
from model.layers.masks import parse
from model.text.tokenizer import Tokenizer
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests import pages
from tests.pages import said

ROOT = Path(__file__).parents[1]
EN = Words("en")
HERE = Where("decoder")
PIECES = ("⟨begin⟩", " The", " sky", " is", " blue", ".", " The", " sky", " is", " <b>")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model of 3 layers of 2 heads that reads 90 tokens."""
    return pages.tiny(tmp_path_factory.mktemp("tiny"), context=90, layers=3)


@pytest.fixture
def opened(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    with pages.installed(tiny, monkeypatch):
        yield pages.whole


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Ten tokens in a model with ALiBi, under a mask whose first two rows see nothing."""
    config = Config(vocabulary=50, width=24, layers=2, attention=Attention(heads=3, kv_heads=1, size=8), positions=Alibi())
    ids = torch.randint(0, 50, (10,), generator=torch.Generator().manual_seed(2))
    return Tracer(Transformer(config, seed=1)).trace(ids, mask=parse("causal & pad_left(2)").build(10)).clone()


PLACE = Place(HERE, PIECES, PIECES)


def canvas(app: AppTest, name: str) -> tuple[dict[str, Any], list[bytes]]:
    """Header and parts of what the component of this name was last sent."""
    return plate.opened(bidi(app, name))


def bidi(app: AppTest, name: str) -> bytes:
    """The same as it travelled."""
    (found,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == name)
    return found.bytes


# ---------------------------------------------------------------- the page


def test_the_first_paint_shows_every_head_and_the_arithmetic_of_one_cell(opened: Callable[..., AppTest]) -> None:
    app = opened()
    header, _ = canvas(app, "vitrine.theatre")
    assert not app.exception
    assert (header["layers"], header["heads"], header["queries"]["texts"][1:]) == (3, 2, ["The", "sky", "is"])
    choice = header["choice"]
    assert choice["query"] == 3
    assert canvas(app, "vitrine.ledger")[0]["revision"].endswith(f"/{choice['layer']}/{choice['head']}/3/{choice['key']}")


def test_a_link_opens_the_same_cell_of_the_same_head(opened: Callable[..., AppTest]) -> None:
    app = opened(a_layer="2", a_head="1", a_row="4", a_column="3", a_sink="0")
    assert canvas(app, "vitrine.theatre")[0]["choice"] == {"layer": 1, "head": 0, "query": 3, "key": 2, "sink": False}
    assert "Layer 2, head 1: row 4, “is”, looks" in said(app)
    assert 'class="v-note"' not in said(app)


def test_a_link_to_a_head_this_model_lacks_opens_with_another(opened: Callable[..., AppTest]) -> None:
    app = opened(a_layer="9", a_head="1", a_row="70")
    assert not app.exception
    assert canvas(app, "vitrine.theatre")[0]["choice"]["query"] == 3


def test_forged_parameters_are_named_and_passed_over(opened: Callable[..., AppTest]) -> None:
    app = opened(a_layer="-1", a_head="<b>", a_sink="maybe")
    assert not app.exception
    assert "a.layer, a.head, a.sink" in said(app)


def test_a_new_text_keeps_the_head_and_forgets_the_cell(opened: Callable[..., AppTest]) -> None:
    app = opened(a_layer="2", a_head="2", a_row="2", a_column="1")
    app.text_area(key="w:text").set_value("The sun is yellow").run()
    choice = canvas(app, "vitrine.theatre")[0]["choice"]
    assert (choice["layer"], choice["head"], choice["query"]) == (1, 1, 4)
    assert "a.row" not in app.query_params


def test_an_empty_text_is_one_token_that_looks_at_itself(opened: Callable[..., AppTest]) -> None:
    app = opened(text=" ")
    app.text_area(key="w:text").set_value("").run()
    assert not app.exception
    assert "looks 100\u202f% at “⟨begin⟩”" in said(app)


def test_markup_in_the_text_stays_text(opened: Callable[..., AppTest]) -> None:
    app = opened(text="<img src=x onerror=alert(1)> **sky**", a_row="2")
    assert not app.exception
    assert "<img" not in said(app)
    assert any("<" in token for token in canvas(app, "vitrine.theatre")[0]["queries"]["texts"])


def test_of_a_long_text_the_exact_map_of_the_chosen_head_travels_beside_the_small_ones(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is blue. " * 20, a_layer="3", a_head="2")
    header, (small, _) = canvas(app, "vitrine.theatre")
    specimen = compute.embedded()
    length, side = len(header["queries"]["texts"]), header["high"]
    assert (length, header["block"], header["stage"]) == (90, 2, [2, 1])
    tokenizer = specimen.loaded.tokenizer or Tokenizer.for_world()
    ids = (tokenizer.begin, *tokenizer.encode("The sky is blue. " * 20).ids)[:90]
    pattern = compute.traced(specimen, ids)["decoder.blocks.2.attn.pattern"][1].numpy()
    (_, sent) = plate.split(bidi(app, "vitrine.theatre"))[1]
    np.testing.assert_allclose(theatre.unpack_one(sent, np.tri(length, dtype=bool)), pattern, atol=2e-5)
    thumb = np.frombuffer(small, np.uint8)[: 6 * side * side].reshape(3, 2, side, side)[2, 1]
    np.testing.assert_allclose(plate.unrooted([thumb]), pattern.reshape(side, 2, side, 2).max((1, 3)), atol=4e-3)


@pytest.mark.parametrize(("layers", "heads"), [(12, 12), (40, 40)])
def test_every_head_of_a_thousand_tokens_fits_into_six_megabytes_even_of_pure_noise(layers: int, heads: int) -> None:
    noise, side = np.random.default_rng(0), thumbnail(layers, heads)
    small = noise.random((layers, heads, side, side), np.float32)
    glance = Overview(small, -(-1_024 // side), noise.random((layers, heads), np.float32), (0, 0, 0))
    maps = theatre.pack_all(glance, noise.random((1_024, 1_024)) < 0.5)
    exact = theatre.pack_one(noise.random((1_024, 1_024), np.float32), np.ones((1_024, 1_024), bool))
    assert not theatre.whole(maps)
    assert len(maps) + len(exact) <= 6 * compute.MEGABYTE


# ---------------------------------------------------------------- what is chosen


def test_what_was_asked_for_is_shown_where_it_is_there(trace: Trace) -> None:
    assert settle(Wanted(2, 3, 5, 4), trace, HERE, (0, 0, 9))[0] == Choice(1, 2, 4, 3, True)
    assert settle(Wanted(9, 9, 5, 4), trace, HERE, (1, 1, 9))[0] == Choice(1, 1, 4, 3, True)
    assert settle(Wanted(2, 1, 99, 4), trace, HERE, (0, 0, 9))[0].query == 9


def test_a_row_without_a_column_is_read_where_it_looks_most(trace: Trace) -> None:
    choice, reading = settle(Wanted(1, 2, 8), trace, HERE, (0, 0, 9))
    assert choice.key == reading.pattern[7].argmax()


RUBBISH = [None, "0", 7, [], {}, {"layer": 0, "head": 0}, *({"layer": 0, "head": 0, "query": at, "key": 0} for at in (-1, 10, "1", None, 0.5, True))]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_choice_that_is_no_cell_of_this_model_is_refused(rubbish: object) -> None:
    with pytest.raises(Refusal):
        theatre.parse(rubbish, Limits(2, 3, 10, 10))


def test_a_choice_may_leave_the_key_to_the_server() -> None:
    assert theatre.parse({"layer": 1, "head": 2, "query": 9, "key": None, "sink": False}, Limits(2, 3, 10, 10)) == Choice(1, 2, 9, None, False)


# ---------------------------------------------------------------- what is drawn and told


def test_every_map_travels_with_its_forbidden_cells(trace: Trace) -> None:
    header, (codes,) = plate.opened(attention.pack_maps(trace, HERE))
    planes = np.frombuffer(codes, np.uint8)
    maps = plate.unrooted([planes[:600], planes[600:1200]]).reshape(2, 3, 10, 10)
    np.testing.assert_allclose(maps[1], trace["decoder.blocks.1.attn.pattern"], atol=2e-5)
    np.testing.assert_array_equal(np.unpackbits(planes[1200:])[:100].reshape(10, 10), trace.mask)
    np.testing.assert_allclose(header["sinks"], overview(trace).sinks, atol=1e-4)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("at", [Cell(1, 2, 8, 5), Cell(0, 1, 4, 7), Cell(1, 0, 0, 0)], ids=["allowed", "forbidden", "blind"])
def test_the_ledger_writes_the_cells_own_numbers(trace: Trace, language: str, at: Cell) -> None:
    words, cell = Words(language), arithmetic(trace, at)
    told = layout(words, of_cell(words, cell, PIECES[at.query], PIECES, 3, "r"))
    lines = {line["term"]: line for line in told["lines"]}
    assert lines["q · k"]["equations"] == [f"q · k = {words.number(cell.dot)}"]
    assert lines["÷ √d"]["equations"] == [f"{words.number(cell.dot)} ÷ √8 = {words.number(cell.scaled)}"]
    assert lines["ALiBi"]["equations"][0].endswith(f"= {words.number(cell.score)}")
    assert lines["softmax"]["equations"][-1].endswith(words.percent(cell.weight))


def test_the_strips_travel_whole(trace: Trace) -> None:
    cell = arithmetic(trace, Cell(1, 2, 8, 5))
    header, (numbers,) = plate.opened(pack(EN, of_cell(EN, cell, PIECES[8], PIECES, 3, "r")))
    counts = [strip["count"] for line in header["lines"] for strip in line["strips"]]
    vectors = np.split(np.frombuffer(numbers, "<f4"), np.cumsum(counts)[:-1])
    np.testing.assert_array_equal(vectors[2], cell.products)
    np.testing.assert_array_equal(vectors[-1], cell.after)
    assert sum(counts) == 8 * 3 + 10 + 10 + 8 * 2 + 8 + 24 + 3 * 24


def test_the_ledger_of_a_forbidden_cell_says_so(trace: Trace) -> None:
    lines = of_cell(EN, arithmetic(trace, Cell(0, 1, 4, 7)), PIECES[4], PIECES, 3, "r").lines
    (mask,) = (line for line in lines if line.term == "mask")
    assert mask.equations[0].endswith("→ −∞")
    assert mask.strips[0].blocked is not None
    assert mask.strips[0].blocked.tolist() == [True, True, False, False, False, True, True, True, True, True]


def test_the_reading_names_the_strongest_keys_and_who_looks_back(trace: Trace) -> None:
    reading = one_head(trace, 1, 0)
    reading.pattern[7] = np.array([0, 0, 0.62, 0.2, 0.11, 0.04, 0.02, 0.01, 0, 0])
    reading.pattern[9, 7] = 0.9
    told = head_in_words(EN, PLACE, reading, Choice(1, 0, 7, 2, True)).replace("\u202f", " ")
    assert told == (
        "Layer 2, head 1: row 8, “sky”, looks 62 % at “sky”, 20 % at “is” and 11 % at “blue”. It is looked at most by row 10, “<b>”, with 90 %."
    )


def test_a_row_that_may_look_at_nothing_is_told_as_such(trace: Trace) -> None:
    assert "may look at nothing" in head_in_words(EN, PLACE, one_head(trace, 0, 0), Choice(0, 0, 1, 0, True))


def test_the_table_lists_every_allowed_pair_the_strongest_first(trace: Trace) -> None:
    reading = one_head(trace, 1, 1)
    table = pairs(EN, PLACE, reading)
    assert len(table) == reading.allowed.sum()
    query, key, weight = (table[name].to_numpy() for name in ("row", "column", "weight"))
    assert np.diff(np.asarray(weight, float)).max() <= 0
    np.testing.assert_array_equal(reading.pattern[query - 1, key - 1], weight)
    np.testing.assert_allclose(np.bincount(query, weight)[3:], 1, atol=1e-5)


def test_the_arithmetics_table_holds_every_vector(trace: Trace) -> None:
    cell = arithmetic(trace, Cell(1, 2, 8, 5))
    table = vectors(EN, PLACE, cell).groupby("vector", sort=False)["number"]
    np.testing.assert_allclose(np.asarray(table.get_group("q × k")).sum(), cell.dot, atol=1e-5)
    np.testing.assert_allclose(table.get_group("after"), cell.after, atol=1e-6)
    assert len(table) == 13
