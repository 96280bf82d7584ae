"""Normalisation: keep the residual stream's numbers at a size the next part expects."""

from __future__ import annotations

from torch import nn

from model.config import Config, LayerNorm, RMSNorm


def norm(config: Config) -> nn.Module:
    """The norm this configuration names, over the last axis (`width`)."""
    match config.norm:
        case LayerNorm(eps=eps, bias=bias):
            return nn.LayerNorm(config.width, eps=eps, bias=bias)
        case RMSNorm(eps=eps):
            return nn.RMSNorm(config.width, eps=eps)
