"""The backward passes written by hand are the ones calculus demands."""

from __future__ import annotations

import math

import pytest
import torch

from model.config import Rotary
from model.layers.mixing import Mixing, Turning
from model.layers.positions import rotate, rotation


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("blind", [False, True])
def test_mixing_has_the_gradient_of_its_own_arithmetic(blind: bool) -> None:
    q, k, v = (draw(3, 5, 4, seed=seed) for seed in range(3))
    offsets = torch.full((5, 5), -math.inf, dtype=torch.float64).triu(1)
    nowhere = None
    if blind:
        offsets[2] = -math.inf
        nowhere = torch.arange(5)[:, None] == 2
    mixed = Mixing.apply(q, k, v, offsets.expand(3, 5, 5), nowhere, 0.5)
    pattern = torch.softmax(0.5 * q @ k.mT + offsets, -1)
    expected = (pattern if nowhere is None else pattern.masked_fill(nowhere, 0)) @ v
    torch.testing.assert_close(mixed, expected)
    # a query that sees nothing is left out: the spelled-out softmax has no derivative there, the mixed value none but zero
    seen = torch.ones(5, dtype=torch.bool) if nowhere is None else ~nowhere[:, 0]
    slope = draw(3, 5, 4, seed=7).detach()
    ours = torch.autograd.grad(mixed, (q, k, v), slope)
    pattern = torch.softmax(0.5 * q[:, seen] @ k.mT + offsets[seen], -1)
    for mine, autograd in zip(ours, torch.autograd.grad(pattern @ v, (q, k, v), slope[:, seen]), strict=True):
        torch.testing.assert_close(mine, autograd)


@pytest.mark.parametrize("positions", [Rotary(), Rotary(fraction=0.5), Rotary(pairing="neighbours")], ids=str)
def test_a_rotation_is_undone_by_its_gradient(positions: Rotary) -> None:
    x = draw(2, 3, 6, 8, seed=1)
    turn = tuple(table.double() for table in rotation(positions, int(positions.fraction * 8), 6, torch.device("cpu")))
    turned = Turning.apply(x, positions, *turn)
    assert torch.equal(turned, rotate(x, positions, *turn))
    (back,) = torch.autograd.grad(turned, x, turned.detach())
    torch.testing.assert_close(back, x.detach(), rtol=1e-6, atol=1e-6)
    slope = draw(2, 3, 6, 8, seed=2).detach()
    ours, autograd = (torch.autograd.grad(turn_by(x, positions, *turn), x, slope) for turn_by in (Turning.apply, rotate))
    torch.testing.assert_close(ours, autograd)
