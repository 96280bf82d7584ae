"""Soft masks and plans: what is added to which score, which layer and head meets which mask, and lines that read back as they were written."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.analysis.places import named, places, sighted
from model.config import Alibi as AlibiPositions
from model.config import Config, EncoderDecoder, Kind, NoPositions
from model.errors import Refusal
from model.generation import generate
from model.generation.decoder import Decoder
from model.layers.frame import Watch
from model.layers.masks import (
    PLACES,
    Alibi,
    Causal,
    Kerple,
    Mask,
    Painted,
    Plan,
    Prefix,
    Relative,
    Shaded,
    Sight,
    Sights,
    Spot,
    Window,
    parse,
    parse_plan,
)
from model.trace import Branch, Trace, Tracer
from model.transformer import Transformer
from tests.configs import DECODERS, EVERY, told
from tests.test_masks import masks

# ---------------------------------------------------------------- one line

numbers = st.decimals(0, 1_000, places=3).map(float)
softs = st.one_of(
    st.builds(Alibi, numbers),
    st.builds(Kerple, numbers, numbers),
    st.lists(st.one_of(numbers, numbers.map(lambda n: -n)), min_size=1, max_size=4).map(lambda values: Relative(tuple(values))),
)
shades = st.builds(Shaded, masks, st.lists(softs, max_size=2).map(tuple))
spots = st.builds(Spot, st.integers(0, 99), st.one_of(st.none(), st.integers(0, 99)))
plans = st.builds(Plan, shades, st.dictionaries(spots, shades, max_size=4).map(lambda own: tuple(own.items())))


@given(plans)
def test_a_plan_reads_back_as_it_was_written(plan: Plan) -> None:
    assert parse_plan(str(plan)) == plan


@given(masks)
def test_a_mask_is_a_plan_of_one(mask: Mask) -> None:
    assert parse_plan(str(mask)) == Plan.of(mask)
    assert parse_plan(str(mask)).mask == mask


@given(st.text("causl2.H3:;window(8)+alibi(1)&|~, -", max_size=60))
def test_any_text_is_a_plan_or_a_refusal(text: str) -> None:
    with suppress(Refusal):
        parse_plan(text)


@pytest.mark.parametrize(
    ("specification", "plan"),
    [
        ("causal & window(8) + alibi(1)", Plan(Shaded(Causal() & Window(8), (Alibi(1.0),)))),
        ("alibi(0.5) + kerple(1,2)", parse_plan("bidirectional + alibi(0.5) + kerple(1,2)")),
        ("causal | prefix(2) + relative(0,-1.5)", Plan(Shaded(Causal() | Prefix(2), (Relative((0.0, -1.5)),)))),
        (
            "causal; L2: causal & window(4); L3.H5: bidirectional",
            Plan.of(Causal()).put(Spot(2), Causal() & Window(4)).put(Spot(3, 5), parse("bidirectional")),
        ),
        (" CAUSAL;l0 . h1 :window(2)+ALIBI( 2 )", Plan.of(Causal()).put(Spot(0, 1), Shaded(Window(2), (Alibi(2.0),)))),
    ],
)
def test_how_a_plan_is_read(specification: str, plan: Plan) -> None:
    assert parse_plan(specification) == plan


@pytest.mark.parametrize(
    ("specification", "code", "sentence"),
    [
        ("causal + window(2)", "mask.soft", r"added to the scores: alibi\(1\), .*; got window at character 10"),
        ("causal +", "mask.unfinished", "character 9"),
        ("causal + alibi", "mask.arguments", r"as in alibi\(1\); got 0"),
        ("causal + alibi(-1)", "mask.weight", "from 0 to"),
        ("causal + alibi(1e9)", "mask.decimal", "such as 1, 0.5 or -2; got 1e9"),
        ("causal + relative()", "mask.values", "1 to 64 values"),
        ("causal + alibi(1) & window(2)", "mask.operator", "got & at"),
        ("(causal + alibi(1))", "mask.close", r"got \+ at"),
        ("L2: causal", "mask.unknown", "got l2 at character 1"),
        ("causal; 2: causal", "mask.place", "L2.H5:; got 2 at character 9"),
        ("causal; L2.5: causal", "mask.place", "got 5 at"),
        ("causal; L2 causal", "mask.colon", "got causal at character 12"),
        ("causal; L2: causal; L2: bidirectional", "mask.twice", "L2 has two masks"),
        ("causal" + "; L0: causal" * 65, "mask.places", "up to 64 layers and heads .* got 65"),
        ("causal" + "; L0: causal & causal & causal" * 100, "mask.long", "2000 characters"),
        ("window(1.5)", "mask.digits", "whole numbers .* got 1.5"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_would_work(specification: str, code: str, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence) as refused:
        parse_plan(specification)
    assert refused.value.code == code


def test_a_mask_alone_takes_neither_soft_masks_nor_places() -> None:
    for specification in ("causal + alibi(1)", "causal; L2: causal"):
        with pytest.raises(Refusal):
            parse(specification)


def test_a_head_goes_before_its_layer_and_a_layer_before_all() -> None:
    plan = parse_plan("causal; L1: window(2); L1.H3: prefix(1)")
    assert [str(plan.at(layer, head)) for layer, head in ((0, 3), (1, 0), (1, 3))] == ["causal", "window(2)", "prefix(1)"]
    assert plan.drop(Spot(1)).at(1, 0) == Shaded(Causal())
    assert str(plan.put(Spot(1), Causal()).put(None, Window(9))) == "window(9); L1: causal; L1.H3: prefix(1)"


def test_a_mask_made_by_hand_stands_in_a_plan_under_its_name_or_with_its_bits() -> None:
    mine = Painted.of(torch.rand(40, 40) < 0.5)
    assert parse_plan("causal; L1: painted", {"painted": mine}) == parse_plan(f"causal; L1: {mine}")
    assert PLACES == 64


def test_a_layer_or_head_that_is_not_there_is_refused() -> None:
    for specification, place in (("causal; L3: window(2)", "L3"), ("causal; L0.H6: window(2)", "L0.H6")):
        with pytest.raises(Refusal, match=f"{place} is not in this model: its layers run from L0 to L2, and heads from H0 to H5"):
            parse_plan(specification).build(3, 6, 5)


# ---------------------------------------------------------------- what is added


def slopes(heads: int) -> list[float]:
    """ALiBi's, for a power of two: 2^(-8/n), squared, cubed and so on."""
    return [2 ** (-8 * (head + 1) / heads) for head in range(heads)]


