"""Costs are counted from the configuration; here they meet the built model, PyTorch's counters and a real optimiser."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from model.config import (
    Alibi,
    Attention,
    Config,
    Embedding,
    Encoder,
    EncoderDecoder,
    Free,
    GatedMlp,
    LayerNorm,
    Learned,
    Narrow,
    NoPositions,
    Parallel,
    PlainMlp,
    Relative,
    RMSNorm,
    Rotary,
    Serial,
    Sinusoidal,
    Sliding,
    Tied,
    Transformed,
)
from model.cost import (
    activation_bytes,
    bytes_by_precision,
    cache_bytes,
    cache_bytes_per_token,
    decoding_flops,
    flops_per_token,
    forward_flops,
    gradient_bytes,
    optimiser_bytes,
    parameters,
    parts,
    training_flops,
    weights,
)
from model.errors import Refusal
from model.training import SGD, AdamW
from model.training.weights import Weights
from model.transformer import Transformer

CONFIGS = {
    "default": Config(),
    "gpt2-like": Config(
        vocabulary=97,
        context=20,
        width=30,
        layers=3,
        attention=Attention(heads=5, kv_heads=5, size=6, bias=True, out_bias=True),
        positions=Learned(),
        mlp=PlainMlp(hidden=50, bias=True),
    ),
    "llama-like": Config(width=40, attention=Attention(heads=6, kv_heads=2, size=8), norm=RMSNorm(), mlp=GatedMlp(hidden=44), output=Free()),
    "one norm": Config(arrangement=Parallel(norms=1), mlp=PlainMlp(hidden=72, activation="relu"), output=Free(bias=True), positions=Alibi()),
    "two norms": Config(arrangement=Parallel(norms=2), norm=LayerNorm(bias=False), positions=NoPositions(), dropout=0.2),
    "post-norm": Config(arrangement=Serial(norm_place="after"), final_norm=False, positions=Sinusoidal(), mlp=GatedMlp(activation="relu", bias=True)),
    "encoder": Config(
        form=Encoder(),
        positions=Learned(),
        embedding=Embedding(norm=True, segments=2),
        readout=Transformed(),
        output=Tied(bias=True),
        arrangement=Serial(norm_place="after"),
        final_norm=False,
    ),
    "narrow and shared": Config(
        form=Encoder(), layers=3, shared=True, embedding=Embedding(norm=True, room=Narrow(size=24)), positions=Learned(), readout=Transformed()
    ),
    "widened first": Config(embedding=Embedding(room=Narrow(size=40, positions="after", bias=False)), positions=Learned(spare=2), final_norm=False),
    "encoder-decoder": Config(
        form=EncoderDecoder(encoder_layers=3), positions=Relative(), attention=Attention(scaled=False), norm=RMSNorm(), output=Tied(scaled=True)
    ),
    "translator": Config(
        form=EncoderDecoder(), embedding=Embedding(scaled=True), positions=Sinusoidal(order="halves"), arrangement=Serial(norm_place="after")
    ),
    "grouped translator": Config(form=EncoderDecoder(), attention=Attention(kv_heads=2, head_norm=True), mlp=GatedMlp(), output=Free(), dropout=0.1),
    "normed heads": Config(attention=Attention(heads=6, kv_heads=3, size=8, head_norm=True, reach=Sliding(window=8)), norm=RMSNorm()),
    "multi-query": Config(layers=1, attention=Attention(heads=3, kv_heads=1, size=10), positions=Rotary(fraction=0.6), norm=RMSNorm(), dropout=0.1),
}
WRITERS = {name: config for name, config in CONFIGS.items() if config.main == "decoder"}
PAIRS = {name: config for name, config in CONFIGS.items() if isinstance(config.form, EncoderDecoder)}
each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
each_writer = pytest.mark.parametrize("config", WRITERS.values(), ids=WRITERS.keys())
each_pair = pytest.mark.parametrize("config", PAIRS.values(), ids=PAIRS.keys())


def through(model: Transformer, batch: int, length: int, source: int | None = None) -> torch.Tensor:
    """Logits (batch, length, V) of the same token everywhere, read after a source where the model has one."""
    memory = model.encode(torch.zeros(batch, source or length, dtype=torch.long)) if model.encoder and model.decoder else None
    return model(torch.zeros(batch, length, dtype=torch.long), memory=memory)


@each_config
def test_every_weight_has_the_name_and_shape_of_the_built_model(config: Config) -> None:
    built = {name: tuple(value.shape) for name, value in Transformer(config).named_parameters()}
    assert {weight.name: weight.shape for weight in weights(config)} == built


@each_config
def test_parameters_are_those_of_the_built_model(config: Config) -> None:
    counted = sum(value.numel() for value in Transformer(config).parameters())
    assert parameters(config) == counted == sum(part.total for part in parts(config))
    assert bytes_by_precision(config)["fp32"] == gradient_bytes(config) == 4 * counted


@each_config
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (3, 17)])
def test_forward_and_training_flops_are_those_pytorch_counts(config: Config, batch: int, length: int) -> None:
    model = Transformer(config).train()
    with FlopCounterMode(display=False) as forward:
        through(model, batch, length)
    assert forward_flops(config, length, batch) == forward.get_total_flops()
    with FlopCounterMode(display=False) as both:
        through(model, batch, length).sum().backward()
    assert training_flops(config, length, batch) == both.get_total_flops()


@each_pair
def test_a_source_of_another_length_costs_what_pytorch_counts(config: Config) -> None:
    model = Transformer(config).train()
    with FlopCounterMode(display=False) as forward:
        through(model, 2, 5, source=11)
    assert forward_flops(config, 5, 2, source=11) == forward.get_total_flops()


@each_writer
def test_a_decoded_token_costs_what_pytorch_counts(config: Config) -> None:
    model, past, source = Transformer(config).eval(), 11, 7
    cache = model.past(capacity=past + 1)
    memory = model.encode(torch.zeros(1, source, dtype=torch.long)) if model.encoder else None
    model(torch.zeros(1, past, dtype=torch.long), memory=memory, past=cache)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # the counter is blind to the CPU's fused kernel
        model(torch.zeros(1, 1, dtype=torch.long), memory=memory, past=cache)
    assert decoding_flops(config, past, source=source) == counter.get_total_flops()


def test_an_encoder_has_no_next_token_to_pay_for() -> None:
    with pytest.raises(Refusal, match="count a whole pass"):
        decoding_flops(CONFIGS["encoder"], 3)


@pytest.mark.parametrize("config", [config for config in CONFIGS.values() if len(config.depths) == 1])
def test_the_last_token_costs_the_average_of_a_full_pass(config: Config) -> None:
    assert flops_per_token(config) * config.context == forward_flops(config, config.context)


@each_writer
def test_the_cache_holds_the_counted_bytes(config: Config) -> None:
    model, cache = Transformer(config).eval(), Transformer(config).past(capacity=9)
    with torch.no_grad():
        memory = model.encode(torch.zeros(1, 5, dtype=torch.long)) if model.encoder else None
        model(torch.zeros(1, 7, dtype=torch.long), memory=memory, past=cache)
        written = cache.bytes
        model(torch.zeros(1, 1, dtype=torch.long), memory=memory, past=cache)
    assert written == cache_bytes(config, 7, source=5)
    assert cache.bytes - written == cache_bytes_per_token(config)


def test_a_sliding_window_lets_go_of_what_it_has_passed() -> None:
    config = CONFIGS["normed heads"]
    assert cache_bytes(config, 8) == 8 * cache_bytes_per_token(config)
    assert cache_bytes(config, 100, batch=3) == 3 * cache_bytes(config, 8)


def test_an_encoder_keeps_no_cache() -> None:
    assert cache_bytes(CONFIGS["encoder"], 100) == cache_bytes_per_token(CONFIGS["encoder"]) == 0


@each_config
@pytest.mark.parametrize(("name", "spec"), [("adamw", AdamW()), ("momentum", SGD()), ("sgd", SGD(momentum=0.0))])
def test_optimiser_memory_is_what_training_holds_after_a_step(config: Config, name: Literal["adamw", "momentum", "sgd"], spec: AdamW | SGD) -> None:
    learned = Weights(Transformer(config), torch.float32)
    optimiser = learned.optimiser(spec)
    for group in optimiser.param_groups:
        group["params"][0].grad = torch.ones_like(group["params"][0])
    optimiser.step()
    held = sum(value.nbytes for state in optimiser.state.values() for value in state.values() if isinstance(value, torch.Tensor))
    assert optimiser_bytes(config, name) == held


@each_config
@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_activation_memory_is_what_autograd_keeps(config: Config, precision: Literal["fp32", "bf16"], dtype: torch.dtype) -> None:
    batch, length = 4, 20
    model = Transformer(config).to(dtype).train()
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(value: torch.Tensor) -> torch.Tensor:
        if value.untyped_storage().data_ptr() not in own:
            kept[value.untyped_storage().data_ptr()] = value
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        logits = through(model, batch, length)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), torch.zeros(batch * length, dtype=torch.long))
    assert loss.isfinite()
    held = sum(value.untyped_storage().nbytes() for value in kept.values())
    assert activation_bytes(config, batch, length, precision) == pytest.approx(held, rel=0.02)


def test_grouping_heads_shrinks_the_cache_and_not_the_scores() -> None:
    plain, grouped = Config(), Config(attention=Attention(kv_heads=1))
    assert cache_bytes_per_token(plain) == 4 * cache_bytes_per_token(grouped)
    scores = [decoding_flops(config, 99) - decoding_flops(config, 98) for config in (plain, grouped)]
    assert scores[0] == scores[1]


def test_four_bits_round_up_to_a_whole_byte() -> None:
    odd = Config(vocabulary=1, width=1, layers=1, attention=Attention(heads=1, kv_heads=1, size=2), mlp=PlainMlp(hidden=1))
    assert bytes_by_precision(odd)["int4"] == (parameters(odd) + 1) // 2


def test_three_ways_to_count_six_per_parameter() -> None:
    config = Config(context=1, width=256, layers=6)
    assert training_flops(config, 1) == pytest.approx(6 * parameters(config), rel=0.01)
