"""What positions add to the scores: terms that add up to the traced score, rotations by distance, buckets and slopes by their definitions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from model.analysis import positions as reading
from model.analysis.positions import Nothing, Numbers, Slopes, Turning, Vectors
from model.config import (
    Alibi,
    Attention,
    ByWavelength,
    Config,
    EncoderDecoder,
    Learned,
    NoPositions,
    Positions,
    Relative,
    Rotary,
    Serial,
    Sinusoidal,
)
from model.errors import Refusal
from model.layers.block import Block
from model.layers.positions import bucket, rotate, rotation
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told

torch.set_num_threads(1)


def built(config: Config) -> Transformer:
    """A model whose every weight, norms and biases too, is drawn so that nothing is at its neutral value."""
    model, dice = Transformer(config, seed=0).eval().requires_grad_(False), torch.Generator().manual_seed(1)
    for weight in model.parameters():
        weight.copy_(0.3 * torch.randn(weight.shape, generator=dice))
    return model


def traced(config: Config, length: int = 11) -> Trace:
    dice = torch.Generator().manual_seed(2)
    ids = torch.randint(0, config.vocabulary, (length,), generator=dice)
    source = torch.randint(0, config.vocabulary, (7,), generator=dice) if isinstance(config.form, EncoderDecoder) else None
    return Tracer(built(config)).trace(ids, source=source)


def of(positions: Positions, **changes: object) -> Config:
    attention = Attention(heads=4, kv_heads=2, size=8, bias=True)
    return replace(Config(vocabulary=61, context=48, width=20, layers=2, attention=attention, positions=positions), **changes)


# ---------------------------------------------------------------- scores taken apart


@pytest.mark.parametrize("config", EVERY, ids=told)
def test_the_parts_of_every_head_add_up_to_its_scores(config: Config) -> None:
    trace = traced(config)
    for stack in config.depths:
        for layer in reading.layers(config, stack):
            scores = trace.scores(layer, "attn", stack).numpy()
            for head in range(config.attention.heads):
                found = reading.parts(trace, layer, head, stack)
                assert len(found.terms) == len(found.names)
                assert np.abs(found.scores - scores[head]).max() < 1e-5


@pytest.mark.parametrize("positions", [Learned(), Sinusoidal(), Rotary(), Alibi(), Relative(buckets=8, reach=16)])
def test_the_first_part_knows_no_position_once_the_norm_is_left_out(positions: Positions) -> None:
    """The same token everywhere: what remains of position in its scores is in the other terms."""
    trace = Tracer(built(of(positions, arrangement=Serial(norm_place="after")))).trace([5] * 9)
    found = reading.parts(trace, 0, 1)
    assert np.abs(found.terms[0] - found.terms[0, 0, 0]).max() < 1e-5
    assert np.abs(found.added - found.added.mean()).max() > 1e-3
    assert not found.held


def test_a_norm_before_the_first_layer_is_said_to_be_held_and_none_after_it_is() -> None:
    assert reading.parts(traced(of(Learned())), 0, 0).held
    assert not reading.parts(traced(of(Learned(), arrangement=Serial(norm_place="after"))), 0, 0).held
    assert not reading.parts(traced(of(Alibi())), 1, 0).held


def test_a_layer_in_which_tokens_and_positions_are_mixed_is_refused() -> None:
    trace = traced(of(Learned()))
    with pytest.raises(Refusal) as refused:
        reading.parts(trace, 1, 0)
    assert refused.value.code == "positions.layer"


def test_averages_by_distance_are_those_of_the_diagonals() -> None:
    trace = traced(of(Alibi()))
    found, scores = reading.by_distance(trace, 1), trace.scores(1).numpy()
    assert found.distances.tolist() == list(range(11))
    assert found.pairs.tolist() == list(range(11, 0, -1))
    for distance in range(11):
        diagonals = [np.diagonal(scores[head], -distance).mean() for head in range(4)]
        assert found.means.sum(0)[:, distance] == pytest.approx(diagonals, abs=1e-5)


def test_an_encoder_is_read_both_ways_and_a_window_only_within_itself() -> None:
    both = next(config for config in EVERY if "encoder" in config.depths and isinstance(config.positions, Relative))
    assert reading.by_distance(traced(both), 0, "encoder").distances.min() < 0
    narrow = next(config for config in EVERY if getattr(config.attention.reach, "window", 0) == 5)
    assert reading.by_distance(traced(narrow), 0).distances.tolist() == [0, 1, 2, 3, 4]


# ---------------------------------------------------------------- rotary


@pytest.mark.parametrize("positions", [Rotary(), Rotary(fraction=0.5, pairing="neighbours"), Rotary(stretch=ByWavelength(trained=32))])
def test_equal_vectors_by_distance_are_the_rotated_product(positions: Rotary) -> None:
    trace = traced(of(positions))
    distances, config = np.arange(0, 30, 7), trace.model.config
    found = reading.equal_vectors(trace, 1, distances)
    assert found[:, 0] == pytest.approx(1)
    block = trace.model.stack().blocks[1]
    assert isinstance(block, Block)
    heads = block.attn.heads_of(trace["decoder.blocks.1.norm1"]).transpose(0, 1)[: config.attention.heads]
    cos, sin = rotation(positions, config.rotated, 48, torch.device("cpu"))
    for column, distance in enumerate(distances):
        turned = rotate(heads[None], positions, cos[distance].expand(11, -1), sin[distance].expand(11, -1))[0]
        products = (heads * turned).sum(-1) / heads.square().sum(-1)
        assert found[:, column] == pytest.approx(products.mean(-1).numpy(), abs=1e-5)


def test_what_the_pairs_change_adds_up_to_what_turning_changes() -> None:
    trace = traced(of(Rotary()))
    whole = reading.parts(trace, 1, 2)
    assert np.sum(list(reading.turns(trace, 1, 2)), 0) == pytest.approx(whole.terms[1], abs=1e-5)
    assert np.abs(np.diagonal(whole.terms[1])).max() < 1e-6


def test_hands_turn_at_the_speeds_of_the_tables() -> None:
    model = built(of(Rotary(base=1_000.0)))
    found = reading.scheme(model, distances=np.arange(20))
    assert isinstance(found, Turning)
    cos, _ = rotation(Rotary(base=1_000.0), 8, 48, torch.device("cpu"))
    assert found.waves == pytest.approx(cos[:20].T.numpy(), abs=1e-5)
    assert found.periods[0] == pytest.approx(2 * math.pi)
    assert found.fixed == 0
    assert found.equal[0] == pytest.approx(1)


# ---------------------------------------------------------------- penalties and numbers


def test_slopes_are_the_papers_and_fall_by_token() -> None:
    found = reading.scheme(built(of(Alibi(), attention=Attention(heads=8, kv_heads=8, size=8))), distances=np.array([0, 1, 5]))
    assert isinstance(found, Slopes)
    assert found.slopes == pytest.approx([2.0**-n for n in range(1, 9)])
    assert found.added == pytest.approx(-np.outer(found.slopes, [0, 1, 5]))


def brute(distance: int, buckets: int, reach: int, both_ways: bool) -> int:
    """The bucket of key − query = `distance`, as Raffel et al. 2020 describe it, one distance at a time."""
    first = 0
    if both_ways:
        buckets //= 2
        first = buckets if distance > 0 else 0
        distance = abs(distance)
    else:
        distance = max(-distance, 0)
    near = buckets // 2
    if distance < near:
        return first + distance
    return first + min(near + int(math.log(distance / near) / math.log(reach / near) * (buckets - near) + 1e-6), buckets - 1)


@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize(("buckets", "reach"), [(32, 128), (8, 16), (16, 50)])
def test_buckets_are_those_of_the_definition(buckets: int, reach: int, both_ways: bool) -> None:
    distances = torch.arange(-300, 301)
    found = bucket(distances, Relative(buckets=buckets, reach=reach), both_ways)
    assert found.tolist() == [brute(int(distance), buckets, reach, both_ways) for distance in distances]


def test_numbers_by_distance_are_what_the_stack_adds() -> None:
    model = built(of(Relative(buckets=8, reach=16)))
    found = reading.scheme(model, distances=np.arange(12))
    assert isinstance(found, Numbers)
    bias = model.stack().bias(12, 12, torch.zeros(()))
    assert bias is not None
    assert found.added == pytest.approx(bias[:, -1].flip(-1).numpy())
    assert (np.diff(found.buckets) >= 0).all()


# ---------------------------------------------------------------- vectors, and nothing


@pytest.mark.parametrize("positions", [Learned(spare=2), Sinusoidal()])
def test_vectors_are_compared_by_their_cosine(positions: Positions) -> None:
    model = built(of(positions))
    found = reading.scheme(model, most=12)
    assert isinstance(found, Vectors)
    assert (found.places[0], found.places[-1], len(found.places)) == (0, 47, 12)
    table = model.embed.places(0, 48)
    assert table is not None
    a, b = (table[int(found.places[row])].double().numpy() for row in (3, 8))
    assert found.similarity[3, 8] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-5)
    assert np.diagonal(found.similarity) == pytest.approx(1)


def test_without_positions_nothing_is_added() -> None:
    assert reading.scheme(built(of(NoPositions()))) == Nothing()
    found = reading.parts(traced(of(NoPositions())), 1, 0)
    assert np.abs(found.added).max() == 0
