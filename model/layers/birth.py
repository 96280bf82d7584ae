"""How weights are born: drawn once, from a seed, in the order the model names them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from model.config import Config, FanIn, Fixed

RESIDUAL_WRITERS = ("attn.out.weight", "cross.out.weight", "mlp.down.weight")
TABLES = ("embed.token.weight", "embed.position.weight", "embed.segment.weight", "relative.weight")


@torch.no_grad()
def draw(model: nn.Module, config: Config, seed: int) -> None:
    """Fill every parameter in place: norms with ones, biases with zeros, the rest from the configuration's distribution."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.is_meta:
            continue
        if parameter.dim() == 1:
            parameter.fill_(1.0 if name.endswith("weight") else 0.0)
        else:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * _deviation(name, parameter, config))


def _deviation(name: str, parameter: Tensor, config: Config) -> float:
    match config.initialisation:
        case Fixed(deviation=deviation):
            base = deviation
        case FanIn(gain=gain):
            base = 0.02 if name.endswith(TABLES) else gain / math.sqrt(parameter.shape[1])
    return base / math.sqrt(2 * config.layers) if name.endswith(RESIDUAL_WRITERS) else base
