"""A model weighed on paper: what it takes to hold, to serve and to train it, in bytes, FLOPs, hours and kilowatt-hours.

All of it is arithmetic on a configuration and on assumptions, each of which is a bounded field of a dataclass here; nothing is
measured and nothing imports torch. A formula names the paper it comes from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from model.config import Config
from model.cost.flops import decoding_flops, forward_flops, training_flops
from model.cost.hardware import Accelerator, Hardware
from model.cost.memory import Kept, activation_bytes, bytes_by_precision, cache_bytes
from model.cost.scale import Scale
from model.cost.weights import parameters
from model.errors import Refusal
from model.space import Choice, Interval

Stored = Literal["fp32", "bf16", "int8", "int4"]
POWERS = tuple(2**power for power in range(21))
DAY, YEAR = 86_400, 365.25 * 86_400


# ---------------------------------------------------------------- what is assumed


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """A model at work: its weights and its KV cache in these precisions, `batch` texts of `context` tokens at once."""

    weights: Stored = "bf16"
    context: Annotated[int, Choice(POWERS)] = 4_096
    batch: Annotated[int, Choice(POWERS[:13])] = 1
    cache: Stored = "bf16"

    def __post_init__(self) -> None:
        _above_zero(self, "context", "batch")


@dataclass(frozen=True, kw_only=True, slots=True)
class PerParameter:
    """So many training tokens for each parameter. About 20 spend a given compute best (Hoffmann et al. 2022, arXiv:2203.15556, table 3)."""

    ratio: Annotated[float, Interval(1, 2_000, log=True)] = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """So many billion training tokens, whatever the size."""

    billions: Annotated[float, Interval(1, 40_000, log=True)] = 2_000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """A training run: its `tokens`, on `count` accelerators that reach the share `mfu` of their peak in useful arithmetic (Chowdhery et al.
    2022, arXiv:2204.02311, appendix B); `texts` of `length` tokens (or of a full context, where that is less) at once in each copy of the
    model, of whose activations `kept` says what stays."""

    tokens: PerParameter | Given = field(default_factory=PerParameter)
    count: Annotated[int, Choice(POWERS[:18])] = 2_048
    mfu: Annotated[float, Interval(0.05, 0.8, step=0.01)] = 0.4
    precision: Literal["mixed", "fp32"] = "mixed"
    kept: Kept = "fused"
    length: Annotated[int, Choice(POWERS)] = 4_096
    texts: Annotated[int, Choice(POWERS[:11])] = 1

    def __post_init__(self) -> None:
        _above_zero(self, "count", "mfu", "length", "texts")

    def within(self, config: Config) -> int:
        """Tokens of a training text of this model."""
        return min(self.length, config.context)


@dataclass(frozen=True, kw_only=True, slots=True)
class Power:
    """Electricity: `pue` is what a data centre draws for each watt that its machines draw (Barroso et al. 2018, The Datacenter as a Computer,
    section 5.1); a grid emits `grid` grams of CO2 per kWh; a `household` uses so many kWh a year and an electric `car` so many per 100 km;
    a petrol car emits `exhaust` grams of CO2 per km.

    The defaults are those of the LLaMA paper (arXiv:2302.13971, section 6: 1.1 and 385), Brazil's 161 kWh a month (EPE, fourth quarter of
    2022), an electric car of middling size (EPA, fueleconomy.gov: 29 kWh per 100 miles) and 400 g a mile (EPA, EPA-420-F-23-014).
    """

    pue: Annotated[float, Interval(1.0, 2.0, step=0.05)] = 1.1
    grid: Annotated[float, Interval(0, 1_000, step=10)] = 385.0
    household: Annotated[float, Interval(500, 15_000, log=True)] = 1_930.0
    car: Annotated[float, Interval(10, 30, step=1)] = 18.0
    exhaust: Annotated[float, Interval(50, 400, step=10)] = 250.0

    def __post_init__(self) -> None:
        _above_zero(self, "pue", "household", "car", "exhaust")


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """Everything that is taken for granted when a model is weighed."""

    hardware: Hardware = field(default_factory=Hardware)
    serving: Serving = field(default_factory=Serving)
    training: Training = field(default_factory=Training)
    power: Power = field(default_factory=Power)
    scale: Scale = field(default_factory=Scale)


def _above_zero(assumed: object, *names: str) -> None:
    for name in names:
        if not 0 < getattr(assumed, name) < math.inf:
            raise Refusal("paper.above_zero", "{name} is a number above 0; got {given}", name=name, given=getattr(assumed, name))


# ---------------------------------------------------------------- memory


@dataclass(frozen=True, slots=True)
class Load:
    """What must be held at once: bytes by what they are, in the order they are stacked."""

    bytes: dict[str, int]

    @property
    def total(self) -> int:
        """Bytes of all of it."""
        return sum(self.bytes.values())

    def machines(self, hardware: Hardware) -> int:
        """The fewest machines that hold it."""
        return math.ceil(self.total / hardware.room)


def to_serve(config: Config, assumed: Serving) -> Load:
    """The weights, and a KV cache for every text (Pope et al. 2022, arXiv:2211.05102, section 2)."""
    cache = cache_bytes(config, assumed.context, assumed.batch, assumed.cache)
    return Load({"weights": bytes_by_precision(config)[assumed.weights], "cache": cache})


def to_train(config: Config, assumed: Training) -> Load:
    """16 bytes for each parameter with AdamW in either precision, then the activations. In mixed precision weights and gradients have two
    bytes each, beside a copy and two moments in four each (Rajbhandari et al. 2020, arXiv:1910.02054, section 3.1)."""
    count, mixed = parameters(config), assumed.precision == "mixed"
    narrow = 2 if mixed else 4
    states = {"weights": narrow * count, "gradients": narrow * count, "master": 4 * count if mixed else 0, "moments": 8 * count}
    kept = activation_bytes(config, assumed.texts, assumed.within(config), "bf16" if mixed else "fp32", assumed.kept)
    return Load({name: size for name, size in states.items() if size} | {"activations": kept})


# ---------------------------------------------------------------- serving


@dataclass(frozen=True, slots=True)
class Pace:
    """The fastest a model can write: tokens a second of all texts together, what holds it back, and the seconds before the first token."""

    tokens_per_second: float
    bound: Literal["bandwidth", "arithmetic"]
    first: float


def pace(config: Config, assumed: Serving, machine: Accelerator, count: int) -> Pace:
    """A roofline (Williams et al. 2009, doi:10.1145/1498765.1498785) over `count` accelerators without any loss between them: each step reads
    all weights and every text's cache once, and computes one token of each text; reading the prompt first is arithmetic alone.

    Narrow weights are widened to 16 bits before they are multiplied (Frantar et al. 2022, arXiv:2210.17323), so only memory gains by them.
    """
    peak = count * (machine.fp32 if assumed.weights == "fp32" else machine.bf16)
    reading = to_serve(config, assumed).total / (count * machine.bandwidth)
    computing = assumed.batch * decoding_flops(config, assumed.context - 1) / peak
    step = max(reading, computing)
    first = forward_flops(config, assumed.context, assumed.batch) / peak
    return Pace(assumed.batch / step, "bandwidth" if reading >= computing else "arithmetic", first)


# ---------------------------------------------------------------- training


@dataclass(frozen=True, slots=True)
class Run:
    """A training run: its tokens, its FLOPs counted product by product, 6ND beside them, the seconds it takes, and those of all accelerators
    together."""

    tokens: float
    flops: float
    rule: float
    seconds: float
    accelerator_seconds: float

    @property
    def accelerator_hours(self) -> float:
        """What papers report as GPU-hours."""
        return self.accelerator_seconds / 3_600


def training_tokens(config: Config, assumed: PerParameter | Given) -> float:
    """How many tokens a model of this size is trained on."""
    match assumed:
        case PerParameter(ratio=ratio):
            return ratio * parameters(config)
        case Given(billions=billions):
            return billions * 1e9


def training(config: Config, assumed: Training, machine: Accelerator) -> Run:
    """FLOPs = 3 forward passes of whole texts (Kaplan et al. 2020, arXiv:2001.08361, section 2.1), beside their estimate 6ND; time =
    FLOPs / (accelerators x peak x MFU) (Chowdhery et al. 2022, arXiv:2204.02311, appendix B). Tokens are those of sources and of
    targets; each goes through one stack of an encoder–decoder only, which 6ND does not know."""
    tokens = training_tokens(config, assumed.tokens)
    length = assumed.within(config)
    flops = tokens * training_flops(config, length) / (length * len(config.depths))
    peak = machine.bf16 if assumed.precision == "mixed" else machine.fp32
    together = flops / (peak * assumed.mfu)
    return Run(tokens, flops, six_n_d(config, tokens), together / assumed.count, together)


def six_n_d(config: Config, tokens: float) -> float:
    """6 FLOPs per parameter and token: two forward, four backward (Kaplan et al. 2020, section 2.1; they leave embeddings out of N,
    Hoffmann et al. 2022 and everybody since count them in)."""
    return 6.0 * parameters(config) * tokens


def best_size(flops: float, ratio: float = 20.0) -> float:
    """The parameters N on which this compute is spent best: C = 6ND with D = ratio x N (Hoffmann et al. 2022, arXiv:2203.15556)."""
    return math.sqrt(flops / (6 * ratio))


# ---------------------------------------------------------------- energy


@dataclass(frozen=True, slots=True)
class Energy:
    """Electricity in kWh, what it emits in kg of CO2, and what else would use or emit as much."""

    kilowatt_hours: float
    kilograms: float
    household_years: float
    electric_kilometres: float
    petrol_kilometres: float


def energy(accelerator_seconds: float, machine: Accelerator, assumed: Power) -> Energy:
    """Hours x watts x PUE, then x grid (Touvron et al. 2023, arXiv:2302.13971, section 6; Patterson et al. 2021, arXiv:2104.10350, section
    2.5): every machine at its full load for the whole time, and nothing of what was spent on making it or on runs that failed."""
    hours = accelerator_seconds / 3_600 * machine.watts / 1_000 * assumed.pue
    kilograms = hours * assumed.grid / 1_000
    return Energy(hours, kilograms, hours / assumed.household, 100 * hours / assumed.car, 1_000 * kilograms / assumed.exhaust)
