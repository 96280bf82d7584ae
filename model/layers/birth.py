"""How weights are born: drawn once, from a seed, in the order the model names them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from model.config import Config, FanIn, Fixed

RESIDUAL_WRITERS = ("attn.out.weight", "cross.out.weight", "mlp.down.weight")
TABLES = ("embed.token.weight", "embed.position.weight", "embed.segment.weight", "relative.weight")


class Unborn(TorchFunctionMode):
    """Inside, layers are made without numbers: what they would write into their weights at birth is left out, because `draw` does it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The first operand as it is, of whatever writes in place; everything else happens."""
        given = kwargs or {}
        writes = func.__name__.endswith("_") and not func.__name__.endswith("__")
        return next(iter((*args, *given.values()))) if writes else func(*args, **given)


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
