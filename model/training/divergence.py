"""Why a run fell apart: read from the evidence it left, and told in one sentence with its cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from model.errors import Refusal
from model.training.recipe import AdamW, NoClipping, Recipe

EARLY = 100
"""Steps within which a missing warm-up is still the likely cause."""
GROWTH = 10.0
"""A gradient this many times its median has grown, not merely wavered."""
EXCESS = 8.0
"""A rate this many times the usual one is the likely cause by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What is known when the loss of step `step` is no number: the rate before it, the gradients' norms so far, the model's width."""

    step: int
    learning_rate: float
    norms: Sequence[float]
    width: int
    recipe: Recipe


def usual_rate(width: int) -> float:
    """About the rate that trains a model of this width well with AdamW: measured 0.008 at 64, 0.004 at 128, 0.0015 at 256."""
    return 0.5 / width


def explain(evidence: Evidence) -> Refusal:
    """The refusal that stops the run: its code is `training.diverged.` and the likely cause."""
    e, sentence = evidence, _cause(evidence)
    return Refusal(
        f"training.diverged.{sentence[0]}",
        "step {step}: the loss is not a finite number. " + sentence[1] + ". The last good weights are kept.",
        step=e.step,
        rate=f"{e.learning_rate:.3g}",
        usual=f"{usual_rate(e.width):.2g}",
        lower=f"{e.learning_rate / 4:.2g}",
        median=f"{_typical(e):.3g}",
        last=f"{e.norms[-1] if e.norms else 0:.3g}",
        warmup=e.recipe.warmup,
        width=e.width,
    )


def _cause(e: Evidence) -> tuple[str, str]:
    if e.step == 1:
        return "birth", "It was so before any step: the weights themselves overflow; draw them smaller or load others"
    if isinstance(e.recipe.optimiser, AdamW) and e.recipe.learning_rate > EXCESS * usual_rate(e.width):
        return "rate", "The learning rate was {rate}; at width {width} about {usual} is usual"
    if isinstance(e.recipe.clipping, NoClipping) and e.norms and e.norms[-1] > GROWTH * _typical(e):
        return "clipping", "Without clipping, the gradient grew from {median} (median) to {last}; clip it at 1"
    if e.recipe.warmup < 10 and e.step <= EARLY:
        return "warmup", "It happened early, after a warm-up of {warmup} steps; warm up over 40 steps"
    return "rate_lower", "The learning rate {rate} is probably too high; try {lower}"


def _typical(e: Evidence) -> float:
    return median(e.norms) if e.norms else 0.0
