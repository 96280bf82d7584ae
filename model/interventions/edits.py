"""Edits: what to change inside a forward pass, one frozen value each; `tap_of` makes a tap of them.

They are made for whole passes: with a KV cache a tap would see only the newest position, and call it the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import Refusal
from model.interventions.parts import Cell, Head, Lengths, Part, Residual, below
from model.interventions.passes import Prompt, seen
from model.layers.frame import Maps
from model.tap import Tap, chain
from model.transformer import Transformer


@dataclass(frozen=True, slots=True)
class Zeros:
    """Nothing at all."""

    def __str__(self) -> str:
        return "zeros"


@dataclass(frozen=True, slots=True)
class Mean:
    """The part's mean over all positions of the pass, at each of them (mean ablation, Wang et al. 2022, arXiv:2211.00593, section 2.2,
    here over one text's positions)."""

    def __str__(self) -> str:
        return "mean"


@dataclass(frozen=True, slots=True)
class Another:
    """What another head of the same layer has in the same place."""

    head: int

    def __str__(self) -> str:
        return f"H{self.head}"


By = Zeros | Mean | Another


@dataclass(frozen=True, slots=True)
class Previous:
    """Everything to the token before; the first token, to itself."""

    def __str__(self) -> str:
        return "previous"


@dataclass(frozen=True, slots=True)
class First:
    """Everything to the first token."""

    def __str__(self) -> str:
        return "first"


@dataclass(frozen=True, slots=True)
class Uniform:
    """As much to each token as to every other that the mask lets it see."""

    def __str__(self) -> str:
        return "uniform"


Rule = Previous | First | Uniform | Another
ROUNDING = 1e-6
"""How far from 1 a row that was divided by its sum may add up to, in single precision."""


class _OfPart:
    """What every edit of any part has in common."""

    __slots__ = ()
    part: Part

    def refuse_unfit(self, model: Transformer, lengths: Lengths) -> None:
        """Raises `Refusal` if a pass of these lengths through this model has no such part."""
        self.part.refuse_unfit(model, lengths)


@dataclass(frozen=True, slots=True)
class Silence(_OfPart):
    """A part made zero: `silence(L2.H3)`."""

    part: Part

    def tap(self, model: Transformer) -> Tap:
        """The change as a tap."""
        return _touch(self.part, torch.zeros_like)

    def __str__(self) -> str:
        return f"silence({self.part})"


@dataclass(frozen=True, slots=True)
class Scale(_OfPart):
    """A part multiplied: `scale(L2.mlp, 0.5)`."""

    part: Part
    factor: float

    def __post_init__(self) -> None:
        finite(self.factor)

    def tap(self, model: Transformer) -> Tap:
        """The change as a tap."""
        return _touch(self.part, lambda value: value * self.factor)

    def __str__(self) -> str:
        return f"scale({self.part}, {short(self.factor)})"


@dataclass(frozen=True, slots=True)
class Replace(_OfPart):
    """A part's numbers replaced: `replace(L2.attn, mean)`, `replace(L2.H3, H1)`. Only a head or a cell can have another head's."""

    part: Part
    by: By

    def __post_init__(self) -> None:
        if isinstance(self.by, Another) and not isinstance(self.part, Head | Cell):
            raise Refusal("edit.another", "only a head or a cell can be replaced by another head's; {given} takes zeros or mean", given=self.part)

    def tap(self, model: Transformer) -> Tap:
        """The change as a tap."""
        match self.by, self.part:
            case Another(head), Head() | Cell() as part:
                return _touch(part, lambda value: value, replace(part, head=head))
            case Mean(), part:
                return _touch(part, lambda value: value.mean(-2, keepdim=True).expand_as(value))
            case _:
                return _touch(self.part, torch.zeros_like)

    def refuse_unfit(self, model: Transformer, lengths: Lengths) -> None:
        """Raises `Refusal` if a pass of these lengths through this model has no such part, or no such other head."""
        _OfPart.refuse_unfit(self, model, lengths)
        if isinstance(self.by, Another):
            below("head", self.by.head, model.config.attention.heads)

    def __str__(self) -> str:
        return f"replace({self.part}, {self.by})"