@pytest.mark.parametrize(
    ("soft", "rule"),
    [
        ("alibi(1)", lambda head, away: -slopes(4)[head] * away),
        ("alibi(0.25)", lambda head, away: -slopes(4)[head] * away / 4),
        ("alibi(0)", lambda head, away: 0.0),
        ("kerple(2,0.5)", lambda head, away: -2 * math.log(1 + away / 2)),
        ("relative(0.5,2,-1)", lambda head, away: [0.5, 2.0, -1.0][min(away, 2)]),
        ("alibi(2) + relative(1)", lambda head, away: 1 - 2 * slopes(4)[head] * away),
    ],
)
def test_every_number_a_soft_mask_adds_follows_its_formula(soft: str, rule: Callable[[int, int], float]) -> None:
    (sight,) = sights(parse_plan(f"causal + {soft}").build(1, 4, 64))
    assert sight.added is not None
    by_distance = [[rule(head, away) for away in range(64)] for head in range(4)]
    wanted = [[[values[abs(query - key)] for key in range(64)] for query in range(64)] for values in by_distance]
    torch.testing.assert_close(sight.added, torch.tensor(wanted), atol=1e-5, rtol=1e-5)
    assert torch.equal(sight.allowed, Causal().build(64))


def sights(built: Tensor | Sights) -> Sights:
    assert isinstance(built, tuple)
    return built


