"""From a preset to a run: the configuration, the recipe, the world and its lessons, put together with nothing left to choose.

A preset is a JSON file in `presets/`, or any dictionary of the same form; what it leaves out has its usual value.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

from model.config import Config, from_dict, to_dict
from model.errors import Refusal
from model.text.rows import Lesson
from model.text.tokenizer import Tokenizer
from model.text.world import Dials
from model.training import objective as objectives
from model.training.checkpoint import Checkpoint
from model.training.objective import Objective
from model.training.recipe import Recipe
from model.training.run import Run, train
from model.transformer import Transformer

PRESETS = Path(__file__).parent / "presets"
PARTS = {"config", "objective", "recipe", "world", "lessons"}
"""What a preset may say."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A model to be and how it learns: `dials` turn the world it reads in the end, `lessons` what it reads before; the `objective` is
    the usual one of the model's form unless given."""

    config: Config = field(default_factory=Config)
    recipe: Recipe = field(default_factory=Recipe)
    dials: Dials = field(default_factory=Dials)
    lessons: tuple[Lesson, ...] = ()
    objective: Objective | None = None

    @property
    def task(self) -> Objective:
        """What the model learns to say."""
        return self.objective or objectives.usual(self.config)


@dataclass(frozen=True)
class Session:
    """A run ready to be iterated, with the model it trains and the tokenizer its rows were written with."""

    preset: Preset
    tokenizer: Tokenizer
    model: Transformer
    run: Run

    def card(self, measured: Mapping[str, Any]) -> dict[str, Any]:
        """What a trained model says of itself: what it has read, how, and with what; `measured` adds loss, floor, ratio and skills."""
        return {
            "tokens_seen": self.run.tokens,
            "steps": self.run.steps,
            "seconds": round(self.run.seconds, 1),
            "seed": self.preset.recipe.seed,
            **measured,
            "preset": write(self.preset),
            "versions": {"python": platform.python_version(), "torch": str(torch.__version__)},
        }


def presets() -> list[str]:
    """The names of the presets that come with the project."""
    return sorted(path.stem for path in PRESETS.glob("*.json"))


def preset(name: str) -> Preset:
    """The preset of this name. Raises `Refusal` if there is none."""
    if name not in presets():
        raise Refusal("training.preset", "there is no preset {name}; choose from {known}", name=name, known=", ".join(presets()))
    return read(json.loads((PRESETS / f"{name}.json").read_text()))


def begin(preset: Preset, resume: Checkpoint | None = None) -> Session:
    """Build what the preset describes, its weights, rows and dice all drawn from the recipe's seed, and be ready to train.

    With `resume`, to go on. The vocabulary is the tokenizer's.
    """
    tokenizer, seed = objectives.tokenizer(preset.task), preset.recipe.seed
    model = Transformer(replace(preset.config, vocabulary=tokenizer.size), seed=seed)
    source = objectives.source(preset.task, preset.recipe.context, seed=seed, dials=preset.dials, lessons=preset.lessons)
    return Session(preset, tokenizer, model, train(model, source, preset.recipe, resume))


def read(given: Mapping[str, Any]) -> Preset:
    """The preset that `write` wrote, or a shorter one. Raises `Refusal` for an unknown part or an impossible value."""
    unknown = sorted(set(given) - PARTS)
    if unknown:
        raise Refusal("training.preset_part", "a preset has config, objective, recipe, world and lessons, not {unknown}", unknown=unknown[0])
    dials, config = _dials(given.get("world", {})), from_dict(Config, given.get("config", {}))
    return Preset(
        config=config,
        objective=objectives.read(given["objective"], config) if "objective" in given else None,
        recipe=from_dict(Recipe, given.get("recipe", {})),
        dials=dials,
        lessons=tuple(_lesson(lesson, dials) for lesson in given.get("lessons", ())),
    )


def write(preset: Preset) -> dict[str, Any]:
    """A preset as plain JSON values, complete."""
    lessons = [{"until": lesson.until, "world": _written(lesson.dials)} for lesson in preset.lessons]
    objective = {} if preset.objective is None else {"objective": objectives.write(preset.objective)}
    return {"config": to_dict(preset.config), **objective, "recipe": to_dict(preset.recipe), "world": _written(preset.dials), "lessons": lessons}


def _lesson(given: Mapping[str, Any], dials: Dials) -> Lesson:
    match dict(given):
        case {"until": int(until), "kinds": [*kinds], "share": float(share)} if len(given) == 3:
            return Lesson(until, dials.emphasise(tuple(kinds), share))
        case {"until": int(until), "world": {**world}} if len(given) == 2:
            return Lesson(until, _dials(world))
        case other:
            raise Refusal("training.lesson", "a lesson has until, kinds and share, or until and world; got {given}", given=other)


def _dials(given: Mapping[str, Any]) -> Dials:
    known = [f.name for f in fields(Dials)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise Refusal("training.dial", "the world has no dial {unknown}; it has {known}", unknown=unknown[0], known=", ".join(known))
    tuples = {"forget": tuple, "weights": lambda weights: tuple(weights.items())}
    return Dials(**{name: tuples.get(name, lambda value: value)(value) for name, value in given.items()})


def _written(dials: Dials) -> dict[str, Any]:
    plain = {f.name: getattr(dials, f.name) for f in fields(Dials)}
    return plain | {"forget": list(dials.forget), "weights": dict(dials.weights)}
