"""Tokens become vectors: a learned row per token, and where the scheme says so, one for its position and one for its part of the text."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from model.config import Config, Learned, Narrow, Sinusoidal
from model.errors import Refusal
from model.layers.norm import norm
from model.layers.positions import sinusoids
from model.tap import Tap, ignore


class Embedding(nn.Module):
    """The residual stream's first value: token vector, plus position vector for `Learned` and `Sinusoidal`, plus segment vector."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        e, narrow = config.embedding, config.token_width
        self.positions, self.context, self.segments = config.positions, config.context, e.segments
        self.scale = math.sqrt(config.width) if e.scaled else None
        self.widens_last = isinstance(e.room, Narrow) and e.room.positions == "before"
        summed = narrow if self.widens_last else config.width
        self.token = _rows(config.vocabulary, narrow)
        self.position = _rows(config.context + config.positions.spare, summed) if isinstance(config.positions, Learned) else None
        self.segment = _rows(e.segments, summed) if e.segments else None
        self.norm = norm(config, summed) if e.norm else None
        self.widen = nn.Linear(narrow, config.width, bias=e.room.bias) if isinstance(e.room, Narrow) else None
        self.summed = summed
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, ids: Tensor, start: int = 0, tap: Tap = ignore, segments: Tensor | None = None, places: Tensor | None = None) -> Tensor:
        """ids: (B, T) to (B, T, width), the first of them standing at position `start`, or each where `places` (B, T) says;
        `segments` (B, T) numbers the part of the text each belongs to, 0 unless told."""
        x = self.token(ids)
        x = tap("token", x if self.scale is None else x * self.scale)
        if self.widen is not None and not self.widens_last:
            x = tap("wide", self.widen(x))
        where = self.places(start, start + ids.shape[1], places)
        if where is not None:
            x = x + tap("position", where.to(x.dtype).expand_as(x))
        if self.segment is not None:
            x = x + tap("segment", self.segment(self.numbered(segments, ids)))
        x = tap("sum", x)
        x = x if self.norm is None else tap("norm", self.norm(x))
        return self.dropout(tap("wide", self.widen(x)) if self.widen is not None and self.widens_last else x)

    def places(self, start: int, end: int, places: Tensor | None = None) -> Tensor | None:
        """The vectors of positions start … end - 1, (end - start, width), or of `places`; `None` where positions enter elsewhere."""
        if end > self.context:
            sentence = "this model reads {context} tokens at most, got {given}; shorten the text"
            raise Refusal("length.context", sentence, context=self.context, given=end)
        device = self.token.weight.device
        if self.position is not None:
            asked = torch.arange(start, end, device=device) if places is None else places
            return self.position(asked + self.positions.spare if isinstance(self.positions, Learned) else asked)
        if isinstance(self.positions, Sinusoidal):
            table = sinusoids(self.context, self.summed, self.positions.order, device)
            return table[start:end] if places is None else table[places]
        return None

    def numbered(self, segments: Tensor | None, ids: Tensor) -> Tensor:
        """The segment of every token: (B, T). Raises `Refusal` for a segment this model has no vector for."""
        if segments is None:
            return torch.zeros_like(ids)
        if not segments.is_meta and int(segments.max()) >= self.segments:
            sentence = "this model knows segments 0 to {last}, got {given}"
            raise Refusal("length.segment", sentence, last=self.segments - 1, given=int(segments.max()))
        return segments


def _rows(count: int, width: int) -> nn.Embedding:
    """A table of vectors, undrawn: PyTorch's own draw would import its compiler, a second or more, to fill what holds nothing yet."""
    return nn.Embedding.from_pretrained(torch.empty(count, width), freeze=False)
