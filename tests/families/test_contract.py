"""One contract for every family: each design that was ever published, in miniature, keeps the promises of the machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from typing import Any, get_type_hints
from zlib import crc32

import pytest
import torch
from torch import Tensor

from model.config import Config, EncoderDecoder, Serial
from model.cost import parameters, weights
from model.errors import Refusal
from model.families import FAMILIES
from model.families.miniature import miniature
from model.layers.block import Block
from model.layers.frame import Memory
from model.space import Choice, Parts, space_of
from model.trace import Trace, Tracer
from model.transformer import Transformer

torch.set_num_threads(1)

VOCABULARY, LENGTH, SOURCE = 61, 29, 13
SHRUNK = {"vocabulary": VOCABULARY, "width": 96, "layers": 2, "heads": 6, "context": 256, "window": 5}
"""Heads wide enough that a quarter of each holds two rotating pairs, a context from which a stretch shrinks to waves of this length."""


def designs() -> dict[str, Config]:
    """Every family's different designs, each under the name of the first size that has it."""
    found: dict[Config, str] = {}
    for family in FAMILIES:
        for name, size in family.sizes.items():
            shrunk = miniature(size.config, **SHRUNK)
            mlp, norm = dataclasses.replace(shrunk.mlp, hidden=40), dataclasses.replace(shrunk.norm, eps=1e-3)
            found.setdefault(dataclasses.replace(shrunk, mlp=mlp, norm=norm), f"{family.name}: {name}")
    return {name: config for config, name in found.items()}


DESIGNS = designs()


def test_no_family_is_left_out() -> None:
    alike = {family.name for family in FAMILIES} - {name.partition(":")[0] for name in DESIGNS}
    assert alike <= {"gpt3", "alpaca"}


@pytest.mark.parametrize("config", DESIGNS.values(), ids=list(DESIGNS))
class TestContract:
    """What holds for every family."""

    @torch.no_grad()
    def test_a_decoder_sees_nothing_before_its_time_and_an_encoder_everything(self, config: Config) -> None:
        model, ids = built(config), some_ids()
        changed = ids.clone()
        changed[:, 20:] = (changed[:, 20:] + 1) % VOCABULARY
        before, after = (model(given, memory=told(model)) for given in (ids, changed))
        seen = apart(before[:, :20], after[:, :20])
        assert seen > 1e-3 if config.main == "encoder" else seen < 1e-12
        assert apart(before[:, 20:], after[:, 20:]) > 1e-3

    @torch.no_grad()
    def test_cached_equals_uncached(self, config: Config) -> None:
        model, ids = built(config), some_ids()
        if config.main == "encoder":
            with pytest.raises(Refusal, match="keeps no KV cache"):
                model.past()
            return
        past, memory = model.past(batch=2), told(model)
        steps = [model(part, past=past, memory=memory) for part in ids.split([9, 3, *[1] * (LENGTH - 12)], dim=1)]
        assert apart(torch.cat(steps, 1), model(ids, memory=memory)) < 1e-9

    @torch.no_grad()
    def test_tracing_changes_nothing(self, config: Config) -> None:
        model, ids = built(config), some_ids()
        assert apart(traced(model, ids).logits, model(ids[:1], memory=told(model, 1))[0]) < 1e-9

    @torch.no_grad()
    def test_the_residual_adds_up(self, config: Config) -> None:
        model = built(config)
        trace = traced(model, some_ids())
        for stack, depth in config.depths.items():
            for layer in range(depth):
                blocks = model.stack(stack).blocks
                block = blocks[layer % len(blocks)]
                assert isinstance(block, Block)
                added_up(trace, f"{stack}.blocks.{layer}", block, normed=config.arrangement == Serial(norm_place="after"))

    def test_parameters_counted_are_parameters_built(self, config: Config) -> None:
        shapes = {name: tuple(weight.shape) for name, weight in Transformer(config).named_parameters()}
        assert {weight.name: weight.shape for weight in weights(config)} == shapes
        assert parameters(config) == sum(weight.numel() for weight in Transformer(config).parameters())

    @torch.no_grad()
    def test_every_setting_matters(self, config: Config) -> None:
        plain = answer(config)
        idle = [path for path, other in neighbours(config) if torch.equal(plain, answer(other))]
        assert idle == []


