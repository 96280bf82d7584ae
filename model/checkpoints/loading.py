"""From a folder to a model: ours, or one published in the Hugging Face layout.

Everything that can be refused is refused before memory is taken: the configuration, the names, every shape, the room.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.checkpoints.files import read_json, verify
from model.checkpoints.memory import require_memory
from model.checkpoints.shelf import Shelf, Stored, shelf
from model.config import Config, from_dict
from model.cost import Weight, parameters, weights
from model.errors import Refusal
from model.families import FAMILIES, Published, Same, Source, Stacked, Transposed, published_as
from model.text.tokenizer import Tokenizer
from model.transformer import Transformer

OURS = "vitrine"
"""The `model_type` of our own checkpoints."""
CONFIG, WEIGHTS, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer.json", "card.json"
LAYER = re.compile(r"^(decoder\.blocks\.)(\d+)(\..*)$")


@dataclass(frozen=True, slots=True)
class Report:
    """What loading did: the family, how many numbers, the stored arrays used and those left aside, the formats they had."""

    family: str
    parameters: int
    loaded: tuple[str, ...]
    skipped: tuple[str, ...]
    formats: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model ready to run (fp32, in evaluation mode), with what lay beside it."""

    model: Transformer
    tokenizer: Tokenizer | None
    card: dict[str, Any] | None
    report: Report


def load(folder: str | Path) -> Loaded:
    """The model in a folder of ours (`config.json`, `model.safetensors`, `tokenizer.json`, `card.json`) or in the Hugging
    Face layout of a known family.

    Stored fp16 and bf16 become fp32. Raises `Refusal`, in one sentence, for anything missing, damaged, mis-shaped, unknown
    or larger than the free memory.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise Refusal("checkpoint.folder", "{folder} is no folder; a checkpoint is a folder with config.json and safetensors", folder=str(folder))
    card = _verified_card(folder) if _kind(read_json(folder / CONFIG)) == OURS else None
    family, config = read_config(folder / CONFIG)
    published = None if family == OURS else _published(family)
    with shelf(folder) as stored:
        plan = _plan(config, published, stored)
        model, used = _assemble(config, plan, stored)
    tokenizer = _tokenizer(folder, config)
    skipped = tuple(name for name in stored.arrays if name not in used)
    formats = tuple(sorted({stored.arrays[name].kind for name in used}))
    return Loaded(model, tokenizer, card, Report(family, parameters(config), tuple(used), skipped, formats))


def read_config(path: str | Path) -> tuple[str, Config]:
    """The family and the configuration a `config.json` describes; one without `model_type` is ours."""
    given = read_json(Path(path))
    kind = _kind(given)
    if kind == OURS:
        return OURS, from_dict(Config, {name: value for name, value in given.items() if name != "model_type"})
    family = published_as(kind) if isinstance(kind, str) else None
    if family is None or family.published is None:
        known = [OURS, *(family.published.model_type for family in FAMILIES if family.published)]
        raise Refusal("checkpoint.family", "{file} is of model_type {given!r}; known are {known}", file=str(path), given=kind, known=", ".join(known))
    return family.name, family.published.config(given)


# ---------------------------------------------------------------- what goes where


@dataclass(frozen=True, slots=True)
class Step:
    """One weight of ours, the stored arrays it is made of with the shapes they must have, and how they become it."""

    weight: Weight
    pieces: tuple[tuple[Stored, tuple[int, ...]], ...]
    build: Callable[[list[Tensor]], Tensor]


def _plan(config: Config, published: Published | None, stored: Shelf) -> list[Step]:
    """Every weight with its sources, all present and in shape. Memory is asked for first: nothing is listed that would not fit."""
    require_memory(4 * parameters(config), f"a model of {parameters(config):,} parameters")
    prefix = published.prefix if published else ""
    by_name = {name.removeprefix(prefix): array for name, array in stored.arrays.items()}
    plan = [_step(weight, config, published, by_name) for weight in weights(config)]
    _refuse_leftovers(by_name, {piece.name for step in plan for piece, _ in step.pieces}, published)
    for step in plan:
        _refuse_shapes(step, config)
    return plan


def _step(weight: Weight, config: Config, published: Published | None, by_name: dict[str, Stored]) -> Step:
    match _source(weight.name, published):
        case Same(name):
            return Step(weight, ((_stored(name, weight, by_name), weight.shape),), _only)
        case Transposed(name):
            return Step(weight, ((_stored(name, weight, by_name), weight.shape[::-1]),), _turned)
        case Stacked(query, key, value):
            a, rest = config.attention, weight.shape[1:]
            rows = (query, a.heads * a.size), (key, a.kv_heads * a.size), (value, a.kv_heads * a.size)
            return Step(weight, tuple((_stored(name, weight, by_name), (count, *rest)) for name, count in rows), torch.cat)


def _source(name: str, published: Published | None) -> Source:
    """Where a weight of ours is stored, the layer's number filled in."""
    if published is None:
        return Same(name)
    layer = LAYER.match(name)
    if layer is None:
        return published.names[name]
    source = published.names[f"{layer[1]}{{}}{layer[3]}"]
    match source:
        case Stacked(query, key, value):
            return Stacked(*(part.format(layer[2]) for part in (query, key, value)))
        case Same(theirs) | Transposed(theirs):
            return type(source)(theirs.format(layer[2]))


