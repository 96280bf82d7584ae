"""What canvases are sent and what they send back: numbers survive the packing, rubbish is refused, tokens stay data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from components.canvas import plate
from components.canvas.map import Matrix, header, pack, parse
from components.i18n import LANGUAGES, Words
from model.errors import Refusal

EVIL = '<img src=x onerror=alert(1)> **bold** $x$'
shares = arrays.arrays(np.float32, (5, 7), elements=some.floats(0, 1, width=32))


@given(shares)
def test_weights_survive_the_trip_to_the_browser(values: np.ndarray) -> None:
    np.testing.assert_allclose(plate.unrooted(plate.rooted(values, fine=True)), values, atol=2e-5)
    np.testing.assert_allclose(plate.unrooted(plate.rooted(values, fine=False)), values, atol=4e-3)


def test_the_coarse_code_keeps_weights_apart_that_a_linear_byte_would_lose() -> None:
    tiny = np.array([0.0, 5e-6, 5e-5, 5e-4])
    assert len(set(plate.rooted(tiny, fine=False)[0].tolist())) == 4


def test_an_envelope_gives_back_header_and_parts() -> None:
    parts = plate.squeeze([np.arange(9, dtype=np.uint8)]), plate.squeeze([np.zeros(3, np.uint8)]), plate.squeeze([np.zeros(plate.FEW + 1, np.uint8)])
    head, inside = plate.opened(plate.envelope({"tokens": ["céu", EVIL]}, *parts))
    assert head["tokens"] == ["céu", EVIL]
    assert inside == [bytes(range(9)), bytes(3), bytes(plate.FEW + 1)]
    assert len(parts[2]) < 100


def test_a_difference_keeps_its_signs_and_its_forbidden_cells() -> None:
    values = np.array([[0.5, -0.25], [-1.0, 0.0]])
    allowed = np.array([[True, False], [True, True]])
    (codes,) = plate.opened(plate.envelope({}, pack(Matrix("d", values, ("a", "b"), ("a", "b"), "diverging", allowed=allowed))))[1]
    planes = np.frombuffer(codes, np.uint8)
    signs = np.where(np.unpackbits(planes[8:9])[:4], -1, 1)
    np.testing.assert_allclose(plate.unrooted([planes[:4], planes[4:8]]) * signs, values.ravel(), atol=2e-5)
    assert np.unpackbits(planes[9:])[:4].astype(bool).tolist() == allowed.ravel().tolist()


def test_long_maps_travel_in_one_byte_a_cell() -> None:
    names = ("x",) * 300
    (codes,) = plate.opened(plate.envelope({}, pack(Matrix("m", np.zeros((300, 300)), names, names))))[1]
    assert len(codes) == 300 * 300 * 9 // 8


def test_a_map_whose_numbers_do_not_fit_its_tokens_is_refused() -> None:
    with pytest.raises(Refusal, match="2 queries and 1 keys needs as many numbers, got 2 × 2"):
        Matrix("m", np.zeros((2, 2)), ("a", "b"), ("a",))


RUBBISH = [None, 3, "0,0", [], {}, {"row": 0}, *({"row": row, "column": 0} for row in (4, -1, True, 0.0, "1", None))]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_choice_that_is_no_cell_is_refused(rubbish: object) -> None:
    with pytest.raises(Refusal):
        parse(rubbish, 4, 4)
    assert parse({"row": 3, "column": 0}, 4, 4) == (3, 0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_tokens_travel_as_they_are_and_blanks_can_be_seen(language: str) -> None:
    matrix = Matrix("m", np.eye(3), (EVIL, " céu", "\n"), ("", "  ", "a"))
    head = header(Words(language), matrix, "r", None, 400)
    assert head["queries"] == [EVIL, "céu", "⏎"]
    assert head["keys"] == ["␣", "␣", "a"]
    assert all(blank in head["words"]["cell"] for blank in ("{row}", "{query}", "{value}", "{key}"))


@pytest.mark.parametrize("view", sorted(plate.HERE.glob("*/view.js")), ids=lambda view: view.parent.name)
def test_a_view_ends_only_when_it_is_gone(view: Path) -> None:
    """Streamlit ends a call also when newer data overtook it: a view that ends then would stand still on the page."""
    assert "return () =>" not in view.read_text(encoding="utf-8").split("\n}\n", 1)[0]
