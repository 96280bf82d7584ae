"""A run at rest: all it takes to go on bit for bit, in one safetensors file.

The numbers that are no tensors travel as JSON in the file's own header, so the file is whole or it is not there.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from model.config import Config, from_dict, to_dict
from model.errors import Refusal
from model.training.recipe import Recipe

TENSORS, SUMMARY = "run.safetensors", "run.json"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a run stands after `step` steps: its weights by parameter name, the optimiser's moments by part and name, the
    source's own state. `precision` is the one that `automatic` turned out to be; the same is needed for the same bits."""

    config: Config
    recipe: Recipe
    precision: Literal["float32", "bfloat16"]
    step: int
    tokens: int
    seconds: float
    source: dict[str, Any]
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]

    def fits(self, config: Config, recipe: Recipe) -> None:
        """Raises `Refusal` unless this comes from the same configuration and, but for the budget, the same recipe."""
        if config != self.config:
            raise Refusal("training.resume_config", "this run trained another configuration; build the model from the one it saved")
        mine = replace(self.recipe, budget=recipe.budget)
        for field in fields(Recipe):
            was, given = getattr(mine, field.name), getattr(recipe, field.name)
            if was != given:
                raise Refusal(
                    "training.resume_recipe",
                    "this run was begun with {name} = {was} and cannot go on with {given}; only its budget may change",
                    name=field.name,
                    was=was,
                    given=given,
                )

    def moments_by_part(self) -> dict[int, dict[str, Tensor]]:
        """The moments as an optimiser's state: {part: {name: tensor}}."""
        parts: dict[int, dict[str, Tensor]] = {}
        for key, value in self.moments.items():
            part, name = key.split(".", 1)
            parts.setdefault(int(part), {})[name] = value.clone()
        return parts


def save_run(folder: str | os.PathLike[str], checkpoint: Checkpoint) -> Path:
    """Write `run.safetensors` (the whole state) and `run.json` (what it is, to be read by people) into `folder`.

    Each file is written beside its place and moved there in one stroke, so a crash leaves the previous one.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    about = _about(checkpoint)
    tensors = {f"weights.{name}": value for name, value in checkpoint.weights.items()}
    tensors |= {f"moments.{name}": value for name, value in checkpoint.moments.items()}
    header = json.dumps(about | {"source": checkpoint.source})
    _write(path / TENSORS, save({name: value.cpu().contiguous() for name, value in tensors.items()}, {"run": header}))
    _write(path / SUMMARY, json.dumps(about, indent=2).encode())
    return path


def load_run(folder: str | os.PathLike[str]) -> Checkpoint:
    """The run that `save_run` wrote. Raises `Refusal` when there is none, or when it is damaged."""
    path = Path(folder) / TENSORS
    if not path.is_file():
        raise Refusal("training.no_run", "there is no {name} in {folder}; give the folder a run was saved in", name=TENSORS, folder=str(folder))
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        return _parse(header, tensors)
    except Refusal:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise Refusal("training.damaged_run", "{file} is not a run of ours, or is damaged ({why})", file=str(path), why=error) from error


def _about(checkpoint: Checkpoint) -> dict[str, Any]:
    plain = ("precision", "step", "tokens", "seconds")
    return {"config": to_dict(checkpoint.config), "recipe": to_dict(checkpoint.recipe)} | {name: getattr(checkpoint, name) for name in plain}


def _parse(header: dict[str, Any], tensors: dict[str, Tensor]) -> Checkpoint:
    under = lambda prefix: {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}  # noqa: E731
    return Checkpoint(
        config=from_dict(Config, header["config"]),
        recipe=from_dict(Recipe, header["recipe"]),
        precision=_precision(header["precision"]),
        step=int(header["step"]),
        tokens=int(header["tokens"]),
        seconds=float(header["seconds"]),
        source=dict(header["source"]),
        weights=under("weights."),
        moments=under("moments."),
    )


def _precision(given: str) -> Literal["float32", "bfloat16"]:
    if given == "float32" or given == "bfloat16":
        return given
    raise ValueError(f"precision {given!r}")


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(beside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
