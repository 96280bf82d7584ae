"""A configuration is a value: frozen, nested, hashable, refused at birth when it cannot work.

Alternatives are unions of small dataclasses rather than flags, so no field is ever without effect. The annotations say
what is worth trying on a screen; `__post_init__` says what is impossible, and what would work instead.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

from model.errors import Refusal
from model.space import Choice, Interval, Parts, space_of

T = TypeVar("T")
Activation = Literal["gelu_tanh", "gelu", "relu", "silu"]


# ---------------------------------------------------------------- positions


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """A trained vector per position, added to the token's (GPT-2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sinusoidal:
    """Fixed sines and cosines, added to the token's vector (Vaswani et al. 2017, section 3.5)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotary:
    """Queries and keys turned by an angle that grows with their position (Su et al. 2021, arXiv:2104.09864)."""

    base: Annotated[float, Interval(1_000.0, 1_000_000.0, log=True)] = 10_000.0
    fraction: Annotated[float, Interval(0.25, 1.0, step=0.25)] = 1.0
    pairing: Literal["halves", "neighbours"] = "halves"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alibi:
    """A penalty on each score that grows with distance, steeper in some heads (Press et al. 2022, arXiv:2108.12409)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoPositions:
    """Nothing tells the model where a token stands, except what the causal mask gives away."""


Positions = Learned | Sinusoidal | Rotary | Alibi | NoPositions


# ---------------------------------------------------------------- the parts of a block


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerNorm:
    """Subtract the mean, divide by the standard deviation (Ba et al. 2016, arXiv:1607.06450)."""

    eps: float = 1e-5
    bias: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class RMSNorm:
    """Divide by the root mean square only (Zhang & Sennrich 2019, arXiv:1910.07467)."""

    eps: float = 1e-5


Norm = LayerNorm | RMSNorm


@dataclass(frozen=True, kw_only=True, slots=True)
class Serial:
    """Attention first, then the MLP on its result; the norm stands before each branch or after each sum."""

    norm_place: Literal["before", "after"] = "before"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parallel:
    """Attention and MLP read the same residual and are added together (GPT-J shares one norm, GPT-NeoX has two)."""

    norms: Literal[1, 2] = 1


