"""Where a token stands, told in three ways: added to its vector, turned into its queries and keys, or taken off its scores.

Legend: T tokens, H heads, width the residual stream's size. The tables depend on nothing but their arguments, so they are
computed once and shared; `inference_mode(False)` lets a table born while tracing serve training too.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from model.config import Rotary


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def sinusoids(length: int, width: int, device: torch.device) -> Tensor:
    """Sines in the even places and cosines in the odd ones: (length, width). Vaswani et al. 2017, section 3.5."""
    place = torch.arange(length, device=device, dtype=torch.float64)[:, None]
    wavelength = 10_000.0 ** (torch.arange(0, width, 2, device=device, dtype=torch.float64) / width)
    angle = place / wavelength
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)[:, :width].float()


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def rotation(positions: Rotary, turned: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every position's angles: two of (length, turned / 2). Su et al. 2021, equation 15."""
    speed = positions.base ** (-torch.arange(0, turned, 2, device=device, dtype=torch.float32) / turned)
    angle = torch.outer(torch.arange(length, device=device, dtype=torch.float32), speed)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, positions: Rotary, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs of numbers of each query or key by its position's angles.

    x: (batch, heads, T, size); cos, sin: (T, turned / 2). A pair is two neighbours (GPT-J) or one number from each half (LLaMA).
    """
    turned = 2 * cos.shape[-1]
    x, rest = x[..., :turned], x[..., turned:]
    if positions.pairing == "halves":
        a, b = x.chunk(2, -1)
        out = torch.addcmul(torch.cat([b, a], -1) * torch.cat([-sin, sin], -1), x, torch.cat([cos, cos], -1))
    else:
        a, b = x[..., ::2], x[..., 1::2]
        out = torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)
    return torch.cat([out, rest], -1) if rest.shape[-1] else out


def alibi_slopes(heads: int) -> list[float]:
    """How steeply each head's penalty falls: a geometric series for a power of two, else filled from the next one's odd
    places (Press et al. 2022, section 3 and its published code)."""
    power = 1 << (heads.bit_length() - 1)
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    between = [2 ** (-8 * (i + 1) / (2 * power)) for i in range(0, 2 * power, 2)]
    return slopes + between[: heads - power]


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def alibi(heads: int, queries: int, keys: int, device: torch.device) -> Tensor:
    """What distance takes off each score: (heads, queries, keys), the queries being the last of the keys."""
    query = torch.arange(keys - queries, keys, device=device)[:, None]
    distance = (query - torch.arange(keys, device=device)).abs().float()
    return -torch.tensor(alibi_slopes(heads), device=device)[:, None, None] * distance
