"""A block: attention moves information between positions, the MLP works on each one; both write to the residual stream."""

from __future__ import annotations

from torch import Tensor, nn

from model.config import Config, Parallel, Serial
from model.layers.attention import Attention, CrossAttention
from model.layers.frame import Frame
from model.layers.mlp import Mlp
from model.layers.norm import norm
from model.tap import Tap, ignore, under


class Block(nn.Module):
    """One layer. Before-norm and parallel: `before + attn.out = middle`, `middle + mlp.out = after`; after-norm normalises each sum.
    A decoder's block with a source looks at it in between: `middle + cross.out = crossed`, `crossed + mlp.out = after`."""

    def __init__(self, config: Config, *, crosses: bool = False) -> None:
        super().__init__()
        self.arrangement = config.arrangement
        self.norm1, self.attn = norm(config), Attention(config)
        self.cross_norm, self.cross = (norm(config), CrossAttention(config)) if crosses else (None, None)
        self.mlp = Mlp(config)
        self.norm2 = None if config.arrangement == Parallel(norms=1) else norm(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, frame: Frame, layer: int, tap: Tap = ignore) -> Tensor:
        """The residual stream before and after this layer, both (B, T, width)."""
        attend = lambda h: self.dropout(self.attn(h, frame, layer, under("attn", tap)))  # noqa: E731
        think = lambda h: self.dropout(self.mlp(h, under("mlp", tap)))  # noqa: E731
        x = tap("before", x)
        match self.arrangement:
            case Serial(norm_place="before"):
                x = tap("middle", x + attend(self.normed(1, x, tap)))
                x = self.consult(x, frame, layer, tap)
                x = x + think(self.normed(2, x, tap))
            case Serial():
                x = tap("middle", self.normed(1, x + attend(x), tap))
                x = self.consult(x, frame, layer, tap)
                x = self.normed(2, x + think(x), tap)
            case Parallel(norms=norms):
                first = self.normed(1, x, tap)
                second = first if norms == 1 else self.normed(2, x, tap)
                x = tap("middle", x + attend(first)) + think(second)
        return tap("after", x)

    def consult(self, x: Tensor, frame: Frame, layer: int, tap: Tap) -> Tensor:
        """The residual stream before and after looking at the source; unchanged in a block that has none."""
        if self.cross is None or self.cross_norm is None:
            return x
        if self.arrangement == Serial(norm_place="before"):
            normed = tap("cross_norm", self.cross_norm(x))
            return tap("crossed", x + self.dropout(self.cross(normed, frame, layer, under("cross", tap))))
        summed = x + self.dropout(self.cross(x, frame, layer, under("cross", tap)))
        return tap("crossed", tap("cross_norm", self.cross_norm(summed)))

    def normed(self, which: int, x: Tensor, tap: Tap) -> Tensor:
        """The first or second norm's output, as a site."""
        return tap(f"norm{which}", self.norm1(x) if which == 1 or self.norm2 is None else self.norm2(x))