@dataclass(frozen=True, slots=True)
class PaintPattern:
    """Rows of a head's pattern set by hand, for one query each: `paint(L2.H3, 0: 1 / 5: 0.2 0.3 0.5)`.

    Each row is divided by its sum, unless that is 1 already, up to `ROUNDING`: so a pattern painted over itself changes no bit. Keys it does
    not reach get 0. The mask does not bind it: a painted row looks where it is told to.
    """

    part: Head
    rows: tuple[tuple[int, tuple[float, ...]], ...]

    def __post_init__(self) -> None:
        queries = tuple(query for query, _ in self.rows)
        replace(self.part, positions=queries)
        if self.part.positions or not queries:
            raise Refusal("edit.rows", "a painted pattern has one row or more, as in {example}; got {given}", example=_PAINTED, given=self.part)
        for query, weights in self.rows:
            finite(*weights)
            if min(weights, default=0) < 0 or not 0 < sum(weights) < math.inf:
                sentence = "a painted row has weights from 0, not all of them 0; query {query} has {given}"
                raise Refusal("edit.weights", sentence, query=query, given=" ".join(map(short, weights[:8])) or "none")

    @classmethod
    def of(cls, part: Head, weights: Tensor | NDArray[np.floating]) -> PaintPattern:
        """A whole map (T, S) as the pattern to paint, a row for every query that looks at anything."""
        rows = tuple((query, tuple(map(float, row))) for query, row in enumerate(weights) if float(row.sum()) > 0)
        return cls(part, rows)

    @property
    def site(self) -> str:
        """Where the pattern passes."""
        return f"{self.part.stack}.blocks.{self.part.layer}.{self.part.branch}.pattern"

    def tap(self, model: Transformer) -> Tap:
        """The change as a tap."""
        painted = [(query, _normalised(weights)) for query, weights in self.rows]

        def paint(name: str, value: Tensor) -> Tensor:
            if name != self.site:
                return value
            new = value.clone()
            for query, weights in painted:
                new[:, self.part.head, query] = 0
                new[:, self.part.head, query, : len(weights)] = weights.to(value)
            return new

        return paint

    def refuse_unfit(self, model: Transformer, lengths: Lengths) -> None:
        """Raises `Refusal` if a pass of these lengths through this model has no such head, row or key."""
        replace(self.part, positions=tuple(query for query, _ in self.rows)).refuse_unfit(model, lengths)
        keys = lengths["encoder" if self.part.crosses else self.part.stack]
        below("position", max(len(weights) for _, weights in self.rows) - 1, keys)

    def __str__(self) -> str:
        return f"paint({self.part}, {' / '.join(f'{query}: {_runs(weights)}' for query, weights in self.rows)})"


@dataclass(frozen=True, slots=True)
class PaintRule:
    """A head's pattern set by a rule, at every query unless the part names some: `paint(L2.H3, previous)`, `paint(L2.H3@4-6, H1)`.

    Unlike painted rows it holds at any length, also for tokens still to be written. It takes the place of the scores after the mask, so
    that a row stays a softmax; only `Previous` and `First` may look where the mask forbids it.
    """

    part: Head
    rule: Rule

    def __post_init__(self) -> None:
        if isinstance(self.rule, Previous) and self.part.crosses:
            raise Refusal("edit.previous", "a source has no token before a target's; {given} takes first, uniform or another head", given=self.part)

    @property
    def site(self) -> str:
        """Where the masked scores pass."""
        return f"{self.part.stack}.blocks.{self.part.layer}.{self.part.branch}.masked"

    def tap(self, model: Transformer) -> Tap:
        """The change as a tap."""
        rows = list(self.part.positions) or slice(None)

        def rule(name: str, value: Tensor) -> Tensor:
            if name != self.site:
                return value
            new = value.clone()
            new[:, self.part.head, rows] = self._scores(value)[:, rows]
            return new

        return rule

    def _scores(self, value: Tensor) -> Tensor:
        """The scores (B, T, S) whose softmax is the rule's pattern, from those of all heads."""
        own = value[:, self.part.head]
        match self.rule:
            case Another(head):
                return value[:, head]
            case Uniform():
                return torch.zeros_like(own).masked_fill(own.isneginf(), -math.inf)
            case First():
                keys = torch.zeros(own.shape[-2], dtype=torch.long)
            case Previous():
                keys = (torch.arange(own.shape[-2]) - 1).clamp(min=0)
        return torch.full_like(own, -math.inf).scatter(-1, keys.to(own.device)[:, None].expand(len(own), -1, 1), 0.0)

    def refuse_unfit(self, model: Transformer, lengths: Lengths) -> None:
        """Raises `Refusal` if a pass of these lengths through this model has no such head, row or other head."""
        self.part.refuse_unfit(model, lengths)
        if isinstance(self.rule, Another):
            below("head", self.rule.head, model.config.attention.heads)

    def __str__(self) -> str:
        return f"paint({self.part}, {self.rule})"


@dataclass(frozen=True, slots=True)
class Patch:
    """A part as it was in the pass of a second prompt, left alone: `patch(L2.after@5, 1 2 3)`; every position that prompt has, unless the
    part names some. Activation patching: Wang et al. 2022, arXiv:2211.00593; Meng et al. 2022, arXiv:2202.05262."""

    part: Part
    prompt: Prompt

    def tap(self, model: Transformer) -> Tap:
        """The change as a tap; runs the second prompt once."""
        values = {site: self.part.view(value) for site, value in seen(model, self.prompt, self.part.sites).items()}

        def patch(name: str, value: Tensor) -> Tensor:
            if name not in values:
                return value
            new = value.clone()
            self.part.write(new, values[name])
            return new

        return patch

    def refuse_unfit(self, model: Transformer, lengths: Lengths) -> None:
        """Raises `Refusal` if either prompt has no such part, or the second is the longer one and no positions are named."""
        self.prompt.refuse_unfit(model)
        self.part.refuse_unfit(model, lengths)
        other = self.prompt.lengths(model)
        self.part.refuse_unfit(model, other)
        if not self.part.places and other[self.part.stack] > lengths[self.part.stack]:
            raise Refusal(
                "edit.longer",
                "the second prompt has {given} tokens here and this text only {length}; name positions, such as @0-{last}",
                given=other[self.part.stack],
                length=lengths[self.part.stack],
                last=lengths[self.part.stack] - 1,
            )

    def __str__(self) -> str:
        return f"patch({self.part}, {self.prompt})"


