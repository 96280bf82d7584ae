"""The forward pass keeps its promises, for every alternative of the configuration."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from model.config import (
    Attention,
    ByWavelength,
    Config,
    Embedding,
    Encoder,
    EncoderDecoder,
    Evenly,
    FanIn,
    Fixed,
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
from model.cost import weights
from model.errors import Refusal
from model.layers.block import Block
from model.layers.frame import Memory
from model.tap import Tap, chain
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told

CLOSE = 1e-5
LENGTH = 19

every = pytest.mark.parametrize("config", EVERY, ids=told)
writers = pytest.mark.parametrize("config", [config for config in EVERY if config.main == "decoder"], ids=told)
translators = pytest.mark.parametrize("config", [config for config in EVERY if isinstance(config.form, EncoderDecoder)], ids=told)
SOURCE = 7


@cache
def model_of(config: Config) -> Transformer:
    """A random model that the tests share: none may change it."""
    return Transformer(config, seed=1).double().eval()


def ids_of(config: Config, batch: int = 1, length: int = LENGTH) -> Tensor:
    return torch.randint(0, config.vocabulary, (batch, length), generator=torch.Generator().manual_seed(7))


def source_of(model: Transformer, batch: int = 1) -> Memory | None:
    """Something to write about, for a model that needs it."""
    if not isinstance(model.config.form, EncoderDecoder):
        return None
    with torch.no_grad():
        return model.encode(ids_of(model.config, batch, SOURCE).flip(-1))


def trace_of(model: Transformer, ids: Tensor, **given: Any) -> Trace:
    source = ids_of(model.config, 1, SOURCE).flip(-1)[0] if isinstance(model.config.form, EncoderDecoder) else None
    return Tracer(model).trace(ids, source=source, **given)


def apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


@writers
@torch.no_grad()
def test_a_later_token_changes_nothing_before_it(config: Config) -> None:
    model, ids = model_of(config), ids_of(config)
    changed, memory = ids.clone(), source_of(model)
    changed[0, 11:] = (changed[0, 11:] + 1) % config.vocabulary
    before, after = model(ids, memory=memory), model(changed, memory=memory)
    assert apart(before[:, :11], after[:, :11]) < 1e-12
    assert apart(before[:, 11:], after[:, 11:]) > 1e-3


@pytest.mark.parametrize("config", [config for config in EVERY if config.main == "encoder"], ids=told)
@torch.no_grad()
def test_an_encoder_sees_what_follows(config: Config) -> None:
    model, ids = model_of(config), ids_of(config)
    changed = ids.clone()
    changed[0, 11] = (changed[0, 11] + 1) % config.vocabulary
    assert apart(model(ids)[:, 10], model(changed)[:, 10]) > 1e-3
    with pytest.raises(Refusal, match="keeps no KV cache"):
        model.past()


@writers
@torch.no_grad()
def test_cached_equals_uncached(config: Config) -> None:
    model, ids = model_of(config), ids_of(config, batch=2)
    past, memory = model.past(batch=2, capacity=LENGTH), source_of(model, batch=2)
    steps = [model(ids[:, :6], past=past, memory=memory)] + [model(ids[:, i : i + 1], past=past, memory=memory) for i in range(6, LENGTH)]
    assert apart(torch.cat(steps, 1), model(ids, memory=memory)) < CLOSE
    assert past.length == LENGTH
    seen = LENGTH + (SOURCE if memory else 0)
    assert past.bytes == 2 * config.layers * 2 * config.attention.kv_heads * seen * config.attention.size * 8


@every
def test_the_three_roads_through_attention_agree(config: Config) -> None:
    model, ids = model_of(config), ids_of(config, batch=2)
    memory = source_of(model, batch=2)
    trained = model(ids, memory=memory).detach()
    with torch.no_grad():
        fused, watched = model(ids, memory=memory), model(ids, memory=memory, tap=lambda name, value: value)
    assert apart(trained, fused) < CLOSE
    assert apart(watched, fused) < CLOSE


@every
@torch.no_grad()
def test_a_mask_means_the_same_on_every_road(config: Config) -> None:
    model, ids = model_of(config), ids_of(config, batch=2)
    memory = source_of(model, batch=2)
    mask = torch.rand(LENGTH, LENGTH, generator=torch.Generator().manual_seed(3)) < 0.5
    mask[4] = False
    fused, watched = model(ids, mask=mask, memory=memory), model(ids, mask=mask, memory=memory, tap=lambda name, value: value)
    with torch.enable_grad():
        trained = model(ids, mask=mask, memory=memory).detach()
    assert torch.isfinite(fused).all()
    assert apart(watched, fused) < CLOSE
    assert apart(trained, fused) < CLOSE
    assert apart(model(ids, mask=mask[None].expand(2, -1, -1), memory=memory), fused) < CLOSE
    assert apart(model(ids, mask=mask[None, None].expand(2, config.attention.heads, -1, -1), memory=memory), fused) < CLOSE


@every
@torch.no_grad()
def test_the_residual_adds_up(config: Config) -> None:
    model = model_of(config)
    trace = trace_of(model, ids_of(config)[0])
    after_norm = config.arrangement == Serial(norm_place="after")
    for kind, depth in config.depths.items():
        blocks = model.stack(kind).blocks
        for layer in range(depth):
            block, site = blocks[layer % len(blocks)], lambda name: trace[f"{kind}.blocks.{layer}.{name}"]  # noqa: B023
            assert isinstance(block, Block)
            attended, thought = site("before") + site("attn.out"), site("crossed" if block.cross else "middle") + site("mlp.out")
            assert apart(block.norm1(attended) if after_norm else attended, site("middle")) < 1e-12
            assert apart(block.norm2(thought) if after_norm and block.norm2 else thought, site("after")) < 1e-12
            if block.cross_norm:
                crossed = site("middle") + site("cross.out")
                assert apart(block.cross_norm(crossed) if after_norm else crossed, site("crossed")) < 1e-12
            assert layer + 1 == depth or torch.equal(trace[f"{kind}.blocks.{layer + 1}.before"], site("after"))


@every
@torch.no_grad()
def test_a_tap_that_changes_a_site_changes_the_answer(config: Config) -> None:
    model, ids = model_of(config), ids_of(config)
    block = f"{config.main}.blocks.1.attn"

    def silence(name: str, value: Tensor) -> Tensor:
        return torch.zeros_like(value) if name == f"{block}.pattern" else value

    traced = trace_of(model, ids[0], tap=silence)
    assert float(traced.pattern(1).abs().max()) == 0
    assert apart(traced.logits, model(ids, memory=source_of(model))[0]) > 1e-4
    expected = torch.zeros_like(traced[f"{block}.out"])
    if config.attention.out_bias:
        expected += model.get_parameter(f"{config.main}.blocks.{0 if config.shared else 1}.attn.out.bias")
    assert apart(traced[f"{block}.out"], expected) < 1e-12


@every
def test_the_parameters_are_those_that_were_counted(config: Config) -> None:
    with torch.device("meta"):
        built = {name: tuple(parameter.shape) for name, parameter in Transformer(config).named_parameters()}
    assert {weight.name: weight.shape for weight in weights(config)} == built


@every
def test_every_weight_matters_and_learns(config: Config) -> None:
    model, ids = model_of(config), ids_of(config, batch=2)
    source = ids_of(config, 2, SOURCE).flip(-1)
    memory = model.encode(source) if isinstance(config.form, EncoderDecoder) else None
    segments = torch.arange(LENGTH).expand(2, -1) % config.embedding.segments if config.embedding.segments else None
    names, parameters = zip(*model.named_parameters(), strict=True)
    slopes = torch.autograd.grad(model(ids, memory=memory, segments=segments).square().sum(), parameters, allow_unused=True)
    idle = [name for name, slope in zip(names, slopes, strict=True) if slope is None or not bool(slope.abs().sum() > 0)]
    assert idle == []


@translators
@torch.no_grad()
def test_what_the_target_may_not_look_at_cannot_be_told(config: Config) -> None:
    model, ids = model_of(config), ids_of(config)
    one, other = ids_of(config, 1, SOURCE), ids_of(config, 1, SOURCE).clone()
    other[0, 4:] = (other[0, 4:] + 1) % config.vocabulary
    hidden = torch.ones(1, SOURCE, SOURCE, dtype=torch.bool)
    hidden[..., 4:] = False
    near = [model(ids, memory=model.encode(source, mask=hidden, across=hidden[:, :1].expand(1, LENGTH, -1))) for source in (one, other)]
    assert apart(*near) < 1e-12
    assert apart(*(model(ids, memory=model.encode(source)) for source in (one, other))) > 1e-3


@torch.no_grad()
def test_what_a_model_has_not_is_refused_by_name() -> None:
    model = Transformer(BASE)
    with pytest.raises(Refusal, match="no encoder"):
        model.encode(ids_of(BASE))
    translator = Transformer(dataclasses.replace(BASE, form=EncoderDecoder()))
    with pytest.raises(Refusal, match="none was given"):
        translator(ids_of(BASE))


@torch.no_grad()
def test_places_move_a_padded_text_back_to_the_start() -> None:
    model = model_of(dataclasses.replace(BASE, positions=Learned(spare=2)))
    ids = ids_of(BASE, length=6)
    padded = torch.cat([ids.new_zeros(1, 3), ids], 1)
    seen = torch.ones(9, 9, dtype=torch.bool).tril() & (torch.arange(9) >= 3)
    places = (torch.arange(9)[None] - 3).clamp_min(0)
    assert apart(model(padded, mask=seen, places=places)[:, 3:], model(ids)) < 1e-12
    assert apart(model(padded, mask=seen)[:, 3:], model(ids)) > 1e-3


def test_taps_compose_in_order() -> None:
    double: Tap = lambda name, value: value * 2  # noqa: E731
    increase: Tap = lambda name, value: value + 1  # noqa: E731
    assert float(chain(double, increase)("x", torch.tensor(3.0))) == 7


BASE = Config(vocabulary=61, context=32, width=16, layers=2, attention=Attention(heads=4, kv_heads=4, size=4), initialisation=Fixed(deviation=0.4))
CHANGES = {
    "width": dataclasses.replace(BASE, width=24),
    "layers": dataclasses.replace(BASE, layers=3),
    "heads": dataclasses.replace(BASE, attention=Attention(heads=2, kv_heads=2, size=8)),
    "kv_heads": dataclasses.replace(BASE, attention=Attention(heads=4, kv_heads=2, size=4)),
    "size": dataclasses.replace(BASE, attention=Attention(heads=4, kv_heads=4, size=8)),
    "rotary base": dataclasses.replace(BASE, positions=Rotary(base=100.0)),
    "rotary fraction": dataclasses.replace(BASE, positions=Rotary(fraction=0.5)),
    "rotary pairing": dataclasses.replace(BASE, positions=Rotary(pairing="neighbours")),
    "learned": dataclasses.replace(BASE, positions=Learned()),
    "sinusoidal": dataclasses.replace(BASE, positions=Sinusoidal()),
    "no positions": dataclasses.replace(BASE, positions=NoPositions()),
    "mlp hidden": dataclasses.replace(BASE, mlp=PlainMlp(hidden=64)),
    "activation": dataclasses.replace(BASE, mlp=PlainMlp(activation="relu")),
    "gelu": dataclasses.replace(BASE, mlp=PlainMlp(activation="gelu_tanh")),
    "gated": dataclasses.replace(BASE, mlp=GatedMlp(hidden=256)),
    "norm": dataclasses.replace(BASE, norm=RMSNorm()),
    "eps": dataclasses.replace(BASE, norm=LayerNorm(eps=0.1)),
    "norm place": dataclasses.replace(BASE, arrangement=Serial(norm_place="after")),
    "parallel": dataclasses.replace(BASE, arrangement=Parallel(norms=1)),
    "stretched evenly": dataclasses.replace(BASE, positions=Rotary(stretch=Evenly())),
    "stretched by wavelength": dataclasses.replace(BASE, positions=Rotary(stretch=ByWavelength(trained=32))),
    "relative": dataclasses.replace(BASE, positions=Relative()),
    "sliding": dataclasses.replace(BASE, attention=dataclasses.replace(BASE.attention, reach=Sliding(window=4))),
    "unscaled": dataclasses.replace(BASE, attention=dataclasses.replace(BASE.attention, scaled=False)),
    "head norm": dataclasses.replace(BASE, attention=dataclasses.replace(BASE.attention, head_norm=True)),
    "scaled embedding": dataclasses.replace(BASE, embedding=Embedding(scaled=True)),
    "embedding norm": dataclasses.replace(BASE, embedding=Embedding(norm=True)),
    "segments": dataclasses.replace(BASE, embedding=Embedding(segments=2)),
    "narrow before": dataclasses.replace(BASE, embedding=Embedding(room=Narrow(size=8))),
    "narrow after": dataclasses.replace(BASE, embedding=Embedding(room=Narrow(size=8, positions="after"))),
    "shared": dataclasses.replace(BASE, shared=True),
    "encoder": dataclasses.replace(BASE, form=Encoder()),
    "readout": dataclasses.replace(BASE, readout=Transformed()),
    "scaled output": dataclasses.replace(BASE, output=Tied(scaled=True)),
    "final norm": dataclasses.replace(BASE, final_norm=False),
    "output": dataclasses.replace(BASE, output=Free()),
    "deviation": dataclasses.replace(BASE, initialisation=Fixed(deviation=0.2)),
    "fan in": dataclasses.replace(BASE, initialisation=FanIn()),
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
@torch.no_grad()
def test_every_setting_matters(changed: Config) -> None:
    ids = ids_of(BASE)
    assert apart(Transformer(BASE).eval()(ids), Transformer(changed).eval()(ids)) > 1e-6


@torch.no_grad()
def test_dropout_matters_while_training_and_never_after() -> None:
    dropping = dataclasses.replace(BASE, dropout=0.5)
    model, plain, ids = Transformer(dropping), Transformer(BASE).eval(), ids_of(BASE)
    assert apart(model.train()(ids), plain(ids)) > 1e-3
    assert torch.equal(model.eval()(ids), plain(ids))


def test_weights_are_born_from_the_seed_alone() -> None:
    torch.manual_seed(5)
    one = Transformer(BASE, seed=3).state_dict()
    torch.manual_seed(6)
    two, other = Transformer(BASE, seed=3).state_dict(), Transformer(BASE, seed=4).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["embed.token.weight"], other["embed.token.weight"])


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    Transformer(BASE)
    assert torch.equal(torch.rand(1), expected)


@torch.no_grad()
def test_settling_changes_no_number() -> None:
    model, ids = Transformer(BASE).double().eval(), ids_of(BASE)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    logits = model(ids)
    assert apart(model.settle()(ids), logits) < 1e-12
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    for part in model.modules():
        if isinstance(part, torch.nn.Linear):
            assert part.weight.stride(int(part.in_features >= part.out_features)) == 1  # the longer side lies in one piece


@torch.no_grad()
def test_too_long_a_text_is_refused_with_both_figures() -> None:
    with pytest.raises(Refusal, match="reads 32 tokens at most, got 33"):
        Transformer(BASE)(ids_of(BASE, length=33))


@torch.no_grad()
def test_a_full_cache_is_refused() -> None:
    model = Transformer(BASE).eval()
    with pytest.raises(Refusal, match="holds 4 tokens and 5"):
        model(ids_of(BASE, length=5), past=model.past(capacity=4))
