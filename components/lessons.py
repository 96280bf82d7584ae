"""Three lessons about masks in training, each a run or two from nothing, small enough to be watched.

A `Trial` is pulled by a job, one step at a time, and read by a page at any moment from another thread; what it shows is replaced whole.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from components.experiments import LIVE
from components.runs import BOUNDARY, Curve
from model.analysis import filling
from model.analysis.answering import Answered, Pull, answered, pull
from model.analysis.cheating import Cheating, cheating
from model.analysis.filling import Blank, Filled
from model.config import Encoder
from model.generation import Sample, generate
from model.text.instructions import Instruction, encode, held_out_instructions
from model.text.likelihood import Likelihood
from model.text.skills import held_out
from model.text.tokenizer import BEGIN, BLANK, Tokenizer
from model.text.world import Dials, World
from model.training import Answering, Budget, Masked, NextToken, Objective, Step, Trapezoid, Unmasked
from model.training import objective as objectives
from model.training.objective import hide
from model.training.session import Preset, Session, begin

ROW = 64
"""Tokens per row: the micro-world's longest document, with room to spare."""
WRITTEN_TOKENS = 24
FEW, MANY = 60, 400
"""Held-out documents read on the way, and at the end."""
BLANKS_A_KIND = 30
ASKED_FEW, ASKED_MANY, PULLED = 80, 240, 24
"""Held-out instructions on the way, at the end, and for the gradients."""
MOMENTS = (0.05, 0.15, 0.3, 0.5, 0.75)
"""Shares of the budget after which a model is looked at: early and often, because what is plain is plain early."""
CLOSE = tuple(n / 12 for n in range(1, 12))
"""The same where looking is what draws the curve."""

BLANK_WORLD = Dials(weights=(("fact", 2.0), ("counting", 1.0), ("story", 2.0), ("translation", 1.0), ("job", 1.0), ("sound", 1.0)))
"""What the encoder reads: kinds whose blanks can be filled well within seconds, and whose exact chances the grammar tells."""
ASKING_WORLD = Dials(weights=(("fact", 2.0), ("counting", 2.0), ("question", 1.0), ("translation", 1.0)))
"""What is asked of those who learn to answer."""

EXAMPLE = "counting"
"""The kind of the instruction whose answers are shown as training goes on."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """What was found after so many tokens and seconds of training, the loss of training then being about `loss`."""

    tokens: int
    seconds: float
    loss: float
    found: T


class Trial(Generic[T]):
    """One model from nothing. `work` is the job's generator; `look(session, whole)` examines it, wholly at the end."""

    def __init__(self, preset: Preset, look: Callable[[Session, bool], T], moments: Sequence[float] = MOMENTS) -> None:
        self.preset, self.look, self.moments = preset, look, moments
        self.tokenizer = objectives.tokenizer(preset.task)
        self.session: Session | None = None
        self.step: Step | None = None
        self.curve = Curve()
        self.seen: tuple[Seen[T], ...] = ()
        self.final = False

    def work(self) -> Generator[Step, None, None]:
        """Build the model, train it, look at it before, at the moments and at the end; yields every step."""
        self.session = begin(self.preset)
        self._see(0, 0.0, math.log(self.tokenizer.size), False)
        due = list(self.moments)
        for step in self.session.run:
            self.step = step
            self.curve.add(step)
            if due and due[0] <= step.fraction < 1:
                due = [moment for moment in due if moment > step.fraction]
                self._see(step.tokens, step.seconds, self.curve.level, False)
            if step.fraction >= 1:
                self._see(step.tokens, step.seconds, self.curve.level, True)
                self.final = True
            yield step

    @property
    def last(self) -> Seen[T] | None:
        """What was found last."""
        return self.seen[-1] if self.seen else None

    def _see(self, tokens: int, seconds: float, loss: float, whole: bool) -> None:
        assert self.session is not None
        self.seen = (*self.seen, Seen(tokens, seconds, loss, self.look(self.session, whole)))


