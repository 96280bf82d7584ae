"""Information through all layers, rolled out and as a flow; heads that look or say alike: each against a reference of its own."""

from __future__ import annotations

from itertools import pairwise, product

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.analysis import head_probes
from model.analysis.likeness import Kind, family, likeness, unaligned, unlikeness, unsunk
from model.analysis.places import CROSS, Where, places, weight
from model.analysis.rollout import FLOWS, Weigh, flow, mixture, reach, rollout, step, steps
from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, Form, PlainMlp
from model.errors import Refusal
from model.trace import Trace, Tracer
from model.transformer import Transformer

FORMS = (Decoder(), Encoder(), EncoderDecoder(encoder_layers=2))


def traced(form: Form, length: int = 6) -> Trace:
    attention = Attention(heads=4, kv_heads=2, size=8, bias=True)
    config = Config(vocabulary=61, context=128, width=20, layers=3, attention=attention, mlp=PlainMlp(hidden=24), form=form)
    draw = torch.Generator().manual_seed(5)
    source = torch.randint(61, (5,), generator=draw) if isinstance(form, EncoderDecoder) else None
    return Tracer(Transformer(config, seed=2)).trace(torch.randint(61, (length,), generator=draw), source=source).clone()


def maps(layers: int, length: int, seed: int) -> np.ndarray:
    scores = np.exp(np.tril(np.random.default_rng(seed).normal(size=(layers, length, length)) * 2))
    causal = np.tril(scores)
    return causal / causal.sum(-1, keepdims=True)


# ---------------------------------------------------------------- rolled out


@given(st.integers(1, 4), st.integers(2, 6), st.integers(0, 99))
def test_rollout_keeps_rows_whole_and_the_future_out(layers: int, length: int, seed: int) -> None:
    found = rollout([step(each) for each in maps(layers, length, seed)])
    np.testing.assert_allclose(found.sum(-1), 1)
    assert not np.triu(found, 1).any()


def test_rollout_of_heads_that_look_back_is_a_binomial() -> None:
    back = np.eye(4, k=-1) + np.eye(4) * [1, 0, 0, 0]
    np.testing.assert_allclose(rollout([step(back), step(back)])[-1, 3], [0, 1 / 4, 1 / 2, 1 / 4])
    np.testing.assert_allclose(rollout([step(back, residual=1.0)])[0], np.eye(4))


def test_rollout_counts_every_path() -> None:
    matrices = [step(each) for each in maps(3, 4, 1)]
    paths = np.zeros((4, 4))
    for a, b, c, d in product(range(4), repeat=4):
        paths[a, d] += matrices[2][a, b] * matrices[1][b, c] * matrices[0][c, d]
    np.testing.assert_allclose(rollout(matrices)[-1], paths)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weigh", ["weights", "norms"])
def test_in_every_place_the_shares_of_all_tokens_sum_to_one(form: Form, weigh: Weigh) -> None:
    trace = traced(form)
    for where in places(trace.model.config).values():
        found = reach(trace, where, 2, "rollout", weigh)
        assert found.maps is not None
        np.testing.assert_allclose(found.maps.sum(-1), 1)
        assert found.maps.shape[0] == trace.model.config.depths[where.stack]
        np.testing.assert_array_equal(found.maps[:, 2], found.rows)
        assert found.source == (5 if where.stack == "decoder" and trace.source is not None else 0)


def test_what_a_target_has_of_its_source_comes_through_the_encoder() -> None:
    trace = traced(EncoderDecoder(encoder_layers=2))
    found = steps(trace, CROSS)
    below = rollout([step(mixture(trace, Where("encoder"), layer)) for layer in range(2)])[-1]
    across = mixture(trace, CROSS, 0)
    np.testing.assert_allclose(rollout(found.matrices[: found.ends[0]])[-1][5:, :5], 0.5 * across @ below)


@pytest.mark.parametrize("form", FORMS)
def test_norms_are_those_of_the_vectors_handed_over(form: Form) -> None:
    trace = traced(form)
    for where in places(trace.model.config).values():
        out, v = weight(trace.model, where, 1, "out.weight"), trace[where.site(1, "v")].repeat_interleave(2, 0)
        pattern = trace.pattern(1, where.branch, where.stack)
        vectors = sum(pattern[head][:, :, None] * (v[head] @ out[:, 8 * head : 8 * head + 8].T) for head in range(4))
        assert isinstance(vectors, torch.Tensor)
        lengths = vectors.norm(dim=-1).detach().numpy()
        np.testing.assert_allclose(mixture(trace, where, 1, "norms"), lengths / lengths.sum(1, keepdims=True), atol=1e-5)


# ---------------------------------------------------------------- as a flow


