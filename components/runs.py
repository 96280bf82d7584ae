"""A training run as the screen follows it: the plan, the curve that never grows too long, and what the model wrote on the way.

An `Attempt` is pulled by a job, one step at a time, and read by a page at any moment from another thread: whatever it shows
is replaced whole or only ever grows.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal

import numpy as np

from model.analysis import skills
from model.config import Config, Decoder, Encoder, EncoderDecoder
from model.cost import activation_bytes, gradient_bytes, optimiser_bytes, parameters, training_flops
from model.errors import Refusal
from model.generation import Sample, fill_blanks, generate
from model.space import Interval
from model.text.skills import held_out
from model.text.tokenizer import BEGIN, Tokenizer
from model.training import SGD, Clip, Recipe, Step, usual_rate
from model.training.objective import tokenizer, usual
from model.training.session import Preset, Session, begin

STEP_FLOPS = 40e9
"""The largest training step: about a second on one slow core, so that a stop is heard within that time."""
TRAINING_BYTES = 300e6
"""The most memory one run may take: several people share the process."""
MOMENTS = (0.0, 0.01, 0.03, 0.08, 0.2, 0.4, 0.7, 1.0)
"""Shares of the budget after which the model writes: early and often, because the first words come quickly."""
WRITTEN_TOKENS = 28
BOUNDARY = " ¶"
"""How the end of a document shows in what a model writes."""
SHORTEST_ROW = 64
"""The micro-world's longest document, with room to spare; a row holds whole documents."""
HELD_OUT, EXAMINED, PROBES = 2_000, 400, 60
"""Documents for the exact floor; documents and probes per skill for a finished model's examination, which takes about a second."""


# ---------------------------------------------------------------- the plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A model to be, and how to train it. `seed` draws its first weights, its texts and what dropout drops.

    Raises `Refusal` where model and recipe do not fit each other, or would ask too much of a machine that many share.
    """

    config: Config = field(default_factory=Config)
    recipe: Recipe = field(default_factory=Recipe)
    seed: Annotated[int, Interval(0, 99, step=1)] = 0

    def __post_init__(self) -> None:
        if self.recipe.context > self.config.context:
            raise Refusal(
                "training.context",
                "rows of {given} tokens are longer than the {context} this model reads; train on {context} or fewer",
                given=self.recipe.context,
                context=self.config.context,
            )
        if self.recipe.context < SHORTEST_ROW:
            sentence = "a row of {given} tokens is too short for the longest documents of the micro-world; make it {least} or more"
            raise Refusal("runs.row", sentence, given=self.recipe.context, least=SHORTEST_ROW)
        if self.step_flops > STEP_FLOPS:
            sentence = "one step would take {given} GFLOP, more than the {most} that stop within a second; make batch, rows or model smaller"
            raise Refusal("runs.step", sentence, given=round(self.step_flops / 1e9), most=round(STEP_FLOPS / 1e9))
        if self.bytes > TRAINING_BYTES:
            sentence = "training would take {given} MB of memory, more than the {most} that a shared machine lends; make batch or model smaller"
            raise Refusal("runs.memory", sentence, given=round(self.bytes / 1e6), most=round(TRAINING_BYTES / 1e6))

    def speaking(self, vocabulary: int) -> Plan:
        """The same plan for a vocabulary of this size."""
        return dataclasses.replace(self, config=dataclasses.replace(self.config, vocabulary=vocabulary))

    @property
    def step_flops(self) -> int:
        """FLOPs of one training step."""
        return training_flops(self.config, self.recipe.context, self.recipe.batch)

    @property
    def memory(self) -> dict[str, int]:
        """Bytes while training, by what holds them: weights, gradients, what the optimiser remembers, and activations."""
        return {
            "weights": 4 * parameters(self.config),
            "gradients": gradient_bytes(self.config),
            "optimiser": optimiser_bytes(self.config, _memory_of(self.recipe)),
            "activations": activation_bytes(self.config, self.recipe.batch, self.recipe.context),
        }

    @property
    def bytes(self) -> int:
        """All bytes while training."""
        return sum(self.memory.values())


def _memory_of(recipe: Recipe) -> Literal["adamw", "momentum", "sgd"]:
    match recipe.optimiser:
        case SGD(momentum=0.0):
            return "sgd"
        case SGD():
            return "momentum"
        case _:
            return "adamw"


def cure(plan: Plan, failure: Refusal) -> Plan | None:
    """The plan that a diverged run's sentence advises; `None` where it advises nothing in particular, or nothing possible."""
    cause = failure.code.removeprefix("training.diverged.")
    advised: dict[str, dict[str, Any]] = {
        "rate": {"learning_rate": _two_figures(usual_rate(plan.config.width))},
        "rate_lower": {"learning_rate": _two_figures(plan.recipe.learning_rate / 4)},
        "clipping": {"clipping": Clip()},
        "warmup": {"warmup": 40},
    }
    if cause not in advised:
        return None
    with suppress(Refusal):
        return dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, **advised[cause]))
    return None


def _two_figures(value: float) -> float:
    return float(f"{value:.2g}")


# ---------------------------------------------------------------- the curve


