"""Edits: each equals the same change made by hand in plain torch, in every arrangement and form; links read back; comparisons are exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from model.config import Attention, Config, Encoder, EncoderDecoder, Fixed, Free, Kind, Learned, Parallel, PlainMlp, Serial
from model.errors import Refusal
from model.interventions import (
    Another,
    Cell,
    Edit,
    First,
    Head,
    Layer,
    Mean,
    Output,
    PaintPattern,
    PaintRule,
    Part,
    Patch,
    Previous,
    Prompt,
    Replace,
    Residual,
    Scale,
    Silence,
    Steer,
    Uniform,
    Zeros,
    compare,
    direction,
    logit_difference,
    logits,
    parse,
    parse_all,
    patching_grid,
    spell,
    tap_of,
)
from model.layers.block import Block
from model.tap import ignore
from model.trace import Branch, Tracer
from model.transformer import Transformer

PLAIN = Config(
    vocabulary=37,
    context=24,
    width=20,
    layers=3,
    attention=Attention(heads=4, kv_heads=4, size=6, bias=True, out_bias=True),
    positions=Learned(),
    mlp=PlainMlp(hidden=28, bias=True),
    output=Free(),
    initialisation=Fixed(deviation=0.3),
)
DECODERS = {
    "decoder": PLAIN,
    "grouped": replace(PLAIN, attention=replace(PLAIN.attention, kv_heads=2)),
    "post-norm": replace(PLAIN, arrangement=Serial(norm_place="after")),
    "parallel": replace(PLAIN, arrangement=Parallel(norms=1)),
}
ENCODER = replace(PLAIN, form=Encoder(), attention=replace(PLAIN.attention, kv_heads=2))
BOTH = {
    "translator": replace(PLAIN, form=EncoderDecoder(encoder_layers=2), attention=replace(PLAIN.attention, kv_heads=2)),
    "translator, post-norm": replace(PLAIN, form=EncoderDecoder(encoder_layers=2), arrangement=Serial(norm_place="after")),
}
IDS, OTHER, THIRD = (3, 1, 4, 1, 5, 9, 2, 6), (2, 7, 1, 8, 2, 8, 1, 8), (1, 6, 1, 8, 0)
SOURCE, SOURCE2 = (14, 21, 35, 6, 23), (5, 7, 7, 21, 5)


@cache
def built(config: Config) -> Transformer:
    """A random model that the tests share: none may change it."""
    return Transformer(config, seed=1).double().eval()


# ---------------------------------------------------------------- the pass by hand


Change = Callable[[str, Tensor], Tensor]


def leave(name: str, value: Tensor) -> Tensor:
    return value


@torch.no_grad()
def by_hand(model: Transformer, prompt: Prompt, change: Change = leave) -> Tensor:
    """The logits (T, V) in plain matrix products; `change` is where a hand may reach in."""
    memory = None
    if prompt.source is not None:
        memory = _stack(model, "encoder", _embed(model, prompt.source), None, change)
    x = _stack(model, model.config.main, _embed(model, prompt.ids), memory, change)
    assert model.head.unembed is not None
    return x @ model.head.unembed.weight.T


def _embed(model: Transformer, ids: tuple[int, ...]) -> Tensor:
    assert model.embed.position is not None
    return model.embed.token.weight[list(ids)] + model.embed.position.weight[: len(ids)]


def _stack(model: Transformer, kind: Kind, x: Tensor, memory: Tensor | None, change: Change) -> Tensor:
    stack = model.stack(kind)
    for layer, block in enumerate(stack.blocks):
        x = _block(cast(Block, block), kind, x, memory, lambda name, value, at=f"{kind}.blocks.{layer}.": change(at + name, value))
    return _norm(stack.norm, x)


def _block(block: Block, kind: Kind, x: Tensor, memory: Tensor | None, change: Change) -> Tensor:
    x = change("before", x)
    if isinstance(block.arrangement, Parallel):
        h = _norm(block.norm1, x)
        middle = change("middle", x + _attend(block.attn, "attn", h, h, kind == "decoder", change))
        return change("after", middle + _think(block, h, change))
    last = block.arrangement.norm_place == "after"
    h = x if last else _norm(block.norm1, x)
    x = x + _attend(block.attn, "attn", h, h, kind == "decoder", change)
    x = change("middle", _norm(block.norm1, x) if last else x)
    if memory is not None and kind == "decoder":
        x = x + _attend(block.cross, "cross", x if last else _norm(block.cross_norm, x), memory, False, change)
        x = change("crossed", _norm(block.cross_norm, x) if last else x)
    x = x + _think(block, x if last else _norm(block.norm2, x), change)
    return change("after", _norm(block.norm2, x) if last else x)


def _norm(norm, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias


def _think(block: Block, h: Tensor, change: Change) -> Tensor:
    mlp = block.mlp
    return change("mlp.out", F.gelu(h @ mlp.up.weight.T + mlp.up.bias) @ mlp.down.weight.T + mlp.down.bias)


def _attend(attention, name: str, x: Tensor, y: Tensor, causal: bool, change: Change) -> Tensor:
    heads, groups, size = attention.heads, attention.kv_heads, attention.size
    w, b = attention.qkv.weight, attention.qkv.bias
    ends = heads * size, (heads + groups) * size
    q, k, v = (x @ w[: ends[0]].T + b[: ends[0]], y @ w[ends[0] : ends[1]].T + b[ends[0] : ends[1]], y @ w[ends[1] :].T + b[ends[1] :])
    patterns, values = [], []
    for head in range(heads):
        mine, shared = slice(head * size, (head + 1) * size), head // (heads // groups)
        theirs = slice(shared * size, (shared + 1) * size)
        scores = q[:, mine] @ k[:, theirs].T / math.sqrt(size)
        if causal:
            scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
        patterns.append(scores.softmax(-1))
        values.append(v[:, theirs])
    pattern = change(f"{name}.pattern", torch.stack(patterns))
    mixed = change(f"{name}.mixed", torch.stack([pattern[head] @ values[head] for head in range(heads)]))
    return change(f"{name}.out", torch.cat(list(mixed), -1) @ attention.out.weight.T + attention.out.bias)


def kept(model: Transformer, prompt: Prompt, site: str) -> Tensor:
    """What stands at a site of the pass by hand."""
    found: list[Tensor] = []
    by_hand(model, prompt, lambda name, value: (found.append(value), value)[1] if name == site else value)
    return found[0]


@torch.no_grad()
def edited(model: Transformer, prompt: Prompt, *edits: Edit) -> Tensor:
    return logits(model, prompt, tap_of(edits, model), "all")


def same(model: Transformer, prompt: Prompt, edits: tuple[Edit, ...], change: Change) -> None:
    """The edited run is the run by hand, and not the run left alone."""
    ours, hand = edited(model, prompt, *edits), by_hand(model, prompt, change)
    assert float((ours - hand).abs().max()) < 1e-9
    assert float((hand - left_alone(model, prompt)).abs().max()) > 1e-6


@cache
def left_alone(model: Transformer, prompt: Prompt) -> Tensor:
    return by_hand(model, prompt)


# ---------------------------------------------------------------- every kind, by hand


def hand(site: str, how: Callable[[Tensor], object]) -> Change:
    """The change that does `how` to a copy, at one site: `how` writes in place."""

    def change(name: str, value: Tensor) -> Tensor:
        if name == site:
            value = value.clone()
            how(value)
        return value

    return change


Index = Any
"""Whatever a tensor may be indexed by."""


def put(index: Index, new: Callable[[Tensor], Tensor | float]) -> Callable[[Tensor], object]:
    return lambda value: value.__setitem__(index, new(value))


def renormalised(head: int, query: int, key: int, weight: float) -> Callable[[Tensor], object]:
    def write(value: Tensor) -> None:
        value[head, query, key] = weight
        value[head, query] = value[head, query] / value[head, query].sum()

    return write


def before(pattern: Tensor) -> Tensor:
    """Every token at the one before, the first at itself."""
    return torch.eye(pattern.shape[-1]).double()[[max(0, query - 1) for query in range(len(pattern))]]


ALL = slice(None)
CASES: list[tuple[str, str, Callable[[Tensor], object]]] = [
    ("silence({}L1.H2)", "attn.mixed", put(2, lambda value: 0)),
    ("silence({}L1.H2@3-4+6)", "attn.mixed", put((2, [3, 4, 6]), lambda value: 0)),
    ("scale({}L1.H3, -1.5)", "attn.mixed", put(3, lambda value: value[3] * -1.5)),
    ("replace({}L1.H0, zeros)", "attn.mixed", put(0, lambda value: 0)),
    ("replace({}L1.H0, mean)", "attn.mixed", put(0, lambda value: value[0].mean(0))),
    ("replace({}L1.H0@2, mean)", "attn.mixed", put((0, 2), lambda value: value[0].mean(0))),
    ("replace({}L1.H0, H3)", "attn.mixed", put(0, lambda value: value[3])),
    ("silence({}L1.attn)", "attn.out", put(ALL, lambda value: 0)),
    ("scale({}L1.attn@2, 3)", "attn.out", put(2, lambda value: 3 * value[2])),
    ("silence({}L1.mlp)", "mlp.out", put(ALL, lambda value: 0)),
    ("scale({}L1.mlp, 0.5)", "mlp.out", put(ALL, lambda value: value * 0.5)),
    ("replace({}L1.mlp, mean)", "mlp.out", put(ALL, lambda value: value.mean(0))),
    ("silence({}L1.before@3)", "before", put(3, lambda value: 0)),
    ("scale({}L1.middle@3, 2)", "middle", put(3, lambda value: value[3] * 2)),
    ("replace({}L1.after@2, mean)", "after", put(2, lambda value: value.mean(0))),
    ("silence({}L1.H1[4,2])", "attn.pattern", put((1, 4, 2), lambda value: 0)),
    ("scale({}L1.H1[4,2], 2)", "attn.pattern", put((1, 4, 2), lambda value: 2 * value[1, 4, 2])),
    ("silence({}L1.H1[4,2].renormalised)", "attn.pattern", renormalised(1, 4, 2, 0)),
    ("replace({}L1.H1[4,2], mean)", "attn.pattern", put((1, 4, 2), lambda value: value[1, 4].mean())),
    ("replace({}L1.H1[4,2], H3)", "attn.pattern", put((1, 4, 2), lambda value: value[3, 4, 2])),
    ("paint({}L1.H1, 4: 1 0 3)", "attn.pattern", put((1, 4), lambda value: torch.tensor([0.25, 0, 0.75] + [0] * (value.shape[-1] - 3)))),
    ("paint({}L1.H1, 4: 0*2 2*2)", "attn.pattern", put((1, 4), lambda value: torch.tensor([0, 0, 0.5, 0.5] + [0] * (value.shape[-1] - 4)))),
    ("paint({}L1.H1, previous)", "attn.pattern", put(1, lambda value: before(value[1]))),
    ("paint({}L1.H1@3-5, first)", "attn.pattern", put((1, [3, 4, 5]), lambda value: torch.eye(value.shape[-1]).double()[0])),
    ("paint({}L1.H1, uniform)", "attn.pattern", put(1, lambda value: (value[1] > 0).double() / (value[1] > 0).sum(-1, keepdim=True))),
    ("paint({}L1.H1@6, H3)", "attn.pattern", put((1, 6), lambda value: value[3, 6])),
]
ROWS = torch.tensor([[0, 1, 0, 0, 0], [0.2] * 5], dtype=torch.float64)
CROSS: list[tuple[str, str, Callable[[Tensor], object]]] = [
    ("silence(L1.cross.H2)", "cross.mixed", put(2, lambda value: 0)),
    ("replace(L1.cross.H2, H0)", "cross.mixed", put(2, lambda value: value[0])),
    ("scale(L1.cross, 0.3)", "cross.out", put(ALL, lambda value: value * 0.3)),
    ("scale(L1.crossed@7, 2)", "crossed", put(7, lambda value: value[7] * 2)),
    ("silence(L1.cross.H1[6,4])", "cross.pattern", put((1, 6, 4), lambda value: 0)),
    ("silence(L1.cross.H1[6,4].renormalised)", "cross.pattern", renormalised(1, 6, 4, 0)),
    ("paint(L1.cross.H1, uniform)", "cross.pattern", put(1, lambda _: 0.2)),
    ("paint(L1.cross.H1, 6: 0 1 / 7: 1 1 1 1 1)", "cross.pattern", put((1, [6, 7]), lambda _: ROWS)),
]


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(("written", "leaf", "how"), CASES, ids=[case[0] for case in CASES])
def test_an_edit_of_a_decoder_is_the_edit_by_hand(name: str, written: str, leaf: str, how: Callable[[Tensor], object]) -> None:
    same(built(DECODERS[name]), Prompt(IDS), (parse(written.format("")),), hand(f"decoder.blocks.1.{leaf}", how))


@pytest.mark.parametrize(("written", "leaf", "how"), CASES, ids=[case[0] for case in CASES])
def test_an_edit_of_an_encoder_is_the_edit_by_hand(written: str, leaf: str, how: Callable[[Tensor], object]) -> None:
    edit, change = parse(written.format("encoder.")), hand(f"encoder.blocks.1.{leaf}", how)
    same(built(ENCODER), Prompt(IDS), (edit,), change)
    same(built(BOTH["translator"]), Prompt(IDS, OTHER), (edit,), change)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(("written", "leaf", "how"), CROSS, ids=[case[0] for case in CROSS])
def test_an_edit_of_cross_attention_is_the_edit_by_hand(name: str, written: str, leaf: str, how: Callable[[Tensor], object]) -> None:
    same(built(BOTH[name]), Prompt(IDS, SOURCE), (parse(written),), hand(f"decoder.blocks.1.{leaf}", how))


@pytest.mark.parametrize("name", [*DECODERS, *BOTH])
def test_a_silent_layer_adds_nothing_on_any_branch(name: str) -> None:
    model, outs = built((DECODERS | BOTH)[name]), [f"decoder.blocks.1.{leaf}.out" for leaf in ("attn", "cross", "mlp")]
    prompt = Prompt(IDS, SOURCE if name in BOTH else None)
    same(model, prompt, (Silence(Layer(1)),), lambda site, value: torch.zeros_like(value) if site in outs else value)


@pytest.mark.parametrize("name", DECODERS)
def test_a_silent_head_is_a_head_whose_columns_are_gone(name: str) -> None:
    model, without = built(DECODERS[name]), deepcopy(built(DECODERS[name]))
    cast(Block, without.stack().blocks[1]).attn.out.weight.data[:, 2 * 6 : 3 * 6] = 0
    assert float((edited(model, Prompt(IDS), Silence(Head(1, 2))) - by_hand(without, Prompt(IDS))).abs().max()) < 1e-9


# ---------------------------------------------------------------- patches and steering


PATCHED = [
    (Residual(1, "after", positions=(2, 5)), "after", [2, 5]),
    (Residual(0, "before"), "before", ALL),
    (Output(1, "mlp", positions=(4,)), "mlp.out", 4),
    (Head(2, 1), "attn.mixed", 1),
    (Head(2, 1, positions=(0, 7)), "attn.mixed", (1, [0, 7])),
    (Cell(1, 3, 5, 2), "attn.pattern", (3, 5, 2)),
]


@pytest.mark.parametrize("name", [*DECODERS, *BOTH])
@pytest.mark.parametrize(("part", "leaf", "index"), PATCHED, ids=str)
def test_a_patch_is_the_second_prompts_value_put_by_hand(name: str, part: Part, leaf: str, index: Index) -> None:
    crosses = name in BOTH
    model, prompt, second = built((DECODERS | BOTH)[name]), Prompt(IDS, SOURCE if crosses else None), Prompt(OTHER, SOURCE2 if crosses else None)
    site = f"decoder.blocks.{part.layer}.{leaf}"
    theirs = kept(model, second, site)
    same(model, prompt, (Patch(part, second),), hand(site, put(index, lambda _: theirs[index])))


def test_a_patch_across_and_of_the_encoder_is_put_by_hand() -> None:
    model, prompt, second = built(BOTH["translator"]), Prompt(IDS, SOURCE), Prompt(OTHER, SOURCE2)
    for part, site in ((Output(1, "cross"), "decoder.blocks.1.cross.out"), (Residual(0, "after", "encoder", (1, 3)), "encoder.blocks.0.after")):
        theirs, index = kept(model, second, site), list(part.places) or ALL
        same(model, prompt, (Patch(part, second),), hand(site, put(index, lambda _, theirs=theirs, index=index: theirs[index])))


@pytest.mark.parametrize("point", ["before", "after"])
def test_everything_patched_from_the_second_prompt_gives_its_logits(point: str) -> None:
    for config in DECODERS.values():
        model = built(config)
        part = Residual(0 if point == "before" else 2, "before" if point == "before" else "after")
        assert torch.allclose(edited(model, Prompt(IDS), Patch(part, Prompt(OTHER))), by_hand(model, Prompt(OTHER)), atol=1e-9)
    model = built(BOTH["translator"])
    whole = (Patch(Residual(0, "before", "encoder"), Prompt(OTHER, SOURCE2)), Patch(Residual(0, "before"), Prompt(OTHER, SOURCE2)))
    assert torch.allclose(edited(model, Prompt(IDS, SOURCE), *whole), by_hand(model, Prompt(OTHER, SOURCE2)), atol=1e-9)


def test_a_shorter_second_prompt_patches_the_positions_it_has() -> None:
    model, site = built(PLAIN), "decoder.blocks.1.after"
    theirs = kept(model, Prompt(THIRD), site)
    same(model, Prompt(IDS), (Patch(Residual(1), Prompt(THIRD)),), hand(site, put(slice(5), lambda _: theirs)))


@pytest.mark.parametrize("name", [*DECODERS, *BOTH])
def test_steering_adds_the_difference_of_the_means_by_hand(name: str) -> None:
    model, source = built((DECODERS | BOTH)[name]), SOURCE if name in BOTH else None
    toward, away = (Prompt(OTHER, source), Prompt(THIRD, source)), (Prompt((9, 9, 4), source),)
    site = "decoder.blocks.1.after"
    mean = [sum(kept(model, prompt, site)[-1] for prompt in prompts) / len(prompts) for prompts in (toward, away)]
    line = cast(Tensor, mean[0] - mean[1])
    assert torch.allclose(direction(model, Residual(1), toward, away), line, atol=1e-9)
    prompt = Prompt(IDS, source)
    same(model, prompt, (Steer(Residual(1), 2.5, toward, away),), hand(site, put(ALL, lambda value: value + 2.5 * line)))
    same(model, prompt, (Steer(Residual(1, positions=(7,)), -1, toward, away),), hand(site, put(7, lambda value: value[7] - line)))


def test_an_encoder_is_steered_and_patched_by_hand() -> None:
    model, site = built(ENCODER), "encoder.blocks.1.after"
    line = kept(model, Prompt(OTHER), site)[-1] - kept(model, Prompt(THIRD), site)[-1]
    part = Residual(1, "after", "encoder")
    same(model, Prompt(IDS), (Steer(part, 3, (Prompt(OTHER),), (Prompt(THIRD),)),), hand(site, put(ALL, lambda value: value + 3 * line)))
    theirs = kept(model, Prompt(OTHER), site)
    same(model, Prompt(IDS), (Patch(replace(part, positions=(2,)), Prompt(OTHER)),), hand(site, put(2, lambda _: theirs[2])))


# ---------------------------------------------------------------- several, and none


def test_edits_work_in_their_order() -> None:
    model, prompt = built(PLAIN), Prompt(IDS)
    half, zero, copied = Scale(Head(1, 0), 0.5), Silence(Head(1, 0)), Replace(Head(1, 3), Another(0))
    same(model, prompt, (half, copied), hand("decoder.blocks.1.attn.mixed", put([0, 3], lambda value: value[[0, 0]] * 0.5)))
    factors = torch.tensor([0.5, 1])[:, None, None]
    same(model, prompt, (copied, half), hand("decoder.blocks.1.attn.mixed", put([0, 3], lambda value: value[[0, 0]] * factors)))
    assert torch.equal(edited(model, prompt, half, zero), edited(model, prompt, zero))
    assert not torch.equal(edited(model, prompt, half, copied), edited(model, prompt, copied, half))


@pytest.mark.parametrize("config", [*DECODERS.values(), ENCODER, *BOTH.values()])
def test_no_edit_changes_no_bit(config: Config) -> None:
    model = Transformer(config, seed=1).eval()
    assert tap_of((), model) is ignore
    same_twice = compare(model, IDS, (), SOURCE if isinstance(config.form, EncoderDecoder) else None, tokens=3)
    assert not same_twice.next.difference.any()
    assert same_twice.continuations[0] == same_twice.continuations[1]
    assert not same_twice.patterns(1).difference.any()
    assert same_twice.losses is None or not same_twice.losses.difference.any()


@pytest.mark.parametrize("config", [PLAIN, DECODERS["grouped"]])
def test_painting_the_pattern_that_is_there_changes_nothing(config: Config) -> None:
    model = Transformer(config, seed=1).eval()
    pattern = Tracer(model).trace(list(IDS)).pattern(1)[2]
    painted = PaintPattern.of(Head(1, 2), pattern)
    assert torch.equal(edited(model, Prompt(IDS), painted), edited(model, Prompt(IDS)))
    assert parse(str(painted)) == painted


def test_the_value_a_tap_was_given_is_left_alone() -> None:
    model, value = built(PLAIN), torch.ones(1, 4, 8, 6)
    changed = tap_of([Silence(Head(1, 2))], model)("decoder.blocks.1.attn.mixed", value)
    assert bool(value.all())
    assert not changed[:, 2].any()
    assert tap_of([Silence(Head(1, 2))], model)("decoder.blocks.0.attn.mixed", value) is value


def test_a_row_with_nothing_left_stays_empty() -> None:
    """The first token looks at itself alone; with that cell silent there is nothing to share out, and no division by zero."""
    model = built(PLAIN)
    assert bool(edited(model, Prompt(IDS), Silence(Cell(1, 1, 0, 0, renormalised=True))).isfinite().all())


# ---------------------------------------------------------------- default | changed | difference


def test_a_comparison_is_two_runs_by_hand() -> None:
    model, change = built(DECODERS["grouped"]), hand("decoder.blocks.1.attn.mixed", put(2, lambda value: 0))
    found = compare(model, IDS, [Silence(Head(1, 2))], tokens=4)
    before, after = (by_hand(model, Prompt(IDS), how).log_softmax(-1) for how in (leave, change))
    assert np.allclose(found.next.difference, (after[-1].exp() - before[-1].exp()).numpy(), atol=1e-9)
    assert found.losses is not None
    for ours, theirs in ((found.losses.default, before), (found.losses.changed, after)):
        assert np.allclose(ours, [-float(theirs[t, IDS[t + 1]]) for t in range(7)], atol=1e-9)
    assert np.allclose(found.divergence, (before.exp() * (before - after)).sum(-1).numpy(), atol=1e-9)
    for written, how in zip(found.continuations, (leave, change), strict=True):
        text = IDS
        for _ in range(4):
            text = (*text, int(by_hand(model, Prompt(text), how)[-1].argmax()))
        assert written == text[8:]


def test_patterns_are_compared_one_layer_at_a_time() -> None:
    model = built(PLAIN)
    found = compare(model, IDS, [parse("paint(L1.H2, 3: 0 1)"), parse("silence(L0.mlp)")])
    plain = Tracer(model).trace(list(IDS))
    assert np.allclose(found.patterns(1).default, plain.pattern(1).numpy(), atol=1e-9)
    assert found.patterns(1).changed[2, 3].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert not found.patterns(0).difference.any()
    assert np.abs(found.patterns(2).difference).max() > 1e-6
    with pytest.raises(Refusal, match="the layers here are 0 to 2; got 3"):
        found.patterns(3)


def test_a_translation_is_compared_across() -> None:
    found = compare(built(BOTH["translator"]), IDS, [parse("silence(encoder.L0.mlp)")], SOURCE, tokens=2)
    assert found.patterns(0, "cross").default.shape == (4, 8, 5)
    assert np.abs(found.patterns(0, "cross").difference).max() > 1e-9
    assert np.abs(found.patterns(1, stack="encoder").difference).max() > 1e-9
    assert found.patterns(0).difference.max() == 0


def test_a_continuation_ends_with_the_context() -> None:
    assert [len(text) for text in compare(built(PLAIN), IDS, [], tokens=99).continuations] == [16, 16]


@pytest.mark.parametrize("at", [0, 3, -1])
def test_any_token_can_be_the_one_that_is_looked_at(at: int) -> None:
    model, edits = built(PLAIN), [parse("silence(L0.mlp)")]
    found = compare(model, IDS, edits, at=at)
    assert found.at == at
    assert np.allclose(found.next.changed, logits(model, Prompt(IDS), tap_of(edits, model))[at].softmax(-1).numpy(), atol=1e-9)


def test_a_rule_shows_in_the_maps_that_are_compared() -> None:
    found = compare(built(PLAIN), IDS, [parse("paint(L1.H2, previous)")])
    assert found.patterns(1).changed[2].argmax(1).tolist() == [0, 0, 1, 2, 3, 4, 5, 6]
    assert not found.patterns(1).difference[1].any()


# ---------------------------------------------------------------- the grid


@pytest.mark.parametrize("site", [Residual(0), Output(0, "attn"), Head(0, 3)], ids=str)
def test_each_cell_of_the_grid_is_one_patch_by_hand(site: Residual | Output | Head) -> None:
    model, answer = built(PLAIN), (7, 20)
    grid = patching_grid(model, IDS, OTHER, site, answer)
    assert grid.shape == (3, 8)
    for layer, position in ((0, 0), (1, 4), (2, 7)):
        leaf = site.leaves[0]
        name, index = f"decoder.blocks.{layer}.{leaf}", (3, position) if isinstance(site, Head) else position
        clean = kept(model, Prompt(IDS), name)
        runs = [by_hand(model, Prompt(OTHER), how)[-1] for how in (hand(name, put(index, lambda _, c=clean, i=index: c[i])), leave)]
        assert grid[layer, position] == pytest.approx(float((runs[0][7] - runs[0][20]) - (runs[1][7] - runs[1][20])), abs=1e-9)


def test_the_last_position_after_the_last_layer_restores_everything() -> None:
    model, answer = built(PLAIN), (7, 20)
    grid = patching_grid(model, IDS, OTHER, Residual(0), answer)
    assert grid[-1, -1] == pytest.approx(logit_difference(model, Prompt(IDS), answer) - logit_difference(model, Prompt(OTHER), answer), abs=1e-9)
    assert np.abs(grid[-1, :-1]).max() < 1e-9


def test_a_sources_positions_are_patched_through_the_encoder() -> None:
    model = built(BOTH["translator"])
    grid = patching_grid(model, IDS, IDS, Residual(0, "after", "encoder"), (7, 20), sources=(SOURCE, SOURCE2))
    assert grid.shape == (2, 5)
    name = "encoder.blocks.1.after"
    theirs = kept(model, Prompt(IDS, SOURCE), name)
    runs = [by_hand(model, Prompt(IDS, SOURCE2), how)[-1] for how in (hand(name, put(3, lambda _: theirs[3])), leave)]
    assert grid[1, 3] == pytest.approx(float((runs[0][7] - runs[0][20]) - (runs[1][7] - runs[1][20])), abs=1e-9)


def test_prompts_of_different_lengths_have_no_grid() -> None:
    with pytest.raises(Refusal, match="same length; got 8 and 5 tokens"):
        patching_grid(built(PLAIN), IDS, THIRD, Residual(0), (7, 20))


# ---------------------------------------------------------------- in a link


small = st.integers(0, 99)
stacks = st.sampled_from(["encoder", "decoder"])
places = st.lists(small, max_size=6, unique=True).map(lambda found: tuple(sorted(found)))
numbers = st.floats(allow_nan=False, allow_infinity=False)
sides: list[tuple[Branch, Kind]] = [("attn", "encoder"), ("attn", "decoder"), ("cross", "decoder")]
branches = st.sampled_from(sides)
heads = st.builds(lambda layer, head, where, at: Head(layer, head, where[0], where[1], at), small, small, branches, places)
cells = st.builds(lambda a, b, c, d, where, flag: Cell(a, b, c, d, where[0], where[1], flag), small, small, small, small, branches, st.booleans())
residuals = st.builds(Residual, small, st.sampled_from(["before", "middle", "after"]), stacks, places)
crossed = st.builds(Residual, small, st.just("crossed"), st.just("decoder"), places)
outputs = st.builds(Output, small, st.sampled_from(["attn", "mlp"]), stacks, places)
crossing = st.builds(Output, small, st.just("cross"), st.just("decoder"), places)
parts = heads | cells | residuals | crossed | outputs | crossing | st.builds(Layer, small, stacks, places)
ids = st.lists(small, min_size=1, max_size=5).map(tuple)
prompts = st.builds(Prompt, ids, st.none() | ids)
sets = st.lists(prompts, min_size=1, max_size=3).map(tuple)
weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=5).filter(lambda row: sum(row) > 0).map(tuple)
painted = st.dictionaries(small, weights, min_size=1, max_size=3).map(lambda rows: tuple(sorted(rows.items())))
edits = (
    st.builds(Silence, parts)
    | st.builds(Scale, parts, numbers)
    | st.builds(Replace, parts, st.just(Zeros()) | st.just(Mean()))
    | st.builds(Replace, heads | cells, st.builds(Another, small))
    | st.builds(lambda head, rows: PaintPattern(replace(head, positions=()), rows), heads, painted)
    | st.builds(PaintRule, heads, st.sampled_from([First(), Uniform()]) | st.builds(Another, small))
    | st.builds(PaintRule, st.builds(Head, small, small, st.just("attn"), stacks, places), st.just(Previous()))
    | st.builds(Patch, parts, prompts)
    | st.builds(Steer, residuals | crossed, numbers, sets, sets)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(edits, max_size=3).map(tuple))
def test_edits_read_back_as_they_were_written(some: tuple[Edit, ...]) -> None:
    assert parse_all(spell(some)) == some
    assert all(parse(str(edit)) == edit for edit in some)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"(silence|scale|replace|paint|patch|steer)\(L?[0-9.HLattn@,:/|> -]*\)?", fullmatch=True))
def test_whatever_is_written_is_an_edit_or_refused(text: str) -> None:
    try:
        edit = parse(text)
    except Refusal:
        return
    assert parse(str(edit)) == edit


@pytest.mark.parametrize(
    ("written", "code", "says"),
    [
        ("mute(L2.H3)", "edit.verb", r"silence\(L2.H3\), scale"),
        ("", "edit.verb", "got ''"),
        ("silence(L2.H3", "edit.arguments", r"silence is written like silence\(L2.H3\)"),
        ("scale(L2.H3)", "edit.arguments", "scale is written like scale"),
        ("silence(H3)", "edit.part", "a part is written like L2.H3, .* got 'H3'"),
        ("silence(L2.H3[5,2]@4)", "edit.part", "a part is written like"),
        ("silence(L2@6-4)", "edit.positions", "@5 or @4-6"),
        ("silence(L2@0-999999)", "edit.positions", "@5 or @4-6"),
        ("silence(L2@6+4)", "edit.rising", r"@4\+6; got 6 4"),
        ("silence(encoder.L2.cross.H1)", "edit.cross", "an encoder has no source"),
        ("scale(L2.mlp, much)", "edit.number", "0.5, -2 or 1e-3; got 'much'"),
        ("scale(L2.mlp, inf)", "edit.finite", "finite numbers"),
        ("replace(L2.mlp, H1)", "edit.another", "L2.mlp takes zeros or mean"),
        ("replace(L2.mlp, ones)", "edit.by", "by zeros, by mean or by a head"),
        ("paint(L2.mlp, 0: 1)", "edit.arguments", "paint is written like"),
        ("paint(L2.H1, 1)", "edit.arguments", "paint is written like"),
        ("paint(L2.H1, 1: 0 0)", "edit.weights", "query 1 has 0 0"),
        ("paint(L2.H1, 1: 0*5000 1)", "edit.runs", r"up to 4096 weights, .*got '0\*5000'"),
        ("paint(L2.H1, 1: 0*x 1)", "edit.runs", r"0\*4 1; got '0\*x'"),
        ("paint(L2.cross.H1, previous)", "edit.previous", "no token before a target's"),
        ("paint(L2.H1@3, 1: 1)", "edit.rows", "one row or more"),
        ("patch(L2.after, the sky)", "edit.ids", "tokens' numbers"),
        ("steer(L2.mlp, 1, 1, 2)", "edit.arguments", "steer is written like"),
        ("silence(L1)" * 9_999, "edit.long", "up to 20000 characters"),
    ],
)
def test_rubbish_is_refused_by_name(written: str, code: str, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        parse(written)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("silence(L3.H0)", "edit.layer"),
        ("silence(L0.H4)", "edit.head"),
        ("replace(L0.H1, H4)", "edit.head"),
        ("paint(L0.H1, H4)", "edit.head"),
        ("paint(L0.H1@8, first)", "edit.position"),
        ("silence(L0.after@8)", "edit.position"),
        ("silence(L0.H1[8,0])", "edit.position"),
        ("silence(L0.H1[0,8])", "edit.position"),
        ("paint(L0.H1, 8: 1)", "edit.position"),
        ("paint(L0.H1, 0: 0 0 0 0 0 0 0 0 1)", "edit.position"),
        ("silence(encoder.L0)", "stack.none"),
        ("silence(L0.cross.H1)", "trace.branch"),
        ("patch(L0.after, 1 2 3 4 5 6 7 8 9)", "edit.longer"),
        ("patch(L0.after@5, 1 2 3)", "edit.position"),
        ("patch(L0.after, 37)", "edit.token"),
        ("patch(L0.after, 1 -> 2)", "source.none"),
        ("steer(L0.after, 1, 1, 99)", "edit.token"),
    ],
)
def test_what_this_model_or_text_has_not_is_refused(written: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        compare(built(PLAIN), IDS, [parse(written)])
    assert refused.value.code == code


def test_an_empty_text_and_a_missing_source_are_refused() -> None:
    with pytest.raises(Refusal, match="one token or more"):
        compare(built(PLAIN), [], [])
    with pytest.raises(Refusal, match="writes about a source"):
        compare(built(BOTH["translator"]), IDS, [])