Arrangement = Serial | Parallel


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """`heads` queries over `kv_heads` keys and values: as many is multi-head, fewer is grouped, one is multi-query
    (Ainslie et al. 2023, arXiv:2305.13245)."""

    heads: Annotated[int, Interval(1, 16, step=1)] = 4
    kv_heads: Annotated[int, Interval(1, 16, step=1)] = 4
    size: Annotated[int, Interval(4, 128, step=4)] = 16
    bias: bool = False
    out_bias: bool = False

    def __post_init__(self) -> None:
        _at_least("attention.heads", self.heads, 1)
        _at_least("attention.kv_heads", self.kv_heads, 1)
        _at_least("attention.size", self.size, 1)
        if self.heads % self.kv_heads:
            divisors = [n for n in range(1, self.heads + 1) if self.heads % n == 0]
            raise Refusal(
                "config.kv_heads",
                "{heads} query heads cannot share {kv_heads} key/value heads evenly; choose kv_heads from {divisors}",
                heads=self.heads,
                kv_heads=self.kv_heads,
                divisors=", ".join(map(str, divisors)),
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainMlp:
    """Up, activation, down."""

    hidden: Annotated[int, Interval(8, 2_048, step=8)] = 256
    activation: Activation = "gelu"
    bias: bool = False

    def __post_init__(self) -> None:
        _at_least("mlp.hidden", self.hidden, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class GatedMlp:
    """Up, times an activated gate, down (Shazeer 2020, arXiv:2002.05202); with `silu` it is LLaMA's SwiGLU."""

    hidden: Annotated[int, Interval(8, 2_048, step=8)] = 168
    activation: Activation = "silu"
    bias: bool = False

    def __post_init__(self) -> None:
        _at_least("mlp.hidden", self.hidden, 1)


Mlp = PlainMlp | GatedMlp


@dataclass(frozen=True, kw_only=True, slots=True)
class Tied:
    """The output reuses the token embedding (Press & Wolf 2017, arXiv:1608.05859)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Free:
    """The output has a matrix of its own."""

    bias: bool = False


Output = Tied | Free


# ---------------------------------------------------------------- how weights are born


@dataclass(frozen=True, kw_only=True, slots=True)
class FanIn:
    """Normal with deviation `gain / sqrt(inputs)`; what writes to the residual stream is divided by sqrt(2 x layers)."""

    gain: Annotated[float, Interval(0.1, 2.0, step=0.1)] = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Fixed:
    """Normal with one deviation everywhere (GPT-2: 0.02)."""

    deviation: Annotated[float, Interval(0.001, 1.0, log=True)] = 0.02


Initialisation = FanIn | Fixed


# ---------------------------------------------------------------- the whole


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Everything that decides the shape and the arithmetic of a decoder-only transformer.

    Sizes are counts; `width` is the residual stream's, `context` the most tokens it may be given at once.
    Raises `Refusal` when the parts do not fit together.
    """

    vocabulary: int = 512
    context: Annotated[int, Interval(16, 1_024, step=16)] = 128
    width: Annotated[int, Interval(8, 512, step=8)] = 64
    layers: Annotated[int, Interval(1, 12, step=1)] = 2
    attention: Attention = field(default_factory=Attention)
    positions: Positions = field(default_factory=Rotary)
    mlp: Mlp = field(default_factory=PlainMlp)
    norm: Norm = field(default_factory=LayerNorm)
    arrangement: Arrangement = field(default_factory=Serial)
    final_norm: bool = True
    output: Output = field(default_factory=Tied)
    dropout: Annotated[float, Interval(0.0, 0.5, step=0.05)] = 0.0
    initialisation: Initialisation = field(default_factory=FanIn)

    def __post_init__(self) -> None:
        for name in ("vocabulary", "context", "width", "layers"):
            _at_least(name, getattr(self, name), 1)
        if not 0 <= self.dropout < 1:
            raise Refusal("config.dropout", "dropout is a share from 0 up to, not including, 1; got {given}", given=self.dropout)
        if isinstance(self.positions, Rotary):
            _refuse_odd_rotation(self.positions, self.attention.size)

    @property
    def rotated(self) -> int:
        """How many of a head's numbers are turned by rotary positions (0 without them)."""
        return int(self.positions.fraction * self.attention.size) if isinstance(self.positions, Rotary) else 0


def _at_least(name: str, value: int, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise Refusal("config.at_least", "{name} is a whole number, {low} or more; got {given}", name=name, low=low, given=value)


def _refuse_odd_rotation(positions: Rotary, size: int) -> None:
    if not 0 < positions.fraction <= 1:
        raise Refusal("config.fraction", "rotary positions turn a share of each head above 0 and up to 1; got {given}", given=positions.fraction)
    turned = int(positions.fraction * size)
    if turned == 0 or turned % 2:
        raise Refusal(
            "config.rotary_odd",
            "rotary positions turn numbers in pairs, but {fraction} of a head of {size} is {turned}; make it even, such as a head of {even}",
            fraction=positions.fraction,
            size=size,
            turned=turned,
            even=size + 1 if positions.fraction == 1 else 8,
        )


# ---------------------------------------------------------------- to and from JSON


def to_dict(value: Any) -> dict[str, Any]:
    """A configuration (or any part of one) as plain JSON values; members of a union carry their name under `kind`."""
    hints = get_type_hints(type(value), include_extras=True)
    out: dict[str, Any] = {}
    for f in dataclasses.fields(value):
        part = getattr(value, f.name)
        if not dataclasses.is_dataclass(part):
            out[f.name] = part
            continue
        space = space_of(hints[f.name])
        several = isinstance(space, Parts) and len(space.options) > 1
        out[f.name] = ({"kind": type(part).__name__} if several else {}) | to_dict(part)
    return out


def from_dict(cls: type[T], given: Any) -> T:
    """The configuration that `to_dict` wrote. Raises `Refusal` for an unknown field, a wrong type or an impossible value."""
    if not isinstance(given, dict):
        raise Refusal("config.shape", "{name} is written as an object of settings, got {given!r}", name=cls.__name__, given=given)
    hints = get_type_hints(cls, include_extras=True)
    unknown = sorted(set(given) - set(hints))
    if unknown:
        sentence = "{name} has no setting {unknown}; it has {known}"
        raise Refusal("config.unknown", sentence, name=cls.__name__, unknown=unknown[0], known=", ".join(hints))
    return cls(**{name: _parse(name, hints[name], value) for name, value in given.items()})


def _parse(name: str, hint: Any, value: Any) -> Any:
    match space_of(hint):
        case Parts(options):
            return _parse_part(name, options, value)
        case Choice(options) if value not in options or type(value) not in {type(option) for option in options}:
            raise Refusal("config.choice", "{name} is one of {options}, got {given!r}", name=name, options=", ".join(map(str, options)), given=value)
        case _:
            plain = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if plain in (int, float) and (not number or (plain is int and value != int(value))):
                raise Refusal("config.number", "{name} is a number, got {given!r}", name=name, given=value)
            return plain(value) if plain in (int, float) else value


def _parse_part(name: str, options: tuple[type, ...], value: Any) -> Any:
    if len(options) == 1:
        return from_dict(options[0], value)
    kinds = {option.__name__: option for option in options}
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in kinds:
        raise Refusal("config.kind", "{name} has a kind, one of {kinds}; got {given!r}", name=name, kinds=", ".join(kinds), given=kind)
    return from_dict(kinds[kind], {k: v for k, v in value.items() if k != "kind"})
