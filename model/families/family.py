"""What a family is: data. Its sizes, how its published weights are named, and what it changed.

Nothing here asks who a model is; a published checkpoint is read by following its family's table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from model.config import Config


@dataclass(frozen=True, slots=True)
class Same:
    """Our array is theirs."""

    name: str


@dataclass(frozen=True, slots=True)
class Transposed:
    """Our array is theirs turned on its side: they multiply from the left."""

    name: str


@dataclass(frozen=True, slots=True)
class Stacked:
    """Our fused rows are three arrays of theirs, one above the other: queries, keys, values."""

    query: str
    key: str
    value: str


Source = Same | Transposed | Stacked


@dataclass(frozen=True, slots=True)
class Published:
    """How a family's checkpoints look in the Hugging Face layout.

    `names` maps our weights to theirs, `{}` standing for the layer; `prefix` is left off their names first; `ignored` are patterns
    of arrays that may be there without being used: tables, or an output that is tied; `config` reads their `config.json`, and
    raises `Refusal` for what this model cannot do.
    """

    model_type: str
    prefix: str
    names: Mapping[str, Source]
    ignored: tuple[str, ...]
    config: Callable[[dict[str, Any]], Config]


@dataclass(frozen=True, slots=True)
class Size:
    """One published size: its configuration, the year, and the paper that describes it."""

    config: Config
    year: int
    paper: str


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models: what it `changed` in history (one sentence), and its sizes by name, smallest first."""

    name: str
    changed: str
    sizes: Mapping[str, Size]
    published: Published | None = field(default=None)
