"""Beam search: several texts are written at once, and at every step only the most probable ones go on.

Greedy decoding never takes back a token, so a good text whose first token was the second choice is lost to it. A beam search of width B
keeps B texts; each step weighs every continuation of all of them, and the B most probable go on (Lowerre 1976; Sutskever et al. 2014,
arXiv:1409.3215, section 3.2). The arithmetic, down to when it stops, is that of `generate(num_beams=B)` in `transformers`, and tests
hold the two equal.

Legend: B texts alive, V size of the vocabulary; log-probabilities in nats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Annotated, Literal, get_args

import numpy as np
from torch import Tensor

from model.errors import Refusal
from model.generation.abreast import Abreast, Numbers
from model.space import Interval
from model.transformer import Transformer

Halt = Literal["likely", "full", "sure"]
"""When B texts are finished, the search stops at once (`full`); or as soon as the best text alive would not enter the finished ones with
the score it has now (`likely`), or with the most it could still reach (`sure`)."""
HALTS: tuple[Halt, ...] = get_args(Halt)
Fate = Literal["alive", "ended", "cut", "crowded", "late"]
"""What became of a continuation: it goes on; it ended itself; it was cut where the room ended; others were more probable; or it ended
itself, but was not among the B best at that moment."""


STEEPEST = 50
"""The largest length penalty, either way: with it even a text of 100,000 tokens can be scored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beams:
    """How a search is made: `width` texts alive, at most `tokens` new ones each, ended by the token `stop`. A finished text scores its
    log-probability divided by its length to the power of `length_penalty`: 0 compares sums, 1 means per token; more favours long texts."""

    width: Annotated[int, Interval(1, 8, step=1)] = 4
    tokens: Annotated[int, Interval(1, 48, step=1)] = 16
    length_penalty: Annotated[float, Interval(-1.0, 2.0, step=0.1)] = 1.0
    halt: Halt = "likely"
    stop: int | None = None

    def __post_init__(self) -> None:
        for name in ("width", "tokens"):
            if getattr(self, name) < 1:
                raise Refusal(f"beam.{name}", "{name} is a whole number, 1 or more; got {given}", name=name, given=getattr(self, name))
        if not abs(self.length_penalty) <= STEEPEST:
            sentence = "length_penalty is a number from {low} to {high}; 0 compares sums, 1 means per token; got {given}"
            raise Refusal("beam.length_penalty", sentence, low=-STEEPEST, high=STEEPEST, given=self.length_penalty)

    def score(self, log_probability: float, length: int) -> float:
        """What a finished text of so many tokens is compared by."""
        return log_probability / length**self.length_penalty


@dataclass(frozen=True, slots=True)
class Text:
    """New tokens and the log-probability of each, given all before it."""

    ids: tuple[int, ...] = ()
    log_probabilities: tuple[float, ...] = ()

    @property
    def log_probability(self) -> float:
        """Of the whole text."""
        return math.fsum(self.log_probabilities)

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens the model chose, on average; of no token at all, 1."""
        return math.exp(-self.log_probability / max(1, len(self.ids)))

    def then(self, id: int, log_probability: float) -> Text:
        """The same with one token more."""
        return Text((*self.ids, id), (*self.log_probabilities, float(log_probability)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A continuation that was weighed: text number `parent` of the step's, one token more; `total` is the log-probability of all of it."""

    parent: int
    id: int
    log_probability: float
    total: float
    fate: Fate


@dataclass(frozen=True, slots=True)
class Finished:
    """A text that goes no further, with its `score`; `ended` by itself, or cut. It finished at step number `step`."""

    text: Text
    score: float
    ended: bool
    step: int


@dataclass(frozen=True, slots=True)
class BeamStep:
    """One token more. `beams` went in, the most probable first; `candidates` are the 2 B best continuations, and of a text that has none
    among them its best one; `alive` goes on, and `finished` are the up to B best texts finished so far, the best first."""

    index: int
    beams: tuple[Text, ...]
    candidates: tuple[Candidate, ...]
    alive: tuple[Text, ...]
    finished: tuple[Finished, ...]
    seconds: float

    @property
    def dead(self) -> tuple[int, ...]:
        """The numbers of the texts that went in and neither go on nor finished here."""
        survived = {candidate.parent for candidate in self.candidates if candidate.fate in ("alive", "ended", "cut")}
        return tuple(number for number in range(len(self.beams)) if number not in survived)

    @property
    def bar(self) -> float:
        """The log-probability that a continuation had to have to go on: that of the weakest that does, or at the end was kept."""
        for fates in (("alive",), ("cut", "ended")):
            kept = [one.total for one in self.candidates if one.fate in fates]
            if kept:
                return min(kept)
        return -math.inf


