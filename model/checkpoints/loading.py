"""From a folder to a model: ours, or one published in the Hugging Face layout.

Everything that can be refused is refused before memory is taken: the configuration, the names, every shape, the room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.checkpoints import marks
from model.checkpoints.files import read_json, verify
from model.checkpoints.marks import Marks
from model.checkpoints.memory import require_memory
from model.checkpoints.plan import Step, plan, tied, untied
from model.checkpoints.shelf import Shelf, shelf
from model.config import Config, Rotary, Sinusoidal, from_dict
from model.cost import parameters, parts
from model.errors import Refusal
from model.families import FAMILIES, Published, published_as
from model.text.published import PublishedTokenizer
from model.text.tokenizer import Tokenizer
from model.transformer import Transformer

OURS = "vitrine"
"""The `model_type` of our own checkpoints."""
CONFIG, WEIGHTS, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer.json", "card.json"

DEEPEST = 10_000
"""More layers than any model has; where all share one block's weights, nothing else bounds them."""


@dataclass(frozen=True, slots=True)
class Report:
    """What loading did: the family, how many numbers, and the stored arrays by name.

    `loaded` were read into the model, `skipped` left aside; `tied` are a copy and its original, two names for the same numbers;
    `missing` are weights of ours that are zero because nothing is stored for them; `formats` are the number formats that were read.
    """

    family: str
    parameters: int
    loaded: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    tied: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model ready to run (fp32, in evaluation mode, settled), with what lay beside it."""

    model: Transformer
    tokenizer: Tokenizer | None
    card: dict[str, Any] | None
    report: Report
    marks: Marks = field(default_factory=Marks)


def load(folder: str | Path, *, spare: int = 0) -> Loaded:
    """The model in a folder of ours (`config.json`, `model.safetensors`, `tokenizer.json`, `card.json`) or in the Hugging
    Face layout of a known family.

    Stored fp16 and bf16 become fp32. Raises `Refusal`, in one sentence, for anything missing, damaged, mis-shaped, unknown
    or so large that fewer than `spare` bytes of memory would stay free.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise Refusal("checkpoint.folder", "{folder} is no folder; a checkpoint is a folder with config.json and safetensors", folder=str(folder))
    given = read_json(folder / CONFIG)
    card = _verified_card(folder) if _kind(given) == OURS else None
    family, config = read_config(folder / CONFIG)
    published = None if family == OURS else _published(family)
    require_room(config, spare)
    with shelf(folder) as stored:
        config = untied(config, published, stored)
        require_room(config, spare)
        steps = plan(config, published, stored)
        model = _assemble(config, steps, stored)
    tokenizer = _tokenizer(folder, config, published)
    named = marks.ours(tokenizer) if published is None else marks.published(folder, given, config)
    return Loaded(model, tokenizer, card, _report(family, config, published, stored, steps), named)


def read_config(path: str | Path) -> tuple[str, Config]:
    """The family and the configuration a `config.json` describes; one without `model_type` is ours."""
    given = read_json(Path(path))
    kind = _kind(given)
    if kind == OURS:
        return OURS, from_dict(Config, {name: value for name, value in given.items() if name != "model_type"})
    family = published_as(kind) if isinstance(kind, str) else None
    if family is None or family.published is None:
        known = [OURS, *(family.published.model_type for family in FAMILIES if family.published)]
        raise Refusal("checkpoint.family", "{file} is of model_type {given!r}; known are {known}", file=str(path), given=kind, known=", ".join(known))
    return family.name, family.published.config(given)


# ---------------------------------------------------------------- putting it together


def require_room(config: Config, spare: int = 0) -> None:
    """Room for the whole model in fp32, for its largest part a second time, while it is put in order, for the tables of its positions, and
    for `spare` bytes beside. Nothing is listed that would not fit, and nothing run that would not end. Raises `Refusal` with both figures."""
    if max(config.depths.values()) > DEEPEST:
        sentence = "a model of {layers} layers is deeper than the {most} that are read"
        raise Refusal("checkpoint.layers", sentence, layers=max(config.depths.values()), most=DEEPEST)
    count, largest = parameters(config), max(part.each for part in parts(config))
    angles = {Rotary: 3 * config.rotated, Sinusoidal: 6 * config.width}.get(type(config.positions), 0)
    what = f"a model of {count:,} parameters for texts of {config.context:,} tokens"
    require_memory(4 * (count + largest + config.context * angles) + spare, what)


def _assemble(config: Config, steps: list[Step], stored: Shelf) -> Transformer:
    """The model, built without memory and given each array as it is read."""
    with torch.device("meta"):
        model = Transformer(config)

    def read() -> Iterator[tuple[str, Tensor]]:
        for step in steps:
            yield step.weight.name, step.build([stored.read(array.name) for array, _ in step.pieces])

    model.load_state_dict(dict(read()), assign=True)
    return model.eval().settle()


def _report(family: str, config: Config, published: Published | None, stored: Shelf, steps: list[Step]) -> Report:
    used = dict.fromkeys(array.name for step in steps for array, _ in step.pieces)
    pairs = tied(config, published, stored, used)
    return Report(
        family=family,
        parameters=parameters(config),
        loaded=tuple(used),
        skipped=tuple(name for name in stored.arrays if name not in used and name not in dict(pairs)),
        tied=pairs,
        missing=tuple(step.weight.name for step in steps if not step.pieces),
        formats=tuple(sorted({stored.arrays[name].kind for name in used})),
    )


def _kind(given: dict[str, Any]) -> Any:
    return given.get("model_type", OURS)


def _published(name: str) -> Published:
    return next(family.published for family in FAMILIES if family.name == name and family.published)


def _verified_card(folder: Path) -> dict[str, Any]:
    card = read_json(folder / CARD)
    present = [name for name in (CONFIG, WEIGHTS, TOKENIZER) if name != TOKENIZER or (folder / name).exists()]
    verify(folder, present, card.get("files"))
    return card


def _tokenizer(folder: Path, config: Config, published: Published | None) -> Tokenizer | None:
    path = folder / TOKENIZER
    if not path.exists():
        return None
    if published is not None:
        return PublishedTokenizer.read(path, config.vocabulary)
    tokenizer = Tokenizer.load(path)
    if tokenizer.size > config.vocabulary:
        raise Refusal(
            "checkpoint.vocabulary",
            "{file} knows {pieces} pieces, but vocabulary = {vocabulary}; the tokenizer belongs to another model",
            file=str(path),
            pieces=tokenizer.size,
            vocabulary=config.vocabulary,
        )
    return tokenizer
