"""The right translation, read back: the same as the pair that the world writes, and nothing where it cannot be known."""

from __future__ import annotations

from itertools import islice

import pytest

from model.text.pairs import Pairs
from model.text.reference import LISTED, translation


@pytest.mark.parametrize("kind", [*LISTED, "translation", "brackets"])
def test_it_is_the_worlds_own(kind: str) -> None:
    pairs = Pairs(f"reference {kind}")
    found = [(pair, translation(pair.source)) for pair in (pairs.pair(kind) for _ in range(60))]
    assert all(said in (None, pair.target) for pair, said in found)
    assert sum(said is not None for _, said in found) >= 55


def test_it_is_never_wrong_about_any_kind() -> None:
    for pair in islice(Pairs("reference"), 200):
        assert translation(pair.source) in (None, pair.target), pair


def test_what_is_not_of_this_world_has_none() -> None:
    for text in ("", "the sky", "o zordo verde", "the red keys are in the moon", "the red keys is in the garden"):
        assert translation(text) is None
    assert translation("the red keys are in the garden") == "as chaves vermelhas estão no jardim"
