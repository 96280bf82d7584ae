"""The address of a number: written and read back, forged ones refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
