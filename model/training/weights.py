"""A model's weights as one long vector: what an optimiser moves in one sweep instead of tensor by tensor.

The model's parameters become windows onto the float32 vector, so it is always up to date. A step may calculate in another
format on a worker, a copy of the model whose parameters are windows onto a rounded copy of that vector (mixed precision
with master weights: Micikevicius et al. 2018, arXiv:1710.03740, section 3.1).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.errors import Refusal
from model.training.recipe import AdamW, Optimiser
from model.transformer import Transformer


class Weights:
    """`vector` holds every weight in float32, the first `matrices` of them from matrices, the rest from vectors."""

    def __init__(self, model: Transformer, dtype: torch.dtype) -> None:
        self.names = _matrices_first(model)
        parameters = _parameters(model, self.names)
        for name, parameter in zip(self.names, parameters, strict=True):
            if parameter.dtype != torch.float32:
                raise Refusal(
                    "training.float32", "training moves float32 weights, {name} is {given}; convert the model first", name=name, given=parameter.dtype
                )
        self.matrices = sum(p.numel() for p in parameters if p.dim() > 1)
        self.vector = _gather(parameters)
        _open_windows(parameters, self.vector)
        self.worker, self.rounded = model, self.vector
        if dtype != torch.float32:
            self.worker, self.rounded = copy.deepcopy(model).to(dtype), self.vector.to(dtype)
            _open_windows(_parameters(self.worker, self.names), self.rounded)
        self.moving = _parameters(self.worker, self.names)

    @torch.no_grad()
    def refresh(self) -> None:
        """Round the weights as they now are for the worker."""
        if self.rounded is not self.vector:
            self.rounded.copy_(self.vector)

    def gradient(self, logits: Tensor, slope: Tensor) -> Tensor:
        """What the chain rule makes of a slope at the worker's logits: one along every weight, as long as `vector`, float32."""
        return _gather(torch.autograd.grad(logits, self.moving, slope)).float()

    def optimiser(self, spec: Optimiser) -> torch.optim.Optimizer:
        """A fused optimiser over `vector`; only the part that comes from matrices decays."""
        parts = self.vector.tensor_split([self.matrices])
        groups = [{"params": [nn.Parameter(part)], "weight_decay": decay} for part, decay in zip(parts, (spec.weight_decay, 0.0), strict=True)]
        if isinstance(spec, AdamW):
            return torch.optim.AdamW(groups, betas=(spec.beta1, spec.beta2), fused=True)
        return torch.optim.SGD(groups, lr=0.0, momentum=spec.momentum, fused=True)


def _matrices_first(model: nn.Module) -> list[str]:
    return [name for name, _ in sorted(model.named_parameters(), key=lambda item: item[1].dim() < 2)]


def _parameters(model: nn.Module, names: Sequence[str]) -> list[nn.Parameter]:
    return [model.get_parameter(name) for name in names]


def _gather(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def _open_windows(parameters: Sequence[nn.Parameter], vector: Tensor) -> None:
    for parameter, window in zip(parameters, vector.split([p.numel() for p in parameters]), strict=True):
        parameter.data = window.view_as(parameter)
