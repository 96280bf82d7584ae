"""The KV cache as it is shown: what each pass stores and reads, the cache that rolls, and what is timed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from model.__main__ import main
from model.analysis.caching import cached, keys_again
from model.analysis.places import CROSS, Where
from model.config import Alibi, Attention, Config, Encoder, EncoderDecoder, Fixed, Learned, PlainMlp, Relative, Rotary, Sliding
from model.cost import cache_bytes
from model.errors import Refusal
from model.generation.pace import Reader, lengths_of, stepping
from model.trace import Tracer
from model.transformer import Transformer

HERE = Where("decoder")
PLAIN = Config(
    vocabulary=61,
    context=48,
    width=24,
    layers=3,
    attention=Attention(heads=4, kv_heads=2, size=8),
    mlp=PlainMlp(hidden=32),
    initialisation=Fixed(deviation=0.3),
)
IDS = tuple(torch.randint(0, 61, (17,), generator=torch.Generator().manual_seed(5)).tolist())
SOURCE = (4, 9, 2, 33, 17)


def model_of(config: Config, kind: torch.dtype = torch.float32) -> Transformer:
    return Transformer(config, seed=2).eval().to(kind)


def sliding(window: int, **parts) -> Config:
    return replace(PLAIN, attention=replace(PLAIN.attention, reach=Sliding(window=window)), **parts)


# ---------------------------------------------------------------- the reading


WATCHED = {"rotary": PLAIN, "alibi": replace(PLAIN, positions=Alibi()), "shared": replace(PLAIN, shared=True), "window": sliding(5)}


@pytest.mark.parametrize("config", WATCHED.values(), ids=WATCHED)
def test_what_passes_stored_and_looked_at_is_what_a_trace_of_the_whole_text_says(config: Config) -> None:
    model = model_of(config)
    found, trace = cached(model, IDS, 6, 1, HERE), Tracer(model).trace(torch.tensor(IDS))
    for name, values in (("k", found.k), ("v", found.v)):
        assert values == pytest.approx(trace[HERE.site(1, name)].numpy(), abs=1e-5)
    asked = range(5, len(IDS))
    assert found.q == pytest.approx(trace[HERE.site(1, "q")][:, asked].movedim(1, 0).numpy(), abs=1e-5)
    assert found.pattern == pytest.approx(trace.pattern(1)[:, asked].movedim(1, 0).numpy(), abs=1e-5)
    assert found.mixed == pytest.approx(trace[HERE.site(1, "mixed")][:, asked].movedim(1, 0).numpy(), abs=1e-5)
    assert found.apart.max() < 1e-4
    assert found.apart.shape == (12,)


def test_every_pass_counts_its_keys_and_the_bytes_that_tensors_hold() -> None:
    found = cached(model_of(PLAIN), IDS, 6, 0, HERE)
    assert [(pass_.computed, pass_.reused, pass_.gone) for pass_ in found.ledgers] == [(6, 0, 0), *((1, length - 1, 0) for length in range(7, 18))]
    assert [pass_.bytes for pass_ in found.ledgers] == [cache_bytes(PLAIN, length) for length in range(6, 18)]
    assert sum(pass_.computed for pass_ in found.ledgers) == keys_again(17, 6)[0]
    assert sum(pass_.again for pass_ in found.ledgers) == keys_again(17, 6)[1] == 138


def test_a_window_lets_keys_go_and_its_bytes_stop_growing() -> None:
    config = sliding(5)
    found = cached(model_of(config), IDS, 3, 0, HERE)
    assert [pass_.bytes for pass_ in found.ledgers] == [cache_bytes(config, length) for length in range(3, 18)]
    assert found.ledgers[-1].bytes == cache_bytes(config, 5) < cache_bytes(PLAIN, 17)
    assert (found.ledgers[-1].reused, found.ledgers[-1].gone) == (4, 12)
    assert not found.pattern[-1, :, :12].any()


def test_the_keys_of_a_source_are_there_before_the_first_word_and_stay() -> None:
    config = replace(PLAIN, form=EncoderDecoder(encoder_layers=2))
    found = cached(model_of(config), IDS[:9], 1, 2, CROSS, SOURCE)
    assert found.k.shape == (2, len(SOURCE), 8)
    assert found.pattern.shape == (9, 4, len(SOURCE))
    assert found.pattern.sum(-1) == pytest.approx(1, abs=1e-5)
    assert [(pass_.computed, pass_.reused) for pass_ in found.ledgers] == [(5, 0), *[(0, 5)] * 8]
    source = cache_bytes(config, 0, source=len(SOURCE))
    assert [pass_.bytes - source for pass_ in found.ledgers] == [length * source // len(SOURCE) for length in range(1, 10)]


def test_heads_of_a_group_read_the_same_keys() -> None:
    found = cached(model_of(PLAIN), IDS, 6, 0, HERE)
    assert [found.group(head) for head in range(4)] == [0, 0, 1, 1]
    scores = found.q[-1, 1] @ found.k[found.group(1)].T / np.sqrt(8)
    weights = np.exp(scores - scores.max())
    assert found.pattern[-1, 1] == pytest.approx(weights / weights.sum(), abs=1e-5)


def test_what_has_no_cache_is_refused() -> None:
    with pytest.raises(Refusal, match="keeps no KV cache"):
        cached(model_of(replace(PLAIN, form=Encoder())), IDS, 6, 0, Where("encoder"))
    with pytest.raises(Refusal, match="1 to 17"):
        cached(model_of(PLAIN), IDS, 0, 0, HERE)


# ---------------------------------------------------------------- the cache that rolls


@pytest.mark.parametrize("positions", [Rotary(), Learned(), Alibi(), Relative(buckets=8, reach=16)], ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("window", [1, 4, 40])
@torch.no_grad()
def test_a_rolled_cache_gives_the_masked_ones_logits_from_a_window_of_bytes(positions, window: int) -> None:
    config = sliding(window, positions=positions)
    model, ids = model_of(config, torch.float64), torch.tensor([IDS])
    masked, rolled = model.past(), model.past(rolled=True)
    for start, end in ((0, 7), (7, 8), (8, 12), *((place, place + 1) for place in range(12, 17))):
        theirs, ours = (model(ids[:, start:end], past=past) for past in (masked, rolled))
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)
        assert torch.allclose(ours, model(ids[:, :end])[:, start:], rtol=0, atol=1e-12)
        held = min(end, window)
        assert rolled.bytes == 2 * cache_bytes(config, end) == masked.bytes // end * held
    assert rolled.keys.shape[-2] == window
    assert torch.allclose(rolled.keys[..., : rolled.held, :], masked.keys[..., 17 - rolled.held : 17, :], rtol=0, atol=1e-12)


@torch.no_grad()
def test_a_rolled_cache_goes_back_as_far_as_it_remembers() -> None:
    model, ids = model_of(sliding(4), torch.float64), torch.tensor([IDS])
    past = model.past(rolled=True)
    model(ids[:, :10], past=past)
    past.rewind(9)
    assert torch.allclose(model(ids[:, 9:10], past=past), model(ids[:, :10])[:, 9:], rtol=0, atol=1e-12)
    with pytest.raises(Refusal, match="has let the first 6 tokens go"):
        past.rewind(7)
    short = model.past(rolled=True)
    model(ids[:, :4], past=short)
    short.rewind(1)
    assert torch.allclose(model(ids[:, 1:3], past=short), model(ids[:, :3])[:, 1:], rtol=0, atol=1e-12)
    with pytest.raises(Refusal, match="sliding window"):
        model_of(PLAIN).past(rolled=True)


# ---------------------------------------------------------------- the clock


def test_both_roads_are_timed_in_turns_at_every_length() -> None:
    told = list(stepping(Reader(model_of(PLAIN), IDS[:3]), laps=2))
    assert [each.fraction for each in told] == sorted(each.fraction for each in told)
    assert told[-1].fraction == 1
    assert told[-1].lengths == lengths_of(PLAIN) == (8, 16, 32, 48)
    assert (len(told[-1].kept), len(told[-1].anew), len(told[-1].medians)) == (2, 2, 4)
    assert all(ratio == anew / kept for ratio, (kept, anew) in zip(told[-1].ratios, told[-1].medians, strict=True))
    assert told[0].medians == ()


def test_a_source_is_timed_too() -> None:
    model = model_of(replace(PLAIN, form=EncoderDecoder(encoder_layers=2), context=8))
    assert [*stepping(Reader(model, IDS[:1], SOURCE), laps=1)][-1].lengths == (8,)


# ---------------------------------------------------------------- the command line


def test_the_verb_counts_what_the_model_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--text", "The sky is", "--tokens", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(step["length"], step["computed"], step["reused"]) for step in told["steps"]] == [(4, 4, 0), (5, 1, 4), (6, 1, 5)]
    assert told["steps"][-1]["bytes"] == told["bytes_counted"] == 6 * told["bytes_per_token"]
    assert told["keys"] == {"with": 6, "without": 15}
    assert told["max_difference"] < 1e-3
    assert main(["cache", "--text", "The sky is", "--tokens", "3"]) == 0
    assert "15 without" in capsys.readouterr().out


def test_greedy_steps_are_what_the_verb_reads(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--source", "the yellow boat is in the river", "--checkpoint", "model/translator"]
    assert main(["cache", *words, "--tokens", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["steps"]) == 5
    assert told["steps"][0]["bytes"] > told["bytes_per_token"]
    assert told["steps"][-1]["bytes"] == told["bytes_counted"]
    assert main(["cache", "--text", "The sky is", "--checkpoint", "model/masked"]) == 2
    assert "encoder" in capsys.readouterr().err
