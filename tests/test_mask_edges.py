"""Masks at their edges: rows that see nothing, padding wider than the text, masks made for another length. Defined, and never NaN."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.config import Attention, Config, EncoderDecoder, PlainMlp
from model.errors import Refusal
from model.generation import generate
from model.layers.masks import PATTERNS, SOFT, Causal, Painted, Plan, Sight, parse, parse_plan
from model.trace import Tracer
from model.training.loss import cross_entropy
from model.transformer import Transformer

CONFIG = Config(vocabulary=31, context=64, width=12, layers=2, attention=Attention(heads=2, kv_heads=1, size=6), mlp=PlainMlp(hidden=16))
EXAMPLES = [kind.example for kind in PATTERNS.values()]
EDGES = (
    "~bidirectional",
    "pad_left(70)",
    "causal & pad_right(70)",
    "causal & pad_left(3) & pad_right(2)",
    "packed(1,70,2)",
    "prefix(0) | global(0)",
    "random(0,0)",
    "painted(2,00)",
    "bidirectional & ~causal",
)
PLANS = (*(f"causal + {kind.example}" for kind in SOFT.values()), "causal; L0.H1: ~bidirectional; L1: pad_left(70) + alibi(1000000)")


@pytest.fixture(scope="module")
def model() -> Transformer:
    return Transformer(CONFIG, seed=1).eval()


HARD = (*EXAMPLES, *(f"causal & {example}" for example in EXAMPLES), *EDGES)


@torch.no_grad()
def test_no_mask_of_booleans_makes_a_number_that_is_none_at_any_length(model: Transformer) -> None:
    """All of them in one pass a length, a row each."""
    masks, ids = [parse(specification) for specification in HARD], (torch.arange(64) % 31).expand(len(HARD), -1)
    for length in range(1, 65):
        finite = model(ids[:, :length], mask=torch.stack([mask.build(length) for mask in masks])).isfinite().flatten(1).all(1)
        assert finite.all(), (length, [specification for specification, fine in zip(HARD, finite, strict=True) if not fine])


@pytest.mark.parametrize("specification", PLANS)
@torch.no_grad()
def test_no_plan_makes_a_number_that_is_none_at_any_length(model: Transformer, specification: str) -> None:
    plan, ids = parse_plan(specification), torch.arange(64)[None] % 31
    for length in range(1, 65):
        assert model(ids[:, :length], mask=plan.build(2, 2, length)).isfinite().all(), length


@pytest.mark.parametrize("specification", [*HARD, *PLANS])
@torch.no_grad()
def test_what_sees_nothing_gives_nothing_and_what_is_written_under_it_is_a_number(model: Transformer, specification: str) -> None:
    plan, ids = parse_plan(specification), torch.arange(64)[None] % 31
    for length in (1, 2, 3, 64):
        trace = Tracer(model).trace(ids[0, :length], mask=plan.build(2, 2, length), keep=("*",), maps="all")
        for layer in range(2):
            kept = trace.allowed(layer=layer).expand(2, -1, -1)
            assert (trace.pattern(layer)[~kept] == 0).all()
            torch.testing.assert_close(trace.pattern(layer).sum(-1), kept.any(-1).float())
            assert (trace[f"decoder.blocks.{layer}.attn.mixed"][~kept.any(-1)] == 0).all()
    steps = list(generate(model, (1, 2, 3), tokens=3, mask=plan))
    assert all(np.isfinite(step.logits).all() and np.isfinite(step.pattern).all() for step in steps)


@pytest.mark.parametrize("specification", [*EDGES, *PLANS])
def test_training_under_it_has_a_loss_and_a_slope(specification: str) -> None:
    model, ids = Transformer(CONFIG, seed=1).train(), torch.arange(14).view(2, 7)
    logits = model(ids, mask=parse_plan(specification).build(2, 2, 7))
    loss, slope = cross_entropy(logits, ids.roll(-1, 1), pad=-1)
    logits.backward(slope)
    assert np.isfinite(loss)
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize("specification", [*EXAMPLES, *EDGES, *PLANS])
@torch.no_grad()
def test_between_texts_of_any_two_lengths_there_is_a_mask(specification: str) -> None:
    model, plan = Transformer(replace(CONFIG, form=EncoderDecoder(encoder_layers=2)), seed=1).eval(), parse_plan(specification)
    for targets, sources in ((1, 9), (9, 1), (5, 5), (3, 40)):
        memory = model.encode(torch.arange(sources)[None] % 31, across=plan.across(2, 2, targets, sources))
        assert model(torch.arange(targets)[None], memory=memory).isfinite().all()


@torch.no_grad()
def test_a_token_that_sees_nothing_says_what_it_would_say_alone_without_attention(model: Transformer) -> None:
    ids = torch.arange(6)[None]
    blind = model(ids, mask=parse("~bidirectional").build(6))
    silent = model(ids, tap=lambda name, value: torch.zeros_like(value) if name.endswith("attn.mixed") else value)
    torch.testing.assert_close(blind, silent)


@torch.no_grad()
def test_padding_on_either_side_changes_nothing_for_the_text_between(model: Transformer) -> None:
    text = torch.arange(5)[None] + 3
    filled = torch.nn.functional.pad(text, (2, 3), value=30)
    mask = parse("causal & pad_left(2) & pad_right(3)").build(10)
    assert mask[2:7, 2:7].equal(Causal().build(5))
    assert not mask[:2].any()
    torch.testing.assert_close(model(filled, mask=mask)[:, 2:7], model(text), atol=1e-5, rtol=1e-4)  # rotary angles tell distances only


def test_a_painted_mask_goes_on_causally_in_a_longer_text_and_is_cut_in_a_shorter_one() -> None:
    painted = Painted.of(torch.tensor([[1, 1, 0], [0, 0, 0], [0, 0, 1]]).bool())
    assert painted.build(5).int().tolist() == [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert painted.build(2).int().tolist() == [[1, 1], [0, 0]]


@torch.no_grad()
def test_booleans_and_sights_of_another_size_are_refused_in_words(model: Transformer) -> None:
    ids, source = torch.arange(6)[None], torch.arange(4)[None]
    about = Transformer(replace(CONFIG, form=EncoderDecoder(encoder_layers=2)), seed=1).eval()
    for mask in (torch.ones(5, 5, dtype=torch.bool), torch.ones(6, 7, dtype=torch.bool), (Sight(torch.ones(2, 5, 6, dtype=torch.bool)),) * 2):
        with pytest.raises(Refusal, match=r"the mask is for . × . tokens, and here 6 look at 6"):
            model(ids, mask=mask)
        with pytest.raises(Refusal, match="here 6 look at 4"):
            about(ids, memory=about.encode(source, across=mask))
    with pytest.raises(Refusal, match="the mask covers 5 × 5 positions"):
        next(generate(model, (1, 2, 3), tokens=4, mask=torch.ones(5, 5, dtype=torch.bool)))
    assert Plan.of(Causal()).build(2, 2, 0).shape == (0, 0)  # pyright: ignore[reportAttributeAccessIssue]
