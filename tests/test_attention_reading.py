"""Readings of attention against ten lines of torch on the raw weights, and what must hold for any map."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.analysis.attention import Cell, arithmetic, credits, one_head, overview, pooled, thumbnail
from model.analysis.places import Where
from model.config import Alibi, Attention, Config, GatedMlp, Learned, NoPositions, Parallel, RMSNorm, Rotary, Serial
from model.errors import Refusal
from model.layers.masks import parse
from model.layers.positions import alibi_slopes
from model.trace import Trace, Tracer
from model.transformer import Transformer

Small = partial(Config, vocabulary=50, context=512, width=24, layers=2)
GROUPED = Attention(heads=4, kv_heads=2, size=8)
BIASED = Attention(heads=3, kv_heads=1, size=8, bias=True, out_bias=True)
CONFIGS = {
    "rotary": Small(positions=Rotary()),
    "rotary, half turned, grouped": Small(attention=GROUPED, positions=Rotary(fraction=0.5, pairing="neighbours")),
    "alibi, multi-query, biases": Small(attention=BIASED, positions=Alibi()),
    "parallel, one norm": Small(attention=GROUPED, positions=Learned(), arrangement=Parallel(norms=1)),
    "norm after, gated": Small(positions=NoPositions(), norm=RMSNorm(), mlp=GatedMlp(), arrangement=Serial(norm_place="after")),
}
each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def trace_of(config: Config, length: int = 12, spec: str = "causal") -> Trace:
    model = Transformer(config, seed=1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())) * 0.4)
    ids = torch.randint(0, config.vocabulary, (length,), generator=torch.Generator().manual_seed(2))
    return Tracer(model).trace(ids, mask=parse(spec).build(length)).clone()


def block_of(trace: Trace, layer: int) -> Any:
    return trace.model.stack().blocks[layer]


def turned(x: Tensor, positions: Rotary, place: int) -> Tensor:
    """One vector rotated in complex numbers, a second road to `rotate`."""
    half = int(positions.fraction * len(x)) // 2
    pairs = x[: 2 * half].view(2, half).T if positions.pairing == "halves" else x[: 2 * half].view(half, 2)
    spun = torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.ones(half), place * positions.base ** (-torch.arange(half) / half))
    spun = torch.view_as_real(spun)
    return torch.cat([(spun.T if positions.pairing == "halves" else spun).flatten(), x[2 * half :]])


def from_raw_weights(trace: Trace, at: Cell) -> dict[str, Tensor]:
    """The cell again, from the residual stream and the weight matrices alone."""
    config, block = trace.model.config, block_of(trace, at.layer)
    a, stream = config.attention, trace[f"decoder.blocks.{at.layer}.before"]
    read = stream if config.arrangement == Serial(norm_place="after") else block.norm1(stream)
    rows = F.linear(read, block.attn.qkv.weight, block.attn.qkv.bias).unflatten(-1, (-1, a.size))
    shared = at.head // (a.heads // a.kv_heads)
    q, k, v = rows[at.query, at.head], rows[:, a.heads + shared], rows[:, a.heads + a.kv_heads + shared]
    if isinstance(config.positions, Rotary):
        q, k = turned(q, config.positions, at.query), torch.stack([turned(key, config.positions, place) for place, key in enumerate(k)])
    scores = k @ q / math.sqrt(a.size)
    if isinstance(config.positions, Alibi):
        scores = scores - alibi_slopes(a.heads)[at.head] * (torch.arange(len(k)) - at.query).abs()
    weights = scores.masked_fill(~trace.mask[at.query], -math.inf).softmax(-1)
    written = block.attn.out.weight[:, at.head * a.size :][:, : a.size] @ (weights @ v)
    return {"q": q, "k": k[at.key], "v": v[at.key], "scores": scores, "weights": weights, "mixed": weights @ v, "contribution": written}


@each_config
@torch.no_grad()
def test_a_cell_recomputes_from_the_raw_weights(config: Config) -> None:
    trace = trace_of(config)
    for at in (Cell(0, 0, 0, 0), Cell(1, 2, 7, 3), Cell(1, config.attention.heads - 1, 11, 11)):
        reading = arithmetic(trace, at)
        for name, expected in from_raw_weights(trace, at).items():
            np.testing.assert_allclose(getattr(reading, name), expected.numpy(), atol=1e-5, err_msg=f"{name} at {at}")


@each_config
def test_every_number_is_the_traces_own(config: Config) -> None:
    trace = trace_of(config, spec="causal & window(5)")
    at = Cell(1, 1, 9, 6)
    reading, name = arithmetic(trace, at), "decoder.blocks.1.attn"
    assert reading.score == pytest.approx(float(trace[f"{name}.scores"][1, 9, 6]), abs=1e-5)
    assert reading.weight == pytest.approx(float(trace[f"{name}.pattern"][1, 9, 6]), abs=1e-6)
    np.testing.assert_allclose(reading.weights, trace[f"{name}.pattern"][1, 9], atol=1e-6)
    np.testing.assert_allclose(reading.mixed, trace[f"{name}.mixed"][1, 9], atol=1e-6)
    if config.arrangement != Serial(norm_place="after"):
        np.testing.assert_allclose(reading.after, trace["decoder.blocks.1.middle"][9], atol=1e-5)


@each_config
def test_the_heads_contributions_add_up_to_what_attention_writes(config: Config) -> None:
    trace = trace_of(config)
    cells = [arithmetic(trace, Cell(0, head, 8, 2)) for head in range(config.attention.heads)]
    bias = block_of(trace, 0).attn.out.bias
    written = sum(reading.contribution for reading in cells) + (0 if bias is None else bias.detach().numpy())
    np.testing.assert_allclose(written, cells[0].attention, atol=1e-5)


def test_alibi_takes_its_slope_times_the_distance() -> None:
    trace = trace_of(CONFIGS["alibi, multi-query, biases"])
    reading = arithmetic(trace, Cell(0, 1, 10, 4))
    assert reading.bias == pytest.approx(-6 * alibi_slopes(3)[1])
    assert arithmetic(trace_of(CONFIGS["rotary"]), Cell(0, 1, 10, 4)).slope is None


def test_a_forbidden_cell_keeps_its_score_and_has_no_weight() -> None:
    reading = arithmetic(trace_of(CONFIGS["rotary"]), Cell(0, 0, 3, 9))
    assert not reading.may_look
    assert reading.weight == 0
    assert reading.score != 0
    assert not reading.weighted.any()


def test_a_row_that_sees_nothing_is_all_zeros() -> None:
    reading = arithmetic(trace_of(CONFIGS["rotary"], spec="causal & pad_left(4)"), Cell(1, 0, 2, 1))
    assert reading.denominator == reading.weight == reading.peak == 0
    assert not reading.mixed.any()
    assert not reading.contribution.any()
    assert np.isfinite(reading.scores).all()


@pytest.mark.parametrize("config", [CONFIGS["rotary"], CONFIGS["alibi, multi-query, biases"]])
def test_long_texts_whose_maps_were_not_kept_read_the_same(config: Config) -> None:
    long = trace_of(config, 300)
    kept = Tracer(long.model).trace(long.ids, maps="all")
    at = Cell(1, 2, 299, 17)
    np.testing.assert_allclose(arithmetic(long, at).scores, arithmetic(kept, at).scores, atol=1e-5)
    np.testing.assert_allclose(one_head(long, 1, 2).pattern, kept["decoder.blocks.1.attn.pattern"][2], atol=1e-6)


@pytest.mark.parametrize("spec", ["causal", "window(9)", "causal & pad_left(70)", "bidirectional"])
@pytest.mark.parametrize("name", ["rotary, half turned, grouped", "alibi, multi-query, biases"])
def test_the_small_maps_of_a_long_text_are_the_largest_of_every_square_of_the_whole_ones(name: str, spec: str) -> None:
    long, side = trace_of(CONFIGS[name], 300, spec), 60
    glance = overview(long, 64)
    assert glance.block == 5
    for layer in range(2):
        whole = long.pattern(layer).numpy()
        squares = whole.reshape(len(whole), side, 5, side, 5).max((2, 4))
        np.testing.assert_allclose(glance.maps[layer], squares, atol=1e-6)
        np.testing.assert_allclose(glance.sinks[layer], whole[:, 1:, 0].mean(1), atol=1e-6)
    assert glance.telling == overview(replace(long, sites=long.sites | _patterns(long)), 64).telling


def _patterns(trace: Trace) -> dict[str, Tensor]:
    return {f"decoder.blocks.{layer}.attn.pattern": trace.pattern(layer) for layer in range(2)}


@pytest.mark.parametrize(("layers", "heads", "side"), [(12, 12, 64), (16, 16, 64), (40, 40, 25), (96, 128, 16)])
def test_many_heads_share_the_room_of_their_small_maps(layers: int, heads: int, side: int) -> None:
    assert thumbnail(layers, heads) == side


def test_pooling_keeps_every_peak_in_its_square() -> None:
    maps = torch.rand(3, 10, 10, generator=torch.Generator().manual_seed(0))
    small = pooled(maps, 4)
    assert small.shape == (3, 3, 3)
    for row in range(3):
        for column in range(3):
            np.testing.assert_array_equal(small[:, row, column], maps[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].amax((1, 2)))


def test_the_overview_measures_the_sink_and_loses_nothing_of_a_short_map() -> None:
    trace = trace_of(CONFIGS["rotary"], 20)
    at_a_glance, pattern = overview(trace), trace["decoder.blocks.1.attn.pattern"].numpy()
    np.testing.assert_allclose(at_a_glance.sinks[1], pattern[:, 1:, 0].mean(1), atol=1e-6)
    np.testing.assert_allclose(at_a_glance.maps[1], pattern)


@pytest.mark.parametrize("name", ["rotary", "alibi, multi-query, biases", "parallel, one norm"])
@torch.no_grad()
def test_credit_is_what_the_logit_loses_without_the_head_while_the_last_norm_stands_still(name: str) -> None:
    trace = trace_of(CONFIGS[name])
    token, last, model = int(trace.logits[-1].argmax()), trace["decoder.blocks.1.after"][-1], trace.model
    still = (last.var(unbiased=False) + 1e-5).sqrt()
    unembed = model.get_parameter("embed.token.weight")[token] * model.get_parameter("decoder.norm.weight")
    for head in range(model.config.attention.heads):
        gone = torch.from_numpy(arithmetic(trace, Cell(1, head, 11, 0)).contribution)
        lost = ((gone - gone.mean()) / still) @ unembed
        assert credits(trace, Where("decoder"), slice(11, 12))[1, head, 0] / still == pytest.approx(float(lost), abs=1e-4)


def test_a_text_that_is_continued_is_entered_at_its_last_token() -> None:
    trace = trace_of(CONFIGS["rotary"])
    layer, head, query = overview(trace).telling
    told = credits(trace, Where("decoder"), slice(11, 12))[..., 0] * (1 - np.stack([trace.pattern(each)[:, -1, 0].numpy() for each in (0, 1)]))
    assert (query, told[layer, head]) == (11, told.max())


def test_a_single_token_looks_at_itself() -> None:
    trace = trace_of(CONFIGS["rotary"], 1)
    assert one_head(trace, 0, 0).strongest(0, without_sink=True) == 0
    assert overview(trace).sinks.tolist() == [[1.0] * 4] * 2
    assert overview(trace).telling[2] == 0
    assert arithmetic(trace, Cell(0, 0, 0, 0)).weight == 1


def test_the_strongest_key_may_pass_over_the_sink() -> None:
    reading = one_head(trace_of(CONFIGS["rotary"]), 0, 0)
    reading.pattern[6] = np.array([0.9, 0, 0.08, 0.02] + [0] * 8)
    assert reading.strongest(6) == 0
    assert reading.strongest(6, without_sink=True) == 2
    assert reading.strongest(0, without_sink=True) == 0


def test_a_head_that_is_not_there_is_refused_with_the_last_one_named() -> None:
    trace = trace_of(CONFIGS["rotary"])
    with pytest.raises(Refusal, match="head counts from 0 to 3, got 4"):
        one_head(trace, 0, 4)
    with pytest.raises(Refusal, match="key counts from 0 to 11, got -1"):
        arithmetic(trace, Cell(0, 0, 3, -1))