def by_networkx(matrices: list[np.ndarray], node: int, key: int) -> float:
    graph = networkx.DiGraph()
    for level, matrix in enumerate(matrices):
        for upper, lower in zip(*np.nonzero(matrix), strict=True):
            graph.add_edge((level + 1, int(upper)), (level, int(lower)), capacity=float(matrix[upper, lower]))
    return networkx.maximum_flow_value(graph, (len(matrices), node), (0, key)) if (0, key) in graph else 0.0


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(2, 5), st.integers(0, 99))
def test_a_flow_is_the_largest_there_is(layers: int, length: int, seed: int) -> None:
    matrices = [step(each) for each in maps(layers, length, seed)]
    for node in range(length):
        found = flow(matrices, node)
        np.testing.assert_allclose(found, [by_networkx(matrices, node, key) for key in range(length)], atol=1e-5)
        assert (found <= np.minimum(1, matrices[0].sum(0)) + 1e-6).all()
        assert (found >= rollout(matrices)[-1, node] - 1e-5).all(), "what a product lets through, a flow can carry"


def test_a_flow_through_one_layer_is_its_weights() -> None:
    (matrix,) = [step(each) for each in maps(1, 5, 3)]
    np.testing.assert_allclose(flow([matrix], 4), matrix[4], atol=1e-6)


def test_a_flow_is_refused_for_too_many_tokens() -> None:
    assert reach(traced(Decoder(), FLOWS), Where("decoder"), 3, "flow").rows.shape == (3, FLOWS)
    with pytest.raises(Refusal, match="at most 64 tokens, got 65"):
        reach(traced(Decoder(), FLOWS + 1), Where("decoder"), 3, "flow")
    with pytest.raises(Refusal, match="token counts from 0 to 5"):
        reach(traced(Decoder()), Where("decoder"), 6)


# ---------------------------------------------------------------- heads alike


def looking(links: list[head_probes.Link], length: int = 4) -> np.ndarray:
    pattern = np.eye(length)
    for query, keys in links:
        pattern[query] = 0
        pattern[query, list(keys)] = 1 / len(keys)
    return pattern[None]


def test_unlikeness_is_a_distance_from_nothing_to_one() -> None:
    back, first, even = looking(head_probes.previous(4)), looking(head_probes.first(4)), np.full((1, 4, 4), 0.25)
    found = unlikeness(np.concatenate([back, first, even]))
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 0)
    assert found[0, 1] == pytest.approx(2 / 4), "they differ wholly at two of the four queries"
    assert 0 < found[0, 2] < 1


def test_unlikeness_is_the_divergence_written_out() -> None:
    patterns = np.random.default_rng(0).dirichlet(np.ones(5), (3, 4))
    p, q = patterns[0], patterns[2]
    middle = (p + q) / 2
    bits = ((p * np.log2(p / middle)).sum(-1) + (q * np.log2(q / middle)).sum(-1)) / 2
    assert unlikeness(patterns)[0, 2] == pytest.approx(np.sqrt(bits).mean())


def test_outputs_are_alike_when_turned_and_scaled_and_not_when_they_share_nothing() -> None:
    draw = np.random.default_rng(1)
    one, turn = draw.normal(size=(40, 3)), np.linalg.qr(draw.normal(size=(3, 3)))[0]
    apart = np.linalg.qr(np.concatenate([one - one.mean(0), draw.normal(size=(40, 3)), np.ones((40, 1))], 1))[0][:, 3:6]
    found = unaligned(np.stack([one, 7 * one @ turn + 2, apart - apart.mean(0), np.ones((40, 3))]))
    assert found[0, 1] == pytest.approx(0, abs=1e-9)
    assert found[0, 2] > 0.9
    assert found[0, 3] == 1
    np.testing.assert_array_equal(found, found.T)


def test_relatives_stand_side_by_side() -> None:
    near = np.array([[0, 0.9, 0.1, 0.9], [0.9, 0, 0.9, 0.1], [0.1, 0.9, 0, 0.9], [0.9, 0.1, 0.9, 0]])
    order = family(near)
    assert sorted(order) == [0, 1, 2, 3]
    assert {frozenset(pair) for pair in pairwise(order)} >= {frozenset((0, 2)), frozenset((1, 3))}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["looks", "says"])
def test_heads_are_compared_in_every_place_with_and_without_the_sink(form: Form, kind: Kind) -> None:
    trace = traced(form)
    for where in places(trace.model.config).values():
        for sink in (True, False):
            found = likeness(trace, where, kind, sink=sink)
            heads = 4 * trace.model.config.depths[where.stack]
            assert found.distances.shape == (heads, heads)
            assert sorted(found.order) == list(range(heads))
            nearest = found.relatives(1, 3)
            assert len(nearest) == 3
            assert 1 not in nearest
            assert found.distances[1, nearest[0]] == np.delete(found.distances[1], 1).min()
    assert likeness(traced(Decoder(), 1), Where("decoder"), kind).queries == (0,)


def test_a_row_without_its_sink_is_shared_out_anew() -> None:
    np.testing.assert_allclose(unsunk(np.array([[[0.5, 0.25, 0.25], [1.0, 0, 0]]])), [[[0, 0.5, 0.5], [0, 0, 0]]])
