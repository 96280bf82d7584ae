"""What is chosen on the families page: one published size or two, and the miniatures made of them. All of it lives in the link."""

from __future__ import annotations

from components import state
from components.controls import where
from components.i18n import Words
from model.config import Config
from model.families import FAMILIES, find
from model.families.miniature import STEP, miniature
from model.training.objective import tokenizer, usual

OF = {size: family for family in FAMILIES for size in family.sizes}
"""The family of each published size."""
NOTHING = ""
WIDTHS, LAYERS, HEADS = (32, 64, 96, 128), (1, 2, 3, 4), (1, 2, 4, 8)
WEIGHTS = ("random", "shipped", "here")
SPANS = (10, 20, 30)

FIRST = state.option("f.a", "gpt2", tuple(OF))
SECOND = state.option("f.b", NOTHING, (NOTHING, *OF))
PART: state.Field[str] = state.text("f.part", "", 40)
"""The part of the drawing kept open."""
WIDTH = state.option("f.width", 64, WIDTHS)
DEPTH = state.option("f.layers", 2, LAYERS)
COUNT = state.option("f.heads", 2, HEADS)
SEED = state.integer("f.seed", 0, 0, 99)
WEIGHED = state.option("f.weights", "random", WEIGHTS)
"""Whose weights the miniatures have: none's, those of the models that ship, or those trained on this page."""
PLACE = where.field("f.where")
LAYER = state.integer("f.layer", 1, 1, 96)
HEAD = state.integer("f.head", 1, 1, 128)
SECONDS = state.option("f.seconds", 20, SPANS)

FIELDS = (FIRST, SECOND, PART, WIDTH, DEPTH, COUNT, SEED, WEIGHED, PLACE, LAYER, HEAD, SECONDS)


def chosen() -> tuple[str, ...]:
    """The published size or sizes on the page, by name."""
    second = state.get(SECOND)
    return (state.get(FIRST), second) if second else (state.get(FIRST),)


def choose(slot: int, family: str) -> None:
    """Put a family's first size in one of the two places, or nothing in the second; a family that stands there already keeps its size."""
    field = (FIRST, SECOND)[slot]
    there = state.get(field)
    if not family:
        state.put(SECOND, NOTHING)
    elif not there or OF[there].name != family:
        state.put(field, next(size for size, of in OF.items() if of.name == family))


def title(words: Words, name: str) -> str:
    """A published size as the screen calls it, its family first."""
    return f"{family(words, name)} · {name}"


def family(words: Words, name: str) -> str:
    """The family of a published size as the screen calls it."""
    return words(f"families.family.{OF[name].name}.title")


def small(name: str) -> Config:
    """A published size in the miniature that the page asks for, with the vocabulary of the micro-world. Heads that the width has no
    room for are left out, so that no link asks for the impossible."""
    full, width = find(name).config, state.get(WIDTH)
    heads = max(count for count in HEADS if count <= min(state.get(COUNT), width // STEP))
    return miniature(full, vocabulary=tokenizer(usual(full)).size, width=width, layers=state.get(DEPTH), heads=heads)