def last_looks(trials: Sequence[Trial[T]]) -> tuple[Seen[T], Seen[T]] | None:
    """What was found last of each of two runs, once both were looked at."""
    seen = [trial.last for trial in trials]
    return (seen[0], seen[1]) if len(seen) == 2 and seen[0] is not None and seen[1] is not None else None


def preset(objective: Objective, budget: Budget, seed: int, dials: Dials | None = None) -> Preset:
    """The live miniature for this objective, on short rows: an encoder where blanks are filled, a decoder elsewhere. Rate, batch and
    warm-up are those with which each effect was plainest after two seconds of a core."""
    masked, follows = isinstance(objective, Masked), isinstance(objective, NextToken | Unmasked)
    config = dataclasses.replace(LIVE.config, context=256, form=Encoder() if masked else LIVE.config.form)
    tuned = {"learning_rate": 0.006 if masked else 0.008, "batch": 16 if follows else 8, "warmup": 10 if follows else 20}
    schedule = Trapezoid(decline=0.3 if follows else 0.7)
    recipe = dataclasses.replace(LIVE.recipe, context=ROW, schedule=schedule, budget=budget, seed=seed, **tuned)
    return Preset(config=config, recipe=recipe, dials=dials or Dials(), objective=objective)


# ---------------------------------------------------------------- without the causal mask


@dataclass(frozen=True, slots=True)
class Peek:
    """What the model goes on with after `opening`, read causally as writing is, and what held-out documents cost it both ways."""

    opening: str
    text: str
    cost: Cheating


def unmasked(budget: Budget, seed: int, opening: str) -> tuple[Trial[Peek], Trial[Peek]]:
    """The same miniature twice: with its causal mask, and with everything in sight."""

    def look(session: Session, whole: bool) -> Peek:
        text = _continued(session, opening, seed)
        return Peek(*text, cheating(session.model, session.tokenizer, held_out(MANY if whole else FEW)))

    return Trial(preset(NextToken(), budget, seed), look), Trial(preset(Unmasked(), budget, seed), look)


