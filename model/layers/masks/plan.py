"""A plan: which mask each layer and each head has, as one value and in one line.

`causal; L2: causal & window(4); L3.H5: bidirectional` is causal everywhere but in layer 2, which has a window, and in head 5 of layer 3,
which sees all. Layers and heads count from 0. A head's own mask goes before its layer's, and that before the one for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from model.errors import Refusal
from model.layers.masks.combining import Mask
from model.layers.masks.soft import Shaded, Sight

PLACES = 64
"""Layers and heads with a mask of their own, at most."""

Sights = tuple[Sight, ...]
"""What each layer meets; layers that see alike share one."""


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """A layer, or one head in it. Written `L2` or `L2.H5`."""

    layer: int
    head: int | None = None

    def __str__(self) -> str:
        return f"L{self.layer}" if self.head is None else f"L{self.layer}.H{self.head}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The mask of all layers, and the layers and heads that have one of their own. Raises `Refusal` for a place named twice."""

    everywhere: Shaded
    own: tuple[tuple[Spot, Shaded], ...] = ()

    def __post_init__(self) -> None:
        if len(self.own) > PLACES:
            raise Refusal("mask.places", "up to {most} layers and heads have a mask of their own; got {got}", most=PLACES, got=len(self.own))
        spots = [spot for spot, _ in self.own]
        for spot in spots:
            if spots.count(spot) > 1:
                raise Refusal("mask.twice", "{place} has two masks; give it one", place=str(spot))

    @classmethod
    def of(cls, mask: Mask | Shaded) -> Plan:
        """The same mask in every layer and head."""
        return cls(mask if isinstance(mask, Shaded) else Shaded(mask))

    def __str__(self) -> str:
        return "; ".join([str(self.everywhere), *(f"{spot}: {shaded}" for spot, shaded in self.own)])

    @property
    def mask(self) -> Mask | None:
        """The one mask of booleans that this plan is; `None` where layers or heads differ, or something is added."""
        return None if self.own or self.everywhere.soft else self.everywhere.mask

    def at(self, layer: int, head: int | None = None) -> Shaded:
        """The mask of a head, or the one a layer's heads have unless they have one of their own."""
        own = dict(self.own)
        return own.get(Spot(layer, head), own.get(Spot(layer), self.everywhere))

    def put(self, spot: Spot | None, mask: Mask | Shaded) -> Plan:
        """The same plan with another mask in one layer or head; without a spot, for all that have none of their own."""
        shaded = mask if isinstance(mask, Shaded) else Shaded(mask)
        if spot is None:
            return Plan(shaded, self.own)
        kept = {**dict(self.own), spot: shaded}
        return Plan(self.everywhere, tuple(sorted(kept.items(), key=lambda item: (item[0].layer, -1 if item[0].head is None else item[0].head))))

    def drop(self, spot: Spot) -> Plan:
        """The same plan without a layer's or head's own mask."""
        return Plan(self.everywhere, tuple((at, shaded) for at, shaded in self.own if at != spot))

    def looks_ahead(self, length: int) -> bool:
        """Whether any query of a text of this length sees a later key in any layer or head."""
        return any(shaded.mask.looks_ahead(length) for _, shaded in self)

    def refuse_beyond(self, layers: int, heads: int) -> None:
        """Raise `Refusal` if it names a layer or head that a stack of this size has not."""
        for spot, _ in self.own:
            if spot.layer >= layers or (spot.head or 0) >= heads:
                sentence = "{place} is not in this model: its layers run from L0 to L{layer}, and heads from H0 to H{head}"
                raise Refusal("mask.beyond", sentence, place=str(spot), layer=layers - 1, head=heads - 1)

    # ------------------------------------------------------------ as tensors

    def build(self, layers: int, heads: int, length: int) -> Tensor | Sights:
        """Among a text's own tokens, for a stack of so many layers: what `Transformer.forward` and `Tracer.trace` take as `mask`. Booleans
        (T, T) where one mask serves all, else a `Sight` for each layer. Raises `Refusal` for a layer or head beyond the stack."""
        position = torch.arange(length)
        return self._built(layers, heads, position[:, None], position[None, :])

    def across(self, layers: int, heads: int, targets: int, sources: int) -> Tensor | Sights:
        """The same between two texts, each counted from its own beginning: booleans (T, S), or a `Sight` for each layer."""
        return self._built(layers, heads, torch.arange(targets)[:, None], torch.arange(sources)[None, :])

    def _built(self, layers: int, heads: int, query: Tensor, key: Tensor) -> Tensor | Sights:
        self.refuse_beyond(layers, heads)
        if self.mask is not None:
            return self.mask.allows(query, key).expand(len(query), key.shape[-1]).clone()
        made: dict[tuple[Shaded, ...], Sight] = {}
        return tuple(self._layer(tuple(self.at(layer, head) for head in range(heads)), query, key, made) for layer in range(layers))

    def _layer(self, shades: tuple[Shaded, ...], query: Tensor, key: Tensor, made: dict[tuple[Shaded, ...], Sight]) -> Sight:
        if shades not in made:
            apart = {shaded: shaded.sight(query, key, len(shades)) for shaded in set(shades)}
            made[shades] = apart[shades[0]] if len(apart) == 1 else _stacked([apart[shaded] for shaded in shades])
        return made[shades]

    def __iter__(self) -> Iterator[tuple[Spot | None, Shaded]]:
        """Every mask in it with its place, the one for all (`None`) first."""
        yield None, self.everywhere
        yield from self.own


def _stacked(sights: list[Sight]) -> Sight:
    """Each head's own mask, of what was made for all heads: (heads, T, S)."""
    allowed = torch.stack([sight.allowed for sight in sights])
    if all(sight.added is None for sight in sights):
        return Sight(allowed)
    nothing = torch.zeros(allowed.shape[1:])
    return Sight(allowed, torch.stack([nothing if sight.added is None else sight.added[head] for head, sight in enumerate(sights)]))


def union(mask: Tensor | Sights) -> Tensor:
    """Who may look at whom in any layer and head: (T, S) bool. A tensor is one mask already."""
    if isinstance(mask, Tensor):
        return mask
    return torch.stack([sight.allowed if sight.allowed.dim() == 2 else sight.allowed.any(0) for sight in mask]).any(0)
