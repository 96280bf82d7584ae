"""The forward pass keeps its promises, for every alternative of the configuration."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from model.config import (
    Attention,
    Config,
    FanIn,
    Fixed,
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
)
from model.errors import Refusal
from model.layers.block import Block
from model.tap import Tap, chain
from model.trace import Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told

CLOSE = 1e-5
LENGTH = 19

every = pytest.mark.parametrize("config", EVERY, ids=told)


def model_of(config: Config) -> Transformer:
    return Transformer(config, seed=1).double().eval()


def ids_of(config: Config, batch: int = 1, length: int = LENGTH) -> Tensor:
    return torch.randint(0, config.vocabulary, (batch, length), generator=torch.Generator().manual_seed(7))


def apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


@every
@torch.no_grad()
def test_a_later_token_changes_nothing_before_it(config: Config) -> None:
    model, ids = model_of(config), ids_of(config)
    changed = ids.clone()
    changed[0, 11:] = (changed[0, 11:] + 1) % config.vocabulary
    before, after = model(ids), model(changed)
    assert apart(before[:, :11], after[:, :11]) < 1e-12
    assert apart(before[:, 11:], after[:, 11:]) > 1e-3


@every
@torch.no_grad()
def test_cached_equals_uncached(config: Config) -> None:
    model, ids = model_of(config), ids_of(config, batch=2)
    past = model.past(batch=2, capacity=LENGTH)
    steps = [model(ids[:, :6], past=past)] + [model(ids[:, i : i + 1], past=past) for i in range(6, LENGTH)]
    assert apart(torch.cat(steps, 1), model(ids)) < CLOSE
    assert past.length == LENGTH
    assert past.bytes == 2 * config.layers * 2 * config.attention.kv_heads * LENGTH * config.attention.size * 8


@every
def test_the_three_roads_through_attention_agree(config: Config) -> None:
    model, ids = model_of(config), ids_of(config, batch=2)
    trained = model(ids).detach()
    with torch.no_grad():
        fused, watched = model(ids), model(ids, tap=lambda name, value: value)
    assert apart(trained, fused) < CLOSE
    assert apart(watched, fused) < CLOSE


@every
@torch.no_grad()
def test_a_mask_means_the_same_on_every_road(config: Config) -> None:
    model, ids = model_of(config), ids_of(config, batch=2)
    mask = torch.rand(LENGTH, LENGTH, generator=torch.Generator().manual_seed(3)) < 0.5
    mask[4] = False
    fused, watched = model(ids, mask=mask), model(ids, mask=mask, tap=lambda name, value: value)
    with torch.enable_grad():
        trained = model(ids, mask=mask).detach()
    assert torch.isfinite(fused).all()
    assert apart(watched, fused) < CLOSE
    assert apart(trained, fused) < CLOSE
    assert apart(model(ids, mask=mask[None].expand(2, -1, -1)), fused) < CLOSE
    assert apart(model(ids, mask=mask[None, None].expand(2, config.attention.heads, -1, -1)), fused) < CLOSE


@every
@torch.no_grad()
def test_the_residual_adds_up(config: Config) -> None:
    model = model_of(config)
    trace = Tracer(model).trace(ids_of(config)[0])
    for number, block in enumerate(model.decoder.blocks):
        site = {name: trace[f"decoder.blocks.{number}.{name}"] for name in ("before", "attn.out", "middle", "mlp.out", "after")}
        attended, thought = site["before"] + site["attn.out"], site["middle"] + site["mlp.out"]
        after_norm = config.arrangement == Serial(norm_place="after")
        assert isinstance(block, Block)
        assert apart(block.norm1(attended) if after_norm else attended, site["middle"]) < 1e-12
        assert apart(block.norm2(thought) if after_norm and block.norm2 else thought, site["after"]) < 1e-12
        following = f"decoder.blocks.{number + 1}.before"
        assert number + 1 == config.layers or torch.equal(trace[following], site["after"])


@every
@torch.no_grad()
def test_a_tap_that_changes_a_site_changes_the_answer(config: Config) -> None:
    model, ids = model_of(config), ids_of(config)

    def silence(name: str, value: Tensor) -> Tensor:
        return torch.zeros_like(value) if name == "decoder.blocks.1.attn.pattern" else value

    traced = Tracer(model).trace(ids[0], tap=silence)
    assert float(traced.pattern(1).abs().max()) == 0
    assert apart(traced.logits, model(ids)[0]) > 1e-4
    expected = torch.zeros_like(traced["decoder.blocks.1.attn.out"])
    if config.attention.out_bias:
        expected += model.get_parameter("decoder.blocks.1.attn.out.bias")
    assert apart(traced["decoder.blocks.1.attn.out"], expected) < 1e-12


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


@torch.no_grad()
def test_too_long_a_text_is_refused_with_both_figures() -> None:
    with pytest.raises(Refusal, match="reads 32 tokens at most, got 33"):
        Transformer(BASE)(ids_of(BASE, length=33))


@torch.no_grad()
def test_a_full_cache_is_refused() -> None:
    model = Transformer(BASE).eval()
    with pytest.raises(Refusal, match="holds 4 tokens and 5"):
        model(ids_of(BASE, length=5), past=model.past(capacity=4))
