"""Cross-entropy and its slope in one go: what a model pays for its guesses, and the direction in which it would pay less.

The slope at the logits is probability minus one at the target, probability elsewhere (Bridle 1990): the softmax that gives
the loss gives it too, in half the passes over memory that taking the derivative afterwards needs.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = torch.finfo(torch.float32).tiny
"""A probability below this is taken for it, so that one hopeless guess costs 87 nats and not infinitely many."""


@torch.no_grad()
def cross_entropy(logits: Tensor, targets: Tensor, pad: int) -> tuple[float, Tensor]:
    """The mean loss (nats) over the targets that are not `pad`, and its slope along every logit.

    logits: (B, T, vocabulary) in any precision, targets: (B, T); the slope has the logits' shape and precision.
    """
    targets = targets.reshape(-1, 1)
    counted = (targets != pad).float()
    weight = counted / counted.sum()
    probability = torch.softmax(logits.flatten(0, 1).float(), -1)
    surprise = -probability.gather(-1, targets).clamp_min(SMALLEST).log()
    probability.scatter_add_(-1, targets, -torch.ones_like(surprise))
    slope = probability.mul_(weight).to(logits.dtype)
    return float((surprise * weight).sum()), slope.view_as(logits)
