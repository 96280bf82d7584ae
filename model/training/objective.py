"""What a model is trained to say: the token that follows, the tokens hidden from it, an answer, or the translation of a source.

An objective is a value. `usual` names the one that goes with a form of model, `source` deals the batches that teach it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from model.config import Config, Decoder, Encoder, EncoderDecoder, Form, from_dict, to_dict
from model.errors import Refusal
from model.space import Interval
from model.text.instructions import InstructionStream
from model.text.pairs import PairRows, PairStream
from model.text.rows import Lesson, RowStream
from model.text.tokenizer import BLANK, Tokenizer
from model.text.world import Dials
from model.training.source import PADDING, Batch, Packed, Source, following


@dataclass(frozen=True, kw_only=True, slots=True)
class NextToken:
    """Say at each place which token follows: a decoder's objective."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unmasked:
    """Say which token follows, with the token that follows in sight: what becomes of a decoder's objective without the causal mask.

    It can be met without knowing anything, by copying; a loss below the exact floor gives that away.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Answering:
    """Read instructions with their answers, and say each token of the `answer` alone, or of `everything`, which is to say both.

    The loss mask of instruction tuning: prompts are read but not learned (Wang et al. 2022, arXiv:2212.10560; Taori et al. 2023, Alpaca).
    """

    learn: Literal["answer", "everything"] = "answer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Masked:
    """Say which tokens were there: an encoder's objective (Devlin et al. 2019, arXiv:1810.04805, section 3.1).

    Of all tokens, a share of `rate` is asked for, in spans of `span` tokens on average, their lengths geometric (Joshi et al. 2020,
    arXiv:1907.10529, section 3.1); one token long, each is drawn by itself. Of the spans, a share of `blank` is hidden behind blank
    tokens, a share of `random` is exchanged for any tokens, and the rest stays as it is, so that every token may be one to doubt.
    """

    rate: Annotated[float, Interval(0.05, 0.6, step=0.05)] = 0.15
    blank: Annotated[float, Interval(0.0, 1.0, step=0.1)] = 0.8
    random: Annotated[float, Interval(0.0, 1.0, step=0.1)] = 0.1
    span: Annotated[float, Interval(1.0, 6.0, step=0.5)] = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.span < math.inf:
            raise Refusal("training.span", "spans are 1 token long or longer on average; got {span}", span=self.span)
        if not (0 < self.rate <= 1 and min(self.blank, self.random) >= 0 and self.blank + self.random <= 1):
            raise Refusal(
                "training.masked",
                "a share of tokens above 0 is asked for, and blank and random are shares of it that add up to 1 at most; "
                "got rate = {rate}, blank = {blank}, random = {random}",
                rate=self.rate,
                blank=self.blank,
                random=self.random,
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Translation:
    """Say the source again in the other language, token by token: an encoder–decoder's objective."""


Objective = NextToken | Unmasked | Answering | Masked | Translation
FITTING: dict[type[Form], tuple[type[Objective], ...]] = {
    Decoder: (NextToken, Unmasked, Answering),
    Encoder: (Masked,),
    EncoderDecoder: (Translation,),
}
"""The objectives that go with a form of model, the usual one first."""


def usual(config: Config) -> Objective:
    """The objective that goes with the configuration's form."""
    return FITTING[type(config.form)][0]()


def tokenizer(objective: Objective) -> Tokenizer:
    """The micro-world's tokenizer as this objective needs it: whoever fills blanks has a token for them."""
    return Tokenizer.for_world(BLANK) if isinstance(objective, Masked) else Tokenizer.for_world()


def source(objective: Objective, length: int, *, seed: int, dials: Dials, lessons: tuple[Lesson, ...] = ()) -> Source:
    """Batches of the micro-world for an objective, in rows of `length` tokens, all drawn from `seed`.

    Raises `Refusal` for lessons where one world is taught from, to the end: in translations and answers.
    """
    words = tokenizer(objective)
    if lessons and isinstance(objective, Translation | Answering):
        raise Refusal("training.lessons", "translations and answers are taught from one world to the end; leave lessons away")
    match objective:
        case NextToken():
            return Following(RowStream(words, length, seed=seed, dials=dials, lessons=lessons))
        case Unmasked():
            return Open(RowStream(words, length, seed=seed, dials=dials, lessons=lessons))
        case Answering():
            return Answers(InstructionStream(words, length, seed=seed, dials=dials), objective)
        case Masked():
            return Blanks(RowStream(words, length, seed=seed, dials=dials, lessons=lessons), objective, seed)
        case Translation():
            return Translations(PairStream(words, length, seed=seed, dials=dials))


def read(given: Mapping[str, Any], config: Config) -> Objective:
    """The objective that `write` wrote; of nothing, the usual one. Raises `Refusal` for one that does not go with the model's form."""
    if not given:
        return usual(config)
    kind = given.get("kind")
    names = {one.__name__: one for one in FITTING[type(config.form)]}
    if kind not in names:
        sentence = "a model of form {form} is trained by {fitting}, not by {given}"
        raise Refusal("training.objective", sentence, form=type(config.form).__name__, fitting=" or ".join(names), given=kind)
    return from_dict(names[kind], {name: value for name, value in given.items() if name != "kind"})


def write(objective: Objective) -> dict[str, Any]:
    """An objective as plain JSON values, its name under `kind`."""
    return {"kind": type(objective).__name__} | to_dict(objective)


