"""A mask as a value, and how masks combine: `&` keeps what both allow, `|` what either allows, `~` the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from model.errors import Refusal


class Mask(ABC):
    """A rule that says, for every query and key, whether the one may look at the other."""

    __slots__ = ()

    @abstractmethod
    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        """Positions (queries, 1) and (1, keys) in; booleans that broadcast to (queries, keys) out, True = may look."""

    def build(self, queries: int, keys: int | None = None) -> Tensor:
        """The mask as booleans (queries, keys), True = may look; when there are fewer queries than keys, as with a KV
        cache, the queries are the *last* positions. Raises `Refusal` when there are more queries than keys."""
        keys = queries if keys is None else keys
        if not 0 <= queries <= keys:
            raise Refusal(
                "mask.sizes", "a mask needs at least as many keys as queries; got {queries} queries and {keys} keys", queries=queries, keys=keys
            )
        position = torch.arange(keys)
        return self.allows(position[keys - queries :, None], position[None, :]).expand(queries, keys).clone()

    def across(self, targets: int, sources: int) -> Tensor:
        """The same rule between two texts, each counted from its own beginning: (targets, sources), True = may look."""
        return self.allows(torch.arange(targets)[:, None], torch.arange(sources)[None, :]).expand(targets, sources).clone()

    def looks_ahead(self, length: int) -> bool:
        """Whether any query of a text of this length sees a later key; a mask that does not is causal there."""
        return bool(self.build(length).triu(1).any())

    def __and__(self, other: Mask) -> Mask:
        return And((*_parts(And, self), *_parts(And, other)))

    def __or__(self, other: Mask) -> Mask:
        return Or((*_parts(Or, self), *_parts(Or, other)))

    def __invert__(self) -> Mask:
        return Not(self)


@dataclass(frozen=True, slots=True)
class And(Mask):
    """Allowed where every part allows."""

    parts: tuple[Mask, ...]

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        allowed = self.parts[0].allows(query, key)
        for part in self.parts[1:]:
            allowed = allowed & part.allows(query, key)
        return allowed

    def __str__(self) -> str:
        return " & ".join(_bracketed(part, And, Or) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or(Mask):
    """Allowed where any part allows."""

    parts: tuple[Mask, ...]

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        allowed = self.parts[0].allows(query, key)
        for part in self.parts[1:]:
            allowed = allowed | part.allows(query, key)
        return allowed

    def __str__(self) -> str:
        return " | ".join(_bracketed(part, Or) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not(Mask):
    """Allowed where the part does not allow."""

    part: Mask

    def allows(self, query: Tensor, key: Tensor) -> Tensor:
        return ~self.part.allows(query, key)

    def __str__(self) -> str:
        return f"~{_bracketed(self.part, And, Or)}"


def blind_rows(allowed: Tensor) -> tuple[int, ...]:
    """The rows of a mask (queries, keys) that may look at nothing; attention gives them a pattern of zeros."""
    return tuple((~allowed.any(-1)).nonzero().flatten().tolist())


def _parts(kind: type[And | Or], mask: Mask) -> tuple[Mask, ...]:
    return mask.parts if isinstance(mask, kind) else (mask,)


def _bracketed(mask: Mask, *kinds: type[Mask]) -> str:
    return f"({mask})" if isinstance(mask, kinds) else str(mask)
