"""What a configuration is made of: its parts in the order of the forward pass, what each draws of it and which weights it holds;
and in what two configurations differ.

Every setting is drawn by parts of one kind, every weight belongs to one part: tests hold both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from model.config import (
    Alibi,
    Config,
    Direct,
    EncoderDecoder,
    Kind,
    Learned,
    Narrow,
    NoPositions,
    Parallel,
    Relative,
    Rotary,
    Serial,
    Sinusoidal,
    Tied,
    Transformed,
)
from model.cost import Weight, weights

Place = Literal["sum", "turn", "scores", "nowhere"]
"""Where positions enter: added to the token's vector, turned into queries and keys, added to the scores, or not at all."""

SIZES = frozenset(
    {
        *("vocabulary", "context", "width", "layers", "form.encoder_layers", "embedding.room.size"),
        *("attention.heads", "attention.kv_heads", "attention.size", "attention.reach.window", "mlp.hidden"),
        *("positions.spare", "positions.buckets", "positions.reach", "dropout", "norm.eps"),
    }
)
"""Settings that make a model larger or smaller, or round it differently, and leave its design as it is."""

DRAWN = {
    "form": "text",
    "context": "text",
    "vocabulary": "token",
    "embedding.scaled": "token",
    "embedding.segments": "segments",
    "embedding.norm": "embed_norm",
    "embedding.room": "widen",
    "positions": "positions",
    "width": "stream",
    "arrangement": "block",
    "norm": "norm",
    "attention.heads": "heads",
    "attention.kv_heads": "heads",
    "attention.size": "heads",
    "attention.bias": "heads",
    "attention.scaled": "scores",
    "attention.head_norm": "scores",
    "attention.reach": "mask",
    "attention.out_bias": "out",
    "mlp": "mlp",
    "layers": "stack",
    "form.encoder_layers": "stack",
    "shared": "stack",
    "final_norm": "final",
    "readout": "readout",
    "output": "output",
    "dropout": "training",
    "initialisation": "training",
}
"""Which kind of part draws a setting, and everything below it that is not named itself."""
DEPTHS = ("layers", "form.encoder_layers")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the drawing: `name` is its own ("source." before those of the encoder in a pair of stacks), `kind` what it is.

    `settings` are the dotted paths it draws with their values, `drawn` what else its picture depends on; `weights` those of one such
    part, of which there are `times`. A part that is not `present` is one that other configurations have.
    """

    name: str
    kind: str
    settings: tuple[tuple[str, Any], ...]
    weights: tuple[Weight, ...] = ()
    times: int = 1
    drawn: Hashable = None
    present: bool = True

    @property
    def each(self) -> int:
        """Parameters of one."""
        return sum(weight.count for weight in self.weights)

    @property
    def total(self) -> int:
        """Parameters of all of them."""
        return self.times * self.each


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting by its dotted path, and its two values; where the kinds of a part differ, the parts themselves."""

    path: str
    first: Any
    second: Any

    @property
    def part(self) -> str:
        """A part that shows it."""
        kind = drawer(self.path)
        return {"norm": "norm1", "stack": "source.stack" if self.path in DEPTHS[1:] else "stack"}.get(kind, kind)

    @property
    def size(self) -> bool:
        """Whether it is one of size only."""
        return self.path in SIZES


# ---------------------------------------------------------------- the parts


@lru_cache(maxsize=128)
def anatomy(config: Config) -> tuple[Part, ...]:
    """Every part that a configuration has, or could have, in the order of the forward pass."""
    return tuple(_Anatomist(config).parts())


def place(config: Config) -> Place:
    """Where positions enter."""
    match config.positions:
        case Learned() | Sinusoidal():
            return "sum"
        case Rotary():
            return "turn"
        case Alibi() | Relative():
            return "scores"
        case NoPositions():
            return "nowhere"


