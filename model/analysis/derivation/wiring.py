"""Which site reads which: the way back from any place of a pass, told by the configuration alone.

Between two sites a pass may take a step that no tap sees: a query before it is turned, one head's share of what attention adds, a sum
before it is normalised. Those steps have names here too, `BETWEEN`, so that nothing on the way back has to be taken on trust.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.config import Config, EncoderDecoder, Kind, Narrow, Parallel, Serial, Tied, Transformed
from model.trace import Branch

BETWEEN = {
    "attn.q_projected": "queries as the matrix gives them",
    "attn.k_projected": "keys as the matrix gives them",
    "attn.q_normed": "queries brought to one length, not yet turned",
    "attn.k_normed": "keys brought to one length, not yet turned",
    "attn.by_head": "what each head adds to the residual stream",
    "cross.q_projected": "the target's queries as the matrix gives them",
    "cross.k_projected": "the source's keys as the matrix gives them",
    "cross.by_head": "what each head of cross-attention adds to the residual stream",
    "sum1": "the residual stream with attention added, before its norm",
    "cross_sum": "the residual stream with cross-attention added, before its norm",
    "sum2": "the residual stream with the MLP's output added, before its norm",
    "head.dense": "the residual stream through the output's own matrix",
    "head.activated": "the same after its activation",
}
SUMS = {"norm1": "sum1", "cross_norm": "cross_sum", "norm2": "sum2"}
"""Where each sum is normalised: the norm and what it reads."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """One layer of one stack; `layer` means nothing to what stands outside the blocks."""

    config: Config
    stack: Kind
    layer: int = 0

    # ------------------------------------------------------------ names

    def site(self, leaf: str) -> str:
        """A site of this layer."""
        return f"{self.stack}.blocks.{self.layer}.{leaf}"

    def weight(self, name: str) -> str:
        """A weight of this layer: the one block's where all layers share it."""
        return f"{self.stack}.blocks.{0 if self.config.shared else self.layer}.{name}"

    def turned(self, branch: Branch) -> int:
        """How many of a head's numbers are turned by position: none of those that look across."""
        return self.config.rotated if branch == "attn" else 0

    # ------------------------------------------------------------ what a block is like

    @property
    def normed_after(self) -> bool:
        """Whether each sum is normalised, rather than what each branch reads."""
        return self.config.arrangement == Serial(norm_place="after")

    @property
    def parallel(self) -> bool:
        """Whether both branches read the same stream."""
        return isinstance(self.config.arrangement, Parallel)

    @property
    def crosses(self) -> bool:
        """Whether this stack looks at a source."""
        return self.stack == "decoder" and isinstance(self.config.form, EncoderDecoder)

    @property
    def has_second_norm(self) -> bool:
        """Whether the MLP has a norm of its own."""
        return self.config.arrangement != Parallel(norms=1)

    # ------------------------------------------------------------ the residual stream

    @property
    def embedded(self) -> str:
        """What leaves the embedding."""
        e = self.config.embedding
        leaf = "wide" if isinstance(e.room, Narrow) and e.room.positions == "before" else "norm" if e.norm else "sum"
        return f"{self.stack}.embed.{leaf}"

    @property
    def received(self) -> str:
        """What this layer receives."""
        return self.embedded if self.layer == 0 else Wiring(self.config, self.stack, self.layer - 1).site("after")

    @property
    def left(self) -> str:
        """What the stack leaves behind."""
        last = self.config.depths[self.stack] - 1
        return f"{self.stack}.norm" if self.config.final_norm else Wiring(self.config, self.stack, last).site("after")

    @property
    def consulted(self) -> str:
        """The stream once attention, and where there is a source a look at it, have written to it."""
        return self.site("crossed" if self.crosses else "middle")

    def summed(self, leaf: str) -> tuple[str, str]:
        """The two that a sum of this block adds: `middle`, `crossed`, `after`, or the same before their norm."""
        return {
            "middle": (self.site("before"), self.site("attn.out")),
            "sum1": (self.site("before"), self.site("attn.out")),
            "crossed": (self.site("middle"), self.site("cross.out")),
            "cross_sum": (self.site("middle"), self.site("cross.out")),
            "after": (self.consulted, self.site("mlp.out")),
            "sum2": (self.consulted, self.site("mlp.out")),
        }[leaf]

    # ------------------------------------------------------------ norms and branches

    def normalised(self, leaf: str) -> str:
        """What a norm of this block reads."""
        if self.normed_after:
            return self.site(SUMS[leaf])
        second = self.site("before") if self.parallel else self.consulted
        return {"norm1": self.site("before"), "cross_norm": self.site("middle"), "norm2": second}[leaf]

    def asks(self, branch: Branch) -> str:
        """What queries are made from."""
        if self.normed_after:
            return self.site("before" if branch == "attn" else "middle")
        return self.site("norm1" if branch == "attn" else "cross_norm")

    def answers(self, branch: Branch) -> str:
        """What keys and values are made from."""
        return Wiring(self.config, "encoder").left if branch == "cross" else self.asks("attn")

    @property
    def thinks(self) -> str:
        """What the MLP reads."""
        if self.normed_after:
            return self.consulted
        return self.site("norm2" if self.has_second_norm else "norm1")

    # ------------------------------------------------------------ the output

    @property
    def transforms(self) -> bool:
        """Whether the output has a matrix, an activation and a norm of its own."""
        return isinstance(self.config.readout, Transformed)

    @property
    def unembeds(self) -> str:
        """What the last matrix reads."""
        narrows = self.config.token_width != self.config.width
        return "head.transform" if self.transforms else "head.narrow" if narrows else Wiring(self.config, self.config.main).left

    @property
    def unembedding(self) -> str:
        """The last matrix."""
        return "embed.token.weight" if isinstance(self.config.output, Tied) else "head.unembed.weight"

    def between(self, leaf: str) -> tuple[str, ...]:
        """The steps that lead to a site and that no tap sees, as leaves."""
        branch, _, side = leaf.rpartition(".")
        if side in ("q", "k") and branch in ("attn", "cross"):
            normed, turned = self.config.attention.head_norm, self.turned("cross" if branch == "cross" else "attn") > 0
            steps = [f"{leaf}_projected"] * (normed or turned) + [f"{leaf}_normed"] * (normed and turned)
            return tuple(steps)
        if leaf in ("attn.out", "cross.out"):
            return (f"{branch}.by_head",)
        if leaf in SUMS and self.normed_after:
            return (SUMS[leaf],)
        return ("head.dense", "head.activated") if leaf == "head.transform" else ()

    def before_turning(self, branch: Branch, side: str) -> str:
        """What a query or key is before it is turned by position."""
        return self.site(f"{branch}.{side}_{'normed' if self.config.attention.head_norm else 'projected'}")
