"""A block: attention moves information between positions, the MLP works on each one; both write to the residual stream."""

from __future__ import annotations

from torch import Tensor, nn

from model.config import Config, Parallel, Serial
from model.layers.attention import Attention
from model.layers.frame import Frame
from model.layers.mlp import Mlp
from model.layers.norm import norm
from model.tap import Tap, ignore, under


class Block(nn.Module):
    """One layer. Before-norm and parallel: `before + attn.out = middle`, `middle + mlp.out = after`; after-norm normalises each sum."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.arrangement = config.arrangement
        self.norm1, self.attn, self.mlp = norm(config), Attention(config), Mlp(config)
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
                x = x + think(self.normed(2, x, tap))
            case Serial():
                x = tap("middle", self.normed(1, x + attend(x), tap))
                x = self.normed(2, x + think(x), tap)
            case Parallel(norms=norms):
                first = self.normed(1, x, tap)
                second = first if norms == 1 else self.normed(2, x, tap)
                x = tap("middle", x + attend(first)) + think(second)
        return tap("after", x)

    def normed(self, which: int, x: Tensor, tap: Tap) -> Tensor:
        """The first or second norm's output, as a site."""
        return tap(f"norm{which}", self.norm1(x) if which == 1 or self.norm2 is None else self.norm2(x))
