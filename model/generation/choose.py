"""Choosing the next token: from the model's logits to one id, one filter at a time.

Everything here is a pure function of stored logits, so a reader may turn a dial and see what it would have done without
running the model again. V is the size of the vocabulary; arithmetic is in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from model.errors import Refusal
from model.space import Interval

Numbers = NDArray[np.float64]
WORD = 2**64 - 1
"""A word of 64 bits, all set."""
SLIGHTEST, STRONGEST = 1e-6, 1e6
"""Between these a temperature or a penalty leaves logits that can still be counted with."""
_BOUNDS = f"{SLIGHTEST:.6f} to {STRONGEST:.0f}"


# ---------------------------------------------------------------- the choosers


@dataclass(frozen=True, kw_only=True, slots=True)
class Greedy:
    """Always the most probable token, once the penalties have acted; of equals, the one with the lowest id."""

    repetition_penalty: Annotated[float, Interval(1.0, 2.0, step=0.05)] = 1.0
    frequency_penalty: Annotated[float, Interval(0.0, 2.0, step=0.05)] = 0.0
    presence_penalty: Annotated[float, Interval(0.0, 2.0, step=0.05)] = 0.0

    def __post_init__(self) -> None:
        _refuse_penalties(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Draw from what the filters leave, in the order they are written here: the penalties, the temperature, then what cuts.

    `repetition_penalty` 1, the other penalties 0, `top_k` 0, `top_p` 1, `min_p` 0 and `typical` 1 change nothing. The same seed draws the
    same tokens. Where `transformers` has the filter, this is its order too.
    """

    repetition_penalty: Annotated[float, Interval(1.0, 2.0, step=0.05)] = 1.0
    frequency_penalty: Annotated[float, Interval(0.0, 2.0, step=0.05)] = 0.0
    presence_penalty: Annotated[float, Interval(0.0, 2.0, step=0.05)] = 0.0
    temperature: Annotated[float, Interval(0.05, 2.0, step=0.05)] = 1.0
    top_k: Annotated[int, Interval(0, 100, step=1)] = 0
    top_p: Annotated[float, Interval(0.05, 1.0, step=0.05)] = 1.0
    min_p: Annotated[float, Interval(0.0, 0.5, step=0.01)] = 0.0
    typical: Annotated[float, Interval(0.05, 1.0, step=0.05)] = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        _refuse_penalties(self)
        wanted = f"above 0, from {_BOUNDS}; for the most probable token every time choose greedily"
        _refuse_outside("temperature", self.temperature, _counts(self.temperature), wanted)
        _refuse_outside("top_k", self.top_k, self.top_k >= 0, "a whole number, 0 or more; 0 keeps every token")
        _refuse_outside("top_p", self.top_p, 0 < self.top_p <= 1, "above 0 and up to 1; 1 keeps every token")
        _refuse_outside("min_p", self.min_p, 0 <= self.min_p <= 1, "from 0 to 1; 0 keeps every token")
        _refuse_outside("typical", self.typical, 0 < self.typical <= 1, "above 0 and up to 1; 1 keeps every token")
        _refuse_outside("seed", self.seed, 0 <= self.seed < 2**64, "a whole number, 0 or more")


@dataclass(frozen=True, slots=True)
class Picked:
    """A token put there by hand, whatever the model thinks of it."""

    id: int


Choose = Greedy | Sample


# ---------------------------------------------------------------- the filters, logits in and logits out; minus infinity is cut
# What occurred is everything the model has read, the prompt too, as for the repetition penalty of transformers; services that offer
# the frequency and presence penalties count what was written only.


def penalise(logits: Numbers, history: Sequence[int], penalty: float) -> Numbers:
    """Push down every token that already occurred (CTRL, Keskar et al. 2019, arXiv:1909.05858, section 4.1).

    A positive logit is divided by the penalty; a negative one is multiplied, or the penalty would reward it.
    """
    seen = np.unique(np.asarray(history, dtype=np.int64))
    out = logits.copy()
    out[seen] = np.where(out[seen] > 0, out[seen] / penalty, out[seen] * penalty)
    return out


def penalise_each(logits: Numbers, history: Sequence[int], penalty: float) -> Numbers:
    """Take the penalty off a token's logit once for every time it occurred: the frequency penalty of OpenAI's API reference."""
    return logits - penalty * np.bincount(np.asarray(history, dtype=np.int64), minlength=len(logits))


def penalise_once(logits: Numbers, history: Sequence[int], penalty: float) -> Numbers:
    """Take the penalty off a token's logit if it occurred at all, however often: the presence penalty of the same."""
    return penalise_each(logits, sorted(set(history)), penalty)


def warm(logits: Numbers, temperature: float) -> Numbers:
    """Divide by the temperature: below 1 the likely become likelier, above 1 all become alike (Ackley et al. 1985)."""
    return logits / temperature


