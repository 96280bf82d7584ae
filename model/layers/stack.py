"""A stack: blocks one above the other, all writing to one residual stream, and a last norm."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from model.config import Alibi, Config, EncoderDecoder, Kind, Relative
from model.layers.block import Block
from model.layers.frame import Frame
from model.layers.norm import norm
from model.layers.positions import RelativeBias, alibi
from model.tap import Tap, ignore, under


class Stack(nn.Module):
    """The encoder's blocks or the decoder's, as many as its `depth`, and the final norm if the configuration has one; where weights
    are shared, one block serves every layer."""

    def __init__(self, config: Config, kind: Kind) -> None:
        super().__init__()
        self.kind: Kind = kind
        self.config, self.depth = config, config.depths[kind]
        crosses = kind == "decoder" and isinstance(config.form, EncoderDecoder)
        self.relative = RelativeBias(config, config.positions, kind == "encoder") if isinstance(config.positions, Relative) else None
        self.blocks = nn.ModuleList(Block(config, crosses=crosses) for _ in range(1 if config.shared else self.depth))
        self.norm = norm(config) if config.final_norm else None

    def forward(self, x: Tensor, frames: Sequence[Frame], tap: Tap = ignore) -> Tensor:
        """The residual stream from the embedding to what reads it, both (B, T, width); a frame for every layer."""
        for layer, frame in enumerate(frames):
            x = self.blocks[layer % len(self.blocks)](x, frame, layer, under(f"blocks.{layer}", tap))
        return x if self.norm is None else tap("norm", self.norm(x))

    def bias(self, queries: int, keys: int, like: Tensor) -> Tensor | None:
        """What positions add to every layer's scores, (heads, queries, keys), the queries being the last of the keys; `None` where
        positions enter elsewhere."""
        if self.relative is not None:
            return self.relative(queries, keys).to(like.dtype)
        if isinstance(self.config.positions, Alibi):
            return alibi(self.config.attention.heads, queries, keys, like.device).to(like.dtype)
        return None
