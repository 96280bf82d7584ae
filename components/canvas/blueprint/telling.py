"""What a part says for itself: its name, what it does, its shapes and its parameters; and how two configurations differ, in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from components.canvas.blueprint.anatomy import Difference, Part, State, anatomy, differences
from components.i18n import Words
from model.config import Config, EncoderDecoder, Parallel, Serial, Sliding, Tied
from model.cost import parameters


@dataclass(frozen=True, slots=True)
class Card:
    """A part in words: `rows` are pairs of what and how much."""

    title: str
    about: str
    rows: tuple[tuple[str, str], ...]

    @property
    def told(self) -> str:
        """All of it, for a reader who hears it."""
        return " ".join([f"{self.title}.", self.about, *(f"{name}: {value}." for name, value in self.rows)])


def card(words: Words, config: Config, part: Part, state: State) -> Card:
    """A part of a configuration in words."""
    if state == "absent":
        return Card(_title(words, config, part), words("blueprint.about.absent"), ())
    return Card(_title(words, config, part), " ".join(_about(words, config, part)), tuple(_rows(words, config, part)))


def whole(words: Words, title: str, groups: Mapping[str, int]) -> Card:
    """The model as a whole: its parameters, and where they are."""
    total = sum(groups.values())
    rows = [(words(f"blueprint.group.{name}"), f"{words.count(count)} · {words.percent(count / total)}") for name, count in groups.items() if count]
    return Card(title, words("blueprint.whole", parameters=words.number(total, 0)), tuple(rows))


def _title(words: Words, config: Config, part: Part) -> str:
    """The part's name; in a pair of stacks also whose it is, and of cross-attention that it is that."""
    name, (where, _, rest) = words(f"blueprint.part.{part.kind}"), part.name.partition(".")
    if part.name == "cross_norm" or (rest and where == "cross"):
        return f"{words('blueprint.where.cross')}: {name}"
    stacked = rest or part.kind in ("stream", "block", "norm", "heads", "scores", "mask", "out", "mlp", "stack", "final")
    if isinstance(config.form, EncoderDecoder) and stacked:
        stack = where if rest else "main"
        return f"{words(f'blueprint.where.{stack}')}: {name}"
    return name


# ---------------------------------------------------------------- what it does


def _about(words: Words, config: Config, part: Part) -> Iterator[str]:
    """Sentences."""
    variant = _variant(config, part)
    key = f"blueprint.about.{part.kind}{f'_{variant}' if variant else ''}"
    if part.kind != "positions":
        yield words(key, **_values(words, config, part))
    match part.kind:
        case "positions":
            yield words(f"settings.kinds.{type(config.positions).__name__}.help")
        case "norm" | "final" | "embed_norm":
            yield words(f"settings.kinds.{type(config.norm).__name__}.help")
        case "scores" if config.attention.head_norm:
            yield words("blueprint.about.scores_norm")
        case "mlp":
            yield words(f"settings.kinds.{type(config.mlp).__name__}.help")


def _variant(config: Config, part: Part) -> str:
    """Which of several sentences about its kind fits this part."""
    a = config.attention
    match part.kind:
        case "text":
            return type(config.form).__name__
        case "token":
            return "scaled" if config.embedding.scaled else ""
        case "heads":
            return "cross" if part.name.startswith("cross") else "own" if a.heads == a.kv_heads else "one" if a.kv_heads == 1 else "grouped"
        case "scores":
            return "scaled" if a.scaled else "plain"
        case "mask":
            return "window" if isinstance(a.reach, Sliding) and part.drawn != "cross" else str(part.drawn)
        case "mlp":
            return "gated" if type(config.mlp).__name__ == "GatedMlp" else "plain"
        case "stack":
            return "shared" if config.shared else "own"
        case "output":
            return "tied" if isinstance(config.output, Tied) else "free"
        case "norm" | "block":
            return _arranged(config, part.kind)
    return ""


def _arranged(config: Config, kind: str) -> str:
    match config.arrangement:
        case Serial(norm_place=where):
            return where
        case Parallel(norms=norms):
            return f"Parallel_{norms}" if kind == "norm" else "Parallel"


