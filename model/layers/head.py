"""The output: a score (logit) for every token of the vocabulary, at every position."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import Config, Direct, Free, Tied, Transformed
from model.layers.mlp import ACTIVATIONS
from model.layers.norm import norm
from model.tap import Tap, ignore


class Transform(nn.Module):
    """A matrix, an activation and a norm between the last block and the output (BERT's masked-LM head)."""

    def __init__(self, config: Config, readout: Transformed) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[readout.activation]
        self.dense = nn.Linear(config.width, config.token_width)
        self.norm = norm(config, config.token_width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) to (B, T, token width)."""
        return self.norm(self.activation(self.dense(x)))


class Head(nn.Module):
    """A matrix of its own, or the token embedding used a second time; what it reads is narrowed first where tokens are narrower
    than the residual stream."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        output = config.output
        self.scale = 1 / math.sqrt(config.width) if isinstance(output, Tied) and output.scaled else None
        self.transform = Transform(config, config.readout) if isinstance(config.readout, Transformed) else None
        narrows = isinstance(config.readout, Direct) and config.token_width != config.width
        self.narrow = nn.Linear(config.width, config.token_width, bias=False) if narrows else None
        self.unembed = nn.Linear(config.token_width, config.vocabulary, bias=output.bias) if isinstance(output, Free) else None
        self.bias = nn.Parameter(torch.empty(config.vocabulary)) if isinstance(output, Tied) and output.bias else None

    def forward(self, x: Tensor, embedding: Tensor, tap: Tap = ignore) -> Tensor:
        """x: (B, T, width), embedding: (vocabulary, token width), to logits (B, T, vocabulary)."""
        x = self.read(x, tap)
        return F.linear(x, embedding, self.bias) if self.unembed is None else self.unembed(x)

    def read(self, x: Tensor, tap: Tap = ignore) -> Tensor:
        """What the last matrix reads: (B, T, width) to (B, T, token width)."""
        if self.transform is not None:
            x = tap("transform", self.transform(x))
        if self.narrow is not None:
            x = tap("narrow", self.narrow(x))
        return x if self.scale is None else x * self.scale
