"""Attention in encoders and across: each number is the trace's own, wherever tokens look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from model.analysis.attention import Cell, arithmetic, credits, one_head, overview, pooled
from model.analysis.places import CROSS, Where, main, own, places, sides
from model.config import Config, Decoder, EncoderDecoder, Relative, Serial, Sliding, Transformed
from model.errors import Refusal
from model.layers.masks import Bidirectional, Window, parse
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told

STACKS = [config for config in EVERY if config.form != Decoder()]
PAIRS = [config for config in STACKS if isinstance(config.form, EncoderDecoder)]
EVERYWHERE = [(config, where) for config in STACKS for where in places(config).values()]
everywhere = pytest.mark.parametrize(("config", "where"), EVERYWHERE, ids=[f"{where.name}-{told(config)}" for config, where in EVERYWHERE])


def trace_of(config: Config, length: int = 7, source: int = 10, maps: str | None = None) -> Trace:
    model = Transformer(config, seed=1).eval().requires_grad_(False)
    draw = torch.Generator().manual_seed(2)
    ids, read = (torch.randint(0, config.vocabulary, (size,), generator=draw) for size in (length, source))
    return Tracer(model).trace(ids, source=read if "decoder" in config.depths else None, maps=maps).clone()  # pyright: ignore[reportArgumentType]


def cells(trace: Trace, where: Where) -> list[Cell]:
    queries, keys = map(len, sides(trace, where))
    return [Cell(0, 0, 0, 0), Cell(1, 2, queries - 1, keys // 2), Cell(1, 5, queries // 2, keys - 1)]


# ---------------------------------------------------------------- which there are


def test_a_model_has_the_attentions_of_its_stacks_and_the_one_between_them() -> None:
    assert list(places(PAIRS[0])) == ["encoder", "decoder", "cross"]
    assert main(PAIRS[0]) == CROSS
    assert list(places(Config())) == ["decoder"]
    (encoder, *_) = (config for config in STACKS if list(config.depths) == ["encoder"])
    assert main(encoder) == Where("encoder")


@everywhere
def test_the_mask_of_its_own_is_the_one_it_was_traced_with(config: Config, where: Where) -> None:
    trace, mask = trace_of(config), own(config, where)
    queries, keys = map(len, sides(trace, where))
    built = mask.across(queries, keys) if where == CROSS else mask.build(queries)
    assert torch.equal(built, trace.allowed(where.branch, where.stack))


def test_a_window_is_part_of_a_mask_of_its_own() -> None:
    (windowed,) = (config for config in STACKS if isinstance(config.attention.reach, Sliding))
    assert own(windowed, Where("encoder")) == Window(3)
    assert own(PAIRS[0], Where("encoder")) == Bidirectional()


# ---------------------------------------------------------------- cells


@everywhere
def test_every_number_of_a_cell_is_the_traces_own(config: Config, where: Where) -> None:
    trace = trace_of(config, maps="all")
    for at in cells(trace, where):
        cell, name = arithmetic(trace, at, where), where.site(at.layer, "")
        assert cell.score == pytest.approx(float(trace[f"{name}scores"][at.head, at.query, at.key]), abs=1e-4)
        assert cell.weight == pytest.approx(float(trace[f"{name}pattern"][at.head, at.query, at.key]), abs=1e-6)
        np.testing.assert_allclose(cell.scores, trace[f"{name}scores"][at.head, at.query], atol=1e-4)
        np.testing.assert_allclose(cell.weights, trace[f"{name}pattern"][at.head, at.query], atol=1e-6)
        np.testing.assert_allclose(cell.mixed, trace[f"{name}mixed"][at.head, at.query], atol=1e-5)


@everywhere
def test_the_heads_of_a_place_add_up_to_what_it_writes_into_the_stream(config: Config, where: Where) -> None:
    trace = trace_of(config)
    model, at = trace.model, cells(trace, where)[1]
    every = [arithmetic(trace, Cell(at.layer, head, at.query, at.key), where) for head in range(config.attention.heads)]
    bias = model.state_dict().get(f"{where.stack}.blocks.{0 if config.shared else at.layer}.{where.branch}.out.bias")
    written = sum(cell.contribution for cell in every) + (0 if bias is None else bias.numpy())
    np.testing.assert_allclose(written, every[0].attention, atol=1e-4)
    if config.arrangement == Serial(norm_place="before"):
        after = trace[f"{where.stack}.blocks.{at.layer}.{'crossed' if where == CROSS else 'middle'}"]
        np.testing.assert_allclose(every[0].after, after[at.query], atol=1e-4)


@pytest.mark.parametrize("config", PAIRS, ids=told)
@torch.no_grad()
def test_a_cell_across_recomputes_from_the_raw_weights(config: Config) -> None:
    trace, at, a = trace_of(config), Cell(1, 4, 5, 8), config.attention
    block: Any = trace.model.stack("decoder").blocks[1]
    asking, asked = trace["decoder.blocks.1.middle"][5], trace["encoder.norm"]
    asking = block.cross_norm(asking) if config.arrangement == Serial(norm_place="before") else asking
    rows = [F.linear(x, block.cross.qkv.weight, block.cross.qkv.bias).unflatten(-1, (-1, a.size)) for x in (asking, asked)]
    shared = a.heads + 4 * a.kv_heads // a.heads
    q, k, v = rows[0][4], rows[1][:, shared], rows[1][:, shared + a.kv_heads]
    if a.head_norm:
        q, k = block.cross.q_norm(q), block.cross.k_norm(k)
    weights = (k @ q / (a.size**0.5 if a.scaled else 1)).softmax(-1)
    cell = arithmetic(trace, at, CROSS)
    np.testing.assert_allclose(cell.weights, weights, atol=1e-5)
    np.testing.assert_allclose(cell.contribution, block.cross.out.weight[:, 4 * a.size : 5 * a.size] @ (weights @ v), atol=1e-4)


def test_learned_distances_stand_between_the_product_and_the_score() -> None:
    (relative,) = (config for config in PAIRS if isinstance(config.positions, Relative))
    trace = trace_of(relative)
    for stack in ("encoder", "decoder"):
        cell, bias = arithmetic(trace, Cell(0, 3, 6, 2), Where(stack)), trace.model.stack(stack).bias(10, 10, trace.logits)
        assert bias is not None
        assert cell.root is None
        assert cell.bias == pytest.approx(float(bias[3, 6, 2]))
        assert cell.score == pytest.approx(cell.dot + cell.bias)
    assert arithmetic(trace, Cell(0, 3, 6, 2), CROSS).bias == 0


def test_what_is_not_there_is_refused() -> None:
    trace = trace_of(PAIRS[0])
    with pytest.raises(Refusal, match="query counts from 0 to 6, got 8"):
        arithmetic(trace, Cell(0, 0, 8, 0), CROSS)
    with pytest.raises(Refusal, match="layer counts from 0 to 1, got 2"):
        one_head(trace, 2, 0, Where("encoder"))


# ---------------------------------------------------------------- every head at a glance


@everywhere
def test_the_overview_holds_every_map_whole_and_points_into_it(config: Config, where: Where) -> None:
    trace, glance = trace_of(config), overview(trace_of(config), where=where)
    queries, keys = map(len, sides(trace, where))
    assert glance.maps.shape == (config.depths[where.stack], 6, queries, keys)
    for layer in range(config.depths[where.stack]):
        np.testing.assert_allclose(glance.maps[layer], trace.pattern(layer, where.branch, where.stack), atol=1e-6)
    assert all(0 <= at < limit for at, limit in zip(glance.telling, (config.depths[where.stack], 6, queries), strict=True))
    assert overview(trace, where=where, at=3).telling[2] == 3


def test_a_wide_map_is_pooled_by_squares() -> None:
    maps = torch.rand(2, 5, 9, generator=torch.Generator().manual_seed(0))
    small = pooled(maps, 4)
    assert small.shape == (2, 2, 3)
    assert small[1, 1, 2] == maps[1, 4:, 8:].max()
    assert small[0, 0, 1] == maps[0, :4, 4:8].max()


def test_of_a_long_source_only_the_map_asked_for_is_worked_out() -> None:
    long = trace_of(PAIRS[0], 20, 40)
    kept = Tracer(long.model).trace(long.ids, source=long.source, maps="all")
    for where in places(PAIRS[0]).values():
        lean = Tracer(long.model).trace(long.ids, source=long.source, maps="none")
        np.testing.assert_allclose(one_head(lean, 1, 2, where).pattern, kept.pattern(1, where.branch, where.stack)[2], atol=1e-5)


@torch.no_grad()
def test_credit_follows_the_slope_of_what_stands_before_the_output() -> None:
    (config,) = (config for config in STACKS if isinstance(config.readout, Transformed) and config.final_norm)
    where, at, step = Where("encoder"), 4, 1e-3
    trace = trace_of(config, 9)
    read, token, model = trace["encoder.norm"][at].double(), int(trace.logits[at].argmax()), trace.model.double()

    def logit(moved: torch.Tensor) -> float:
        return float(model.head((read + moved)[None, None], model.embed.token.weight)[0, 0, token])

    told = credits(trace_of(config, 9), where, slice(at, at + 1))
    for head in range(6):
        gone = torch.from_numpy(arithmetic(trace_of(config, 9), Cell(1, head, at, 0), where).contribution).double()
        moved = (gone - gone.mean()) * model.get_parameter("encoder.norm.weight") * step
        assert told[1, head, 0] == pytest.approx((logit(moved) - logit(-moved)) / (2 * step), rel=1e-2, abs=1e-3)


@pytest.mark.parametrize(("spec", "row"), [("wait(2)", "1110000"), ("wait(0)", "1000000"), ("window(2)", "1100000"), ("pad_right(3)", "1111000")])
def test_a_mask_across_counts_both_texts_from_their_beginning(spec: str, row: str) -> None:
    mask = parse(spec).across(4, 7)
    assert "".join("01"[on] for on in mask[0].int()) == row
    assert mask.shape == (4, 7)
    assert str(parse(spec)) == spec
