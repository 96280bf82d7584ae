"""Attention that skips hidden blocks: the dense one's numbers, and no more blocks than hold an allowed pair."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from model.analysis.places import named, places, sighted
from model.config import EncoderDecoder
from model.layers.frame import Watch
from model.layers.masks import parse_plan
from model.layers.skipping import attend, kept_blocks, stripes
from model.transformer import Transformer
from tests.configs import EVERY, told

SPECIFICATIONS = (
    "causal",
    "causal & window(5)",
    "window(9) | global(1) | random(2,3)",
    "causal & strided(7)",
    "causal & packed(8,20,3) & pad_left(5)",
    "blocks(16) & ~pad_right(9)",
    "~bidirectional",
    "bidirectional",
)


@pytest.mark.parametrize("specification", SPECIFICATIONS)
@pytest.mark.parametrize(("length", "side"), [(1, 8), (37, 8), (64, 16), (40, 64)])
def test_a_block_is_kept_exactly_if_it_holds_an_allowed_pair(specification: str, length: int, side: int) -> None:
    allowed = parse_plan(specification).everywhere.mask.build(length)
    wanted = [[bool(allowed[row : row + side, key : key + side].any()) for key in range(0, length, side)] for row in range(0, length, side)]
    assert kept_blocks(allowed, side).tolist() == wanted
    computed = torch.zeros(length, length, dtype=torch.bool)
    for stripe in stripes(allowed, side):
        computed[stripe.queries] |= torch.zeros(length, dtype=torch.bool).index_fill(0, torch.arange(length)[stripe.keys], True)
    assert torch.equal(computed, kept_blocks(allowed, side).repeat_interleave(side, 0).repeat_interleave(side, 1)[:length, :length])


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_it_gives_the_dense_attentions_numbers(specification: str) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 150, 8, generator=generator) for _ in range(3))
    allowed = parse_plan(specification).everywhere.mask.build(150)
    blind = ~allowed.any(-1, keepdim=True)
    offsets = torch.zeros(150, 150).masked_fill(~allowed, -math.inf).masked_fill(blind, 0)
    dense = ((q @ k.mT * 0.3 + offsets).softmax(-1) @ v).masked_fill(blind, 0)
    found = attend(q, k, v, stripes(allowed, 32), offsets, 0.3).masked_fill(blind, 0)
    torch.testing.assert_close(found, dense, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("config", [config for number, config in enumerate(EVERY) if number % 12 == 0 or number >= len(EVERY) - 12], ids=told)
@torch.no_grad()
def test_a_whole_pass_that_skips_equals_one_that_hides(config: Any) -> None:
    model, ids = Transformer(config, seed=2).eval(), torch.arange(40)[None] * 7 % 61
    source = torch.arange(30)[None] if isinstance(config.form, EncoderDecoder) else None
    plan = parse_plan("causal & window(9) + alibi(1); L1.H2: strided(11) & pad_left(3); L0.H0: ~bidirectional")
    given = {
        named(config, where): sighted(plan, config, where, 30 if source is not None and where.stack == "encoder" else 40, 30)
        for where in places(config).values()
    }

    def read(skip: int) -> torch.Tensor:
        watch = Watch("none", skip=skip)
        memory = None if source is None else model.encode(source, mask=given["source_mask"], across=given["across"], watch=watch)
        return model(ids, memory=memory, mask=given["mask"], watch=watch)

    torch.testing.assert_close(read(8), read(0), atol=1e-4, rtol=1e-4)
    assert read(8).isfinite().all()
