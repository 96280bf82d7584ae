"""Prepared experiments: one run, or two that differ in one thing. Each is written as its difference from the live plan."""

from __future__ import annotations

from dataclasses import dataclass

from components import spelling
from components.runs import Plan
from model.training.session import preset

_live = preset("live")
LIVE = Plan(config=_live.config, recipe=_live.recipe, seed=_live.recipe.seed)
"""From guessing to whole sentences in half a minute."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One plan, or two to be run side by side. Its title and promise are words: `size.experiments.{name}.title` and `.promise`."""

    name: str
    first: Plan
    second: Plan | None


def _experiment(name: str, first: str = "", second: str | None = None) -> Experiment:
    return Experiment(name, spelling.parse(first, LIVE), None if second is None else spelling.parse(second, LIVE))


EXPERIMENTS: tuple[Experiment, ...] = (
    _experiment("live"),
    _experiment("tiny", "config.width~16~config.attention.size~8~config.mlp.hidden~64", ""),
    _experiment("deep", "config.layers~1", "config.layers~4"),
    _experiment("heads", "config.attention.heads~1~config.attention.kv_heads~1~config.attention.size~64", ""),
    _experiment("positions", "config.positions~NoPositions", ""),
    _experiment("rate_high", "", "recipe.learning_rate~0.08"),
    _experiment("rate_low", "", "recipe.learning_rate~0.0008"),
    _experiment("optimiser", "", "recipe.optimiser~SGD"),
    _experiment("batch", "recipe.batch~2", "recipe.batch~32"),
    _experiment("dropout", "", "config.dropout~0.3"),
    _experiment("luck", "", "seed~1"),
    _experiment(
        "crash",
        "config.final_norm~False~config.initialisation~Fixed~config.initialisation.deviation~0.2"
        "~recipe.learning_rate~0.1~recipe.warmup~0~recipe.optimiser~SGD~recipe.clipping~NoClipping",
    ),
)


def matching(first: Plan, second: Plan | None) -> str | None:
    """The name of the experiment these plans are, or `None` where the reader made them."""
    return next((e.name for e in EXPERIMENTS if (e.first, e.second) == (first, second)), None)
