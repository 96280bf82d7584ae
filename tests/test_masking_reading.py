"""Readings of a mask: what is kept, what is reached, and default | masked | difference on a small model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.analysis.masking import losses, maps, next_tokens, reach, saving, shrunk
from model.config import Attention, Config, PlainMlp
from model.cost import operations
from model.layers.masks import parse
from model.trace import Trace, Tracer
from model.transformer import Transformer

CONFIG = Config(vocabulary=31, context=64, width=16, layers=2, attention=Attention(heads=2, kv_heads=1, size=8), mlp=PlainMlp(hidden=32))
IDS = torch.arange(12) * 7 % 31


@pytest.fixture(scope="module")
def model() -> Transformer:
    return Transformer(CONFIG, seed=3).eval()


def traced(model: Transformer, specification: str | None) -> Trace:
    return Tracer(model).trace(IDS, mask=parse(specification).build(len(IDS)) if specification else None)


def booleans(specification: str, length: int) -> np.ndarray:
    return parse(specification).build(length).numpy()


# ---------------------------------------------------------------- what is kept


@pytest.mark.parametrize(
    ("specification", "pairs", "future", "held"),
    [
        ("causal", 78, 0, 12),
        ("bidirectional", 144, 66, None),
        ("causal & window(4)", 4 * 12 - 6, 0, 4),
        ("causal & packed(5,7)", 15 + 28, 0, 7),
        ("causal & pad_left(3)", 45, 0, 9),
        ("causal | prefix(4)", 78 + 6, 6, None),
        ("~bidirectional", 0, 0, 0),
    ],
)
def test_pairs_future_and_cache_are_those_of_the_pattern(specification: str, pairs: int, future: int, held: int | None) -> None:
    kept = saving(booleans(specification, 12), CONFIG)
    assert (kept.pairs, kept.future, kept.held) == (pairs, future, held)
    assert kept.own == 78
    assert kept.all == 144


def test_the_cache_holds_a_key_exactly_as_long_as_someone_will_still_look() -> None:
    generator = np.random.default_rng(0)
    for length in (1, 2, 9, 17):
        allowed = np.tril(generator.random((length, length)) < 0.3)
        alive = [sum(allowed[step:, key].any() for key in range(step + 1)) for step in range(length)]
        assert saving(allowed, CONFIG).held == max(alive)


def test_flops_follow_the_pairs_and_equal_the_cost_of_attention_when_all_are_kept() -> None:
    whole = saving(booleans("bidirectional", 12), CONFIG)
    assert whole.flops == whole.all_flops == sum(o.total for o in operations(CONFIG, 12) if o.name in ("attn.scores", "attn.mixed"))
    per_pair = 2 * 2 * 2 * 8 * CONFIG.layers  # two products, two FLOPs each, two heads of eight
    assert saving(booleans("causal & window(4)", 12), CONFIG).flops == 42 * per_pair


def test_shrinking_keeps_the_share_of_every_block() -> None:
    allowed = np.random.default_rng(1).random((70, 70)) < 0.4
    small, block = shrunk(allowed, 32)
    assert (small.shape, block) == ((24, 24), 3)
    assert small[2, 5] == pytest.approx(allowed[6:9, 15:18].mean())
    assert small[-1, -1] == allowed[69:, 69:].mean()
    same, one = shrunk(allowed, 70)
    assert one == 1
    assert (same == allowed).all()


# ---------------------------------------------------------------- what is reached


@pytest.mark.parametrize("specification", ["causal", "causal & window(3)", "causal | prefix(4)", "causal & packed(5,7)", "window(2)", "~causal"])
def test_an_output_changes_exactly_when_what_it_reaches_changes(model: Transformer, specification: str) -> None:
    mask = parse(specification).build(len(IDS))
    reached = reach(mask.numpy(), CONFIG.layers)
    with torch.no_grad():
        before = model(IDS[None], mask=mask)[0]
        for position in range(len(IDS)):
            other = IDS.clone()
            other[position] = (other[position] + 1) % 31
            changed = (model(other[None], mask=mask)[0] - before).abs().amax(-1) > 1e-6
            assert changed.tolist() == reached[:, position].tolist()


def test_only_predictions_that_reach_their_answer_are_told_it(model: Transformer) -> None:
    default = traced(model, None)
    assert not losses(default, traced(model, "causal & window(3)")).told.any()
    assert losses(default, traced(model, "bidirectional")).told.all()
    assert losses(default, traced(model, "causal | prefix(4)")).told.tolist() == [True] * 3 + [False] * 8


# ---------------------------------------------------------------- default | masked | difference


def test_the_trained_mask_changes_nothing(model: Transformer) -> None:
    default, same = traced(model, None), traced(model, "causal")
    read = maps(default, same, 1, 0)
    assert read.moved == pytest.approx(0, abs=1e-6)
    assert next_tokens(default, same).divergence == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(losses(default, same).default, losses(default, same).masked, atol=1e-5)


def test_maps_are_the_traces_own_and_their_difference_sums_to_nothing(model: Transformer) -> None:
    default, masked = traced(model, None), traced(model, "causal & window(3)")
    read = maps(default, masked, 1, 1)
    np.testing.assert_array_equal(read.masked, masked.pattern(1)[1].numpy())
    assert (read.masked[~read.allowed] == 0).all()
    np.testing.assert_allclose(read.difference.sum(1), 0, atol=1e-6)
    query, key = read.strongest
    assert abs(read.difference[query, key]) == np.abs(read.difference).max()


def test_a_blind_row_loses_all_its_attention(model: Transformer) -> None:
    read = maps(traced(model, None), traced(model, "causal & pad_left(3)"), 0, 0)
    np.testing.assert_array_equal(read.masked[:3], 0)
    np.testing.assert_allclose(read.difference[:3].sum(1), -1, atol=1e-6)
    assert np.isfinite(read.masked).all()


def test_next_tokens_are_the_likeliest_of_both_with_their_exact_probabilities(model: Transformer) -> None:
    default, masked = traced(model, None), traced(model, "causal & window(2)")
    read = next_tokens(default, masked, count=8)
    before, after = default.logits[-1].softmax(-1), masked.logits[-1].softmax(-1)
    np.testing.assert_allclose(read.default, before[torch.from_numpy(read.ids)], atol=1e-6)
    np.testing.assert_allclose(read.masked, after[torch.from_numpy(read.ids)], atol=1e-6)
    rest = [i for i in range(31) if i not in read.ids]
    assert max(before[rest].max(), after[rest].max()) <= min(np.maximum(read.default, read.masked))
    assert read.divergence == pytest.approx(float((before * (before / after).log()).sum()), rel=1e-4)
    assert read.ids[read.first[1]] == int(after.argmax())


def test_losses_are_the_cross_entropy_of_each_token(model: Transformer) -> None:
    default, masked = traced(model, None), traced(model, "causal & window(2)")
    read = losses(default, masked)
    for found, trace in ((read.default, default), (read.masked, masked)):
        np.testing.assert_allclose(found, torch.nn.functional.cross_entropy(trace.logits[:-1], IDS[1:], reduction="none"), atol=1e-6)
    assert read.means == pytest.approx((read.default.mean(), read.masked.mean()))