def _only(pieces: list[Tensor]) -> Tensor:
    return pieces[0]


def _turned(pieces: list[Tensor]) -> Tensor:
    return pieces[0].t().contiguous()


def _stored(name: str, weight: Weight, by_name: dict[str, Stored]) -> Stored:
    if name not in by_name:
        raise Refusal(
            "checkpoint.weight_missing",
            "the weight {name} is missing: the configuration asks for it with shape {shape}",
            name=name,
            shape=_shape(weight.shape),
        )
    return by_name[name]


def _refuse_leftovers(by_name: dict[str, Stored], used: set[str], published: Published | None) -> None:
    allowed = published.ignored if published else ()
    for name, array in by_name.items():
        if array.name not in used and not any(fnmatchcase(name, pattern) for pattern in allowed):
            raise Refusal(
                "checkpoint.weight_unknown",
                "{file} holds {name} of shape {shape}, which the configuration has no place for",
                file=array.file.name,
                name=array.name,
                shape=_shape(array.shape),
            )


def _refuse_shapes(step: Step, config: Config) -> None:
    for array, expected in step.pieces:
        if array.shape != expected:
            raise Refusal(
                "checkpoint.shape",
                "{name} has shape {found} in {file}, but {settings} ask for {expected}",
                name=array.name,
                found=_shape(array.shape),
                file=array.file.name,
                settings=_settings(step.weight.name, config),
                expected=_shape(expected),
            )


def _settings(name: str, config: Config) -> str:
    """The settings that decide a weight's shape, with their values."""
    a = config.attention
    known = {"vocabulary": config.vocabulary, "context": config.context, "width": config.width, "mlp.hidden": config.mlp.hidden}
    known |= {"attention.heads": a.heads, "attention.kv_heads": a.kv_heads, "attention.size": a.size}
    deciding = next((settings for part, settings in DECIDING.items() if part in name), ("width",))
    return ", ".join(f"{setting} = {known[setting]}" for setting in deciding)


DECIDING = {
    "embed.token": ("vocabulary", "width"),
    "head.unembed": ("vocabulary", "width"),
    "embed.position": ("context", "width"),
    "attn.qkv": ("attention.heads", "attention.kv_heads", "attention.size", "width"),
    "attn.out": ("attention.heads", "attention.size", "width"),
    "mlp.": ("mlp.hidden", "width"),
}


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "a single number"


# ---------------------------------------------------------------- putting it together


def _assemble(config: Config, plan: list[Step], stored: Shelf) -> tuple[Transformer, dict[str, None]]:
    """The model, built without memory and given each array as it is read; and the names read, in order."""
    used: dict[str, None] = {}
    with torch.device("meta"):
        model = Transformer(config)

    def read() -> Iterator[tuple[str, Tensor]]:
        for step in plan:
            names = [array.name for array, _ in step.pieces]
            used.update(dict.fromkeys(names))
            yield step.weight.name, step.build([stored.read(name) for name in names])

    model.load_state_dict(dict(read()), assign=True)
    return model.eval(), used


def _kind(given: dict[str, Any]) -> Any:
    return given.get("model_type", OURS)


def _published(name: str) -> Published:
    return next(family.published for family in FAMILIES if family.name == name and family.published)


def _verified_card(folder: Path) -> dict[str, Any]:
    card = read_json(folder / CARD)
    present = [name for name in (CONFIG, WEIGHTS, TOKENIZER) if name != TOKENIZER or (folder / name).exists()]
    verify(folder, present, card.get("files"))
    return card


def _tokenizer(folder: Path, config: Config) -> Tokenizer | None:
    path = folder / TOKENIZER
    if not path.exists():
        return None
    tokenizer = Tokenizer.load(path)
    if tokenizer.size > config.vocabulary:
        raise Refusal(
            "checkpoint.vocabulary",
            "{file} knows {pieces} pieces, but vocabulary = {vocabulary}; the tokenizer belongs to another model",
            file=str(path),
            pieces=tokenizer.size,
            vocabulary=config.vocabulary,
        )
    return tokenizer
