"""Generation: the cache changes nothing, every filter equals its definition, and a seed replays what was seen."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import (
    Alibi,
    Attention,
    Config,
    Embedding,
    Encoder,
    EncoderDecoder,
    Form,
    Free,
    GatedMlp,
    LayerNorm,
    Learned,
    NoPositions,
    Parallel,
    PlainMlp,
    RMSNorm,
    Rotary,
    Serial,
    Sinusoidal,
    Sliding,
)
from model.config import Decoder as Alone
from model.errors import Refusal
from model.generation import Decoder, Greedy, Picked, Sample, Writer, continuation, die, draw, generate, held, pick, softmax, stages
from model.generation.choose import top_k
from model.layers.attention import CrossAttention
from model.layers.masks import Painted, parse
from model.trace import Branch, Trace, Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told

torch.set_num_threads(1)
TINY = Config(vocabulary=50, context=32, width=24, layers=2, attention=Attention(heads=4, kv_heads=4, size=6), mlp=PlainMlp(hidden=40))
CONFIGS = {
    "learned": replace(TINY, positions=Learned()),
    "sinusoidal": replace(TINY, positions=Sinusoidal()),
    "rotary": TINY,
    "rotary, part of a head, neighbours": replace(TINY, positions=Rotary(fraction=2 / 3, pairing="neighbours")),
    "rotary, part of a head, halves": replace(TINY, positions=Rotary(fraction=2 / 3)),
    "alibi, three heads": replace(TINY, positions=Alibi(), attention=Attention(heads=3, kv_heads=3, size=8)),
    "alibi, grouped": replace(TINY, positions=Alibi(), attention=Attention(heads=4, kv_heads=2, size=6)),
    "no positions": replace(TINY, positions=NoPositions()),
    "rms, gated, grouped": replace(TINY, norm=RMSNorm(), mlp=GatedMlp(hidden=32), attention=Attention(heads=4, kv_heads=2, size=6)),
    "one key for all heads": replace(TINY, attention=Attention(heads=4, kv_heads=1, size=8)),
    "every bias": replace(
        TINY,
        attention=Attention(heads=4, kv_heads=4, size=6, bias=True, out_bias=True),
        mlp=PlainMlp(hidden=40, bias=True, activation="gelu"),
        output=Free(bias=True),
    ),
    "no bias anywhere": replace(TINY, norm=LayerNorm(bias=False), output=Free()),
    "norm after": replace(TINY, arrangement=Serial(norm_place="after"), final_norm=False, mlp=PlainMlp(hidden=40, activation="relu")),
    "parallel, one norm": replace(TINY, arrangement=Parallel(norms=1)),
    "parallel, two norms": replace(TINY, arrangement=Parallel(norms=2), mlp=GatedMlp(hidden=32, bias=True, activation="gelu_tanh")),
}
TRANSLATOR = replace(TINY, form=EncoderDecoder(encoder_layers=1), positions=Learned(), embedding=Embedding(scaled=True))
MASKS = {
    "window": parse("causal & window(4)"),
    "prefix": parse("causal | prefix(5)"),
    "documents": parse("causal & packed(4,20)"),
    "blind rows": parse("causal & pad_left(3)"),
    "both ways": parse("bidirectional"),
    "by hand": Painted.of(torch.rand(20, 20, generator=torch.Generator().manual_seed(5)) < 0.6),
}
PROMPT = (7, 3, 11, 3, 40)
SOURCE = (5, 9, 2, 30, 30, 1)


def built(config: Config, seed: int = 0) -> Transformer:
    """A model in float64 whose biases and norms matter: every weight redrawn, none at its neutral value."""
    model = Transformer(config, seed=seed).double().eval()
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=dice, dtype=torch.float64) * 0.3)
    return model


def uncached(model: Transformer, ids: tuple[int, ...], mask: torch.Tensor | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The last row's logits, and its patterns (layers, heads, positions), of one full forward pass."""
    trace = Tracer(model).trace(ids, mask=mask)
    return trace.logits[-1].numpy(), last_rows(trace, "attn")