# ---------------------------------------------------------------- in a model

CHOSEN = [config for number, config in enumerate(EVERY) if number % 18 == 0 or number >= len(EVERY) - 12]
SPECIFICATIONS = (
    "causal & window(3) + alibi(1)",
    "causal; L1: window(2)",
    "causal | prefix(2) + relative(0,1,-2); L0.H1: bidirectional + kerple(1,2); L1: pad_left(2) & causal; L1.H5: ~bidirectional",
)


@pytest.mark.parametrize("config", CHOSEN, ids=told)
@torch.no_grad()
def test_every_head_of_every_layer_meets_its_own_mask_as_computed_by_hand(config: Config) -> None:
    model, ids, source = Transformer(config, seed=1).eval(), torch.arange(9) * 7 % 61, torch.arange(7) * 5 % 61
    about = source if config.form == EncoderDecoder(encoder_layers=2) else None
    for specification in SPECIFICATIONS:
        plan = parse_plan(specification)
        for where in places(config).values():
            stack, branch = where.stack, where.branch
            queries, keys = 7 if about is not None and stack == "encoder" else 9, 7
            given: Any = {named(config, where): sighted(plan, config, where, queries, keys)}
            trace = Tracer(model).trace(ids, source=about, **given, keep=("*",), maps="all")
            for layer in range(config.depths[stack]):
                wanted = by_hand(trace, plan, layer, stack, branch)
                torch.testing.assert_close(trace[f"{stack}.blocks.{layer}.{branch}.pattern"], wanted, atol=2e-6, rtol=1e-5)
            lean = Tracer(model).trace(ids, source=about, **given, keep=("logits", "*.[qkv]"), maps="none")
            torch.testing.assert_close(lean.logits, trace.logits, atol=1e-4, rtol=1e-4)
            for leaf in ("masked", "pattern"):
                found = getattr(lean, leaf)(1, branch, stack)
                torch.testing.assert_close(found, trace[f"{stack}.blocks.1.{branch}.{leaf}"], atol=1e-4, rtol=1e-4)


def by_hand(trace: Trace, plan: Plan, layer: int, stack: Kind, branch: Branch) -> Tensor:
    """A layer's patterns, a cell at a time: (heads, T, S)."""
    scores = trace[f"{stack}.blocks.{layer}.{branch}.scores"].double()
    found = torch.zeros_like(scores)
    for head, queries in enumerate(scores):
        shaded = plan.at(layer, head)
        allowed = shaded.mask.across(*queries.shape).tolist()
        for query, row in enumerate(queries):
            keys = [key for key in range(len(row)) if allowed[query][key]]
            at = torch.tensor([[query]])
            weights = [row[key] + sum(float(soft.added(at, torch.tensor([[key]]), 6).expand(6, 1, 1)[head]) for soft in shaded.soft) for key in keys]
            if keys:
                found[head, query, keys] = torch.stack(weights).softmax(0)
    return found.float()


