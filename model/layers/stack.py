"""A stack: blocks one above the other, all writing to one residual stream, and a last norm."""

from __future__ import annotations

from torch import Tensor, nn

from model.config import Config
from model.layers.block import Block
from model.layers.frame import Frame
from model.layers.norm import norm
from model.tap import Tap, ignore, under


class Stack(nn.Module):
    """`layers` blocks and, if the configuration has one, the final norm."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = norm(config) if config.final_norm else None

    def forward(self, x: Tensor, frame: Frame, tap: Tap = ignore) -> Tensor:
        """The residual stream from the embedding to what the output reads, both (B, T, width)."""
        for layer, block in enumerate(self.blocks):
            x = block(x, frame, layer, under(f"blocks.{layer}", tap))
        return x if self.norm is None else tap("norm", self.norm(x))