def last_rows(trace: Trace, branch: Branch) -> np.ndarray:
    """Where a trace's last token looked: (layers, heads, tokens looked at)."""
    return torch.stack([trace.pattern(layer, branch)[:, -1] for layer in range(trace.model.config.layers)]).numpy()


# ---------------------------------------------------------------- the cache changes nothing


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_cached_equals_uncached(config: Config) -> None:
    model = built(config)
    for step in generate(model, PROMPT, Sample(seed=3), tokens=9):
        logits, patterns = uncached(model, step.history)
        np.testing.assert_allclose(step.logits, logits, atol=1e-9)
        np.testing.assert_allclose(step.pattern, patterns, atol=1e-9)
        assert step.cached == len(step.history)


@pytest.mark.parametrize("config", [config for config in EVERY if config.main == "decoder"], ids=told)
def test_every_configuration_that_writes_reads_one_token_as_it_reads_all(config: Config) -> None:
    model, tracer = built(config), Tracer(built(config))
    source = None if isinstance(config.form, Alone) else SOURCE
    for step in generate(model, PROMPT, Sample(temperature=3, seed=3), tokens=7, source=source):
        trace = tracer.trace(step.history, source=source)
        np.testing.assert_allclose(step.logits, trace.logits[-1], atol=1e-9)
        np.testing.assert_allclose(step.pattern, last_rows(trace, "attn"), atol=1e-9)
        if source is None:
            assert step.cross.size == 0
        else:
            np.testing.assert_allclose(step.cross, last_rows(trace, "cross"), atol=1e-9)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_cached_equals_uncached_in_single_precision(config: Config) -> None:
    model = Transformer(config, seed=1).eval()
    for step in generate(model, PROMPT, Sample(seed=3), tokens=9):
        np.testing.assert_allclose(step.logits, uncached(model, step.history)[0], atol=1e-5)


@pytest.mark.parametrize("positions", ["rotary", "alibi, grouped"])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_mask_acts_row_by_row_and_nobody_sees_a_token_not_yet_written(positions: str, mask) -> None:
    model = built(CONFIGS[positions])
    allowed = mask.build(len(PROMPT) + 9)
    possible = parse(f"causal | prefix({len(PROMPT)})").build(len(allowed))
    for step in generate(model, PROMPT, Sample(seed=3), tokens=9, mask=mask):
        seen = len(step.history)
        logits, patterns = uncached(model, step.history, (allowed & possible)[:seen, :seen])
        np.testing.assert_allclose(step.logits, logits, atol=1e-9)
        np.testing.assert_allclose(step.pattern, patterns, atol=1e-9)


def test_heads_may_have_masks_of_their_own() -> None:
    model = built(TINY)
    heads = torch.stack([parse(f"causal & window({k})").build(12) for k in (1, 2, 4, 12)])
    for step in generate(model, PROMPT, tokens=7, mask=heads):
        seen = len(step.history)
        widths = (step.pattern > 0).sum(-1)
        np.testing.assert_array_equal(widths, np.broadcast_to(np.minimum((1, 2, 4, 12), seen), widths.shape))


def test_a_rewound_text_continues_as_if_it_had_never_been_longer() -> None:
    model = built(TINY)
    straight = list(generate(model, PROMPT, Sample(seed=8), tokens=12))
    writer = Writer(model, PROMPT, tokens=12)
    for _ in range(7):
        writer.write(Greedy())
    writer.rewind(0)
    for _ in range(5):
        writer.write(Sample(seed=8))
    writer.write(Picked(1))
    writer.rewind(5)
    for _ in range(7):
        writer.write(Sample(seed=8))
    again = writer.steps
    assert [step.id for step in again] == [step.id for step in straight]
    for one, other in zip(again, straight, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, atol=1e-12)


def test_a_translation_may_be_rewound_too() -> None:
    model = built(TRANSLATOR)
    straight = list(generate(model, (1,), Sample(temperature=2, seed=8), tokens=8, source=SOURCE))
    writer = Writer(model, (1,), tokens=8, source=SOURCE)
    for choose in (*[Greedy()] * 6, Sample(temperature=2, seed=8)):
        writer.write(choose)
    writer.rewind(0)
    for one, other in zip(writer.follow(Sample(temperature=2, seed=8), 8), straight, strict=True):
        assert one.id == other.id
        np.testing.assert_allclose(one.logits, other.logits, atol=1e-12)
        np.testing.assert_allclose(one.cross, other.cross, atol=1e-12)


