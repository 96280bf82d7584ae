"""The families this model can be: each a table of sizes and names, none of them code in a layer."""

from __future__ import annotations

from importlib import import_module

from model.errors import Refusal
from model.families.family import (
    Either,
    Family,
    Flat,
    Interleaved,
    Published,
    Raised,
    Same,
    Size,
    Source,
    Stacked,
    Template,
    Transposed,
)

NAMES = (
    "original",
    "bert",
    "gpt2",
    "t5",
    "albert",
    "gpt3",
    "gptj",
    "lamda",
    "neox",
    "opt",
    "bloom",
    "llama",
    "alpaca",
    "falcon",
    "mistral",
    "gemma",
    "qwen2",
    "qwen3",
    "vitrine",
)
"""The modules of this package that each describe a family, in the order they came into the world."""

FAMILIES: tuple[Family, ...] = tuple(import_module(f"{__name__}.{name}").FAMILY for name in NAMES)

__all__ = [
    "FAMILIES",
    "Either",
    "Family",
    "Flat",
    "Interleaved",
    "Published",
    "Raised",
    "Same",
    "Size",
    "Source",
    "Stacked",
    "Template",
    "Transposed",
    "find",
    "published_as",
]


def find(name: str) -> Size:
    """The size published under this name ("gpt2-xl"), in any case of letters. Raises `Refusal` naming those there are."""
    sizes = {key: size for family in FAMILIES for key, size in family.sizes.items()}
    if name.lower() not in sizes:
        raise Refusal("families.name", "no published size is called {given!r}; there are {known}", given=name, known=", ".join(sizes))
    return sizes[name.lower()]


def published_as(model_type: str) -> Family | None:
    """The family whose checkpoints carry this `model_type` in their `config.json`, if there is one."""
    return next((family for family in FAMILIES if family.published and family.published.model_type == model_type), None)
