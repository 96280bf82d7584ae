"""Miniatures keep every choice of design and shrink the rest; side by side they are raced fairly."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from components.canvas.blueprint.anatomy import SIZES, differences
from model.config import ByWavelength, Config, EncoderDecoder, NoPositions, Rotary, Sliding
from model.cost import parameters
from model.errors import Refusal
from model.families import FAMILIES
from model.families.miniature import miniature, shared_heads
from model.generation.pace import WRITTEN, Reader, race
from model.transformer import Transformer

PUBLISHED = {name: size.config for family in FAMILIES for name, size in family.sizes.items()}
SMALL = {"vocabulary": 60, "width": 32, "layers": 1, "heads": 2, "context": 32}
TRAINED = {"dropout", "initialisation", "initialisation.gain", "positions.stretch.trained"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_miniature_differs_from_its_model_in_size_and_in_nothing_else(name: str) -> None:
    config = miniature(PUBLISHED[name], vocabulary=756)
    assert {each.path for each in differences(PUBLISHED[name], config)} <= SIZES | TRAINED
    assert (config.width, config.layers, config.attention.heads, config.vocabulary) == (64, 2, 4, 756)
    assert set(config.depths.values()) == {2}


@pytest.mark.parametrize("name", PUBLISHED)
def test_proportions_are_kept(name: str) -> None:
    full, small = PUBLISHED[name], miniature(PUBLISHED[name], vocabulary=756, width=256, heads=8)
    assert small.mlp.hidden / small.width == pytest.approx(full.mlp.hidden / full.width, rel=0.01)
    inner = full.attention.heads * full.attention.size / full.width
    assert small.attention.heads * small.attention.size / small.width == pytest.approx(inner, abs=8 * 8 / 256 / 2)
    grouped = 1 < full.attention.kv_heads < full.attention.heads
    assert grouped == (1 < small.attention.kv_heads < 8)
    assert (full.attention.kv_heads == 1) == (small.attention.kv_heads == 1)


@given(some.sampled_from(sorted(PUBLISHED)), some.integers(1, 8), some.integers(1, 4), some.sampled_from([32, 64, 96, 128]))
def test_every_budget_gives_a_model_or_a_sentence(name: str, heads: int, layers: int, width: int) -> None:
    if width < 8 * heads:
        with pytest.raises(Refusal, match="fewer than 8 numbers each"):
            miniature(PUBLISHED[name], vocabulary=50, width=width, heads=heads, layers=layers)
        return
    config = miniature(PUBLISHED[name], vocabulary=50, width=width, heads=heads, layers=layers)
    assert parameters(config) > 0
    assert miniature(config, vocabulary=50, width=width, heads=heads, layers=layers) == config


@given(some.integers(0, 6), some.integers(0, 6), some.sampled_from([2, 4, 6, 8, 16]))
def test_sharing_stays_what_it_was(one: int, other: int, wanted: int) -> None:
    heads, kv_heads = 2 ** max(one, other), 2 ** min(one, other)
    shared = shared_heads(heads, kv_heads, wanted)
    assert wanted % shared == 0
    if heads == kv_heads:
        assert shared == wanted
    elif kv_heads == 1:
        assert shared == 1


def test_windows_and_stretches_shrink_with_the_text() -> None:
    assert miniature(PUBLISHED["mistral-7b"], vocabulary=50, window=5).attention.reach == Sliding(window=5)
    stretched = miniature(PUBLISHED["llama3.1-8b"], vocabulary=50, context=256).positions
    assert isinstance(stretched, Rotary)
    assert stretched.stretch == ByWavelength(factor=8.0, low=1.0, high=4.0, trained=16)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_first_size_of_every_family_runs_in_miniature(family: object) -> None:
    config = miniature(next(iter(family.sizes.values())).config, **SMALL)  # pyright: ignore[reportAttributeAccessIssue]
    model = Transformer(config, seed=1).eval()
    assert sum(weight.numel() for weight in model.parameters()) == parameters(config)
    ids = torch.arange(6)[None]
    with torch.inference_mode():
        memory = model.encode(ids) if isinstance(config.form, EncoderDecoder) else None
        assert model(ids, memory=memory).isfinite().all()


# ---------------------------------------------------------------- the race


def test_a_race_gives_every_model_laps_and_what_it_can_do() -> None:
    small = Config(vocabulary=30, context=24, width=16, layers=1, positions=NoPositions())
    decoder = Transformer(small, seed=0).eval()
    encoder = Transformer(miniature(PUBLISHED["bert-base-uncased"], **SMALL), seed=0).eval()
    both = Transformer(miniature(PUBLISHED["t5-small"], **SMALL), seed=0).eval()
    ids = tuple(range(5))
    one, two, three = race([Reader(decoder, ids), Reader(encoder, ids), Reader(both, ids, ids)], seconds=0.05)
    assert min(one.laps, two.laps, three.laps) >= 1
    assert max(one.laps, two.laps, three.laps) - min(one.laps, two.laps, three.laps) <= 1
    assert two.write is None
    assert one.write is not None
    assert three.write is not None
    assert Reader(both, ids, ids).tokens == 10


def test_a_text_as_long_as_the_context_leaves_room_to_write() -> None:
    config = dataclasses.replace(Config(vocabulary=30, width=16, layers=1), context=WRITTEN + 3)
    (pace,) = race([Reader(Transformer(config, seed=0).eval(), tuple(range(WRITTEN + 3)))], seconds=0.01)
    assert pace.write is not None