def test_a_source_is_read_once_whatever_is_written_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    remembered = CrossAttention.remembered
    monkeypatch.setattr(CrossAttention, "remembered", lambda self, memory: asked.append(memory.shape[1]) or remembered(self, memory))
    list(generate(built(TRANSLATOR), (1, 2, 3), tokens=6, source=SOURCE))
    assert asked == [len(SOURCE)] * TRANSLATOR.layers


def test_beyond_its_reach_a_token_leaves_no_trace() -> None:
    """A window of 3 hands on what lies 2 places back, over 2 layers 4: farther away nothing is known of a token."""
    config = replace(TINY, attention=replace(TINY.attention, reach=Sliding(window=3)))
    model = built(config)
    one, other = ([step.logits for step in generate(model, (first, 3, 11, 3, 40), tokens=4, picks=dict.fromkeys(range(4), 6))] for first in (7, 8))
    assert abs(one[0] - other[0]).max() > 1e-3
    np.testing.assert_allclose(one[1:], other[1:], atol=1e-12)
    (step,) = generate(model, PROMPT, tokens=1)
    assert (step.pattern > 0).sum(-1).max() == 3


def test_the_cache_holds_a_key_and_a_value_per_layer_and_token() -> None:
    config = replace(TINY, attention=Attention(heads=4, kv_heads=2, size=6))
    for step in generate(Transformer(config).eval(), PROMPT, tokens=4):
        assert step.cache_bytes == 2 * config.layers * 2 * 6 * 4 * step.cached
    for step in generate(Transformer(TRANSLATOR).eval(), (1,), tokens=4, source=SOURCE):
        assert step.cache_bytes == 2 * TRANSLATOR.layers * 4 * 6 * 4 * (step.cached + len(SOURCE))


# ---------------------------------------------------------------- against transformers


