"""Which number format to calculate in: decided by a race, because not every processor gains from bfloat16."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import Literal

import torch
from torch import Tensor

GAIN = 0.8
"""bfloat16 is taken when its matrix product needs at most this share of float32's time."""


def resolve(precision: Literal["automatic", "float32", "bfloat16"], device: torch.device) -> torch.dtype:
    """The format a recipe's `precision` means on this device."""
    if precision == "automatic":
        return torch.bfloat16 if bfloat16_pays(device.type) else torch.float32
    return getattr(torch, precision)


@cache
def bfloat16_pays(device: str = "cpu") -> bool:
    """Whether bfloat16 multiplies clearly faster here. On a CPU a race of about 20 ms decides, once per process."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    runners = [torch.randn(384, 384).to(dtype) for dtype in (torch.float32, torch.bfloat16)]
    for runner in runners:
        runner.mm(runner)
    single, half = (min(_lap(runner) for _ in range(8)) for runner in runners)
    return half < GAIN * single


def _lap(matrix: Tensor) -> float:
    start = perf_counter()
    matrix.mm(matrix)
    return perf_counter() - start
