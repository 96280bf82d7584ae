"""The address of one number of a pass: a site and where in it, written `decoder.blocks.2.attn.pattern[3,5,2]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from model.config import Config, Kind
from model.errors import Refusal

LONGEST = 96
_WRITTEN = re.compile(r"([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)\[(\d{1,6}(?:,\d{1,6}){0,3})\]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """A site taken apart: its stack, its layer (0 outside the blocks) and its leaf, the part that is the same in every layer."""

    stack: Kind
    layer: int
    leaf: str

    @classmethod
    def of(cls, site: str, config: Config) -> Place:
        """The place of a site, `head.…` and `logits` belonging to the stack that leads to them."""
        stack, _, rest = site.partition(".")
        if stack not in config.depths:
            return cls(config.main, 0, site)
        if not rest.startswith("blocks."):
            return cls(cast(Kind, stack), 0, rest)
        _, layer, leaf = rest.split(".", 2)
        return cls(cast(Kind, stack), int(layer), leaf)


@dataclass(frozen=True, slots=True)
class Number:
    """One number: the site it stands at and its index there, counted from 0 and without a batch axis."""

    site: str
    index: tuple[int, ...]

    @classmethod
    def parse(cls, given: str) -> Number:
        """What `str` wrote. Raises `Refusal` for anything else; whether a model has such a number, only its trace can tell."""
        found = _WRITTEN.fullmatch(given) if len(given) <= LONGEST else None
        if found is None:
            raise Refusal("link.number", "a number's address looks like logits[7,412]; got {given!r}", given=given[:40])
        return cls(found[1], tuple(map(int, found[2].split(","))))

    def __str__(self) -> str:
        return f"{self.site}[{','.join(map(str, self.index))}]"