def top_k(logits: Numbers, k: int) -> Numbers:
    """Keep the `k` most probable tokens (Fan et al. 2018, arXiv:1805.04833, section 5.4); of equals at the end, the lowest ids."""
    place = max(len(logits) - k, 0)
    kept = np.flatnonzero(logits >= np.partition(logits, place)[place])
    return _only(logits, kept if len(kept) == k else order(logits)[:k])


def top_p(logits: Numbers, p: float) -> Numbers:
    """Keep the fewest most probable tokens that together reach `p`: the nucleus (Holtzman et al. 2019, arXiv:1904.09751)."""
    ranked = order(logits)
    reached = softmax(logits[ranked]).cumsum()
    return _only(logits, ranked[: 1 + int(np.searchsorted(reached, p))])


def min_p(logits: Numbers, share: float) -> Numbers:
    """Keep tokens at least `share` times as probable as the most probable one (Nguyen et al. 2024, arXiv:2407.01082)."""
    return np.where(logits >= logits.max() + np.log(share), logits, -np.inf)


def typical(logits: Numbers, mass: float) -> Numbers:
    """Keep the fewest tokens that together reach `mass`, those first whose surprise is nearest to what is expected, the entropy: neither
    the unlikely nor the all too likely (locally typical sampling, Meister et al. 2022, arXiv:2202.00666, section 4). Of tokens as near as
    the last one needed, all stay."""
    shares = softmax(logits)
    surprise = -np.log(shares, out=np.full_like(shares, -np.inf), where=shares > 0)
    entropy = (shares * np.where(shares > 0, surprise, 0)).sum()
    strange = np.abs(surprise - entropy)
    nearest = np.argsort(strange, kind="stable")
    reached = shares[nearest].cumsum()
    last = min(int(np.searchsorted(reached, mass)), len(nearest) - 1)
    return np.where(strange <= strange[nearest[last]], logits, -np.inf)


def best(logits: Numbers) -> Numbers:
    """Keep the single most probable token."""
    return _only(logits, np.array([logits.argmax()]))


# ---------------------------------------------------------------- the filters, one after the other


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What one filter did: `name` is the chooser's setting, `entered` and `left` its logits (V,), cut ones at minus infinity."""

    name: str
    entered: Numbers
    left: Numbers

    @property
    def before(self) -> Numbers:
        """Probabilities (V,) that reached the filter."""
        return softmax(self.entered)

    @property
    def after(self) -> Numbers:
        """Probabilities (V,) that it let through, summing to 1 again."""
        return softmax(self.left)

    @property
    def removed(self) -> NDArray[np.bool_]:
        """The tokens (V,) this filter cut."""
        return np.isfinite(self.entered) & ~np.isfinite(self.left)


def stages(logits: Sequence[float] | NDArray[np.floating], choose: Choose | Picked, history: Sequence[int] = ()) -> list[Stage]:
    """What each filter of `choose` makes of `logits` (V,), in order; `history` is every token so far, prompt included."""
    left = np.asarray(logits, dtype=np.float64)
    return [Stage(name, left, left := act(left)) for name, act in filters(choose, history)]


def left(logits: NDArray[np.floating], choose: Choose | Picked, history: Sequence[int] = ()) -> Numbers:
    """What all filters of `choose` together leave of `logits` (V,)."""
    through = np.asarray(logits, dtype=np.float64)
    for _, act in filters(choose, history):
        through = act(through)
    return through


def filters(choose: Choose | Picked, history: Sequence[int]) -> Iterator[tuple[str, Callable[[Numbers], Numbers]]]:
    """A chooser's filters by name, in the order they act; one whose setting changes nothing lets everything through."""
    match choose:
        case Picked(id=id):
            yield "picked", lambda logits: _only(logits, np.array([id]))
        case Greedy():
            yield from _penalties(choose, history)
            yield "greedy", best
        case Sample():
            yield from _penalties(choose, history)
            yield "temperature", _unless(choose.temperature == 1, partial(warm, temperature=choose.temperature))
            yield "top_k", _unless(choose.top_k == 0, partial(top_k, k=choose.top_k))
            yield "top_p", _unless(choose.top_p == 1, partial(top_p, p=choose.top_p))
            yield "min_p", _unless(choose.min_p == 0, partial(min_p, share=choose.min_p))
            yield "typical", _unless(choose.typical == 1, partial(typical, mass=choose.typical))


def _penalties(choose: Choose, history: Sequence[int]) -> Iterator[tuple[str, Callable[[Numbers], Numbers]]]:
    rests = {"repetition_penalty": (1, penalise), "frequency_penalty": (0, penalise_each), "presence_penalty": (0, penalise_once)}
    for name, (rest, act) in rests.items():
        penalty = getattr(choose, name)
        yield name, _unless(penalty == rest, partial(act, history=history, penalty=penalty))