class _Anatomist:
    """One configuration, its weights by the part of the model's name they stand under."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.held = list(weights(config))

    def parts(self) -> Iterator[Part]:
        """Input, stacks, output."""
        yield from self.input()
        for stack, layers in self.config.depths.items():
            yield from self.stack(stack, layers)
        yield from self.output()

    def input(self) -> Iterator[Part]:
        embedding, where = self.config.embedding, place(self.config)
        yield self.part("text", "text", drawn=type(self.config.form))
        yield self.part("token", "token", "embed.token")
        if where in ("sum", "nowhere"):
            yield self.part("positions", "positions", "embed.position", drawn=where, present=where == "sum")
        yield self.part("segments", "segments", "embed.segment", present=embedding.segments > 0)
        yield self.part("embed_norm", "embed_norm", "embed.norm", present=embedding.norm)
        yield self.part("widen", "widen", "embed.widen", present=isinstance(embedding.room, Narrow))

    def stack(self, stack: Kind, layers: int) -> Iterator[Part]:
        """A stack's stream, its first block, the blocks like it, and its final norm."""
        config, main = self.config, stack == self.config.main
        before, built = "" if main else "source.", 1 if config.shared else layers
        block = f"{stack}.blocks.0."
        yield self.part(f"{before}stream", "stream")
        yield self.part(f"{before}block", "block")
        yield self.part(f"{before}norm1", "norm", f"{block}norm1", times=built, drawn=config.arrangement)
        yield from self.attention(before, f"{block}attn", built, drawn="all" if stack == "encoder" else "causal")
        if main and isinstance(config.form, EncoderDecoder):
            yield self.part("memory", "memory")
            yield self.part("cross_norm", "norm", f"{block}cross_norm", times=built, drawn=config.arrangement)
            yield from self.attention("cross.", f"{block}cross", built, drawn="cross")
        yield self.part(f"{before}norm2", "norm", f"{block}norm2", times=built, drawn=config.arrangement, present=two_norms(config))
        yield self.part(f"{before}mlp", "mlp", f"{block}mlp", times=built)
        yield self.part(f"{before}stack", "stack", only="form.encoder_layers" if not main else "layers", drawn=layers)
        yield self.part(f"{before}final", "final", f"{stack}.norm", present=config.final_norm)

    def attention(self, before: str, prefix: str, built: int, drawn: str) -> Iterator[Part]:
        """One attention: heads, the way to the scores, the mask, and back to the stream's width."""
        yield self.part(f"{before}heads", "heads", f"{prefix}.qkv", times=built)
        if drawn != "cross" and place(self.config) in ("turn", "scores"):
            yield self.part(f"{before}positions", "positions", f"{prefix.partition('.')[0]}.relative", drawn=place(self.config))
        yield self.part(f"{before}scores", "scores", f"{prefix}.q_norm", f"{prefix}.k_norm", times=built)
        yield self.part(f"{before}mask", "mask", drawn=drawn)
        yield self.part(f"{before}out", "out", f"{prefix}.out", times=built)

    def output(self) -> Iterator[Part]:
        config, narrow = self.config, isinstance(self.config.embedding.room, Narrow)
        yield self.part("readout", "readout", "head.transform", present=isinstance(config.readout, Transformed))
        yield self.part("narrow", "narrow", "head.narrow", present=narrow and isinstance(config.readout, Direct))
        yield self.part("output", "output", "head.unembed", "head.bias", drawn=isinstance(config.output, Tied))
        yield self.part("training", "training")

    def part(
        self, name: str, kind: str, *prefixes: str, times: int = 1, drawn: Hashable = None, present: bool = True, only: str = ""
    ) -> Part:
        """A part with the settings its kind draws and the weights under its prefixes; of the two depths it draws `only` its own."""
        paths = [path for path, drawer in DRAWN.items() if drawer == kind and (path not in DEPTHS or path == only)]
        found = tuple(weight for weight in self.held if any(f"{weight.name}.".startswith(f"{prefix}.") for prefix in prefixes))
        return Part(name, kind, tuple((path, self.value(path)) for path in paths), found, times, drawn, present)

    def value(self, path: str) -> Any:
        """What stands at a path; of the form only which it is, its depths being drawn by the stacks."""
        return type(self.config.form) if path == "form" else at(self.config, path)


def two_norms(config: Config) -> bool:
    """Whether the MLP has a norm of its own."""
    match config.arrangement:
        case Parallel(norms=norms):
            return norms == 2
        case Serial():
            return True


def drawer(path: str) -> str:
    """The kind of part that draws a setting."""
    while path not in DRAWN:
        path = path.rpartition(".")[0]
    return DRAWN[path]


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path."""
    for name in path.split("."):
        value = getattr(value, name)
    return value


# ---------------------------------------------------------------- two configurations


def differences(first: Any, second: Any, path: str = "") -> tuple[Difference, ...]:
    """Every setting in which two values of one dataclass differ, in the order of their declaration."""
    found: list[Difference] = []
    for field in dataclasses.fields(first):
        here = f"{path}.{field.name}" if path else field.name
        one, other = getattr(first, field.name), getattr(second, field.name)
        if type(one) is type(other) and dataclasses.is_dataclass(one):
            found += differences(one, other, here)
        elif one != other:
            found.append(Difference(here, one, other))
    return tuple(found)


State = Literal["plain", "same", "size", "lit", "absent"]
"""How a part is drawn: by itself; beside another drawing in which it is the same, of another size, or different; or missing here."""


def compared(config: Config, other: Config | None) -> dict[str, State]:
    """For each part to be drawn of `config`, how it stands beside `other`; parts that only `other` has are absent here."""
    if other is None:
        return {part.name: "plain" for part in anatomy(config) if part.present}
    theirs = {part.name: part for part in anatomy(other) if part.present}
    return {part.name: _state(part, theirs.get(part.name)) for part in anatomy(config) if part.present or part.name in theirs}


def _state(part: Part, other: Part | None) -> State:
    if not part.present:
        return "absent"
    if other is None:
        return "lit"
    if (part.settings, part.drawn) == (other.settings, other.drawn):
        return "same"
    return "size" if _alike(part, other) else "lit"


def _alike(part: Part, other: Part) -> bool:
    """Whether two parts of one kind differ in size only: the same design, as many query heads to a key/value head."""
    pairs = zip(part.settings, other.settings, strict=True)
    changed = [path for (path, one), (_, two) in pairs for path in _paths(path, one, two)]
    return all(path in SIZES for path in changed) and _designed(part) == _designed(other)


def _paths(path: str, one: Any, two: Any) -> list[str]:
    if type(one) is type(two) and dataclasses.is_dataclass(one) and not isinstance(one, type):
        return [difference.path for difference in differences(one, two, path)]
    return [path] if one != two else []


def _designed(part: Part) -> Hashable:
    """What a part's picture shows beside its size."""
    match part.kind:
        case "heads":
            heads, kv_heads = dict(part.settings)["attention.heads"], dict(part.settings)["attention.kv_heads"]
            return "all" if heads == kv_heads else "one" if kv_heads == 1 else "grouped"
        case "stack":
            return None
        case _:
            return part.drawn
