"""How well a model fills a blank, beside the best that anyone can do: the grammar itself says how likely each word is there.

For a document with one token hidden, every word is tried in its place and the grammar gives the probability of what results; shared out,
that is the exact chance of each word (Bayes' rule). So two bounds hold for each single blank, not only on average: no guess is right
more often than the likeliest word is, and no forecast costs less than the entropy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from model.text.kinds import THINGS
from model.text.likelihood import READ, Likelihood
from model.text.tokenizer import Tokenizer
from model.text.world import Dials, World, known_pieces
from model.transformer import Transformer

BLANKS_SEED = "held-out blanks"
AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Blank:
    """A document as ids, begin token first, one of them hidden; which, and what stood there. `chances` holds the exact probability of
    each id that may stand there, or nothing where the grammar cannot be read."""

    ids: tuple[int, ...]
    place: int
    answer: int
    kind: str
    chances: Mapping[int, float]

    @property
    def best(self) -> float:
        """How often the best guess is right."""
        return max(self.chances.values())

    @property
    def entropy(self) -> float:
        """The least that any forecast costs on average, in nats."""
        return -sum(chance * math.log(chance) for chance in self.chances.values())


@dataclass(frozen=True, slots=True)
class Filled:
    """How a model does on some blanks: the share its likeliest token gets right and the cost of its forecast in nats, both as the grammar
    expects them, beside the best share and the least cost that are possible."""

    blanks: int
    accuracy: float
    best: float
    loss: float
    floor: float


def blanks(tokenizer: Tokenizer, kind: str, count: int = 200, dials: Dials | None = None) -> list[Blank]:
    """Documents of one kind from a seed that no training uses, one token of each hidden, any of them as likely."""
    world, likelihood = World(f"{BLANKS_SEED}: {kind}", dials), Likelihood(dials)
    return list(islice(_hidden(world, likelihood, tokenizer, kind), count))


def _hidden(world: World, likelihood: Likelihood, tokenizer: Tokenizer, kind: str) -> Iterator[Blank]:
    while True:
        text = world.document(kind).text
        ids = [tokenizer.begin, *tokenizer.ids(text)]
        place = 1 + world.chance.pick(range(len(ids) - 1))
        chances = posterior(likelihood, tokenizer, ids, place, kind) if readable(text, kind) else {}
        yield Blank(tuple(ids), place, ids[place], kind, chances)


def parted(asked: Mapping[str, Sequence[Blank]]) -> tuple[dict[str, list[Blank]], dict[str, list[Blank]]]:
    """The blanks whose chances are known, and those whose are not, by kind; kinds without any are left out."""
    split = ({kind: [b for b in found if bool(b.chances) == known] for kind, found in asked.items()} for known in (True, False))
    known, unknown = ({kind: found for kind, found in kinds.items() if found} for kinds in split)
    return known, unknown


def readable(text: str, kind: str) -> bool:
    """Whether the grammar can be read for this text: its kind is one that can, and it invents no word."""
    words = text.removesuffix(".").split(" ")[1:]
    return kind in READ and (kind != "copy" or all(word == "=" or word in THINGS["pt"] + THINGS["en"] for word in words))


def posterior(likelihood: Likelihood, tokenizer: Tokenizer, ids: Sequence[int], place: int, kind: str) -> dict[int, float]:
    """The probability of each token at `place`, given all the others, among the documents of this kind; `ids` begin with the begin token."""
    pieces = [tokenizer.piece(number) for number in ids[1:]]
    before, after = "".join(pieces[: place - 1]), "".join(pieces[place:])
    scores = {piece: likelihood.of(f"{before}{piece}{after}"[1:], kind) for piece in known_pieces()}
    whole = sum(scores.values())
    return {number: score / whole for piece, score in scores.items() if score > 0 and (number := tokenizer.library.token_to_id(piece)) is not None}


def measure(model: Transformer, tokenizer: Tokenizer, asked: Sequence[Blank]) -> Filled:
    """The model's figures on blanks whose chances are known."""
    logs = forecasts(model, tokenizer, asked)
    guesses = logs.argmax(-1).tolist()
    count = len(asked)
    return Filled(
        blanks=count,
        accuracy=sum(blank.chances.get(guess, 0.0) for blank, guess in zip(asked, guesses, strict=True)) / count,
        best=sum(blank.best for blank in asked) / count,
        loss=-sum(chance * float(row[id]) for blank, row in zip(asked, logs, strict=True) for id, chance in blank.chances.items()) / count,
        floor=sum(blank.entropy for blank in asked) / count,
    )


def hits(model: Transformer, tokenizer: Tokenizer, asked: Sequence[Blank]) -> float:
    """The share of blanks where the model's likeliest token is the one that stood there: for kinds that cannot be read."""
    guesses = forecasts(model, tokenizer, asked).argmax(-1).tolist()
    return sum(guess == blank.answer for blank, guess in zip(asked, guesses, strict=True)) / len(asked)


@torch.inference_mode()
def forecasts(model: Transformer, tokenizer: Tokenizer, asked: Sequence[Blank]) -> Tensor:
    """What the model expects at each blank: log-probabilities (blanks, vocabulary), one document a row, padding out of sight,
    documents of a length together."""
    order = sorted(range(len(asked)), key=lambda at: len(asked[at].ids))
    by_length = [asked[at] for at in order]
    read = torch.cat([_forecast(model, tokenizer, by_length[start : start + AT_ONCE]) for start in range(0, len(asked), AT_ONCE)])
    return read[torch.tensor(order).argsort()]


def _forecast(model: Transformer, tokenizer: Tokenizer, asked: Sequence[Blank]) -> Tensor:
    longest = max(len(blank.ids) for blank in asked)
    ids = torch.tensor([[*blank.ids, *[tokenizer.pad] * (longest - len(blank.ids))] for blank in asked])
    rows, places = torch.arange(len(asked)), torch.tensor([blank.place for blank in asked])
    shown = ids.clone()
    shown[rows, places] = tokenizer.pad if tokenizer.blank is None else tokenizer.blank
    seen = (ids != tokenizer.pad)[:, None, :].expand(-1, longest, -1)
    return model(shown, mask=seen)[rows, places].float().log_softmax(-1)