def _values(words: Words, config: Config, part: Part) -> dict[str, str]:
    a = config.attention
    if part.kind == "heads":
        return {"share": words.number(a.heads // a.kv_heads, 0), "heads": words.number(a.heads, 0)}
    return {"window": words.number(a.reach.window, 0)} if isinstance(a.reach, Sliding) and part.kind == "mask" else {}


# ---------------------------------------------------------------- its numbers


def _rows(words: Words, config: Config, part: Part) -> Iterator[tuple[str, str]]:
    """Shapes, parameters, and the settings that its sentences have not told."""
    for weight in part.weights:
        yield _short(weight.name), shape(words, weight.shape)
    if part.weights:
        total, share = words.number(part.total, 0), words.percent(part.total / parameters(config))
        each = words("blueprint.card.each", each=words.number(part.each, 0), times=words.number(part.times, 0), total=total)
        yield words("blueprint.card.parameters"), each if part.times > 1 else total
        yield words("blueprint.card.share"), share
    for path, value in part.settings:
        if path != "form":
            yield named(words, path), said(words, value, path)


def _short(name: str) -> str:
    """A weight's name without the stack and the block it stands in."""
    return name.partition("blocks.0.")[2] or name


def shape(words: Words, sizes: Sequence[int]) -> str:
    """A shape as rows × columns."""
    return " × ".join(words.number(size, 0) for size in sizes)


# ---------------------------------------------------------------- settings in words


def named(words: Words, path: str) -> str:
    """What a setting is called on the screen; a part's own name stands before it where it is needed."""
    above, _, rest = path.partition(".")
    return f"{words(f'settings.config.{above}.name')}: {_own(words, path)}" if rest else _own(words, path)


def _own(words: Words, path: str) -> str:
    short = f"blueprint.setting.{path.rpartition('.')[2]}"
    return words(short) if words.has(short) else words(f"settings.config.{path}.name")


def said(words: Words, value: Any, path: str) -> str:
    """A setting's value in words: a part by its name and by what is unusual about it."""
    if isinstance(value, type):
        return words(f"settings.kinds.{value.__name__}.name")
    if dataclasses.is_dataclass(value):
        return _kind(words, value, path)
    if isinstance(value, bool):
        return words(f"size.plan.{'yes' if value else 'no'}")
    return words(f"settings.options.{value}.name") if isinstance(value, str) else number(words, value)


def _kind(words: Words, value: Any, path: str) -> str:
    """A part's name and those of its settings that are not as they usually are."""
    name, usual = words(f"settings.kinds.{type(value).__name__}.name"), type(value)()
    unusual = [each.name for each in dataclasses.fields(value) if getattr(value, each.name) != getattr(usual, each.name)]
    inside = [f"{_own(words, f'{path}.{each}')} {said(words, getattr(value, each), f'{path}.{each}')}" for each in unusual]
    return f"{name} ({', '.join(inside)})" if inside else name


def number(words: Words, value: float) -> str:
    """A number of a configuration, as exactly as it was written."""
    if value == int(value):
        return words.number(value, 0)
    return words.number(value) if abs(value) < 0.001 else words.number(value, len(f"{value:.6g}".partition(".")[2]))


def sentences(words: Words, first: Config, second: Config) -> list[tuple[Difference, str, str, str]]:
    """Each difference with its name and both values in words; those of design first."""
    found = sorted(differences(first, second), key=lambda difference: difference.size)
    return [(each, named(words, each.path), said(words, each.first, each.path), said(words, each.second, each.path)) for each in found]


def weights_frame(words: Words, config: Config) -> pd.DataFrame:
    """A row a weight: part, name, shape, parameters in one, how many, in all."""
    rows = [
        (_title(words, config, part), weight.name, shape(words, weight.shape), weight.count, part.times, weight.count * part.times)
        for part in anatomy(config)
        for weight in part.weights
    ]
    return pd.DataFrame(rows, columns=pd.Index([words(f"blueprint.table.{name}") for name in ("part", "weight", "shape", "each", "times", "total")]))


def differences_frame(words: Words, first: Config, second: Config, names: tuple[str, str]) -> pd.DataFrame:
    """A row a setting that differs."""
    told = sentences(words, first, second)
    rows = [(words(f"blueprint.table.{'size' if each.size else 'design'}"), name, one, two) for each, name, one, two in told]
    return pd.DataFrame(rows, columns=pd.Index([words("blueprint.table.kind"), words("blueprint.table.setting"), *names]))
