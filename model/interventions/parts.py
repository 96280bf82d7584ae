"""What an edit may take hold of: a head, what a layer or one of its branches adds, the residual stream, one cell of a pattern.

Layers, heads and positions count from 0. Legend: B batch, T tokens of the stack, S tokens looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal, Self, cast

from torch import Tensor

from model.config import EncoderDecoder, Kind
from model.errors import Refusal
from model.trace import Branch
from model.transformer import Transformer

Lengths = Mapping[Kind, int]
"""How many tokens each stack of a model reads in one pass."""
Writer = Literal["attn", "cross", "mlp"]
Point = Literal["before", "middle", "crossed", "after"]


class Part:
    """A place inside a forward pass. `view` finds it in a site's value, `write` puts new numbers there."""

    __slots__ = ()
    layer: int
    stack: Kind

    @property
    def leaves(self) -> tuple[str, ...]:
        """Its sites, named from their block."""
        raise NotImplementedError

    @property
    def places(self) -> tuple[int, ...]:
        """Where along the last axis but one of `view` it lies; everywhere if none is named."""
        raise NotImplementedError

    @property
    def sites(self) -> frozenset[str]:
        """The sites a tap meets it at."""
        return frozenset(f"{self.stack}.blocks.{self.layer}.{leaf}" for leaf in self.leaves)

    @property
    def crosses(self) -> bool:
        """Whether only a decoder with a source has it."""
        return any(leaf.startswith("cross") for leaf in self.leaves)

    def view(self, value: Tensor) -> Tensor:
        """A site's value (B, …) as (B, T, numbers), sharing its memory, all positions of it."""
        return value

    def write(self, value: Tensor, new: Tensor) -> None:
        """Put `new` (B, T, numbers) into a site's value, in place, at this part's positions."""
        where = list(self.places) or slice(new.shape[-2])
        self.view(value)[:, where] = new[:, where]

    def refuse_unfit(self, model: Transformer, lengths: Lengths) -> None:
        """Raises `Refusal` if a pass of these lengths through this model has no such part."""
        below("layer", self.layer, model.stack(self.stack).depth)
        if self.crosses and not isinstance(model.config.form, EncoderDecoder):
            raise Refusal("trace.branch", "this model has no {branch} in its {stack}", branch="cross", stack=self.stack)
        for place in self.places:
            below("position", place, lengths[self.stack])

    def refuse_impossible(self, *numbers: int) -> None:
        """Raises `Refusal` for what no model can have: numbers that do not count from 0, and an encoder that looks at a source."""
        whole(self.layer, *numbers)
        if self.stack == "encoder" and self.crosses:
            sentence = "an encoder has no source to look at, so it has no {given}; cross-attention is the decoder's"
            raise Refusal("edit.cross", sentence, given=", ".join(self.leaves))

    def spelled(self, name: str) -> str:
        """This part in a link: its stack unless a decoder, its layer, and `name`."""
        return ("encoder." if self.stack == "encoder" else "") + f"L{self.layer}{name}"


class Spread(Part):
    """A part that lies at every position, or at those it names."""

    __slots__ = ()
    positions: tuple[int, ...]

    def __post_init__(self) -> None:
        self.refuse_impossible()
        rising(self.positions)

    @property
    def places(self) -> tuple[int, ...]:
        return self.positions

    def only_at(self, *positions: int) -> Self:
        """The same part at these positions; at all of them if none is named."""
        return replace(cast(Any, self), positions=positions)


@dataclass(frozen=True, slots=True)
class Head(Spread):
    """What one head mixed from the values, (B, T, size), before the output matrix: `L2.H3`, `L2.cross.H3`, `L2.H3@4-6`."""

    layer: int
    head: int
    branch: Branch = "attn"
    stack: Kind = "decoder"
    positions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        whole(self.head)
        Spread.__post_init__(self)

    @property
    def leaves(self) -> tuple[str, ...]:
        return (f"{self.branch}.mixed",)

    def view(self, value: Tensor) -> Tensor:
        return value[:, self.head]

    def refuse_unfit(self, model: Transformer, lengths: Lengths) -> None:
        Part.refuse_unfit(self, model, lengths)
        below("head", self.head, model.config.attention.heads)

    def __str__(self) -> str:
        return self.spelled(f"{_branch(self.branch)}.H{self.head}{at(self.positions)}")


@dataclass(frozen=True, slots=True)
class Output(Spread):
    """What attention, cross-attention or the MLP adds to the residual stream, (B, T, width): `L2.attn`, `L2.cross`, `L2.mlp`."""

    layer: int
    writer: Writer
    stack: Kind = "decoder"
    positions: tuple[int, ...] = ()

    @property
    def leaves(self) -> tuple[str, ...]:
        return (f"{self.writer}.out",)

    def __str__(self) -> str:
        return self.spelled(f".{self.writer}{at(self.positions)}")


