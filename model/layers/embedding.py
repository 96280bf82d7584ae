"""Tokens become vectors: a learned row per token, and where the scheme says so, one for its position."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.config import Config, Learned, Sinusoidal
from model.errors import Refusal
from model.layers.positions import sinusoids
from model.tap import Tap, ignore


class Embedding(nn.Module):
    """The residual stream's first value: token vector, plus position vector for `Learned` and `Sinusoidal`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.positions, self.context = config.positions, config.context
        self.token = _rows(config.vocabulary, config.width)
        self.position = _rows(config.context, config.width) if isinstance(config.positions, Learned) else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, ids: Tensor, start: int = 0, tap: Tap = ignore) -> Tensor:
        """ids: (B, T) to (B, T, width), the first of them standing at position `start`."""
        x = tap("token", self.token(ids))
        where = self.places(start, start + ids.shape[1])
        if where is not None:
            x = x + tap("position", where.to(x.dtype).expand_as(x))
        return tap("sum", self.dropout(x))

    def places(self, start: int, end: int) -> Tensor | None:
        """The vectors of positions start … end - 1: (end - start, width), or `None` where positions enter elsewhere."""
        if end > self.context:
            sentence = "this model reads {context} tokens at most, got {given}; shorten the text"
            raise Refusal("length.context", sentence, context=self.context, given=end)
        if self.position is not None:
            return self.position(torch.arange(start, end, device=self.token.weight.device))
        if isinstance(self.positions, Sinusoidal):
            return sinusoids(self.context, self.token.embedding_dim, self.token.weight.device)[start:end]
        return None


def _rows(count: int, width: int) -> nn.Embedding:
    """A table of vectors, undrawn: PyTorch's own draw would import its compiler, a second or more, to fill what holds nothing yet."""
    return nn.Embedding.from_pretrained(torch.empty(count, width), freeze=False)
