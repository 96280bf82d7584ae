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


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Our fused rows are one array of theirs in another order: for each group of heads its queries, then its key, then its value."""

    name: str


@dataclass(frozen=True, slots=True)
class Raised:
    """Our array is theirs plus one: they store how far a gain is from leaving things as they are."""

    name: str


@dataclass(frozen=True, slots=True)
class Either:
    """Our array is theirs under the first of these names that is stored: they changed their mind, or name it by another setting."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flat:
    """Our vector is their matrix of one row."""

    name: str


Source = Same | Transposed | Stacked | Interleaved | Raised | Either | Flat


@dataclass(frozen=True, slots=True)
class Published:
    """How a family's checkpoints look in the Hugging Face layout.

    `names` maps our weights to theirs, `{}` standing for the layer; `prefix` is left off their names first; `ignored` are patterns
    of arrays that may be there without being used; `config` reads their `config.json`, and raises `Refusal` for what this model
    cannot do. `copies` are arrays that repeat another, by name (a tied output needs no mention); `zero` are weights of ours that
    are zero where nothing is stored.
    """

    model_type: str
    prefix: str
    names: Mapping[str, Source]
    ignored: tuple[str, ...]
    config: Callable[[dict[str, Any]], Config]
    copies: Mapping[str, str] = field(default_factory=dict)
    zero: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Size:
    """One published size: its configuration, the year, and the paper that describes it."""

    config: Config
    year: int
    paper: str


@dataclass(frozen=True, slots=True)
class Template:
    """The markers of an instruction-tuned model's prompt: what stands before the instruction, its input if it has one, and the answer."""

    instruction: str
    input: str
    response: str

    def __call__(self, instruction: str, given: str = "") -> str:
        """The prompt that asks for an answer to an instruction, about what is `given`."""
        parts = [f"{self.instruction}\n{instruction}"] + [f"{self.input}\n{given}"] * bool(given)
        return "\n\n".join([*parts, f"{self.response}\n"])


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models: what it `changed` in history (one sentence), its sizes by name, smallest first, how its checkpoints look,
    whether its weights can be had at all, and how it is prompted if it was tuned to follow instructions."""

    name: str
    changed: str
    sizes: Mapping[str, Size]
    published: Published | None = field(default=None)
    released: bool = True
    template: Template | None = None