@pytest.mark.parametrize("config", CHOSEN, ids=told)
@torch.no_grad()
def test_a_plan_that_is_the_same_everywhere_is_one_mask(config: Config) -> None:
    model, ids = Transformer(config, seed=1).eval(), torch.arange(9) * 7 % 61
    source = torch.arange(7) * 5 % 61 if config.form == EncoderDecoder(encoder_layers=2) else None
    depth, mask = config.depths[config.main], parse("causal & window(3) & pad_left(2)")
    alike = Plan.of(mask).put(Spot(0), mask).put(Spot(depth - 1, 5), mask)
    built = sights(alike.build(depth, 6, 9))
    assert all(sight is built[0] for sight in built)
    once = Tracer(model).trace(ids, source=source, mask=mask.build(9))
    each = Tracer(model).trace(ids, source=source, mask=built)
    assert torch.equal(once.logits, each.logits)
    assert torch.equal(once.mask, each.mask)
    stacked = tuple(Sight(sight.allowed.expand(6, 9, 9), torch.zeros(6, 9, 9)) for sight in built)
    torch.testing.assert_close(Tracer(model).trace(ids, source=source, mask=stacked).logits, once.logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("heads", [4, 6])
@torch.no_grad()
def test_alibi_laid_over_a_model_without_positions_is_a_model_with_alibi(heads: int) -> None:
    plain = replace(EVERY[0], positions=NoPositions(), attention=replace(EVERY[0].attention, heads=heads, kv_heads=heads))
    bare, born = Transformer(plain, seed=1).eval(), Transformer(replace(plain, positions=AlibiPositions()), seed=1).eval()
    ids = torch.arange(12)[None]
    laid = bare(ids, mask=parse_plan("causal + alibi(1)").build(3, heads, 12))
    torch.testing.assert_close(laid, born(ids), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(laid, bare(ids), atol=1e-3)


def test_gradients_flow_through_a_plan_as_through_its_masks() -> None:
    model, ids = Transformer(EVERY[0], seed=1).train(), torch.arange(18).view(2, 9)
    plan = parse_plan("causal + alibi(1); L1: ~bidirectional; L2.H1: window(2)").build(3, 6, 9)

    def slopes_by(**road: Any) -> list[Tensor]:
        model.zero_grad()
        model(ids, mask=plan, **road).square().mean().backward()
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    written, *derived = (slopes_by(), *(slopes_by(tap=lambda name, value: value, watch=Watch(maps)) for maps in ("all", "none")))
    for roads in zip(written, *derived, strict=True):
        for found in roads:
            torch.testing.assert_close(found, roads[0], atol=1e-5, rtol=1e-4)
            assert found.isfinite().all()


def test_masks_of_another_size_or_for_other_layers_are_refused() -> None:
    model, ids = Transformer(EVERY[0], seed=1).eval(), torch.arange(9)[None]
    with pytest.raises(Refusal, match="the mask is for 8 × 8 tokens, and here 9 look at 9"):
        model(ids, mask=Causal().build(8))
    with pytest.raises(Refusal, match="this stack has 3 layers, and the masks are for 2"):
        model(ids, mask=parse_plan("causal + alibi(1)").build(2, 6, 9))


# ---------------------------------------------------------------- while a text is written


@pytest.mark.parametrize("config", DECODERS[::7], ids=told)
@torch.no_grad()
def test_what_is_written_from_the_cache_under_a_plan_is_what_a_whole_pass_says(config: Config) -> None:
    model, prompt = Transformer(config, seed=1).eval(), (5, 17, 3, 44, 9)
    plan = parse_plan("causal & window(4) + alibi(1); L1: causal & pad_left(2) + kerple(1,2); L2.H3: causal & strided(3); L0.H1: ~bidirectional")
    for step in generate(model, prompt, tokens=8, mask=plan):
        whole = model(torch.tensor([step.history]), mask=plan.build(3, 6, len(step.history)))[0, -1]
        np.testing.assert_allclose(step.logits, whole, atol=1e-4, rtol=1e-4)
    decoder = Decoder(model, capacity=13, mask=plan)
    decoder.read(prompt)
    one_by_one = [decoder.step(id).logits for id in (7, 0, 31)]
    decoder.rewind(5)
    torch.testing.assert_close(decoder.extend((7, 0, 31)).logits, torch.stack(one_by_one), atol=1e-4, rtol=1e-4)


def test_a_plan_for_other_layers_writes_nothing() -> None:
    with pytest.raises(Refusal, match="L3 is not in this model"):
        next(generate(Transformer(DECODERS[0], seed=1).eval(), (1, 2), tokens=2, mask=parse_plan("causal; L3: window(1)")))