class Curve:
    """Losses in the order they came, at most `limit` points of them: when it is full, neighbours are averaged two by two.

    One thread adds, any thread reads.
    """

    def __init__(self, limit: int = 400) -> None:
        self.limit = limit
        self.width = 1
        self._rows: list[tuple[float, float, float, float]] = []
        self._open: list[tuple[float, float, float, float]] = []

    def add(self, step: Step) -> None:
        """Take in a step."""
        self._open.append((step.step, step.tokens, step.seconds, step.loss))
        if len(self._open) < self.width:
            return
        self._rows.append(_mean(self._open))
        self._open = []
        if len(self._rows) >= self.limit:
            self._rows = [_mean(self._rows[i : i + 2]) for i in range(0, len(self._rows) - 1, 2)]
            self.width *= 2

    @property
    def level(self) -> float:
        """About where the loss stands now: the mean of the last twentieth."""
        rows = self._rows
        recent = rows[-max(1, len(rows) // 20) :]
        return sum(row[3] for row in recent) / len(recent)

    def points(self) -> np.ndarray:
        """Step, tokens, seconds and loss of each point, `(n, 4)`: each the mean of `width` steps."""
        return np.array(list(self._rows), dtype=np.float64).reshape(-1, 4)


def _mean(rows: Sequence[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    step, tokens, seconds, loss = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return step, tokens, seconds, loss


def least(plans: Sequence[Plan]) -> float | None:
    """The least a token can cost, in nats, where it is known exactly: for models that continue texts. What is paid for a blank, or
    for a word of a translation, has no such floor."""
    return floor() if plans and all(isinstance(plan.config.form, Decoder) for plan in plans) else None


@cache
def floor() -> float:
    """The exact floor in nats per token: over held-out documents, each counted with the begin token that ends it, as in training."""
    documents, tokenizer = held_out(HELD_OUT), Tokenizer.for_world()
    return skills.floor(documents) / sum(len(tokenizer.encode(document.text).ids) + 1 for document in documents)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a finished model can do on texts it never saw: its loss as a multiple of the exact floor, and each skill's share right."""

    ratio: float
    skills: dict[str, float]


def judge(session: Session) -> Verdict | None:
    """Examine a trained model; `None` for one that continues no texts, or cannot read the rows of the examination."""
    if session.model.config.context < skills.ROW or not isinstance(session.model.config.form, Decoder):
        return None
    documents = held_out(EXAMINED)
    nats, _ = skills.loss(session.model, session.tokenizer, documents)
    return Verdict(nats / skills.floor(documents), skills.measure(session.model, session.tokenizer, count=PROBES))


# ---------------------------------------------------------------- the attempt


@dataclass(frozen=True, slots=True)
class Written:
    """What the model made of `opening` after so many tokens and seconds of training, its loss then being about `loss`: the text it
    went on with, the last word it was not shown, or the translation, as its form is."""

    tokens: int
    seconds: float
    loss: float
    opening: str
    text: str


class Attempt:
    """One run from nothing. `work` is the job's generator; the rest is for reading."""

    def __init__(self, plan: Plan, opening: str) -> None:
        self.tokenizer, self.opening = tokenizer(usual(plan.config)), opening
        self.plan = plan.speaking(self.tokenizer.size)
        self.step: Step | None = None
        self.curve = Curve()
        self.written: tuple[Written, ...] = ()
        self.session: Session | None = None
        self.verdict: Verdict | None = None

    def work(self) -> Generator[Step, None, None]:
        """Build the model, train it, let it write at the moments, examine it; yields every step."""
        recipe = dataclasses.replace(self.plan.recipe, seed=self.plan.seed)
        self.session = begin(Preset(config=self.plan.config, recipe=recipe))
        self._write(0, 0.0, math.log(self.plan.config.vocabulary))
        moments = iter(MOMENTS[1:])
        due = next(moments)
        for step in self.session.run:
            self.step = step
            self.curve.add(step)
            if step.fraction >= due:
                self._write(step.tokens, step.seconds, self.curve.level)
                due = next((moment for moment in moments if moment > step.fraction), math.inf)
            yield step
        self.verdict = judge(self.session)

    @property
    def steps(self) -> int:
        """How many steps it has made."""
        return self.step.step if self.step else 0

    def _write(self, tokens: int, seconds: float, loss: float) -> None:
        opening, text = self._made()
        self.written = (*self.written, Written(tokens, seconds, loss, opening, text))

    def _made(self) -> tuple[str, str]:
        """The opening as it was given, and what the model makes of it now."""
        assert self.session is not None
        model, begin = self.session.model, self.tokenizer.begin
        choose = Sample(temperature=0.7, seed=self.plan.seed)
        read = tuple(self.tokenizer.encode(self.opening).ids[: self.plan.config.context // 2 - 1])
        match self.plan.config.form:
            case Decoder():
                new = [made.id for made in generate(model, (begin, *read), choose, WRITTEN_TOKENS)]
                opening = self._read(read)
                return opening, self._read([*read, *new]).removeprefix(opening)
            case Encoder():
                assert self.tokenizer.blank is not None
                filled = [made.id for made in fill_blanks(model, (begin, *read[:-1], self.tokenizer.blank), self.tokenizer.blank)]
                opening = self._read(read[:-1])
                return opening, self._read([*read[:-1], *filled]).removeprefix(opening)
            case EncoderDecoder():
                target = generate(model, (begin,), tokens=WRITTEN_TOKENS, stop=begin, source=(begin, *read))
                return f"{self._read(read)} → ", self._read([made.id for made in target]).removesuffix(BOUNDARY)

    def _read(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(tuple(ids)).replace(BEGIN, BOUNDARY)