def pick(logits: NDArray[np.floating], choose: Choose | Picked, history: Sequence[int], place: int | None = None) -> int:
    """The id that `choose` takes, at `place` or else right after `history`. A sampler's die depends on its seed and that position only."""
    match choose:
        case Picked(id=id):
            return id
        case Greedy(repetition_penalty=1, frequency_penalty=0, presence_penalty=0):
            return int(logits.argmax())
        case Greedy():
            return int(left(logits, choose, history).argmax())
        case Sample(seed=seed):
            return draw(softmax(left(logits, choose, history)), die(seed, len(history) if place is None else place))


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """One new token: `id`, number `index` of this text's new tokens, chosen by `choose` from `logits` (V,) where `history` is the text so far."""

    index: int
    id: int
    choose: Choose | Picked
    history: tuple[int, ...] = field(repr=False)
    logits: NDArray[np.floating] = field(repr=False)

    @property
    def log_probability(self) -> float:
        """The model's own log-probability of the chosen token, before any filter (nats, ≤ 0)."""
        shifted = self.logits.astype(np.float64) - self.logits.max()
        return min(float(shifted[self.id] - np.log(np.exp(shifted).sum())), 0.0)

    @property
    def rank(self) -> int:
        """The chosen token's place in the model's own order, 1 being the most probable."""
        return 1 + int(np.count_nonzero(self.logits > self.logits[self.id]))

    @property
    def probability(self) -> float:
        """The model's own probability of the chosen token, before any filter."""
        return float(np.exp(self.log_probability))

    @property
    def stages(self) -> list[Stage]:
        """The whole distribution before and after each filter."""
        return stages(self.logits, self.choose, self.history)

    def alternatives(self, count: int) -> list[tuple[int, float]]:
        """The `count` tokens that the model finds most probable here, the chosen one left out, each with its probability."""
        probabilities = softmax(self.logits)
        return [(int(id), float(probabilities[id])) for id in order(probabilities)[: count + 1] if id != self.id][:count]


def draw(probabilities: Numbers, u: float) -> int:
    """Lay the tokens end to end on a line of length 1, the most probable first, and take the one that covers `u` in [0, 1)."""
    return int(drawn(probabilities, np.array([u]))[0])


def drawn(probabilities: Numbers, dice: Numbers) -> NDArray[np.intp]:
    """The same for many `dice` (N,) at once: N ids, from one line."""
    ranked = order(probabilities, above=0.0)
    ends = probabilities[ranked].cumsum()
    places = np.searchsorted(ends, dice * ends[-1], side="right")
    return ranked[np.minimum(places, len(ranked) - 1)]


def die(seed: int, position: int) -> float:
    """A number in [0, 1) for one position: Philox 4×64 of ten rounds (Salmon et al. 2011) keyed by the seed and counted by the position, so
    that any step can be thrown again without the ones before it. The first number of `numpy.random.Philox`, which takes longer to set up."""
    a, b, c, d = ((position + 1) >> shift & WORD for shift in (0, 64, 128, 192))
    key, other = seed & WORD, seed >> 64 & WORD
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
        a, b, c, d = second >> 64 ^ b ^ key, second & WORD, first >> 64 ^ d ^ other, first & WORD
        key, other = key + 0x9E3779B97F4A7C15 & WORD, other + 0xBB67AE8584CAA73B & WORD
    return (a >> 11) * 2.0**-53


def softmax(logits: NDArray[np.floating]) -> Numbers:
    """Probabilities (V,) of logits (V,); minus infinity becomes 0."""
    weights = np.exp(np.asarray(logits, dtype=np.float64) - logits.max())
    return weights / weights.sum()


def order(values: Numbers, above: float = -np.inf) -> NDArray[np.intp]:
    """The ids whose value is `above` a floor, from the greatest to the least; of equals, the lowest id first."""
    ids = np.flatnonzero(values > above)
    return ids[np.argsort(-values[ids], kind="stable")]


def _only(logits: Numbers, kept: NDArray[np.intp]) -> Numbers:
    out = np.full_like(logits, -np.inf)
    out[kept] = logits[kept]
    return out


def _unless(idle: bool, act: Callable[[Numbers], Numbers]) -> Callable[[Numbers], Numbers]:
    return (lambda logits: logits) if idle else act


def _refuse_penalties(choose: Choose) -> None:
    factor = choose.repetition_penalty
    _refuse_outside("repetition_penalty", factor, _counts(factor), f"above 0, from {_BOUNDS}; 1 changes nothing")
    for name in ("frequency_penalty", "presence_penalty"):
        penalty = getattr(choose, name)
        _refuse_outside(name, penalty, abs(penalty) <= STRONGEST, f"a number up to {STRONGEST:.0f}; 0 changes nothing, below 0 rewards")


def _counts(factor: float) -> bool:
    return SLIGHTEST <= factor <= STRONGEST


def _refuse_outside(name: str, value: float, fits: bool, allowed: str) -> None:
    if not fits:
        raise Refusal(f"generation.{name}", "{name} is " + allowed + "; got {given}", name=name, given=value)
