"""Where a token stands, told in three ways: added to its vector, turned into its queries and keys, or added to its scores.

Legend: T tokens, H heads, width the residual stream's size. The tables depend on nothing but their arguments, so they are
computed once and shared; `inference_mode(False)` lets a table born while tracing serve training too.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn

from model.config import ByWavelength, Config, Evenly, Relative, Rotary, Unstretched


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def sinusoids(length: int, width: int, order: Literal["turns", "halves"], device: torch.device) -> Tensor:
    """Sines and cosines taking turns, or all the sines first: (length, width). Vaswani et al. 2017, section 3.5."""
    place = torch.arange(length, device=device, dtype=torch.float64)[:, None]
    wavelength = 10_000.0 ** (torch.arange(0, width, 2, device=device, dtype=torch.float64) / width)
    angle = place / wavelength
    if order == "halves":
        return torch.cat([angle.sin(), angle.cos()], -1)[:, :width].float()
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)[:, :width].float()


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def rotation(positions: Rotary, turned: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every position's angles: two of (length, turned / 2). Su et al. 2021, equation 15."""
    speed = stretched(positions.base ** (-torch.arange(0, turned, 2, device=device, dtype=torch.float32) / turned), positions)
    angle = torch.outer(torch.arange(length, device=device, dtype=torch.float32), speed)
    return angle.cos(), angle.sin()


def stretched(speed: Tensor, positions: Rotary) -> Tensor:
    """How fast each pair turns (radians per position), slowed so that a longer text spans the angles of the trained one."""
    match positions.stretch:
        case Unstretched():
            return speed
        case Evenly(factor=factor):
            return speed / factor
        case ByWavelength(factor=factor, low=low, high=high, trained=trained):
            turns = trained * speed / (2 * math.pi)
            kept = ((turns - low) / (high - low)).clamp(0, 1)
            return speed * (kept + (1 - kept) / factor)


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


def bucket(distance: Tensor, positions: Relative, both_ways: bool) -> Tensor:
    """Which of the trained numbers stands for a distance (key minus query, any shape): near ones each have their own, the rest share
    buckets that widen in the logarithm up to `reach` (Raffel et al. 2020, section 2.1). Looking both ways, half of them are for what lies ahead."""
    buckets = positions.buckets // 2 if both_ways else positions.buckets
    ahead = (distance > 0).long() * buckets if both_ways else 0
    away = distance.abs() if both_ways else (-distance).clamp_min(0)
    near = buckets // 2
    share = torch.log(away.clamp_min(1).float() / near) / math.log(positions.reach / near)
    far = (near + (share * (buckets - near)).long()).clamp_max(buckets - 1)
    return ahead + torch.where(away < near, away, far)


class RelativeBias(nn.Module):
    """A trained number for each head and bucket of distances, added to the scores in every layer of one stack."""

    def __init__(self, config: Config, positions: Relative, both_ways: bool) -> None:
        super().__init__()
        self.positions, self.both_ways = positions, both_ways
        self.weight = nn.Parameter(torch.empty(positions.buckets, config.attention.heads))

    def forward(self, queries: int, keys: int) -> Tensor:
        """(heads, queries, keys), the queries being the last of the keys."""
        device = self.weight.device
        distance = torch.arange(keys, device=device) - torch.arange(keys - queries, keys, device=device)[:, None]
        return self.weight[bucket(distance, self.positions, self.both_ways)].permute(2, 0, 1)