@dataclass(frozen=True, slots=True)
class Layer(Spread):
    """Everything one layer adds to the residual stream, (B, T, width) for each of its branches: `L2`, `L2@4`."""

    layer: int
    stack: Kind = "decoder"
    positions: tuple[int, ...] = ()

    @property
    def leaves(self) -> tuple[str, ...]:
        return ("attn.out", "cross.out", "mlp.out") if self.stack == "decoder" else ("attn.out", "mlp.out")

    @property
    def crosses(self) -> bool:
        return False

    def __str__(self) -> str:
        return self.spelled(at(self.positions))


@dataclass(frozen=True, slots=True)
class Residual(Spread):
    """The residual stream as a block receives it (`before`), after its attention (`middle`), after looking at a source (`crossed`) or as
    the block leaves it (`after`), (B, T, width): `L2.after@5`."""

    layer: int
    point: Point = "after"
    stack: Kind = "decoder"
    positions: tuple[int, ...] = ()

    @property
    def leaves(self) -> tuple[str, ...]:
        return (self.point,)

    def __str__(self) -> str:
        return self.spelled(f".{self.point}{at(self.positions)}")


@dataclass(frozen=True, slots=True)
class Cell(Part):
    """How much one query looks at one key: `L2.H3[5,2]`. Its row is left as it is, summing to whatever it sums to; with `renormalised`
    (`L2.H3[5,2].renormalised`) the whole row is divided by its sum, the changed cell included, unless nothing is left to divide.

    Its positions are the keys of its row, so a mean over positions is the row's mean over all S keys.
    """

    layer: int
    head: int
    query: int
    key: int
    branch: Branch = "attn"
    stack: Kind = "decoder"
    renormalised: bool = False

    def __post_init__(self) -> None:
        self.refuse_impossible(self.head, self.query, self.key)

    @property
    def leaves(self) -> tuple[str, ...]:
        return (f"{self.branch}.pattern",)

    @property
    def places(self) -> tuple[int, ...]:
        return (self.key,)

    def view(self, value: Tensor) -> Tensor:
        """Its row, (B, S, 1)."""
        return value[:, self.head, self.query, :, None]

    def write(self, value: Tensor, new: Tensor) -> None:
        Part.write(self, value, new)
        if self.renormalised:
            row = value[:, self.head, self.query]
            total = row.sum(-1, keepdim=True)
            row.div_(total.masked_fill(total == 0, 1))

    def refuse_unfit(self, model: Transformer, lengths: Lengths) -> None:
        Part.refuse_unfit(Residual(self.layer, "crossed" if self.crosses else "after", self.stack, (self.query,)), model, lengths)
        below("head", self.head, model.config.attention.heads)
        below("position", self.key, lengths["encoder" if self.crosses else self.stack])

    def __str__(self) -> str:
        ending = ".renormalised" if self.renormalised else ""
        return self.spelled(f"{_branch(self.branch)}.H{self.head}[{self.query},{self.key}]{ending}")


def _branch(branch: Branch) -> str:
    return "" if branch == "attn" else f".{branch}"


def at(positions: tuple[int, ...]) -> str:
    """Positions as a part's name ends: "@4-6+9", neighbours as a stretch; nothing for all of them."""
    stretches = [[place for _, place in run] for _, run in groupby(enumerate(positions), lambda numbered: numbered[1] - numbered[0])]
    written = "+".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in stretches)
    return f"@{written}" if written else ""


def whole(*numbers: int) -> None:
    """Raises `Refusal` unless layers, heads, positions and tokens count from 0."""
    for number in numbers:
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise Refusal("edit.whole", "layers, heads, positions and tokens are whole numbers from 0; got {given!r}", given=number)


def rising(positions: Iterable[int]) -> None:
    """Raises `Refusal` unless each position stands after the one before it."""
    found = tuple(positions)
    whole(*found)
    if sorted(set(found)) != list(found):
        sentence = "positions are named once each, in rising order, such as @{would}; got {given}"
        raise Refusal("edit.rising", sentence, would="+".join(map(str, sorted(set(found)))), given=" ".join(map(str, found)))


def below(kind: str, given: int, count: int) -> None:
    """Raises `Refusal` for a layer, head, position or token beyond those there are."""
    if given >= count:
        raise Refusal(f"edit.{kind}", _BEYOND[kind], last=count - 1, given=given)


_BEYOND = {
    "layer": "the layers here are 0 to {last}; got {given}",
    "head": "the heads here are 0 to {last}; got {given}",
    "position": "the positions here are 0 to {last}; got {given}",
    "token": "this model's tokens are 0 to {last}; got {given}",
}
