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
    """A trained vector per position, added to the token's (GPT-2). `spare` rows stand before the first position, unused (OPT keeps two)."""

    spare: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sinusoidal:
    """Fixed sines and cosines, added to the token's vector (Vaswani et al. 2017, section 3.5): taking turns, or all sines first."""

    order: Literal["turns", "halves"] = "turns"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unstretched:
    """Angles as they were trained."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evenly:
    """Every position divided by `factor`, so that a longer text spans the angles of the trained one (Chen et al. 2023, arXiv:2306.15595)."""

    factor: Annotated[float, Interval(1.0, 16.0, step=0.5)] = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ByWavelength:
    """Slow angles divided by `factor`, fast ones kept, a ramp between them: waves longer than `trained / low` tokens are slow, shorter
    than `trained / high` fast (Grattafiori et al. 2024, arXiv:2407.21783, section 3.2, and its published code)."""

    factor: Annotated[float, Interval(1.0, 32.0, step=1.0)] = 8.0
    low: Annotated[float, Interval(0.5, 4.0, step=0.5)] = 1.0
    high: Annotated[float, Interval(1.0, 16.0, step=0.5)] = 4.0
    trained: Annotated[int, Interval(16, 8_192, log=True)] = 8_192

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            sentence = "stretching by wavelength needs 0 < low < high; got low={low}, high={high}"
            raise Refusal("config.wavelength", sentence, low=self.low, high=self.high)


Stretch = Unstretched | Evenly | ByWavelength


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotary:
    """Queries and keys turned by an angle that grows with their position (Su et al. 2021, arXiv:2104.09864)."""

    base: Annotated[float, Interval(1_000.0, 1_000_000.0, log=True)] = 10_000.0
    fraction: Annotated[float, Interval(0.25, 1.0, step=0.25)] = 1.0
    pairing: Literal["halves", "neighbours"] = "halves"
    stretch: Stretch = field(default_factory=Unstretched)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alibi:
    """A penalty on each score that grows with distance, steeper in some heads (Press et al. 2022, arXiv:2108.12409)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Relative:
    """A trained number per head and distance, added to each score; distances share `buckets`, ever wider up to `reach` tokens, beyond
    which all are one (Raffel et al. 2020, arXiv:1910.10683, section 2.1). One table serves every layer of a stack."""

    buckets: Annotated[int, Interval(4, 64, step=4)] = 32
    reach: Annotated[int, Interval(8, 512, step=8)] = 128

    def __post_init__(self) -> None:
        if self.buckets < 4 or self.buckets % 4 or self.reach <= self.buckets // 2:
            sentence = "relative positions need 4, 8, 12 … buckets and a reach beyond half of them; got buckets={buckets}, reach={reach}"
            raise Refusal("config.buckets", sentence, buckets=self.buckets, reach=self.reach)


@dataclass(frozen=True, kw_only=True, slots=True)
class NoPositions:
    """Nothing tells the model where a token stands, except what the causal mask gives away."""


Positions = Learned | Sinusoidal | Rotary | Alibi | Relative | NoPositions


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
class Everywhere:
    """A token may look at all the tokens its stack lets it see."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sliding:
    """A token looks at those fewer than `window` places away, itself included (Beltagy et al. 2020, arXiv:2004.05150)."""

    window: Annotated[int, Interval(2, 256, step=1)] = 16

    def __post_init__(self) -> None:
        _at_least("attention.reach.window", self.window, 1)


Reach = Everywhere | Sliding


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """`heads` queries over `kv_heads` keys and values: as many is multi-head, fewer is grouped, one is multi-query
    (Ainslie et al. 2023, arXiv:2305.13245).

    `scaled` divides the scores by √size (T5 does not); `head_norm` brings each query and key to one length first (RMSNorm with
    trained gains; Qwen3 after Henry et al. 2020, arXiv:2010.04245).
    """

    heads: Annotated[int, Interval(1, 16, step=1)] = 4
    kv_heads: Annotated[int, Interval(1, 16, step=1)] = 4
    size: Annotated[int, Interval(4, 128, step=4)] = 16
    bias: bool = False
    out_bias: bool = False
    scaled: bool = True
    head_norm: bool = False
    reach: Reach = field(default_factory=Everywhere)

    @property
    def window(self) -> int | None:
        """How many tokens a query sees at most, itself among them; `None` where there is no such bound."""
        return self.reach.window if isinstance(self.reach, Sliding) else None

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
class AsWide:
    """A token's vector is as wide as the residual stream."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Narrow:
    """A token's vector has `size` numbers and one matrix widens it to the residual stream (Lan et al. 2020, arXiv:1909.11942, section
    3.1): positions are added before that, or after it (OPT 350M)."""

    size: Annotated[int, Interval(8, 512, step=8)] = 32
    positions: Literal["before", "after"] = "before"
    bias: bool = True

    def __post_init__(self) -> None:
        _at_least("embedding.room.size", self.size, 1)


