"""The address of a number: written and read back, forged ones refused."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
import streamlit
from hypothesis import given
from hypothesis import strategies as st

from components import state
from components.controls import arithmetic
from components.controls.arithmetic import CELL, LONGEST, TRAIL
from model.analysis.derivation import Number, Place
from model.config import Config, EncoderDecoder
from model.errors import Refusal

SITES = ("logits", "decoder.norm", "encoder.blocks.0.mlp.hidden", "decoder.blocks.11.cross.pattern", "decoder.embed.sum", "head.narrow")
numbers = st.builds(Number, st.sampled_from(SITES), st.lists(st.integers(0, 999_999), min_size=1, max_size=4).map(tuple))


@given(numbers)
def test_an_address_reads_back_as_the_number_it_was_written_from(number: Number) -> None:
    assert Number.parse(str(number)) == number
    assert CELL.read(CELL.write(number)) == number


@given(st.lists(numbers, max_size=LONGEST).map(tuple))
def test_a_trail_reads_back_as_it_was_walked(trail: tuple[Number, ...]) -> None:
    assert TRAIL.read(TRAIL.write(trail)) == trail


FORGED = (
    *("", "logits", "logits[]", "logits[-1]", "logits[1.5]", "logits[1,]", "[1]", "a b[1]", "../x[1]"),
    *("logits[1]\n", "logits[١]", "x" * 90 + "[1,2,3]", "a[1,2,3,4,5]"),
)


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_no_address_is_refused(forged: str) -> None:
    with pytest.raises(Refusal, match="looks like"):
        Number.parse(forged)


@pytest.mark.parametrize("forged", ["~".join(["a[1]"] * (LONGEST + 1)), "a[1]~", "a[1]~<b>", "~1%%%"])
def test_a_forged_trail_is_refused(forged: str) -> None:
    with pytest.raises(Refusal):
        TRAIL.read(forged)


@pytest.mark.parametrize(
    ("site", "place"),
    [
        ("decoder.blocks.2.attn.pattern", Place("decoder", 2, "attn.pattern")),
        ("encoder.embed.sum", Place("encoder", 0, "embed.sum")),
        ("encoder.norm", Place("encoder", 0, "norm")),
        ("head.transform", Place("decoder", 0, "head.transform")),
        ("logits", Place("decoder", 0, "logits")),
    ],
)
def test_a_leaf_is_what_stands_there_in_any_layer(site: str, place: Place) -> None:
    assert Place.of(site, Config(form=EncoderDecoder())) == place


# ---------------------------------------------------------------- walking


@pytest.fixture
def walker() -> Iterator[None]:
    streamlit.session_state.clear()
    yield
    streamlit.session_state.clear()


def test_a_walk_goes_back_to_any_step_and_forgets_the_oldest(walker: None) -> None:
    numbers = [Number("logits", (step, 0)) for step in range(LONGEST + 3)]
    for here, to in pairwise(numbers):
        arithmetic.follow(here, to)
    assert state.get(CELL) == numbers[-1]
    assert state.get(TRAIL) == tuple(numbers[-1 - LONGEST : -1])
    arithmetic.back(5)
    assert (state.get(CELL), len(state.get(TRAIL))) == (numbers[-1 - LONGEST + 5], 5)


def test_coming_from_another_picture_begins_a_new_trail_and_is_known_for_a_while(walker: None) -> None:
    arithmetic.follow(Number("logits", (0, 0)), Number("decoder.norm", (0, 0)))
    assert arithmetic.arrived() == 0
    arithmetic.start(Number("logits", (1, 1)))
    assert state.get(TRAIL) == ()
    assert arithmetic.arrived() > 0
