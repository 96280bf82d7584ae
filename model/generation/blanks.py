"""Filling blanks: an encoder guesses each from everything around it; one is filled, and the rest are guessed again.

That one blank at a time is filled, and in which order, is the reader's choice: the model was trained to fill each by itself
(Devlin et al. 2019, arXiv:1810.04805); taking the surest first is "mask-predict" with one token a turn (Ghazvininejad et al. 2019,
arXiv:1904.09324, section 3).

Legend: N blanks still open, T tokens of the text, V the size of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import Refusal
from model.generation.choose import Choose, Chosen, Greedy, Picked, pick, softmax
from model.generation.steps import checked, refuse_damaged, refuse_unknown
from model.transformer import Transformer

Order = Literal["surest", "left"]
"""Which blank is filled next: the one whose likeliest token is the most probable (of equals, the first), or the first from the left."""
ORDERS: tuple[Order, ...] = get_args(Order)
GREEDY = Greedy()
NOTHING: Mapping[int, tuple[int, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Guesses:
    """What the model expects at every open blank: their `places` from left to right, `logits` (N, V), where the blank itself is cut,
    for nothing is filled by it, and where each looked, per layer (heads, N, T)."""

    places: tuple[int, ...]
    logits: NDArray[np.floating]
    patterns: tuple[Tensor, ...]
    seconds: float

    def at(self, place: int) -> NDArray[np.floating]:
        """The logits (V,) at one open blank. Raises `Refusal` where there is none."""
        return self.logits[self._row(place)]

    def pattern(self, place: int) -> NDArray[np.floating]:
        """Where one open blank looked: (layers, heads, T). Raises `Refusal` where there is none."""
        row = self._row(place)
        return torch.stack([pattern[:, row] for pattern in self.patterns]).cpu().numpy()

    @property
    def sureness(self) -> dict[int, float]:
        """The probability of the likeliest token at every open blank, by place."""
        return {place: float(softmax(row).max()) for place, row in zip(self.places, self.logits, strict=True)}

    def next(self, order: Order) -> int:
        """The place of the blank that is filled next."""
        return self.places[0] if order == "left" else max(self.sureness.items(), key=lambda blank: blank[1])[0]

    def _row(self, place: int) -> int:
        if place not in self.places:
            raise Refusal("blanks.place", "the open blanks are at {known}; got {given}", known=", ".join(map(str, self.places)), given=place)
        return self.places.index(place)


@dataclass(frozen=True, slots=True, eq=False)
class Fill(Chosen):
    """One blank filled: at `place`, from what the model guessed for all that were open. `history` is every token of the text that was
    no blank; `seconds` is what the step took."""

    place: int
    guesses: Guesses = field(repr=False)
    seconds: float

    @property
    def pattern(self) -> NDArray[np.floating]:
        """Where the blank looked before it was filled: (layers, heads, T)."""
        return self.guesses.pattern(self.place)


class Filler:
    """One text whose blanks are being filled. `fill` fills one, `rewind` takes fillings back; `guesses` is what the model expects now.

    Raises `Refusal` for a model that is no encoder, an empty text, unknown ids, a text longer than the context, or one without blanks.
    """

    def __init__(self, model: Transformer, ids: Sequence[int] | Tensor, blank: int) -> None:
        _refuse_unfit(model)
        self.model, self.text, self.blank = model, checked(ids, model), blank
        self.blanks = tuple(place for place, id in enumerate(self.text) if id == blank)
        self.steps: list[Fill] = []
        self._guesses: Guesses | None = None
        if not self.blanks:
            raise Refusal("blanks.none", "there is nothing to fill: none of these {tokens} tokens is a blank", tokens=len(self.text))

    @property
    def ids(self) -> tuple[int, ...]:
        """The text as it stands, its open blanks included."""
        filled = {step.place: step.id for step in self.steps}
        return tuple(filled.get(place, id) for place, id in enumerate(self.text))

    @property
    def open(self) -> tuple[int, ...]:
        """The places of the blanks still to be filled."""
        filled = {step.place for step in self.steps}
        return tuple(place for place in self.blanks if place not in filled)

    @property
    def guesses(self) -> Guesses:
        """What the model expects at the open blanks, computed when first asked for. Raises `Refusal` when none is open."""
        if self._guesses is None:
            self._guesses = self._guess()
        return self._guesses

    def fill(self, choose: Choose | Picked, place: int | None = None, order: Order = "surest") -> Fill:
        """Fill one blank, at `place` or else the next in `order`. Raises `Refusal` when none is open (there)."""
        guesses, began = self.guesses, perf_counter()
        place = guesses.next(order) if place is None else place
        logits = guesses.at(place)
        refuse_damaged(logits, place)
        if isinstance(choose, Picked):
            self._refuse(choose.id)
        history = tuple(id for id in self.ids if id != self.blank)
        id = pick(logits, choose, history, place)
        step = Fill(len(self.steps), id, choose, history, logits, place, guesses, guesses.seconds + perf_counter() - began)
        self.steps.append(step)
        self._guesses = None
        return step

    def follow(self, choose: Choose, count: int, order: Order = "surest", picks: Mapping[int, tuple[int, int]] = NOTHING) -> Iterator[Fill]:
        """Fill until `count` are filled or none is open; `picks` as in `fill_blanks`."""
        while self.open and len(self.steps) < count:
            place, id = picks.get(len(self.steps), (None, None))
            yield self.fill(choose if id is None else Picked(id), place, order)

    def rewind(self, count: int) -> None:
        """Keep the first `count` fillings and open the other blanks again; nothing is computed again."""
        if count < len(self.steps):
            self._guesses = self.steps[count].guesses
            del self.steps[count:]

    @torch.inference_mode()
    def _guess(self) -> Guesses:
        began, places, patterns = perf_counter(), list(self.open), []
        if not places:
            raise Refusal("blanks.full", "no blank is left to fill: all {blanks} are; take one back first", blanks=len(self.blanks))

        def keep(name: str, value: Tensor) -> Tensor:
            if name.endswith("attn.pattern"):
                patterns.append(value[0][:, places].clone())
            return value

        ids = torch.tensor([self.ids], device=self.model.embed.token.weight.device)
        logits = self.model(ids, tap=keep)[0, places].cpu().numpy()
        logits[:, self.blank] = -np.inf
        return Guesses(tuple(places), logits, tuple(patterns), perf_counter() - began)

    def _refuse(self, id: int) -> None:
        refuse_unknown([id], self.model.config.vocabulary)
        if id == self.blank:
            raise Refusal("blanks.blank", "a blank is not filled by a blank; choose another token than {given}", given=id)


def fill_blanks(
    model: Transformer,
    ids: Sequence[int] | Tensor,
    blank: int,
    choose: Choose = GREEDY,
    order: Order = "surest",
    picks: Mapping[int, tuple[int, int]] = NOTHING,
) -> Iterator[Fill]:
    """Fill every `blank` of `ids` (T,), one `Fill` at a time in `order`, the rest being guessed again after each.

    `picks` fills by hand: number of the filling → (place, id). The same arguments yield the same tokens: a die depends on the seed and
    the place. Raises `Refusal` as `Filler` does.
    """
    filler = Filler(model, ids, blank)
    return filler.follow(choose, len(filler.blanks), order, picks)


def otherwise(steps: Sequence[Fill], choose: Choose, order: Order) -> dict[int, tuple[int, int]]:
    """The `picks` with which `choose` and `order` fill as these steps did: those they would have filled otherwise. The model is not run."""
    return {step.index: (step.place, step.id) for step in steps if _next(step, choose, order) != (step.place, step.id)}


def _next(step: Fill, choose: Choose, order: Order) -> tuple[int, int]:
    place = step.guesses.next(order)
    return place, pick(step.guesses.at(place), choose, step.history, place)


def _refuse_unfit(model: Transformer) -> None:
    if model.training and model.config.dropout:
        raise Refusal("generation.training", "the model is in training mode, where dropout makes every pass different; call model.eval() first")
    if model.config.main != "encoder":
        raise Refusal("blanks.form", "only an encoder fills blanks: each place needs all the others, and a decoder sees those before it only")