def gpt2(width: int = 32, heads: int = 4, layers: int = 2) -> tuple[Any, Transformer]:
    """A random GPT-2 of `transformers`, and the same weights in ours."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    peer = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=50, n_embd=width, n_head=heads, n_layer=layers, n_positions=32, bos_token_id=None, eos_token_id=None, initializer_range=0.4
        )
    ).eval()
    with torch.no_grad():
        for weight in peer.parameters():
            weight.copy_(torch.randn_like(weight) * 0.3)
    attention = Attention(heads=heads, kv_heads=heads, size=width // heads, bias=True, out_bias=True)
    mlp = PlainMlp(hidden=4 * width, activation="gelu_tanh", bias=True)
    config = Config(vocabulary=50, context=32, width=width, layers=layers, attention=attention, positions=Learned(), mlp=mlp)
    ours = Transformer(config).eval()
    ours.load_state_dict({name: as_ours(name, peer.state_dict()) for name in ours.state_dict()})
    return peer, ours


NAMES = {
    "decoder.blocks": "transformer.h",
    "decoder.norm": "transformer.ln_f",
    "norm1": "ln_1",
    "norm2": "ln_2",
    "attn.qkv": "attn.c_attn",
    "attn.out": "attn.c_proj",
    "mlp.up": "mlp.c_fc",
    "mlp.down": "mlp.c_proj",
    "embed.token": "transformer.wte",
    "embed.position": "transformer.wpe",
}


def as_ours(name: str, theirs: dict[str, torch.Tensor]) -> torch.Tensor:
    """The weight of a published GPT-2 that goes by `name` here; its matrices inside the blocks stand on their side."""
    published = name
    for ours, other in NAMES.items():
        published = published.replace(ours, other)
    weight = theirs[published]
    return weight.T if ".h." in published and weight.dim() == 2 else weight


def test_greedy_equals_transformers() -> None:
    peer, ours = gpt2()
    for start in range(5):
        ids = torch.randint(0, 50, (1, 4 + start), generator=torch.Generator().manual_seed(start))
        with torch.inference_mode():
            theirs = peer.generate(ids, max_new_tokens=20, do_sample=False, pad_token_id=0)[0, ids.shape[1] :].tolist()
        assert [step.id for step in generate(ours, ids[0], Greedy(), tokens=20)] == theirs


def test_greedy_with_a_penalty_equals_transformers() -> None:
    peer, ours = gpt2()
    ids = torch.tensor([[4, 9, 4]])
    with torch.inference_mode():
        theirs = peer.generate(ids, max_new_tokens=20, do_sample=False, repetition_penalty=1.4, pad_token_id=0)[0, 3:].tolist()
    assert [step.id for step in generate(ours, ids[0], Greedy(repetition_penalty=1.4), tokens=20)] == theirs


WARPERS: dict[str, Any] = {
    "repetition_penalty": lambda peer, value: peer.RepetitionPenaltyLogitsProcessor(value),
    "temperature": lambda peer, value: peer.TemperatureLogitsWarper(value),
    "top_k": lambda peer, value: peer.TopKLogitsWarper(value),
    "top_p": lambda peer, value: peer.TopPLogitsWarper(value),
    "min_p": lambda peer, value: peer.MinPLogitsWarper(value),
    "typical": lambda peer, value: peer.TypicalLogitsWarper(value),
}
SETTINGS: list[dict[str, Any]] = [
    *({"repetition_penalty": value} for value in (1.05, 1.3, 2.0)),
    *({"temperature": value} for value in (0.05, 0.7, 2.0)),
    *({"top_k": value} for value in (1, 20, 100)),
    *({"top_p": value} for value in (0.05, 0.8, 0.999)),
    *({"min_p": value} for value in (0.001, 0.1, 0.5)),
    *({"typical": value} for value in (0.05, 0.5, 0.95)),
    {"temperature": 1.4, "typical": 0.9},
    {"top_k": 12, "typical": 0.6},
    {"top_p": 0.9, "min_p": 0.05, "typical": 0.3},
    {"repetition_penalty": 1.3, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "min_p": 0.1},
    {"repetition_penalty": 1.2, "temperature": 1.1, "top_k": 40, "top_p": 0.95, "min_p": 0.02, "typical": 0.7},
]


@pytest.mark.parametrize("given", SETTINGS, ids=str)
def test_filters_equal_transformers(given: dict[str, Any]) -> None:
    import transformers as peer

    for seed, scale in ((0, 0.3), (1, 2), (2, 2), (3, 2), (4, 8)):
        logits = torch.randn(60, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale
        history, processors = list(range(seed, 40, 3)) * 2, []
        for stage in stages(logits.numpy(), Sample(**given), history):
            processors += [WARPERS[stage.name](peer, given[stage.name])] if stage.name in given else []
            theirs = run_through(processors, torch.tensor([history]), logits[None])
            np.testing.assert_allclose(stage.after, theirs, atol=1e-12)


@pytest.mark.parametrize("given", SETTINGS[15:], ids=str)
def test_sampling_distributions_equal_transformers(given: dict[str, Any]) -> None:
    """Step by step along a text that `transformers` draws, in the order in which its own `generate` puts the filters."""
    peer, ours = gpt2()
    ids, chosen = torch.tensor([[4, 9, 4]]), {"typical_p" if name == "typical" else name: value for name, value in given.items()}
    torch.manual_seed(5)
    asked = {"do_sample": True, "top_k": 0, "max_new_tokens": 8, "pad_token_id": 0, "output_scores": True, "return_dict_in_generate": True}
    with torch.inference_mode():
        theirs = peer.generate(ids, **(asked | chosen))
    written = theirs.sequences[0, 3:].tolist()
    for step, scores in zip(generate(ours, ids[0], Sample(**given), tokens=8, picks=dict(enumerate(written))), theirs.scores, strict=True):
        found = stages(step.logits, Sample(**given), step.history)[-1].after
        np.testing.assert_allclose(found, scores[0].double().softmax(-1).numpy(), atol=1e-6)


def test_of_equal_logits_top_k_keeps_k_where_transformers_keeps_all_of_them() -> None:
    """The one place where the two part: ties. Ours keep the lowest ids, as greedy choice does."""
    import transformers as peer

    logits = np.array([1.0, 2.0, 2.0, 2.0])
    theirs = run_through([peer.TopKLogitsWarper(2)], torch.tensor([[0]]), torch.tensor(logits)[None])
    np.testing.assert_allclose(theirs, share({1, 2, 3}, logits))
    np.testing.assert_allclose(by_name(logits, Sample(top_k=2), "top_k").after, share({1, 2}, logits))


def run_through(processors: list[Any], ids: torch.Tensor, scores: torch.Tensor) -> np.ndarray:
    """What a chain of `transformers` processors makes of one row of logits, as probabilities."""
    for process in processors:
        scores = process(ids, scores)
    return scores[0].softmax(-1).numpy()


# ---------------------------------------------------------------- filters by their definitions

PENALTIES = ["repetition_penalty", "frequency_penalty", "presence_penalty"]
some_logits = st.lists(st.floats(-20, 20), min_size=1, max_size=12).map(lambda values: np.array(values) + 1e-3 * np.arange(len(values)))


def share(kept: set[int], logits: np.ndarray) -> np.ndarray:
    """Probabilities when only `kept` may be chosen, straight from the definition."""
    weights = np.array([np.exp(value - max(logits)) if id in kept else 0.0 for id, value in enumerate(logits)])
    return weights / weights.sum()


@given(some_logits, st.integers(1, 15))
def test_top_k_keeps_the_k_most_probable(logits: np.ndarray, k: int) -> None:
    ranked = sorted(range(len(logits)), key=lambda id: (-logits[id], id))  # of equals, the lowest id first
    kept = set(ranked[:k])
    np.testing.assert_allclose(by_name(logits, Sample(top_k=k), "top_k").after, share(kept, logits), atol=1e-12)


@given(some_logits, st.floats(0.01, 0.99))
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits: np.ndarray, p: float) -> None:
    left = by_name(logits, Sample(top_p=p), "top_p")
    kept = set(np.flatnonzero(left.after).tolist())
    masses = sorted((left.before[id] for id in kept), reverse=True)
    assert sum(masses) >= p - 1e-12
    assert sum(masses[:-1]) < p + 1e-12
    assert all(left.before[id] <= masses[-1] for id in range(len(logits)) if id not in kept)
    np.testing.assert_allclose(left.after, share(kept, logits), atol=1e-12)


@given(some_logits, st.floats(0.01, 1.0))
def test_min_p_keeps_what_is_not_much_rarer_than_the_best(logits: np.ndarray, least: float) -> None:
    before = share(set(range(len(logits))), logits)
    on_the_edge = np.isclose(before, least * before.max(), rtol=1e-9)
    kept = by_name(logits, Sample(min_p=least), "min_p").after > 0
    np.testing.assert_array_equal(kept[~on_the_edge], (before >= least * before.max())[~on_the_edge])


@given(some_logits, st.floats(0.05, 3))
def test_temperature_is_a_power_of_every_probability(logits: np.ndarray, temperature: float) -> None:
    stage = by_name(logits, Sample(temperature=temperature), "temperature")
    powered = np.exp(np.log(stage.before.clip(1e-300)) / temperature)
    np.testing.assert_allclose(stage.after, powered / powered.sum(), atol=1e-9)


@given(some_logits, st.lists(st.integers(0, 11), max_size=20), st.floats(1.05, 2))
def test_a_repeated_token_is_penalised_once_and_never_rewarded(logits: np.ndarray, history: list[int], penalty: float) -> None:
    seen = {id for id in history if id < len(logits)}
    stage = by_name(logits, Sample(repetition_penalty=penalty), "repetition_penalty", sorted(seen) * 2)
    for id, value in enumerate(logits):
        assert stage.left[id] == pytest.approx((value / penalty if value > 0 else value * penalty) if id in seen else value)
        assert stage.left[id] <= value


@given(some_logits, st.lists(st.integers(0, 11), max_size=20), st.floats(0, 2), st.floats(0, 2))
def test_a_penalty_is_taken_off_for_every_time_or_once(logits: np.ndarray, history: list[int], each: float, once: float) -> None:
    read = [id for id in history if id < len(logits)]
    left = by_name(logits, Sample(frequency_penalty=each, presence_penalty=once), "presence_penalty", read).left
    np.testing.assert_allclose(left, [value - each * read.count(id) - once * (id in read) for id, value in enumerate(logits)])


@given(some_logits, st.floats(0.01, 0.99))
def test_typical_keeps_those_whose_surprise_is_nearest_to_the_entropy(logits: np.ndarray, mass: float) -> None:
    stage = by_name(logits, Sample(typical=mass), "typical")
    entropy = -sum(p * np.log(p) for p in stage.before if p > 0)
    strange = [abs(-np.log(p) - entropy) if p > 0 else np.inf for p in stage.before]
    kept = set(np.flatnonzero(stage.after).tolist())
    farthest = max(strange[id] for id in kept)
    assert sum(stage.before[id] for id in kept) >= mass - 1e-9
    assert sum(stage.before[id] for id in kept if strange[id] < farthest - 1e-9) < mass + 1e-9
    assert all(strange[id] >= farthest - 1e-9 for id in range(len(logits)) if id not in kept)


def by_name(logits: np.ndarray, choose: Sample, name: str, history=()):
    return next(stage for stage in stages(logits, choose, history) if stage.name == name)


@settings(max_examples=50)
@given(some_logits, st.floats(0.1, 2), st.integers(0, 12), st.floats(0.05, 1), st.floats(0, 1))
def test_every_stage_hands_on_a_distribution_and_none_cuts_everything(logits: np.ndarray, temperature: float, k: int, p: float, least: float) -> None:
    line = stages(logits, Sample(temperature=temperature, top_k=k, top_p=p, min_p=least), [0])
    assert [stage.name for stage in line] == [*PENALTIES, "temperature", "top_k", "top_p", "min_p", "typical"]
    for one, following in pairwise(line):
        np.testing.assert_array_equal(one.left, following.entered)
    for stage in line:
        assert stage.after.sum() == pytest.approx(1)
        assert not (stage.removed & (stage.after > 0)).any()
    assert line[-1].after.argmax() == logits.argmax()


def test_greedy_and_picked_leave_one_token() -> None:
    logits = np.array([0.0, 2.0, 2.0, 1.0])
    assert [stage.name for stage in stages(logits, Greedy())] == [*PENALTIES, "greedy"]
    np.testing.assert_array_equal(stages(logits, Greedy())[-1].after, [0, 1, 0, 0])
    np.testing.assert_array_equal(stages(logits, Picked(3))[-1].after, [0, 0, 0, 1])
    np.testing.assert_array_equal(stages(logits, Greedy(repetition_penalty=2), [1])[-1].after, [0, 0, 1, 0])
    assert pick(logits, Greedy(frequency_penalty=0.6), [1, 2, 1, 2]) == 3
    assert pick(logits, Greedy(presence_penalty=0.6), [1, 1, 1]) == 2


# ---------------------------------------------------------------- the die


def test_draws_follow_the_distribution() -> None:
    probabilities = softmax(np.array([1.0, 0.0, 3.0, -1.0, 2.0]))
    count = 20_000
    drawn = np.bincount([draw(probabilities, die(1, place)) for place in range(count)], minlength=5)
    deviation = np.sqrt(count * probabilities * (1 - probabilities))
    assert (abs(drawn - count * probabilities) < 4 * deviation).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9).filter(lambda v: sum(v) > 0.01), st.floats(0, 1, exclude_max=True))
def test_a_draw_lands_where_the_running_sum_passes_the_die(weights: list[float], u: float) -> None:
    probabilities = np.array(weights) / sum(weights)
    drawn = draw(probabilities, u)
    above = sum(p for id, p in enumerate(probabilities) if (-p, id) < (-probabilities[drawn], drawn))
    assert probabilities[drawn] > 0
    assert above - 1e-9 <= u <= above + probabilities[drawn] + 1e-9


def test_the_same_seed_writes_the_same_text_and_another_does_not() -> None:
    model = Transformer(TINY, seed=2).eval()
    texts = [[step.id for step in generate(model, PROMPT, Sample(seed=seed), tokens=20)] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_step_thrown_again_by_itself_falls_the_same_way() -> None:
    model = Transformer(TINY, seed=2).eval()
    choose = Sample(temperature=1.3, top_p=0.9, seed=6)
    for step in generate(model, PROMPT, choose, tokens=10):
        assert pick(step.logits, choose, step.history) == step.id
        assert step.stages[-1].after[step.id] > 0


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**66))
def test_the_die_is_numpys_philox(seed: int, place: int) -> None:
    assert die(seed, place) == (int(np.random.Philox(key=seed, counter=place).random_raw()) >> 11) * 2.0**-53


@given(st.lists(st.sampled_from([-np.inf, 0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=12), st.integers(1, 15))
def test_of_equals_top_k_keeps_the_lowest_ids(values: list[float], k: int) -> None:
    logits = np.array([*values, 3.0])
    kept = sorted(np.flatnonzero(np.isfinite(logits)), key=lambda id: (-logits[id], id))[:k]
    assert set(np.flatnonzero(np.isfinite(top_k(logits, k)))) == set(kept)


def test_the_die_is_fixed_for_ever() -> None:
    """Philox4x64-10: a link made today must replay in years."""
    thrown = [die(seed, place) for seed, place in ((0, 0), (0, 1), (1, 0), (2**63, 1000))]
    assert thrown == pytest.approx([0.011547, 0.502380, 0.303568, 0.423590], abs=5e-7)


# ---------------------------------------------------------------- what a step tells


def test_a_step_tells_its_tokens_probability_and_rank() -> None:
    model = built(TINY)
    for step in generate(model, PROMPT, Sample(temperature=2, seed=1), tokens=10):
        ordered = sorted(step.logits, reverse=True)
        assert step.rank == ordered.index(step.logits[step.id]) + 1
        assert step.probability == pytest.approx(softmax(step.logits)[step.id])
        assert step.log_probability <= 0
        assert step.seconds > 0
    assert {step.rank for step in generate(model, PROMPT, tokens=5)} == {1}


def test_picks_put_tokens_in_by_hand() -> None:
    model = built(TINY)
    line = list(generate(model, PROMPT, Sample(seed=4), tokens=8, picks={0: 9, 5: 13}))
    assert (line[0].id, line[5].id) == (9, 13)
    assert isinstance(line[5].choose, Picked)
    assert [step.id for step in generate(model, (*PROMPT, 9), Sample(seed=4), tokens=4)] == [step.id for step in line[1:5]]


def test_what_is_held_lets_other_settings_write_the_same_text_again() -> None:
    model = built(TINY)
    written = list(generate(model, PROMPT, Sample(temperature=1.5, seed=4), tokens=10, picks={2: 9}))
    for choose in (Sample(temperature=1.5, seed=4), Sample(temperature=0.3, top_k=5, seed=11), Greedy()):
        again = generate(model, PROMPT, choose, tokens=10, picks=held(written, choose))
        assert [step.id for step in again] == [step.id for step in written]
    assert held(written, Sample(temperature=1.5, seed=4)).keys() == {2}


# ---------------------------------------------------------------- where it ends, and what is refused


def test_it_ends_after_the_stop_token() -> None:
    model = built(TINY)
    free = [step.id for step in generate(model, PROMPT, Sample(seed=4), tokens=20)]
    stop = free[6]
    stopped = [step.id for step in generate(model, PROMPT, Sample(seed=4), tokens=20, stop=stop)]
    assert stopped == free[: free.index(stop) + 1]


def test_it_ends_when_the_context_is_full() -> None:
    model = built(CONFIGS["learned"])
    assert len(list(generate(model, PROMPT, tokens=1_000))) == TINY.context - len(PROMPT)
    assert not list(generate(model, PROMPT, tokens=0))
    writer = Writer(model, range(TINY.context))
    assert writer.room == 0
    assert writer.reading.logits.shape == (TINY.vocabulary,)
    with pytest.raises(Refusal, match="32"):
        writer.write(Greedy())


def test_a_consumer_may_stop_pulling_at_any_step() -> None:
    assert len(list(islice(generate(built(TINY), PROMPT, tokens=20), 3))) == 3


@pytest.mark.parametrize(
    ("ids", "keywords", "code"),
    [
        ((), {}, "generation.empty"),
        ((1, 50), {}, "generation.id"),
        ((1, -1), {}, "generation.id"),
        (range(33), {}, "length.context"),
        (range(32), {}, "generation.full"),
        (PROMPT, {"mask": torch.ones(6, 6, dtype=torch.bool)}, "generation.mask"),
    ],
)
def test_what_cannot_be_continued_is_refused_at_once(ids, keywords, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        generate(built(TINY), ids, tokens=4, **keywords)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", -1),
        ("temperature", 1e-320),
        ("temperature", float("inf")),
        ("top_k", -1),
        ("top_p", 0),
        ("top_p", 1.1),
        ("min_p", -0.1),
        ("min_p", 2),
        ("typical", 0),
        ("typical", 1.5),
        ("frequency_penalty", float("inf")),
        ("presence_penalty", float("nan")),
        ("presence_penalty", -1e308),
        ("repetition_penalty", 0),
        ("repetition_penalty", float("inf")),
        ("seed", -1),
    ],
)
def test_impossible_settings_are_refused_with_what_was_given(name: str, value: float) -> None:
    with pytest.raises(Refusal, match=re.escape(str(value))) as refused:
        Sample(**{name: value})  # pyright: ignore[reportArgumentType]
    assert refused.value.code == f"generation.{name}"


def test_a_picked_token_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(Refusal, match="49"):
        list(generate(built(TINY), PROMPT, picks={0: 50}))


def test_damaged_weights_are_told_not_sampled_from() -> None:
    model = built(TINY)
    with torch.no_grad():
        model.decoder.blocks[1].mlp.down.weight[0, 0] = torch.nan  # pyright: ignore
    with pytest.raises(Refusal, match="position 5"):
        next(generate(model, PROMPT, Sample()))


@pytest.mark.parametrize(
    ("form", "source", "code"),
    [
        (EncoderDecoder(), None, "generation.source"),
        (EncoderDecoder(), (), "generation.empty"),
        (EncoderDecoder(), range(33), "length.context"),
        (EncoderDecoder(), (50,), "generation.id"),
        (Encoder(), None, "generation.encoder"),
        (Alone(), SOURCE, "source.none"),
    ],
)
def test_a_source_is_for_those_who_can_read_it(form: Form, source: tuple[int, ...] | None, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        generate(built(replace(TINY, form=form)), PROMPT, tokens=4, source=source)
    assert refused.value.code == code


def test_a_model_with_dropout_switched_on_is_refused() -> None:
    with pytest.raises(Refusal, match="eval"):
        Decoder(Transformer(replace(TINY, dropout=0.1)).train())


# ---------------------------------------------------------------- a continuation in one pass


@pytest.mark.parametrize("source", [None, (3, 1, 4)])
@pytest.mark.parametrize("room", [1, 1 << 22])
def test_one_pass_over_a_continuation_finds_what_every_step_found(source: tuple[int, ...] | None, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.generation.scoring.ROOM", room)
    model = built(TINY if source is None else replace(TINY, form=EncoderDecoder()))
    steps = list(generate(model, PROMPT, Sample(temperature=2, seed=1), tokens=10, source=source))
    found = continuation(model, PROMPT, [step.id for step in steps], source)
    np.testing.assert_allclose(found.nats, [step.log_probability for step in steps], atol=1e-5)
    assert found.rank.tolist() == [step.rank for step in steps]
    assert found.total == pytest.approx(sum(step.log_probability for step in steps), abs=1e-4)
    assert found.perplexity == pytest.approx(np.prod([step.probability for step in steps]) ** (-1 / 10), rel=1e-4)
    assert (found.running[-1], found.perplexities[-1]) == (pytest.approx(found.total), pytest.approx(found.perplexity))


def test_a_continuation_of_nothing_is_certain_and_one_beyond_the_context_refused() -> None:
    model = built(TINY)
    nothing = continuation(model, PROMPT, ())
    assert (nothing.total, nothing.perplexity, nothing.perplexities.tolist()) == (0, 1, [])
    for wrong in (range(50), (50,)):
        with pytest.raises(Refusal):
            continuation(model, PROMPT, tuple(wrong))