# ---------------------------------------------------------------- dealing


class Following:
    """Rows of documents, to say what follows."""

    def __init__(self, rows: RowStream) -> None:
        self.rows, self.pad = rows, rows.pad
        self.state, self.restore = rows.state, rows.restore

    def next(self, batch: int) -> Batch:
        """The next rows, each read but for its last token and predicted but for its first."""
        return following(self.rows.next(batch))


class Open(Following):
    """The same rows, everything in them in sight: what each place is to say stands right behind it."""

    def next(self, batch: int) -> Batch:
        """The next rows, with a mask that hides nothing."""
        dealt = super().next(batch)
        length = dealt.ids.shape[1]
        return Batch(dealt.ids, dealt.targets, allowed=torch.ones(length, length, dtype=torch.bool))


class Answers:
    """Rows of instructions and answers, to say the answers or everything."""

    def __init__(self, rows: InstructionStream, objective: Answering) -> None:
        self.rows, self.pad, self.objective = rows, rows.pad, objective
        self.state, self.restore = rows.state, rows.restore

    def next(self, batch: int) -> Batch:
        """The next rows; where only answers are learned, every other target is padding."""
        rows = self.rows.next(batch)
        dealt = following(rows.ids)
        if self.objective.learn == "everything":
            return dealt
        return Batch(dealt.ids, torch.where(rows.answer[:, 1:], dealt.targets, self.pad))


class Blanks:
    """Rows of documents with tokens hidden; documents that share a row do not see each other. The dice depend on nothing but the
    seed and the number of rows dealt before."""

    def __init__(self, rows: RowStream, objective: Masked, seed: int) -> None:
        self.rows, self.pad, self.objective, self.seed = rows, rows.pad, objective, seed
        self.state, self.restore = rows.state, rows.restore

    def next(self, batch: int) -> Batch:
        """The next rows, some of their tokens to be said."""
        dice = torch.Generator().manual_seed(self.seed * 1_000_003 + self.rows.dealt)
        ids = self.rows.next(batch)[:, :-1]
        words = self.rows.tokenizer
        shown, asked = hide(ids, self.objective, words, dice)
        texts = (ids == words.begin).cumsum(1).masked_fill(ids == words.pad, PADDING)
        return Batch(shown, torch.where(asked, ids, words.pad), texts)


def hide(ids: Tensor, objective: Masked, words: Tokenizer, dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ids as they are shown, and which of them are asked for: both of the shape of `ids`. Begin and padding are never asked for.

    Raises `Refusal` for a tokenizer that has no blank.
    """
    if words.blank is None:
        raise Refusal("training.no_blank", "this tokenizer has no {blank} to hide a token behind", blank=BLANK)
    ordinary = (ids != words.begin) & (ids != words.pad)
    chosen, fate = (torch.rand(ids.shape, generator=dice) for _ in range(2))
    others = torch.randint(max(words.begin, words.pad) + 1, words.blank, ids.shape, generator=dice)
    if objective.span > 1:
        chosen, fate = spans(chosen, torch.rand(ids.shape, generator=dice), fate, ordinary, objective)
    asked = ordinary & (chosen < objective.rate)
    shown = torch.where(asked & (fate < objective.blank), words.blank, ids)
    exchanged = asked & (fate >= objective.blank) & (fate < objective.blank + objective.random)
    return torch.where(exchanged, others, shown), asked


def spans(begin: Tensor, go_on: Tensor, fate: Tensor, ordinary: Tensor, objective: Masked) -> tuple[Tensor, Tensor]:
    """Dice thrown for each token, all (B, T), turned into dice that agree along a span: 0 where a span lies and 1 where none does, and
    the fate of the span's first token.

    A span goes on with probability 1 − 1/span. Where none goes on, one begins with the probability that makes their share `rate`; what
    stands before a document counts as in a span as often as any token is, so that a first token is asked for as often as the others.
    """
    rate, length = objective.rate, objective.span
    begins = begin < torch.where(ordinary, rate / (length * (1 - rate) + rate), rate)
    stays = ordinary & (go_on < 1 - 1 / length)
    places = torch.arange(begin.shape[1]).expand_as(begins)
    never = torch.full_like(places, -1)
    began, broken = torch.where(begins, places, never).cummax(1).values, torch.where(stays, never, places).cummax(1).values
    inside = began >= broken.clamp_min(0)
    follows = torch.cat([torch.zeros_like(inside[:, :1]), inside[:, :-1]], 1) & stays
    first = torch.where(inside & ~follows, places, never).cummax(1).values.clamp_min(0)
    return (~inside).to(begin.dtype), fate.gather(1, first)


class Translations:
    """Rows of sentence pairs, to say the target; pairs that share a row do not see each other."""

    def __init__(self, pairs: PairStream) -> None:
        self.pairs, self.pad = pairs, pairs.pad
        self.state, self.restore = pairs.state, pairs.restore

    def next(self, batch: int) -> Batch:
        """The next rows of targets, with the rows of their sources."""
        return translated(self.pairs.next(batch))


def translated(rows: PairRows) -> Batch:
    """Rows of pairs as a batch: the targets are said, each about its own source."""
    return Batch(rows.target, rows.said, rows.target_pair, Packed(rows.source, rows.source_pair))