# ---------------------------------------------------------------- what the contract is read with


def built(config: Config) -> Transformer:
    """The model with every weight, norms and biases too, drawn for its name: configurations that share one have the same."""
    with torch.device("meta"):
        model = Transformer(config)
    model.load_state_dict({name: drawn(name, weight.shape) for name, weight in model.named_parameters()}, assign=True)
    return model.eval()


@cache
def drawn(name: str, shape: torch.Size) -> Tensor:
    return torch.empty(shape, dtype=torch.float64).normal_(0, 0.3, generator=torch.Generator().manual_seed(crc32(name.encode())))


def some_ids(batch: int = 2, length: int = LENGTH, seed: int = 2) -> Tensor:
    return torch.randint(VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))


def told(model: Transformer, batch: int = 2) -> Memory | None:
    """A source, for a model that writes about one."""
    return model.encode(some_ids(batch, SOURCE, seed=3)) if isinstance(model.config.form, EncoderDecoder) else None


def traced(model: Transformer, ids: Tensor) -> Trace:
    source = some_ids(1, SOURCE, seed=3)[0] if isinstance(model.config.form, EncoderDecoder) else None
    return Tracer(model).trace(ids[0], source=source, keep=("*",))


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def added_up(trace: Trace, block: str, parts: Block, *, normed: bool) -> None:
    """Each branch's sum is the next value of the residual stream, normalised where norms follow."""
    last = "middle" if parts.cross is None else "crossed"
    sums = [("before", "attn", parts.norm1, "middle"), (last, "mlp", parts.norm2, "after")]
    if parts.cross is not None:
        sums.append(("middle", "cross", parts.cross_norm, "crossed"))
    for start, branch, norm, end in sums:
        value = trace[f"{block}.{start}"] + trace[f"{block}.{branch}.out"]
        assert apart(norm(value) if normed and norm is not None else value, trace[f"{block}.{end}"]) < 1e-12


def answer(config: Config) -> Tensor:
    """What a configuration's model says to texts in as many parts as it knows."""
    model, ids = built(config), some_ids()
    segments = torch.arange(LENGTH).expand(2, -1) % config.embedding.segments if config.embedding.segments else None
    return model(ids, memory=told(model), segments=segments)


SILENT = ("context", "dropout", "initialisation")
"""How long a text may be, and what matters only before and in training, are not to change an answer."""


def neighbours(config: Config) -> Iterator[tuple[str, Config]]:
    """Every setting by its path, with the configuration that differs in it alone; left out where nothing else is possible."""
    for path, variants in changed(config, ""):
        for variant in variants:
            if not path.startswith(SILENT):
                yield path, variant
                break


def changed(value: Any, path: str) -> Iterator[tuple[str, Iterator[Any]]]:
    hints = get_type_hints(type(value), include_extras=True)
    for f in dataclasses.fields(value):
        part, place = getattr(value, f.name), f"{path}.{f.name}".lstrip(".")
        if dataclasses.is_dataclass(part):
            for inner, variants in changed(part, place):
                yield inner, possible(value, f.name, variants)
        yield place, possible(value, f.name, alternatives(part, hints[f.name]))


def possible(value: Any, name: str, variants: Iterator[Any]) -> Iterator[Any]:
    for variant in variants:
        try:
            yield dataclasses.replace(value, **{name: variant})
        except Refusal:
            continue


def alternatives(part: Any, hint: Any) -> Iterator[Any]:
    match space_of(hint):
        case Parts(options):
            yield from (option() for option in options if not isinstance(part, option))
        case Choice(options):
            yield from (option for option in options if option != part)
        case _ if isinstance(part, bool):
            yield not part
        case _ if isinstance(part, float):
            yield part * 3 + 0.1
        case _:
            yield from (other for other in (part * 2, part // 2, part + 1, 1) if other != part)
