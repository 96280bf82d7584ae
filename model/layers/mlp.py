"""The MLP: each position by itself, up to a wider space, through an activation, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from model.config import Activation, Config, GatedMlp
from model.tap import Tap, ignore

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
}


class Mlp(nn.Module):
    """`hidden` is what enters the activation; a gated MLP activates a gate and multiplies (Shazeer 2020)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        m = config.mlp
        self.activation = ACTIVATIONS[m.activation]
        self.up = nn.Linear(config.width, m.hidden, bias=m.bias)
        self.gate = nn.Linear(config.width, m.hidden, bias=m.bias) if isinstance(m, GatedMlp) else None
        self.down = nn.Linear(m.hidden, config.width, bias=m.bias)

    def forward(self, x: Tensor, tap: Tap = ignore) -> Tensor:
        """From the normed residual (B, T, width) to what the MLP adds to it (B, T, width)."""
        if self.gate is None:
            activated = self.activation(tap("hidden", self.up(x)))
        else:
            activated = self.activation(tap("hidden", self.gate(x))) * tap("up", self.up(x))
        return tap("out", self.down(tap("activated", activated)))
