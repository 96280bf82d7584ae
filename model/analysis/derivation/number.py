"""The address of one number of a pass: a site and where in it, written `decoder.blocks.2.attn.pattern[3,5,2]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from model.errors import Refusal
from model.trace import Trace

LONGEST = 96
_WRITTEN = re.compile(r"([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)\[(\d{1,6}(?:,\d{1,6}){0,3})\]", re.ASCII)


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

    @property
    def leaf(self) -> str:
        """What stands there, whatever the stack and the layer: `attn.pattern`, `embed.sum`, `encoder.norm`, `logits`."""
        parts = self.site.split(".")
        return ".".join(parts[3:] if parts[1:2] == ["blocks"] else parts[1:] if "embed" in parts else parts)


@torch.no_grad()
def value(trace: Trace, number: Number) -> float:
    """The number itself. Raises `Refusal` where this model has no such site, or this text no such place in it."""
    found = standing(trace, number.site)
    if len(number.index) != found.dim() or any(at >= size for at, size in zip(number.index, found.shape, strict=True)):
        shape = " × ".join(map(str, found.shape))
        raise Refusal("derivation.index", "{site} is {shape} here, counted from 0; got {given}", site=number.site, shape=shape, given=str(number))
    return float(found[number.index])


def standing(trace: Trace, site: str) -> Tensor:
    """What stands at a site, without a batch axis. Raises `Refusal` where this model has no such site."""
    if site == "logits":
        return trace.logits
    try:
        return trace[site]
    except (KeyError, ValueError, IndexError, Refusal) as missing:
        raise Refusal("derivation.site", "this model has no {site}", site=site) from missing
