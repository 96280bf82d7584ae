"""The output: a score (logit) for every token of the vocabulary, at every position."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from model.config import Config, Free


class Head(nn.Module):
    """A matrix of its own, or the token embedding used a second time."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.unembed = nn.Linear(config.width, config.vocabulary, bias=config.output.bias) if isinstance(config.output, Free) else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x: (B, T, width), embedding: (vocabulary, width), to logits (B, T, vocabulary)."""
        return F.linear(x, embedding) if self.unembed is None else self.unembed(x)
