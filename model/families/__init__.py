"""The families this model can be: each a table of sizes and names, none of them code in a layer."""

from __future__ import annotations

from model.errors import Refusal
from model.families import gpt2, gpt3, llama, vitrine
from model.families.family import Family, Published, Same, Size, Source, Stacked, Transposed

FAMILIES: tuple[Family, ...] = (gpt2.FAMILY, gpt3.FAMILY, llama.FAMILY, vitrine.FAMILY)

__all__ = ["FAMILIES", "Family", "Published", "Same", "Size", "Source", "Stacked", "Transposed", "find", "published_as"]


def find(name: str) -> Size:
    """The size published under this name ("gpt2-xl"), in any case of letters. Raises `Refusal` naming those there are."""
    sizes = {key: size for family in FAMILIES for key, size in family.sizes.items()}
    if name.lower() not in sizes:
        raise Refusal("families.name", "no published size is called {given!r}; there are {known}", given=name, known=", ".join(sizes))
    return sizes[name.lower()]


def published_as(model_type: str) -> Family | None:
    """The family whose checkpoints carry this `model_type` in their `config.json`, if there is one."""
    return next((family for family in FAMILIES if family.published and family.published.model_type == model_type), None)
