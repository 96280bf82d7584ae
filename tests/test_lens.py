"""The lens: its last row is the model's answer, ranks are counted right, contributions add up to the logit, in every configuration."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from model import checkpoints
from model.analysis import lens as lenses
from model.analysis.lens import NOBODY, Writer, credited, lens, neurons, points, pushed, race, real, speaks_for, unembedded, writers
from model.analysis.residual import attribution
from model.config import Config, Encoder, EncoderDecoder
from model.errors import Refusal
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told

IDS, SOURCE = (3, 17, 42, 17, 8, 60, 1), (5, 9, 33, 9, 2)


@cache
def traced(config: Config) -> Trace:
    about = SOURCE if isinstance(config.form, EncoderDecoder) else None
    return Tracer(Transformer(config, seed=1).eval().requires_grad_(False)).trace(IDS, source=about)


@pytest.fixture(scope="module")
def trained() -> Trace:
    loaded = checkpoints.load(Path(__file__).parents[1] / "model" / "embedded")
    assert loaded.tokenizer is not None
    ids = (loaded.tokenizer.begin, *loaded.tokenizer.encode("Ana gave the key to Bento. The sky is").ids)
    return Tracer(loaded.model.eval().requires_grad_(False)).trace(ids)


# ---------------------------------------------------------------- the lens


@pytest.mark.parametrize("config", EVERY, ids=told)
def test_the_last_row_is_the_models_own_answer_and_the_lens_leads_to_it(config: Config) -> None:
    trace = traced(config)
    found = lens(trace, count=3, halves=True)
    shares = trace.logits.softmax(-1).numpy()
    np.testing.assert_array_equal(found.top[-1], trace.logits.topk(3).indices.numpy())
    np.testing.assert_array_equal(found.chance[-1], np.take_along_axis(shares, found.top[-1], -1))
    np.testing.assert_array_equal(found.divergence[-1], 0)
    torch.testing.assert_close(unembedded(trace.model, trace[found.points[-1].site]), trace.logits)
    assert [point.layer for point in points(config)] == list(range(config.layers + 1))
    assert set(points(config)) <= set(found.points)


@pytest.mark.parametrize("config", EVERY[::7] + EVERY[-12:], ids=told)
def test_every_point_is_the_final_norm_and_the_output_applied_by_hand(config: Config) -> None:
    trace, model = traced(config), traced(config).model
    found = lens(trace, halves=True)
    for row, point in enumerate(found.points[:-1]):
        stream = trace[point.site]
        normed = model.get_submodule(f"{config.main}.norm")(stream) if config.final_norm else stream
        logits = model.head(normed[None], model.embed.token.weight)[0].detach().double()
        shares, answer = logits.softmax(-1).numpy(), trace.logits.double().softmax(-1).numpy()
        np.testing.assert_allclose(found.chance[row], -np.sort(-shares, -1)[:, :5], atol=1e-5)
        np.testing.assert_allclose(found.entropy[row], -(shares * np.log(shares)).sum(-1), atol=1e-4)
        np.testing.assert_allclose(found.divergence[row], (answer * np.log(answer / shares)).sum(-1), atol=1e-3, rtol=1e-3)


def test_the_real_token_is_the_next_one_or_in_an_encoder_the_one_in_its_place() -> None:
    encoders = [config for config in EVERY if isinstance(config.form, Encoder)]
    assert real(traced(EVERY[0])).tolist() == [*IDS[1:], NOBODY]
    assert real(traced(encoders[0]), blanks=(2,)).tolist() == [*IDS[:2], NOBODY, *IDS[3:]]
    found = lens(traced(EVERY[0]))
    assert (found.rank[:, -1] == 0).all()
    assert (found.hit[:, -1] == 0).all()


def test_ranks_are_those_of_a_sorted_list(trained: Trace) -> None:
    found, vocabulary = lens(trained), trained.model.config.vocabulary
    tokens = (4, 77, vocabulary - 1)
    raced = race(trained, 5, tokens)
    for row, point in enumerate(found.points):
        logits = unembedded(trained.model, trained[point.site]).numpy()
        order = np.argsort(-logits, -1, kind="stable")
        assert raced.rank[row].tolist() == [order[5].tolist().index(token) + 1 for token in tokens]
        for position, token in enumerate(found.real[:-1]):
            assert found.rank[row, position] == order[position].tolist().index(token) + 1
    assert ((found.rank == 1) == (found.top[..., 0] == found.real)).all()


def test_a_long_text_read_in_pieces_is_read_alike(trained: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lens(trained)
    monkeypatch.setattr(lenses, "ROOM", 3 * trained.model.config.vocabulary)
    pieces = lens(trained)
    np.testing.assert_array_equal(whole.rank, pieces.rank)
    np.testing.assert_allclose(whole.chance, pieces.chance, atol=1e-6)


def test_the_trained_model_makes_up_its_mind_on_the_way(trained: Trace) -> None:
    found = lens(trained)
    assert found.divergence[0].mean() > 2 * found.divergence[-2].mean() > 0
    assert (np.diff(found.divergence.mean(1)) < 0).all()


@pytest.mark.parametrize(("position", "token"), [(-1, 0), (7, 0), (0, 61), (0, -1)])
def test_what_is_not_there_is_refused(position: int, token: int) -> None:
    with pytest.raises(Refusal):
        race(traced(EVERY[0]), position, (token,))


# ---------------------------------------------------------------- what one writer pushes


@pytest.mark.parametrize("config", EVERY, ids=told)
def test_whom_a_writer_pushes_and_who_pushed_a_token_are_the_same_numbers_and_add_up(config: Config) -> None:
    trace, tokens = traced(config), tuple(range(config.vocabulary))
    for position in (0, len(IDS) - 1):
        asked = attribution(trace, position, tokens)
        everyone = {writer: pushed(trace, position, writer) for writer in writers(config)}
        for writer, push in everyone.items():
            np.testing.assert_allclose(push, credited(asked, writer), atol=1e-3, rtol=1e-3)
        whole = sum(push for writer, push in everyone.items() if writer.head is None)
        np.testing.assert_allclose(whole + asked.offsets + asked.bias, trace.logits[position].numpy(), atol=2e-3, rtol=1e-3)


def test_every_writer_of_a_model_is_listed_once() -> None:
    for config in EVERY[-12:]:
        attentions = 2 if isinstance(config.form, EncoderDecoder) else 1
        found = writers(config)
        assert len(set(found)) == len(found) == 1 + config.layers * (attentions * (config.attention.heads + 1) + 1)


@pytest.mark.parametrize("writer", [Writer("mlp", 3), Writer("cross", 0), Writer("attn", 0, 6), Writer("mlp", 0, 0)])
def test_a_writer_that_is_not_there_is_refused(writer: Writer) -> None:
    with pytest.raises(Refusal):
        pushed(traced(EVERY[0]), 0, writer)


def test_a_write_left_out_moves_the_logits_by_what_it_pushed_were_the_scale_held(trained: Trace) -> None:
    layer = trained.model.config.layers - 1
    stream, norm = trained[f"decoder.blocks.{layer}.after"][9], trained.model.stack().norm
    assert isinstance(norm, torch.nn.LayerNorm)
    write = trained[f"decoder.blocks.{layer}.mlp.out"][9]
    held = lambda x: (x - x.mean()) / (stream.var(correction=0) + norm.eps).sqrt() * norm.weight + norm.bias  # noqa: E731
    moved = trained.model.embed.token.weight @ (held(stream) - held(stream - write))
    np.testing.assert_allclose(pushed(trained, 9, Writer("mlp", layer)), moved.numpy(), atol=1e-4)


@pytest.mark.parametrize("config", EVERY[::5] + EVERY[-12:], ids=told)
def test_the_neurons_of_an_mlp_add_up_to_what_it_is_credited_with(config: Config) -> None:
    trace = traced(config)
    for layer in range(config.layers):
        found, whole = neurons(trace, 3, layer, 11), attribution(trace, 3, (11,))
        assert len(found.credits) == config.mlp.hidden
        assert found.credits.sum() + found.bias == pytest.approx(float(credited(whole, Writer("mlp", layer))[0]), abs=2e-3, rel=1e-3)


def test_a_neuron_speaks_for_the_tokens_that_its_column_points_to(trained: Trace) -> None:
    norm = trained.model.stack().norm
    column = trained.model.get_parameter("decoder.blocks.3.mlp.down.weight")[:, 17]
    assert isinstance(norm, torch.nn.LayerNorm)
    scores = trained.model.embed.token.weight @ ((column - column.mean()) * norm.weight)
    assert speaks_for(trained, 4, 3, 17) == speaks_for(trained, 9, 3, 17) == tuple(scores.topk(5).indices.tolist())
    with pytest.raises(Refusal):
        speaks_for(trained, 4, 4, 17)