def beam_search(
    model: Transformer, ids: Sequence[int] | Tensor, how: Beams, *, source: Sequence[int] | Tensor | None = None
) -> Iterator[BeamStep]:
    """Continue `ids` (T,) in several ways at once, one `BeamStep` at a time; the last step's `finished` is what was found, the best first.

    An encoder–decoder writes about a `source` (S,), beginning with what its target begins with. Raises `Refusal` for an empty prompt,
    unknown ids, a prompt that fills the context and a model that cannot write.
    """
    texts = Abreast(model, ids, tokens=how.tokens, source=source)
    return _steps(texts, replace(how, tokens=texts.limit))


def _steps(texts: Abreast, how: Beams) -> Iterator[BeamStep]:
    beams, finished, began = (Text(),), (), perf_counter()
    logs = texts.read().logs
    for index in range(how.tokens):
        candidates = _weighed(beams, logs, how, last=index + 1 == how.tokens)
        finished = _merged(finished, beams, candidates, index, how)
        survivors = [candidate for candidate in candidates if candidate.fate == "alive"]
        alive = tuple(beams[one.parent].then(one.id, one.log_probability) for one in survivors)
        yield BeamStep(index, beams, candidates, alive, finished, perf_counter() - began)
        if not alive or _over(alive, finished, how):
            return
        began = perf_counter()
        logs = texts.step([one.parent for one in survivors], [one.id for one in survivors]).logs
        beams = alive


def _weighed(beams: tuple[Text, ...], logs: Numbers, how: Beams, *, last: bool) -> tuple[Candidate, ...]:
    """The best continuations and what becomes of each. Twice as many are looked at as may go on, for half of them may end."""
    totals = np.array([text.log_probability for text in beams])[:, None] + logs
    asked = [(int(at) // logs.shape[1], int(at) % logs.shape[1]) for at in _best(totals.ravel(), 2 * how.width)]
    asked += [(parent, int(logs[parent].argmax())) for parent in range(len(beams)) if all(parent != one for one, _ in asked)]
    found, going = [], 0
    for rank, (parent, id) in enumerate(asked):
        fate = _fate(rank, going, ends=id == how.stop, last=last, width=how.width)
        going += fate == "alive"
        found.append(Candidate(parent, id, float(logs[parent, id]), float(totals[parent, id]), fate))
    return tuple(found)


def _fate(rank: int, going: int, *, ends: bool, last: bool, width: int) -> Fate:
    if ends:
        return "ended" if rank < width else "late"
    if last:
        return "cut" if rank < width else "crowded"
    return "alive" if going < width and rank < 2 * width else "crowded"


def _merged(finished: Sequence[Finished], beams: Sequence[Text], candidates: Sequence[Candidate], index: int, how: Beams) -> tuple[Finished, ...]:
    """The B best of what was finished before and what finishes now; of equals, the earlier."""
    over = [candidate for candidate in candidates if candidate.fate in ("ended", "cut")]
    new = [
        Finished(beams[one.parent].then(one.id, one.log_probability), how.score(one.total, index + 1), one.fate == "ended", index) for one in over
    ]
    return tuple(sorted([*finished, *new], key=lambda one: -one.score)[: how.width])


def _over(alive: Sequence[Text], finished: Sequence[Finished], how: Beams) -> bool:
    """Whether nothing that may still come would be among the B best, as far as `halt` asks."""
    if len(finished) < how.width:
        return False
    length = how.tokens if how.halt == "sure" and how.length_penalty > 0 else len(alive[0].ids)
    return how.width == 1 or how.halt == "full" or how.score(alive[0].log_probability, length) <= finished[-1].score


def _best(values: Numbers, count: int) -> list[int]:
    """Where the `count` greatest finite values stand, the greatest first; of equals, the first."""
    some = np.argpartition(-values, count)[:count] if count < len(values) else np.arange(len(values))
    ranked = sorted(some.tolist(), key=lambda at: (-values[at], at))
    return [at for at in ranked if values[at] > -math.inf]
