"""What a mask costs, and who can know what under it: against counting by hand, and against models that are asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from model.analysis.leaking import LEAST, LONGEST, exchanged, leaks, travel
from model.analysis.mask_costs import costs, times
from model.analysis.masking import losses, reach, saving
from model.analysis.places import CROSS, Where, places
from model.config import Attention, Config, Encoder, EncoderDecoder, PlainMlp
from model.errors import Refusal
from model.layers.masks import parse, parse_plan
from model.trace import Tracer
from model.transformer import Transformer

CONFIG = Config(vocabulary=31, context=96, width=16, layers=3, attention=Attention(heads=4, kv_heads=2, size=8), mlp=PlainMlp(hidden=32))
BOTH = replace(CONFIG, form=EncoderDecoder(encoder_layers=2))
IDS = [int(id) for id in torch.arange(12) * 7 % 31]
SOURCE = [int(id) for id in torch.arange(8) * 5 % 31]
PLANS = (
    "causal",
    "bidirectional",
    "causal & window(3)",
    "causal & (prefix(1) | window(2)) + alibi(1)",
    "causal & random(2,1); L1: causal & pad_left(4); L2.H1: bidirectional",
    "~bidirectional; L0.H3: dilated(3,2)",
    "causal | prefix(5)",
    "causal & packed(5,7)",
)


@pytest.fixture(scope="module")
def model() -> Transformer:
    return Transformer(CONFIG, seed=3).eval()


# ---------------------------------------------------------------- what is kept


@pytest.mark.parametrize("specification", PLANS)
def test_costs_are_those_of_pairs_and_keys_counted_one_by_one(specification: str) -> None:
    plan, lengths = parse_plan(specification), (1, 2, 7, 12)
    read = costs(plan, CONFIG, lengths=lengths)
    for at, length in enumerate(lengths):
        built = [plan.at(layer, head).mask.build(length).tolist() for layer in range(3) for head in range(4)]
        cells = [[(query, key) for query in range(length) for key in range(length) if kept[query][key]] for kept in built]
        assert read.pairs[at] == sum(map(len, cells))
        assert read.own[at] == 12 * length * (length + 1) // 2
        assert read.map_bytes[at] == 4 * read.pairs[at]
        assert read.flops[at] == sum(len(pairs) * (8 + 8) * 2 for pairs in cells)
        groups = [{*cells[first], *cells[first + 1]} for first in range(0, 12, 2)]
        if any(key > query for pairs in groups for query, key in pairs):
            assert read.held[at] == read.cache_bytes[at] == -1
            continue
        alive = [
            [sum(any((later, key) in pairs for later in range(step, length)) for key in range(step + 1)) for step in range(length)]
            for pairs in groups
        ]
        assert read.held[at] == sum(map(max, alive))
        assert read.cache_bytes[at] == read.held[at] * 8 * 2 * 4


@pytest.mark.parametrize(
    ("specification", "pairs"),
    [
        ("causal", lambda n: n * (n + 1) // 2),
        ("bidirectional", lambda n: n * n),
        ("causal & window(64)", lambda n: n * (n + 1) // 2 - max(n - 64, 0) * (max(n - 64, 0) + 1) // 2),
        ("causal & blocks(32)", lambda n: n // 32 * 32 * 33 // 2 + n % 32 * (n % 32 + 1) // 2),
        ("global(2)", lambda n: n * n - max(n - 2, 0) ** 2),
    ],
)
def test_counted_pairs_have_their_closed_forms(specification: str, pairs: Any) -> None:
    read = costs(parse_plan(specification), CONFIG)
    maps = CONFIG.layers * CONFIG.attention.heads
    assert read.pairs.tolist() == [maps * pairs(int(length)) for length in read.lengths]
    assert read.lengths[[0, -1]].tolist() == [1, 1_024]


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, form=Encoder()), BOTH], ids=["decoder", "encoder", "both"])
def test_one_mask_for_all_costs_what_it_saves_elsewhere(config: Config) -> None:
    for where in places(config).values():
        for specification in ("causal", "causal & window(3)", "bidirectional"):
            read, mask = costs(parse_plan(specification), config, where, (9,)), parse(specification)
            kept = saving(mask.build(9).numpy(), config, where)
            assert (read.flops[0], read.all_flops[0], read.own_flops[0]) == (kept.flops, kept.all_flops, kept.own_flops)
            assert read.cache_bytes[0] == (-1 if kept.cache_bytes is None else kept.cache_bytes)


@pytest.mark.parametrize("specification", ["bidirectional", "wait(2)", "window(3) | prefix(1)", "wait(0) & pad_left(2)"])
def test_across_the_costs_are_those_of_the_texts_own_lengths(specification: str) -> None:
    read, mask = costs(parse_plan(specification), BOTH, CROSS, (1, 6, 12), (6, 9)), parse(specification)
    for at, (targets, sources) in enumerate([(1, 2), (6, 9), (12, 18)]):
        kept = saving(mask.across(targets, sources).numpy(), BOTH, CROSS)
        assert (read.flops[at], read.all_flops[at], read.own_flops[at]) == (kept.flops, kept.all_flops, kept.own_flops)
        assert read.cache_bytes[at] == kept.cache_bytes


def test_times_are_of_a_pass_of_each_kind_and_say_which_blocks_were_computed(model: Transformer) -> None:
    read = times(model, parse_plan("causal & window(8)"), 1_000, seconds=0.01)
    assert (read.tokens, read.kept, read.blocks, read.laps) == (96, 3, 4, read.laps)
    for whole, attention in zip((read.plain, read.hidden, read.skipped), read.attention, strict=True):
        assert 0 < attention < whole
    about = Transformer(BOTH, seed=3).eval()
    for where in places(BOTH).values():
        assert times(about, parse_plan("causal; L1.H0: ~bidirectional"), 40, where, seconds=0.01).blocks == 1


# ---------------------------------------------------------------- who can know what


@pytest.mark.parametrize("specification", PLANS)
def test_information_takes_one_look_a_layer(specification: str) -> None:
    plan = parse_plan(specification)
    read = travel(plan, CONFIG, Where("decoder"), 12, 12)
    looks = [[[set(np.flatnonzero(row)) for row in plan.at(layer, head).mask.build(12)] for head in range(4)] for layer in range(3)]
    for query in range(12):
        for layers in range(4):
            ways = {query}
            for layer in reversed(range(layers)):
                ways = ways.union(*(head[at] for at in ways for head in looks[layer]))
            assert set(np.flatnonzero(read.reached[layers, query]).tolist()) == ways
            assert read.farthest[layers, query] == max(query - key for key in ways)
            assert read.counts[layers, query] == len(ways)


def test_a_window_reaches_as_far_as_it_is_stacked_high() -> None:
    read = travel(parse_plan("causal & window(4)"), CONFIG, Where("decoder"), 30, 30)
    assert [int(far[-1]) for far in read.farthest] == [0, 3, 6, 9]
    assert np.array_equal(read.reached[-1], reach(parse("causal & window(4)").build(30).numpy(), 3))


# ---------------------------------------------------------------- who does


@pytest.mark.parametrize("specification", PLANS)
def test_exactly_what_can_be_known_is_known(model: Transformer, specification: str) -> None:
    read = leaks(model, IDS, parse_plan(specification))
    assert (read.moved[~read.reached] == 0).all()
    assert (read.moved[read.reached] > 0).all()
    assert np.array_equal(read.leaked, read.future & read.reached & (read.moved > LEAST))


def test_a_causal_mask_leaks_nothing_and_one_that_sees_all_leaks_everywhere(model: Transformer) -> None:
    causal, both = (leaks(model, IDS, parse_plan(specification)) for specification in ("causal", "bidirectional"))
    assert (causal.count, causal.worst) == (0, None)
    assert (causal.moved[causal.future] == 0).all()
    assert both.count == 11
    assert both.worst is not None
    assert both.moved[both.worst] == both.moved[both.future].max()


@torch.no_grad()
def test_a_leak_is_the_divergence_between_two_runs_of_the_model(model: Transformer) -> None:
    plan = parse_plan("causal | prefix(6)")
    read, mask = leaks(model, IDS, plan), parse("causal | prefix(6)").build(12)
    for token in (0, 5, 11):
        other = [read.by[token] if place == token else id for place, id in enumerate(IDS)]
        before, after = (model(torch.tensor([ids]), mask=mask)[0].double().log_softmax(-1) for ids in (IDS, other))
        np.testing.assert_allclose(read.moved[:, token], (before.exp() * (before - after)).sum(-1), atol=1e-6)


@pytest.mark.parametrize("specification", ["bidirectional", "wait(1)", "window(2)", "~bidirectional", "prefix(3); L1.H2: window(1)"])
def test_a_source_is_known_as_far_as_its_masks_let_through(specification: str) -> None:
    model, plan = Transformer(BOTH, seed=3).eval(), parse_plan(specification)
    for where in (CROSS, Where("encoder")):
        read = leaks(model, IDS, plan, where, SOURCE)
        assert read.moved.shape == (12, 8)
        assert ((read.moved > 0) == read.reached).all()
        assert not read.count
    among = leaks(model, IDS, parse_plan("causal & window(2)"), Where("decoder"), SOURCE)
    assert ((among.moved > 0) == among.reached).all()


def test_every_token_is_exchanged_for_another_one_of_its_text() -> None:
    assert exchanged(torch.tensor([3, 3, 5, 4]), 9).tolist() == [5, 5, 4, 3]
    assert exchanged(torch.tensor([8, 8]), 9).tolist() == [0, 0]
    assert exchanged(torch.tensor([], dtype=torch.long), 9).tolist() == []


def test_a_text_too_long_to_ask_token_by_token_is_refused(model: Transformer) -> None:
    with pytest.raises(Refusal, match=f"up to {LONGEST} tokens .* has 97"):
        leaks(model, [1] * 97, parse_plan("causal"))


@pytest.mark.parametrize("specification", PLANS)
def test_a_prediction_is_told_its_answer_exactly_if_exchanging_the_answer_changes_it(model: Transformer, specification: str) -> None:
    plan, ids, tracer = parse_plan(specification), torch.tensor(IDS), Tracer(model)
    default = tracer.trace(ids).clone()
    told = losses(default, tracer.trace(ids, mask=plan.build(3, 4, 12))).told
    assert told.tolist() == (np.diagonal(leaks(model, IDS, plan).moved, 1) > 0).tolist()