def _continued(session: Session, opening: str, seed: int) -> tuple[str, str]:
    """The opening as the model reads it, and what it writes behind it."""
    words = session.tokenizer
    read = words.encode(opening).ids[: session.model.config.context // 2]
    ids = (words.begin, *read)
    new = [made.id for made in generate(session.model, ids, Sample(temperature=0.7, seed=seed), WRITTEN_TOKENS)]
    shown, whole = (words.decode(tuple(part)).replace(BEGIN, BOUNDARY) for part in (read, (*read, *new)))
    return shown, whole.removeprefix(shown)


# ---------------------------------------------------------------- blanks


@dataclass(frozen=True, slots=True)
class Hidden:
    """Held-out documents as an encoder is given them: ids as written and as `shown`, which are `asked` for, and for each of these,
    in order, how often the best guess is right that knows all the other words (NaN where the grammar does not tell)."""

    ids: tuple[tuple[int, ...], ...]
    shown: tuple[tuple[int, ...], ...]
    asked: tuple[tuple[bool, ...], ...]
    best: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Guessed:
    """For each place asked for, in order: the guess, its probability and the truth's; and how held-out blanks are filled, all and by kind."""

    guesses: NDArray[np.int64]
    probability: NDArray[np.float32]
    truth: NDArray[np.float32]
    filled: Filled
    kinds: dict[str, Filled]


SHOWN = (("fact", 1), ("story", 2), ("counting", 1), ("translation", 1), ("sound", 1))
"""How many documents of each kind are shown."""


@cache
def blank_words() -> Tokenizer:
    """The tokenizer that has a blank."""
    return Tokenizer.for_world(BLANK)


@cache
def examined() -> dict[str, list[Blank]]:
    """Held-out blanks whose exact chances are known, by kind: the same for everybody, made once."""
    asked = {kind: filling.blanks(blank_words(), kind, BLANKS_A_KIND, BLANK_WORLD) for kind, _ in BLANK_WORLD.weights}
    return filling.parted(asked)[0]


@cache
def hidden(objective: Masked, seed: int) -> Hidden:
    """Some held-out documents with tokens hidden as the objective hides them."""
    words, world, dice = blank_words(), World(f"shown {seed}", BLANK_WORLD), torch.Generator().manual_seed(seed)
    likelihood = Likelihood(BLANK_WORLD)
    kinds = [kind for kind, count in SHOWN for _ in range(count)]
    rows = [torch.tensor([[words.begin, *words.ids(world.document(kind).text)]]) for kind in kinds]
    pairs = [hide(row, objective, words, dice) for row in rows]
    best = [
        max(filling.posterior(likelihood, words, row[0].tolist(), place, kind).values(), default=math.nan)
        for kind, row, (_, asked) in zip(kinds, rows, pairs, strict=True)
        for place in asked[0].nonzero().flatten().tolist()
    ]
    return Hidden(
        tuple(tuple(row[0].tolist()) for row in rows),
        tuple(tuple(shown[0].tolist()) for shown, _ in pairs),
        tuple(tuple(asked[0].tolist()) for _, asked in pairs),
        tuple(best),
    )


def blanks(budget: Budget, seed: int, objective: Masked) -> tuple[Trial[Guessed]]:
    """An encoder that fills blanks."""

    def look(session: Session, whole: bool) -> Guessed:
        known = examined()
        filled = filling.measure(session.model, session.tokenizer, [blank for kind in known.values() for blank in kind])
        kinds = {kind: filling.measure(session.model, session.tokenizer, asked) for kind, asked in known.items()} if whole else {}
        return Guessed(*guesses(session, hidden(objective, seed)), filled, kinds)

    return (Trial(preset(objective, budget, seed, BLANK_WORLD), look, CLOSE),)


@torch.inference_mode()
def guesses(session: Session, given: Hidden) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """At each place asked for: the likeliest token, its probability, the truth's."""
    found = []
    for ids, shown, asked in zip(given.ids, given.shown, given.asked, strict=True):
        places = torch.tensor(asked)
        chances = session.model(torch.tensor([shown]))[0, places].float().softmax(-1)
        truth = chances.gather(1, torch.tensor(ids)[places][:, None])[:, 0]
        found.append((chances.argmax(-1), chances.amax(-1), truth))
    guess, most, truth = (torch.cat(column).numpy() for column in zip(*found, strict=True))
    return guess, most, truth


# ---------------------------------------------------------------- answers


@dataclass(frozen=True, slots=True)
class Replied:
    """How held-out instructions are answered, what pulls at the weights, and one instruction with the answer that was given."""

    score: Answered
    pull: Pull
    prompt: str
    reply: str


@cache
def instructed() -> tuple[Instruction, ...]:
    """Held-out instructions, as many of each kind, in turns: the same for everybody."""
    return held_out_instructions(ASKED_MANY, ASKING_WORLD)


def answers(budget: Budget, seed: int) -> tuple[Trial[Replied], Trial[Replied]]:
    """The same miniature twice: learning from answers alone, and from every token."""

    def look(session: Session, whole: bool) -> Replied:
        asked, model, words = instructed(), session.model, session.tokenizer
        one = next(one for one in asked if one.kind == EXAMPLE)
        score = answered(model, words, asked if whole else asked[:ASKED_FEW])
        return Replied(score, pull(model, words, asked[:PULLED]), one.prompt, reply(session, one))

    learned = (Answering(learn="answer"), Answering(learn="everything"))
    first, second = (Trial(preset(objective, budget, seed, ASKING_WORLD), look, CLOSE) for objective in learned)
    return first, second


def reply(session: Session, asked: Instruction) -> str:
    """What the model answers, likeliest token by likeliest token, until it ends."""
    words = session.tokenizer
    row = encode(words, asked)
    made = [step.id for step in generate(session.model, row.ids[: row.start], tokens=16, stop=words.begin)]
    return words.decode(tuple(made)).replace(BEGIN, "")
