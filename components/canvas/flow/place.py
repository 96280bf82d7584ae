"""Where in the flow the reader is: the model, a block, a head, or one vector; written as in a link, counted from 1.

`""` is the whole model, `decoder.2` a block, `decoder.2.attn.4` a head, `decoder.2.attn.4.q` or `decoder.norm` a vector.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from model.analysis.residual import parts_of, stations_of
from model.config import Config, GatedMlp, Kind, Parallel
from model.errors import Refusal

HEAD = ("q", "k", "v", "scores", "pattern", "mixed", "written")
_BLOCK = "before|norm1|middle|cross_norm|crossed|norm2|after|(?:attn|cross|mlp)\\.out|mlp\\.(?:hidden|up|activated)"
_WRITTEN = re.compile(
    rf"(encoder|decoder)\.(?:(embed|norm)|(\d{{1,4}})(?:\.({_BLOCK})|\.(attn|cross)\.(\d{{1,4}})(?:\.({'|'.join(HEAD)}))?)?)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a model: its `stack`, `layer`, `branch` and `head`, counted from 1, 0 or empty where the place is wider, and the `leaf`
    that is opened there, if any."""

    stack: str = ""
    layer: int = 0
    branch: str = ""
    head: int = 0
    leaf: str = ""

    @classmethod
    def parse(cls, given: str) -> Place:
        """What `str` wrote. Raises `Refusal` for anything else; whether a model has such a place, `within` tells."""
        if given == "":
            return cls()
        found = _WRITTEN.fullmatch(given)
        if found is None:
            raise Refusal("link.place", "a place looks like decoder.2.attn.4; got {given!r}", given=given[:40])
        stack, end, layer, leaf, branch, head, row = found.groups()
        return cls(stack, int(layer or 0), branch or "", int(head or 0), end or leaf or row or "")

    def __str__(self) -> str:
        parts = (self.stack, self.layer or "", self.branch, self.head or "", self.leaf)
        return ".".join(str(part) for part in parts if part != "")

    def within(self, config: Config) -> Place:
        """This place, or the nearest wider one that a model of this configuration has."""
        if self.stack not in config.depths or (self.layer == 0) != (self.leaf in ("embed", "norm")):
            return Place()
        stack: Kind = "encoder" if self.stack == "encoder" else "decoder"
        if not self.layer:
            return self if self.leaf == "embed" or config.final_norm else Place()
        if self.layer > config.depths[stack]:
            return Place()
        if not self.branch:
            return self if not self.leaf or self.leaf in leaves(config, stack) else Place(stack, self.layer)
        if self.branch not in parts_of(config, stack) or not 0 < self.head <= config.attention.heads:
            return Place(stack, self.layer)
        return Place(stack, self.layer, self.branch, self.head) if self.branch == "cross" and self.leaf in ("k", "v") else self


def leaves(config: Config, stack: Kind) -> tuple[str, ...]:
    """The vectors of a block that can be opened."""
    parts, norms = parts_of(config, stack), ["norm1"]
    if config.arrangement != Parallel(norms=1):
        norms.append("norm2")
    if "cross" in parts:
        norms.append("cross_norm")
    hidden = ["mlp.hidden", "mlp.activated", *(["mlp.up"] if isinstance(config.mlp, GatedMlp) else [])]
    return (*stations_of(config, stack), *norms, *(f"{part}.out" for part in parts), *hidden)
