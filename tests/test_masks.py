"""Masks: each pattern against its definition cell by cell, the algebra, and specifications that read back as they were written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.errors import Refusal
from model.layers.masks import (
    And,
    Bidirectional,
    Blocks,
    Causal,
    Dilated,
    Global,
    Mask,
    Not,
    Or,
    Packed,
    PadLeft,
    PadRight,
    Painted,
    Prefix,
    Random,
    Strided,
    Wait,
    Window,
    blind_rows,
    parse,
)


def document(position: int, lengths: tuple[int, ...]) -> int:
    for number, length in enumerate(lengths):
        position -= length
        if position < 0:
            return number
    return len(lengths)


def lot(query: int, key: int, seed: int) -> int:
    """The number a pair is drawn by, in Python's unbounded integers."""
    number = (query * 2654435761 + key * 2246822507 + seed * 3266489909) % 2**32
    for shift, factor in ((16, 2146121005), (15, 2221713035)):
        number = (number ^ number // 2**shift) * factor % 2**32
    return number ^ number // 2**16


@cache
def draw(query: int, count: int, seed: int) -> frozenset[int]:
    """The keys up to itself that a query draws."""
    return frozenset(sorted(range(query + 1), key=lambda key: (lot(query, key, seed), key))[:count])


def drew(q: int, k: int, count: int, seed: int) -> bool:
    return min(q, k) in draw(max(q, k), count, seed)


DEFINITIONS: list[tuple[Mask, Callable[[int, int, int], bool]]] = [
    (Causal(), lambda q, k, n: k <= q),
    (Bidirectional(), lambda q, k, n: True),
    (Window(1), lambda q, k, n: q == k),
    (Window(5), lambda q, k, n: abs(q - k) < 5),
    (Dilated(1, 4), lambda q, k, n: q == k),
    (Dilated(3, 2), lambda q, k, n: k in (q - 4, q - 2, q, q + 2, q + 4)),
    (Dilated(4, 1), lambda q, k, n: abs(q - k) < 4),
    (Strided(1), lambda q, k, n: True),
    (Strided(5), lambda q, k, n: k in range(q % 5, n, 5)),
    (Blocks(1), lambda q, k, n: q == k),
    (Blocks(6), lambda q, k, n: k in range(q - q % 6, q - q % 6 + 6)),
    (Global(0), lambda q, k, n: False),
    (Global(2), lambda q, k, n: 0 in (q, k) or 1 in (q, k)),
    (Random(0, 0), lambda q, k, n: False),
    (Random(3, 7), lambda q, k, n: drew(q, k, 3, 7)),
    (Random(3, 2**40), lambda q, k, n: drew(q, k, 3, 2**40)),
    (Random(64, 999_999), lambda q, k, n: True),
    (Wait(3), lambda q, k, n: k - q <= 3),
    (parse("causal & (prefix(2) | window(3))"), lambda q, k, n: k <= q and (k < 2 or q - k < 3)),
    (parse("causal & (window(4) | strided(4))"), lambda q, k, n: k in range(q - 4, q + 1) or (k < q and (q - k) % 4 == 0)),
    (parse("window(2) | global(1)"), lambda q, k, n: abs(q - k) <= 1 or q == 0 or k == 0),
    (parse("window(2) | global(1) | random(2,5)"), lambda q, k, n: abs(q - k) <= 1 or q == 0 or k == 0 or drew(q, k, 2, 5)),
    (Prefix(0), lambda q, k, n: False),
    (Prefix(7), lambda q, k, n: k < 7),
    (Packed((3, 9, 20)), lambda q, k, n: document(q, (3, 9, 20)) == document(k, (3, 9, 20))),
    (PadLeft(4), lambda q, k, n: k >= 4),
    (PadRight(3), lambda q, k, n: k < n - 3),
    (Painted(3, "a700"), lambda q, k, n: (q, k) in {(0, 0), (0, 2), (1, 2), (2, 0), (2, 1)} if max(q, k) < 3 else k <= q),
    (Causal() & Window(3), lambda q, k, n: k <= q and abs(q - k) < 3),
    (Causal() | Prefix(4), lambda q, k, n: k <= q or k < 4),
    (~Causal() & ~Packed((5,)), lambda q, k, n: k > q and (q < 5) != (k < 5)),
]


@pytest.mark.parametrize(("mask", "rule"), DEFINITIONS, ids=lambda value: str(value) if isinstance(value, Mask) else "")
def test_every_cell_follows_the_definition_at_lengths_1_to_64(mask: Mask, rule: Callable[[int, int, int], bool]) -> None:
    for length in range(1, 65):
        wanted = [[rule(query, key, length) for key in range(length)] for query in range(length)]
        assert mask.build(length).tolist() == wanted


CAUSAL = {"causal", "window(1)", "dilated(1,4)", "blocks(1)", "prefix(0)", "global(0)", "random(0,0)"}
"""Of the definitions, the patterns in which no query sees ahead, though nothing but their own rule says so."""


@pytest.mark.parametrize("mask", [mask for mask, _ in DEFINITIONS], ids=str)
def test_a_mask_looks_ahead_or_not_as_stated(mask: Mask) -> None:
    ahead = [mask.looks_ahead(length) for length in range(1, 65)]
    assert not ahead[0]  # one token has nothing ahead of it
    causal = str(mask) in CAUSAL or str(mask).startswith("causal &")
    assert any(ahead) != causal
    assert not (Causal() & mask).looks_ahead(64)


def test_a_drawn_pattern_keeps_as_many_keys_a_query_as_it_says_and_stays_as_a_text_grows() -> None:
    mask = Causal() & Random(3, 11)
    assert mask.build(40).sum(1).tolist() == [min(query + 1, 3) for query in range(40)]
    assert torch.equal(Random(3, 11).build(64)[:40, :40], Random(3, 11).build(40))
    assert not torch.equal(Random(3, 11).build(40), Random(3, 12).build(40))


def test_drawn_keys_are_spread_evenly() -> None:
    length, seeds = 60, 600
    drawn = torch.stack([(Causal() & Random(1, seed)).build(1, length)[0] for seed in range(seeds)]).sum(0)
    expected = seeds / length
    assert float(((drawn - expected) ** 2 / expected).sum()) == pytest.approx(length, abs=4 * (2 * length) ** 0.5)


@pytest.mark.parametrize("mask", [mask for mask, _ in DEFINITIONS], ids=str)
def test_fewer_queries_than_keys_are_the_last_rows(mask: Mask) -> None:
    whole = mask.build(23)
    for queries in (0, 1, 5, 23):
        assert torch.equal(mask.build(queries, 23), whole[23 - queries :])


def test_more_queries_than_keys_are_refused() -> None:
    with pytest.raises(Refusal, match="3 queries and 2 keys"):
        Causal().build(3, 2)


def test_a_built_mask_is_its_own_memory() -> None:
    allowed = Prefix(2).build(4)
    allowed[0, 0] = False
    assert allowed[1, 0]
    assert Prefix(2).build(4)[0, 0]


# ---------------------------------------------------------------- the algebra

numbers = st.integers(0, 70)
lengths = st.lists(st.integers(1, 40), min_size=1, max_size=5).map(tuple)
paintings = st.integers(1, 12).flatmap(lambda n: st.lists(st.booleans(), min_size=n * n, max_size=n * n).map(lambda b: torch.tensor(b).view(n, n)))
patterns = st.one_of(
    st.sampled_from([Causal(), Bidirectional()]),
    st.builds(Window, st.integers(1, 70)),
    st.builds(Dilated, st.integers(1, 70), st.integers(1, 9)),
    st.builds(Strided, st.integers(1, 70)),
    st.builds(Blocks, st.integers(1, 70)),
    st.builds(Global, numbers),
    st.builds(Random, numbers, numbers),
    st.builds(Prefix, numbers),
    st.builds(Packed, lengths),
    st.builds(PadLeft, numbers),
    st.builds(PadRight, numbers),
    paintings.map(Painted.of),
)
masks: st.SearchStrategy[Mask] = st.recursive(
    patterns,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
    ),
    max_leaves=12,
)


