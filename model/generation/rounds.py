"""Ways to fill several blanks: one after the other, the surest first or from the left; all at once; or in rounds, taking back the least sure.

All at once, every blank is guessed as if it were the only one, and guesses may contradict each other. Mask-predict (Ghazvininejad et al.
2019, arXiv:1904.09324, section 3) guesses all, opens the least sure of N blanks again, fewer every round, and guesses those anew, seeing
the others: after round t of R, N · (R − t) / R are open.

Two numbers compare what came of it. As it was filled: the log-probability each token had when it was put in, all added; for one after the
other that is the chain rule, in that order. And the pseudo-log-likelihood (Salazar et al. 2020, arXiv:1910.14659): each blank opened once
more with all the others filled.

Legend: N blanks, T tokens of the text, V the size of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, fsum
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from model.errors import Refusal
from model.generation.blanks import Filler, Guesses, fill_blanks
from model.transformer import Transformer

Way = Literal["surest", "left", "once", "rounds"]
WAYS: tuple[Way, ...] = get_args(Way)


@dataclass(frozen=True, slots=True)
class Put:
    """A token put into the blank at `place`, and its log-probability at that moment (nats; the blank itself is never a choice)."""

    place: int
    id: int
    log_probability: float

    @property
    def probability(self) -> float:
        """How sure the model was of the token."""
        return exp(self.log_probability)


@dataclass(frozen=True, slots=True)
class Filling:
    """How the blanks were filled in one `way`: what each pass through the model put in, in order; the last word on a blank counts. `pseudo`
    is the pseudo-log-likelihood of what stands there in the end (nats)."""

    way: Way
    passes: tuple[tuple[Put, ...], ...]
    pseudo: float

    @property
    def last(self) -> dict[int, Put]:
        """What stands in every blank in the end, by place."""
        return dict(sorted(settled(self.passes).items()))

    @property
    def log_probability(self) -> float:
        """What the tokens that stand there had when they were put in, added."""
        return fsum(put.log_probability for put in self.last.values())


def settled(passes: Sequence[Sequence[Put]]) -> dict[int, Put]:
    """The last word on every blank."""
    return {put.place: put for puts in passes for put in puts}


def filled(model: Transformer, ids: Sequence[int] | Tensor, blank: int, way: Way, *, rounds: int = 4) -> Filling:
    """Fill every `blank` of `ids` (T,) in one way, always by the likeliest token. Raises `Refusal` as `Filler` does, and for no rounds."""
    match way:
        case "surest" | "left":
            steps = fill_blanks(model, ids, blank, order=way)
            passes = tuple((Put(step.place, step.id, step.log_probability),) for step in steps)
        case "once":
            passes = tuple(mask_predict(model, ids, blank, rounds=1))
        case "rounds":
            passes = tuple(mask_predict(model, ids, blank, rounds=rounds))
    return Filling(way, passes, pseudo(model, ids, blank, {place: put.id for place, put in settled(passes).items()}))


def mask_predict(model: Transformer, ids: Sequence[int] | Tensor, blank: int, *, rounds: int) -> Iterator[tuple[Put, ...]]:
    """Guess all blanks, open the least sure again, guess those: what each of up to `rounds` passes put in."""
    if rounds < 1:
        raise Refusal("blanks.rounds", "blanks are filled in 1 round or more; got {given}", given=rounds)
    first = Filler(model, ids, blank)
    guesses, done = first.guesses, {}
    for number in range(1, rounds + 1):
        puts = _likeliest(guesses)
        done |= {put.place: put for put in puts}
        yield puts
        doubtful = sorted(done.values(), key=lambda put: put.log_probability)[: len(done) * (rounds - number) // rounds]
        if not doubtful:
            return
        again = {put.place for put in doubtful}
        text = [blank if place in again else done[place].id if place in done else id for place, id in enumerate(first.text)]
        guesses = Filler(model, text, blank).guesses


def _likeliest(guesses: Guesses) -> tuple[Put, ...]:
    rows = torch.from_numpy(guesses.logits).double().log_softmax(-1).numpy()
    return tuple(Put(place, int(row.argmax()), float(row.max())) for place, row in zip(guesses.places, rows, strict=True))


@torch.inference_mode()
def pseudo(model: Transformer, ids: Sequence[int] | Tensor, blank: int, put: dict[int, int]) -> float:
    """The log-probability of every token of `put` (place → id) where it alone is open and all the others stand, added (nats)."""
    text, places = torch.as_tensor(ids).clone(), sorted(put)
    text[places] = torch.tensor([put[place] for place in places])
    rows = text.repeat(len(places), 1)
    rows[range(len(places)), places] = blank
    logits = model(rows.to(model.embed.token.weight.device))[range(len(places)), places].double()
    logits[:, blank] = -np.inf
    return float(logits.log_softmax(-1)[range(len(places)), [put[place] for place in places]].sum())
