"""What goes where: every weight of a model, the stored arrays it is made of, and how they become it.

All names and shapes are settled here, before anything is read.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import astuple, dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import partial, reduce
from re import compile as pattern

import torch
from torch import Tensor

from model.checkpoints.shelf import Shelf, Stored
from model.config import Config, Free, Narrow, Tied
from model.cost import Weight, weights
from model.errors import Refusal
from model.families import Either, Flat, Interleaved, Published, Raised, Same, Source, Stacked, Transposed

LAYER = pattern(r"^((?:encoder|decoder)\.blocks\.)(\d+)(\..*)$")
EMBEDDING, OUTPUT = "embed.token.weight", "head.unembed.weight"

Names = dict[str, Stored]
"""The stored arrays by the names that a family's table uses."""
Piece = tuple[Stored, tuple[int, ...]]
"""A stored array, and the shape it must have."""


@dataclass(frozen=True, slots=True)
class Step:
    """One weight of ours, the pieces it is made of, and how they become it; without pieces it is zero."""

    weight: Weight
    pieces: tuple[Piece, ...]
    build: Callable[[list[Tensor]], Tensor]


def plan(config: Config, published: Published | None, stored: Shelf) -> list[Step]:
    """Every weight with its sources, all of them present and in shape, and nothing stored that has no place.

    Raises `Refusal` naming the first array that is missing, unknown or of another shape.
    """
    named = by_name(published, stored)
    steps = [_step(weight, config, published, named) for weight in weights(config)]
    _refuse_leftovers(named, {piece.name for step in steps for piece, _ in step.pieces}, published)
    for step in steps:
        _refuse_shapes(step, config)
    return steps


def by_name(published: Published | None, stored: Shelf) -> Names:
    """The stored arrays without their family's prefix; where an array is missing, its copy stands for it."""
    named = {name.removeprefix(published.prefix if published else ""): array for name, array in stored.arrays.items()}
    return {original: named[copy] for copy, original in copies(published).items() if copy in named} | named


def copies(published: Published | None) -> dict[str, str]:
    """Stored arrays that repeat another: the copy's name, and that of its original."""
    if published is None:
        return {}
    original = _names(published.names[EMBEDDING])[0]
    return dict.fromkeys(_outputs(published), original) | dict(published.copies)


def untied(config: Config, published: Published | None, stored: Shelf) -> Config:
    """The configuration, with an output of its own where the stored one differs from the embedding it is said to reuse.

    Raises `Refusal` for any other array stored twice with different numbers.
    """
    named = by_name(published, stored)
    for copy, original in copies(published).items():
        output = copy in _outputs(published)
        if (output and isinstance(config.output, Free)) or _equal(named, stored, copy, original):
            continue
        if not output or config.output == Tied(scaled=True):
            raise Refusal("checkpoint.copies", "{copy} repeats {original}, but their numbers differ", copy=copy, original=original)
        config = replace(config, output=Free(bias=config.output.bias))
    return config


def tied(config: Config, published: Published | None, stored: Shelf, used: Container[str]) -> tuple[tuple[str, str], ...]:
    """Two names for the same numbers: an output that reuses the embedding, and every copy stored beside its original; `used` are read."""
    known = {name.removeprefix(published.prefix if published else ""): name for name in stored.arrays}
    reused = copies(published) or {OUTPUT: EMBEDDING}
    told = [copy for copy in reused if copy in known and known[copy] not in used]
    if isinstance(config.output, Tied) and not set(told) & set(_outputs(published)):
        told.insert(0, next(iter(reused)))
    return tuple((known.get(copy, copy), known.get(reused[copy], reused[copy])) for copy in told)


def _outputs(published: Published | None) -> tuple[str, ...]:
    """The names under which an output of its own may be stored."""
    source = published.names.get(OUTPUT) if published else None
    return () if source is None else _names(source)


def _names(source: Source) -> tuple[str, ...]:
    return tuple(name for value in astuple(source) for name in ([value] if isinstance(value, str) else value))


def _equal(named: Names, stored: Shelf, copy: str, original: str) -> bool:
    if copy not in named or named[copy] is named[original]:
        return True
    return named[copy].shape == named[original].shape and torch.equal(stored.read(named[copy].name), stored.read(named[original].name))


# ---------------------------------------------------------------- one weight