@given(masks)
def test_a_specification_reads_back_as_it_was_written(mask: Mask) -> None:
    assert parse(str(mask)) == mask


@given(masks, masks, st.integers(1, 20))
def test_de_morgan(a: Mask, b: Mask, length: int) -> None:
    assert torch.equal((~(a & b)).build(length), (~a | ~b).build(length))


@given(paintings)
def test_a_painted_mask_holds_the_booleans_it_was_made_of(allowed: torch.Tensor) -> None:
    assert torch.equal(Painted.of(allowed).build(len(allowed)), allowed)


@given(masks, st.integers(1, 24))
def test_blind_rows_are_those_without_a_single_key(mask: Mask, length: int) -> None:
    allowed = mask.build(length)
    assert blind_rows(allowed) == tuple(row for row in range(length) if not any(allowed[row].tolist()))


def test_padding_on_the_left_leaves_its_own_rows_blind() -> None:
    assert blind_rows(parse("causal & pad_left(3)").build(6)) == (0, 1, 2)
    assert blind_rows(Causal().build(6)) == ()


# ---------------------------------------------------------------- the grammar


@pytest.mark.parametrize(
    ("specification", "mask"),
    [
        ("causal & window(8)", Causal() & Window(8)),
        ("causal | prefix(4)", Causal() | Prefix(4)),
        ("causal | prefix(4) & pad_left(2)", Or((Causal(), And((Prefix(4), PadLeft(2)))))),
        ("(causal | prefix(4)) & pad_left(2)", (Causal() | Prefix(4)) & PadLeft(2)),
        ("~causal & window(2)", And((Not(Causal()), Window(2)))),
        ("~(causal & window(2))", Not(Causal() & Window(2))),
        ("  Packed( 3 ,5)&CAUSAL ", Packed((3, 5)) & Causal()),
        ("~~((causal))", Not(Not(Causal()))),
        ("painted(2, B0)", Painted(2, "b0")),
    ],
)
def test_precedence_brackets_and_spaces(specification: str, mask: Mask) -> None:
    assert parse(specification) == mask