@dataclass(frozen=True, slots=True)
class Steer:
    """A direction times `strength` added to the residual stream: `steer(L2.after, 4, 1 2 | 3 4, 5 6)` goes toward the prompts 1 2 and
    3 4 and away from 5 6 (Turner et al. 2023, arXiv:2308.10248; see `direction`). At every position unless the part names some."""

    part: Residual
    strength: float
    toward: tuple[Prompt, ...]
    away: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        finite(self.strength)
        if not self.toward or not self.away:
            raise Refusal("edit.sets", "a direction lies between two sets of prompts, each of one or more; got an empty one")

    def tap(self, model: Transformer) -> Tap:
        """The change as a tap; runs every prompt of both sets once."""
        added = self.strength * direction(model, self.part, self.toward, self.away)
        return _touch(self.part, lambda value: value + added.to(value))

    def refuse_unfit(self, model: Transformer, lengths: Lengths) -> None:
        """Raises `Refusal` if a pass of these lengths has no such part, or the model cannot read one of the prompts."""
        self.part.refuse_unfit(model, lengths)
        for prompt in (*self.toward, *self.away):
            prompt.refuse_unfit(model)

    def __str__(self) -> str:
        toward, away = (" | ".join(map(str, prompts)) for prompts in (self.toward, self.away))
        return f"steer({self.part}, {short(self.strength)}, {toward}, {away})"


Edit = Silence | Scale | Replace | PaintPattern | PaintRule | Patch | Steer
_PAINTED = "paint(L2.H3, 0: 1 / 5: 0.2 0.3 0.5)"


def tap_of(edits: Iterable[Edit], model: Transformer) -> Tap:
    """All the edits in their order, each seeing what the one before left; with none, the tap that looks at nothing.

    A pass must spell out its patterns (`maps_of`) for a tap to change them; a `Transformer` called with a tap does, unless told not to.
    """
    return chain(*(edit.tap(model) for edit in edits))


def maps_of(edits: Iterable[Edit]) -> Maps:
    """The maps a pass must spell out for these edits: all, if one of them is a rule about scores; patterns, if one is about a pattern."""
    found = tuple(edits)
    if any(isinstance(edit, PaintRule) for edit in found):
        return "all"
    return "pattern" if any(isinstance(edit, PaintPattern) or isinstance(edit.part, Cell) for edit in found) else "none"


def refuse_unfit(edits: Iterable[Edit], model: Transformer, prompt: Prompt) -> None:
    """Raises `Refusal` for the first edit that a pass of this prompt through this model would have no place for: a tap whose sites
    never come by would silently change nothing."""
    prompt.refuse_unfit(model)
    for edit in edits:
        edit.refuse_unfit(model, prompt.lengths(model))


def direction(model: Transformer, part: Residual, toward: Sequence[Prompt], away: Sequence[Prompt]) -> Tensor:
    """From one set of prompts to another: the difference of their mean residuals at this place, each taken at its last token, where a
    prompt has been read to its end; (width,), at the length it has."""

    def mean(prompts: Sequence[Prompt]) -> Tensor:
        return torch.stack([value[0, -1] for prompt in prompts for value in seen(model, prompt, part.sites).values()]).mean(0)

    return mean(toward) - mean(away)


def _touch(part: Part, change: Callable[[Tensor], Tensor], read: Part | None = None) -> Tap:
    """The tap that writes `change` of a part's numbers, or of those of the part `read`, where the part is, into a copy."""
    sites, origin = part.sites, read or part

    def touch(name: str, value: Tensor) -> Tensor:
        if name not in sites:
            return value
        new = value.clone()
        part.write(new, change(origin.view(value)))
        return new

    return touch


def _normalised(weights: tuple[float, ...]) -> Tensor:
    total, row = sum(weights), torch.tensor(weights, dtype=torch.float64)
    return row if abs(total - 1) < ROUNDING else row / total


def _runs(weights: tuple[float, ...]) -> str:
    """Weights as they are spelled, equal neighbours counted: "0*4 0.5 0.5" is "0*4 0.5*2"."""
    runs = ((short(weight), len(list(run))) for weight, run in groupby(weights))
    return " ".join(weight if count == 1 else f"{weight}*{count}" for weight, count in runs)


def finite(*numbers: float) -> None:
    """Raises `Refusal` for infinity and what is no number."""
    for number in numbers:
        if not math.isfinite(number):
            raise Refusal("edit.finite", "factors, strengths and weights are finite numbers, such as 0.5; got {given}", given=number)


def short(number: float) -> str:
    """A number as briefly as it can be read back exactly."""
    return repr(float(number)).removesuffix(".0")