def _step(weight: Weight, config: Config, published: Published | None, named: Names) -> Step:
    source = _source(weight.name, published)
    if published is not None and weight.name in published.zero and getattr(source, "name", None) not in named:
        return Step(weight, (), lambda _: torch.zeros(weight.shape))
    find = partial(_stored, weight=weight, named=named)
    match source:
        case Same(name):
            return Step(weight, ((find(name), weight.shape),), _only)
        case Either(names):
            return Step(weight, ((find(next((name for name in names if name in named), names[0])), weight.shape),), _only)
        case Flat(name):
            return Step(weight, ((find(name), (1, *weight.shape)),), lambda pieces: pieces[0][0])
        case Transposed(name):
            return Step(weight, ((find(name), weight.shape[::-1]),), lambda pieces: pieces[0].t().contiguous())
        case Raised(name):
            return Step(weight, ((find(name), weight.shape),), lambda pieces: pieces[0] + 1)
        case Interleaved(name):
            return Step(weight, ((find(name), weight.shape),), partial(_untangled, config=config))
        case Stacked(query, key, value):
            a, rest = config.attention, weight.shape[1:]
            rows = (query, a.heads * a.size), (key, a.kv_heads * a.size), (value, a.kv_heads * a.size)
            return Step(weight, tuple((find(name), (count, *rest)) for name, count in rows), torch.cat)


def _source(name: str, published: Published | None) -> Source:
    """Where a weight of ours is stored, the layer's number filled in."""
    if published is None:
        return Same(name)
    layer = LAYER.match(name)
    source = published.names[f"{layer[1]}{{}}{layer[3]}" if layer else name]
    return _numbered(source, layer[2]) if layer else source


def _numbered(source: Source, layer: str) -> Source:
    filled = {}
    for f in fields(source):
        value = getattr(source, f.name)
        filled[f.name] = value.format(layer) if isinstance(value, str) else tuple(name.format(layer) for name in value)
    return replace(source, **filled)


def _only(pieces: list[Tensor]) -> Tensor:
    return pieces[0]


def _untangled(pieces: list[Tensor], config: Config) -> Tensor:
    """(groups × (queries, key, value), …) to all queries, all keys, all values."""
    a = config.attention
    groups = pieces[0].unflatten(0, (a.kv_heads, a.heads // a.kv_heads + 2, a.size))
    return torch.cat([part.flatten(0, 2) for part in (groups[:, :-2], groups[:, -2:-1], groups[:, -1:])])


# ---------------------------------------------------------------- refusals


def _stored(name: str, weight: Weight, named: Names) -> Stored:
    if name not in named:
        raise Refusal(
            "checkpoint.weight_missing",
            "the weight {name} is missing: the configuration asks for it with shape {shape}",
            name=name,
            shape=_shape(weight.shape),
        )
    return named[name]


def _refuse_leftovers(named: Names, used: set[str], published: Published | None) -> None:
    allowed = (*published.ignored, *copies(published)) if published else ()
    for name, array in named.items():
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


DECIDING = {
    "embed.token": ("vocabulary", "token_width"),
    "embed.position": ("context", "width"),
    "embed.segment": ("embedding.segments", "width"),
    "embed.norm": ("token_width",),
    "embed.widen": ("width", "token_width"),
    "relative.weight": ("positions.buckets", "attention.heads"),
    "qkv": ("attention.heads", "attention.kv_heads", "attention.size", "width"),
    "q_norm": ("attention.size",),
    "k_norm": ("attention.size",),
    "attn.out": ("attention.heads", "attention.size", "width"),
    "cross.out": ("attention.heads", "attention.size", "width"),
    "mlp.": ("mlp.hidden", "width"),
    "head.transform": ("width", "token_width"),
    "head.narrow": ("width", "token_width"),
    "head.unembed": ("vocabulary", "token_width"),
    "head.bias": ("vocabulary",),
}
"""Which settings decide a weight's shape, by a part of its name."""


def _settings(name: str, config: Config) -> str:
    """The settings that decide a weight's shape, with their values."""
    deciding = next((settings for part, settings in DECIDING.items() if part in name), ("width",))
    room = "embedding.room.size" if isinstance(config.embedding.room, Narrow) else "width"
    paths = dict.fromkeys(room if setting == "token_width" else setting for setting in deciding)
    return ", ".join(f"{path} = {reduce(getattr, path.split('.'), config)}" for path in paths)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "a single number"