Room = AsWide | Narrow


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedding:
    """How ids become the residual stream's first value.

    `scaled` multiplies the token's vector by √width (Vaswani et al. 2017, section 3.4); `norm` normalises the sum; `segments` is how
    many kinds of text part have a vector of their own, added to each of their tokens (BERT has two).
    """

    scaled: bool = False
    norm: bool = False
    segments: Annotated[int, Interval(0, 4, step=1)] = 0
    room: Room = field(default_factory=AsWide)

    def __post_init__(self) -> None:
        _at_least("embedding.segments", self.segments, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tied:
    """The output reuses the token embedding (Press & Wolf 2017, arXiv:1608.05859); `scaled` divides what it reads by √width (T5)."""

    bias: bool = False
    scaled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Free:
    """The output has a matrix of its own."""

    bias: bool = False


Output = Tied | Free


@dataclass(frozen=True, kw_only=True, slots=True)
class Direct:
    """The output reads the residual stream as it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transformed:
    """One more matrix, an activation and a norm before the output (Devlin et al. 2019, arXiv:1810.04805, and its published code)."""

    activation: Activation = "gelu"


Readout = Direct | Transformed


# ---------------------------------------------------------------- who sees whom


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """One stack in which a token sees those before it: it continues a text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoder:
    """One stack in which every token sees every other: it fills blanks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderDecoder:
    """Two stacks: an encoder of `encoder_layers` reads a source, a decoder writes a target and looks at both (Vaswani et al. 2017)."""

    encoder_layers: Annotated[int, Interval(1, 12, step=1)] = 2

    def __post_init__(self) -> None:
        _at_least("form.encoder_layers", self.encoder_layers, 1)


Form = Decoder | Encoder | EncoderDecoder
Kind = Literal["encoder", "decoder"]
"""The two kinds of stack."""


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
    """Everything that decides the shape and the arithmetic of a transformer.

    Sizes are counts; `width` is the residual stream's, `context` the most tokens it may be given at once, `layers` those of the decoder
    (of the encoder, where there is nothing else); `shared` lets one block's weights serve every layer of a stack (Lan et al. 2020).
    Raises `Refusal` when the parts do not fit together.
    """

    vocabulary: int = 512
    context: Annotated[int, Interval(16, 1_024, step=16)] = 128
    width: Annotated[int, Interval(8, 512, step=8)] = 64
    layers: Annotated[int, Interval(1, 12, step=1)] = 2
    form: Form = field(default_factory=Decoder)
    embedding: Embedding = field(default_factory=Embedding)
    attention: Attention = field(default_factory=Attention)
    positions: Positions = field(default_factory=Rotary)
    mlp: Mlp = field(default_factory=PlainMlp)
    norm: Norm = field(default_factory=LayerNorm)
    arrangement: Arrangement = field(default_factory=Serial)
    shared: bool = False
    final_norm: bool = True
    readout: Readout = field(default_factory=Direct)
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
        if isinstance(self.form, EncoderDecoder) and isinstance(self.arrangement, Parallel):
            raise Refusal("config.parallel_cross", "cross-attention reads what self-attention wrote, so it needs branches in series; choose Serial")

    @property
    def depths(self) -> dict[Kind, int]:
        """The stacks and how many layers each has, in the order a pass goes through them."""
        match self.form:
            case Decoder():
                return {"decoder": self.layers}
            case Encoder():
                return {"encoder": self.layers}
            case EncoderDecoder(encoder_layers=layers):
                return {"encoder": layers, "decoder": self.layers}

    @property
    def main(self) -> Kind:
        """The stack whose residual stream becomes the logits."""
        return "encoder" if isinstance(self.form, Encoder) else "decoder"

    @property
    def token_width(self) -> int:
        """How many numbers a token's own vector has."""
        return self.embedding.room.size if isinstance(self.embedding.room, Narrow) else self.width

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
