"""Normalisation: keep the residual stream's numbers at a size the next part expects."""

from __future__ import annotations

from torch import nn

from model.config import Config, LayerNorm, RMSNorm


def norm(config: Config, width: int | None = None) -> nn.Module:
    """The norm this configuration names, over a last axis of `width` (the residual stream's unless told)."""
    width = config.width if width is None else width
    match config.norm:
        case LayerNorm(eps=eps, bias=bias):
            return nn.LayerNorm(width, eps=eps, bias=bias)
        case RMSNorm(eps=eps):
            return nn.RMSNorm(width, eps=eps)
