"""Embeddings as a reading: vectors equal to the trace's, neighbours by brute force, layouts that keep what they claim."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from model import checkpoints
from model.analysis import embedding
from model.analysis.embedding import BEFORE, OUTPUT, Cloud, Point
from model.checkpoints import Loaded
from model.config import Attention, Config, EncoderDecoder, Free, Learned, Rotary, Sinusoidal
from model.errors import Refusal
from model.text.classes import CLASSES, class_of
from model.text.tokenizer import Tokenizer
from model.trace import Trace, Tracer
from model.transformer import Transformer

MODELS = Path(checkpoints.__file__).parents[1]
SMALL = Config(vocabulary=23, context=16, width=12, layers=3, attention=Attention(heads=2, kv_heads=2, size=6), positions=Learned(), output=Free())


@cache
def shipped(name: str) -> Loaded:
    torch.set_num_threads(1)
    return checkpoints.load(MODELS / name)


def reader() -> Tokenizer:
    found = shipped("embedded").tokenizer
    assert found is not None
    return found


@cache
def traced(config: Config = SMALL) -> Trace:
    source = [3, 1, 4] if isinstance(config.form, EncoderDecoder) else None
    return Tracer(Transformer(config, seed=1)).trace([5, 9, 2, 6, 5], source=source).clone()


def rng(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


# ---------------------------------------------------------------- clouds


def test_words_are_the_rows_of_both_matrices() -> None:
    model = Transformer(SMALL, seed=1)
    cloud = embedding.words(model, [1, 2])
    assert cloud.stages == (BEFORE, OUTPUT)
    assert [point.id for point in cloud.points] == list(range(23))
    assert np.array_equal(cloud.vectors[0], model.embed.token.weight.detach().numpy())
    assert model.head.unembed is not None
    assert np.array_equal(cloud.vectors[1], model.head.unembed.weight.detach().numpy())


def test_of_a_large_vocabulary_the_text_and_its_nearest_are_kept() -> None:
    model = Transformer(SMALL, seed=1)
    cloud = embedding.words(model, [7, 3], most=8)
    ids = [point.id for point in cloud.points]
    assert len(ids) == 8
    assert {7, 3} <= set(ids)
    rows = model.embed.token.weight.detach().numpy()
    order = embedding.nearest(rows, 22).indices[7]
    assert set(order[:2].tolist()) <= set(ids)


def test_only_the_tokens_worth_showing_are_shown() -> None:
    model, tokenizer = shipped("embedded").model, reader()
    cloud = embedding.words(model, [tokenizer.begin], tokenizer.world)
    pieces = [tokenizer.piece(point.id) for point in cloud.points]
    assert not any(piece.startswith("<0x") for piece in pieces)
    assert {" azul", " blue", " Ana"} <= set(pieces)


def test_a_text_goes_through_every_stage_as_the_trace_has_it() -> None:
    trace = traced()
    cloud = embedding.in_context(trace)
    assert cloud.stages == (BEFORE, *(f"decoder.blocks.{layer}.after" for layer in range(3)), "decoder.norm")
    assert [(point.id, point.place, point.text) for point in cloud.points] == [(id, place, 0) for place, id in enumerate([5, 9, 2, 6, 5])]
    for stage, vectors in zip(cloud.stages[1:], cloud.vectors[1:], strict=True):
        assert np.array_equal(vectors, trace[stage].numpy())
    assert np.array_equal(cloud.vectors[0][0], cloud.vectors[0][4])  # before context the same word is the same vector
    assert not np.allclose(cloud.vectors[1][0], cloud.vectors[1][4])


def test_a_deep_model_shows_its_first_and_last_layer_and_some_between() -> None:
    config = Config(vocabulary=23, context=16, width=12, layers=30, attention=SMALL.attention)
    stages = embedding.stages_of(Transformer(config, seed=0), "decoder")
    assert len(stages) <= embedding.MOST_STAGES
    assert stages[1] == "decoder.blocks.0.after"
    assert stages[-2:] == ("decoder.blocks.29.after", "decoder.norm")


def test_an_encoder_stack_shows_the_source_and_refuses_to_without_one() -> None:
    config = Config(vocabulary=23, context=16, width=12, attention=SMALL.attention, form=EncoderDecoder(encoder_layers=2))
    trace = traced(config)
    cloud = embedding.in_context(trace, "encoder")
    assert [point.id for point in cloud.points] == [3, 1, 4]
    assert cloud.stages[:3] == (BEFORE, "encoder.blocks.0.after", "encoder.blocks.1.after")
    with pytest.raises(Refusal, match="no source"):
        embedding.in_context(traced(), "encoder")


@pytest.mark.parametrize("name", ["embedded", "masked", "translator"])
def test_other_texts_are_the_worlds_own(name: str) -> None:
    loaded = shipped(name)
    assert loaded.tokenizer is not None
    others = embedding.examples(loaded.model, loaded.tokenizer, 3)
    assert len(others) == 3
    cloud = embedding.in_context(others[0], others=others[1:])
    assert {point.text for point in cloud.points} == {0, 1, 2}
    assert all(cloud.texts[point.text][point.place] == point.id for point in cloud.points)


# ---------------------------------------------------------------- neighbours


def test_neighbours_are_those_of_a_brute_force_search() -> None:
    vectors = rng(12, 5)
    near = embedding.nearest(vectors, 4)
    for point in range(12):
        cosine = {
            other: float(vectors[point] @ vectors[other] / np.linalg.norm(vectors[point]) / np.linalg.norm(vectors[other]))
            for other in range(12)
            if other != point
        }
        best = sorted(cosine, key=lambda other: -cosine[other])[:4]
        assert near.indices[point].tolist() == best
        assert np.allclose(near.cosines[point], [cosine[other] for other in best])


def test_a_vector_without_length_is_like_nothing() -> None:
    cosines = embedding.alike(np.array([[1.0, 0], [0, 0], [2, 0]]))
    assert cosines[1].tolist() == [0, 0, 0]
    assert cosines[0, 2] == pytest.approx(1)


def test_words_of_a_class_stand_together_in_the_trained_embedding_and_not_in_a_shuffled_one() -> None:
    model, tokenizer = shipped("embedded").model, reader()
    cloud = embedding.words(model, [tokenizer.begin], tokenizer.world)
    found = [class_of(tokenizer.piece(point.id)) for point in cloud.points]
    groups = [-1 if kind is None else CLASSES.index(kind) for kind in found]
    same, chance = embedding.together(embedding.nearest(cloud.vectors[0]), groups)
    assert same > 0.6 > 0.2 > chance
    shuffled = np.random.default_rng(0).permutation(groups).tolist()
    assert abs(embedding.together(embedding.nearest(cloud.vectors[0]), shuffled)[0] - chance) < 0.1


def test_words_written_alike_in_two_classes_have_none() -> None:
    assert class_of(" azul") == "adjective_pt"
    assert class_of(" blue") == "adjective_en"
    assert class_of(" Ana") == "name"
    assert class_of(" xyz") is None


# ---------------------------------------------------------------- layouts


def test_the_two_axes_show_the_greatest_variance() -> None:
    vectors = rng(40, 6) * [5, 3, 1, 0.5, 0.2, 0.1]
    flat, shares = embedding.components(vectors)
    variances = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
    assert np.allclose(flat.var(0, ddof=1), variances[:2])
    assert np.allclose(shares, variances[:2] / variances.sum())


def cloud(*vectors: np.ndarray) -> Cloud:
    return Cloud(tuple(map(Point, range(len(vectors[0])))), tuple(map(str, range(len(vectors)))), vectors)


def test_every_stage_fills_the_square_and_a_turned_stage_is_turned_back() -> None:
    first = rng(30, 2) * [3, 1]
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    drawing = embedding.drawn(cloud(first, first @ turn))
    assert np.allclose(np.abs(drawing.places).max((1, 2)), 1)
    assert np.allclose(drawing.places[0], drawing.places[1], atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_few_points_can_be_drawn(count: int, method: embedding.Method) -> None:
    drawing = embedding.drawn(cloud(rng(count, 4), rng(count, 4)), method)
    assert drawing.places.shape == (2, count, 2)
    assert np.isfinite(drawing.places).all()


def test_tsne_keeps_groups_together_and_a_seed_repeats_it() -> None:
    centres = np.repeat(10 * np.eye(3, 8), 15, 0)
    vectors = centres + 0.3 * rng(45, 8)
    places = embedding.drawn(cloud(vectors), "tsne", seed=3).places[0]
    assert np.array_equal(places, embedding.drawn(cloud(vectors), "tsne", seed=3).places[0])
    far = ((places[:, None] - places[None]) ** 2).sum(-1)
    np.fill_diagonal(far, np.inf)
    assert all(far[point].argmin() // 15 == point // 15 for point in range(45))


# ---------------------------------------------------------------- positions


def test_position_vectors_are_what_the_model_adds_and_nothing_where_it_adds_none() -> None:
    model = Transformer(SMALL, seed=1)
    trace = Tracer(model).trace([0, 0, 0, 0], keep=("*",))
    found = embedding.positions(model, 4)
    assert found is not None
    assert np.allclose(found, trace["decoder.embed.position"].numpy())
    for positions, there in ((Sinusoidal(), True), (Rotary(), False)):
        config = Config(vocabulary=23, context=16, width=12, layers=1, attention=SMALL.attention, positions=positions)
        assert (embedding.positions(Transformer(config, seed=0), 4) is not None) == there