@pytest.mark.parametrize(
    ("specification", "code", "sentence"),
    [
        ("", "mask.empty", "causal & window"),
        ("   ", "mask.empty", "got nothing"),
        ("casual", "mask.unknown", "one of causal, bidirectional, .*; got casual at character 1"),
        ("causal &", "mask.unfinished", "stops at character 9"),
        ("causal causal", "mask.operator", "joined by & or .*; got causal at character 8"),
        ("(causal", "mask.unfinished", "character 8"),
        ("(causal window(2)", "mask.close", "closed by .*; got window at character 9"),
        ("causal)", "mask.operator", "got .* at character 7"),
        ("window", "mask.arguments", r"as in window\(8\); got 0"),
        ("causal(3)", "mask.arguments", "as in causal; got 1"),
        ("window(0)", "mask.number", "1 or more; got 0"),
        ("window(-1)", "mask.digits", "whole numbers from 0 .*; got -1"),
        ("window(1", "mask.unfinished", "character 9"),
        ("packed(3 5)", "mask.comma", "commas; got 5 at character 10"),
        ("window(²)", "mask.digits", "got ²"),
        ("window(9999999)", "mask.digits", "999999; got 9999999"),
        ("packed()", "mask.packed", r"packed\(3,5\)"),
        ("packed(3,0)", "mask.number", "got 0"),
        ("painted(3,ff)", "mask.bits", "takes 4 hexadecimal digits"),
        ("painted(2,zz)", "mask.bits", "beginning 'zz'"),
        ("painted(2000,00)", "mask.wide", "up to 1024 tokens; got 2000"),
        ("causal; import os", "mask.operator", "got ; at"),
        ("~" * 65 + "causal", "mask.deep", "64 deep"),
        ("(" * 1_900, "mask.deep", "64 deep"),
        ("random(1,0) | " * 33 + "causal", "mask.drawn", "up to 32 times"),
        ("causal & " * 300 + "causal", "mask.long", "2000 characters; got 2706"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_would_work(specification: str, code: str, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence) as refused:
        parse(specification)
    assert refused.value.code == code


def test_a_mask_may_be_called_by_a_name_of_its_own() -> None:
    mine = Painted(2, "b0")
    assert parse("Painted & window(3)", named={"painted": mine}) == mine & Window(3)
    assert parse("painted(2,60)", named={"painted": mine}) == Painted(2, "60")
    assert parse("causal", named={"painted": mine}) == Causal()


@given(st.text("causlwindow(8)&|~, 1f", max_size=40))
def test_any_text_is_a_mask_or_a_refusal(text: str) -> None:
    with suppress(Refusal):
        assert parse(text).build(5).shape == (5, 5)


def test_the_widest_hand_made_mask_fits_a_specification() -> None:
    mask = Painted.of(torch.rand(1_024, 1_024) < 0.5)
    assert parse(f"causal & {mask}") == Causal() & mask
