"""Which sites a configuration has and what their axes mean, told without building or running anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from model.analysis.derivation.wiring import Wiring
from model.config import Config, GatedMlp, Learned, Narrow, Sinusoidal
from model.trace import Branch

Meaning = Literal["query", "key", "token", "head", "group", "dimension", "word"]
"""What an axis counts: tokens that ask, that are asked, or just stand there; heads, heads of keys and values; numbers of a vector; tokens of
the vocabulary."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: what it counts, and how many; `None` for the tokens of the text that this stack reads, of the source where `about`."""

    meaning: Meaning
    size: int | None = None
    about: bool = False


@lru_cache(maxsize=64)
def layout(config: Config) -> dict[str, tuple[Axis, ...]]:
    """Every site and every step between two, in the order a pass reaches them."""
    found: dict[str, tuple[Axis, ...]] = {}
    for kind in config.depths:
        about = kind != config.main
        for leaf in _embedding(config):
            found[f"{kind}.embed.{leaf}"] = _vectors(about, _embedded(config, leaf))
        for layer in range(config.depths[kind]):
            wiring = Wiring(config, kind, layer)
            for leaf, axes in _block(wiring, about):
                found |= {wiring.site(step): _stepped(wiring, step, axes) for step in wiring.between(leaf)}
                found[wiring.site(leaf)] = axes
        if config.final_norm:
            found[f"{kind}.norm"] = _vectors(about, config.width)
    for site in _output(Wiring(config, config.main)):
        found[site] = _vectors(False, config.token_width)
    return found | {"logits": (Axis("token"), Axis("word", config.vocabulary))}


def _vectors(about: bool, width: int) -> tuple[Axis, ...]:
    return Axis("token", about=about), Axis("dimension", width)


def _embedding(config: Config) -> list[str]:
    e, last = config.embedding, Wiring(config, config.main).embedded.endswith(".wide")
    wide = ["wide"] if isinstance(e.room, Narrow) else []
    position = ["position"] if isinstance(config.positions, Learned | Sinusoidal) else []
    segment = ["segment"] if e.segments else []
    return ["token", *([] if last else wide), *position, *segment, "sum", *(["norm"] if e.norm else []), *(wide if last else [])]


def _embedded(config: Config, leaf: str) -> int:
    room = config.embedding.room
    narrow = leaf == "token" or (leaf != "wide" and isinstance(room, Narrow) and room.positions == "before")
    return config.token_width if narrow else config.width


def _block(wiring: Wiring, about: bool) -> Iterator[tuple[str, tuple[Axis, ...]]]:
    """A block's sites in the order its parts reach them."""
    stream, attends, thinks = _vectors(about, wiring.config.width), list(_attention(wiring, "attn", about)), list(_mlp(wiring, about))
    norm1, norm2 = ("norm1", stream), ("norm2", stream)
    cross = [("cross_norm", stream)] if wiring.crosses else []
    crosses, crossed = list(_attention(wiring, "cross", about)) if wiring.crosses else [], [("crossed", stream)] if wiring.crosses else []
    yield "before", stream
    if wiring.normed_after:
        yield from [*attends, norm1, ("middle", stream), *crosses, *cross, *crossed, *thinks, norm2]
    elif wiring.parallel:
        yield from [norm1, *([norm2] if wiring.has_second_norm else []), *attends, ("middle", stream), *thinks]
    else:
        yield from [norm1, *attends, ("middle", stream), *cross, *crosses, *crossed, norm2, *thinks]
    yield "after", stream


def _attention(wiring: Wiring, branch: Branch, about: bool) -> Iterator[tuple[str, tuple[Axis, ...]]]:
    a, asked = wiring.config.attention, about or branch == "cross"
    heads, size = Axis("head", a.heads), Axis("dimension", a.size)
    yield f"{branch}.q", (heads, Axis("query", about=about), size)
    for side in "kv":
        yield f"{branch}.{side}", (Axis("group", a.kv_heads), Axis("key", about=asked), size)
    for leaf in ("scores", "masked", "pattern"):
        yield f"{branch}.{leaf}", (heads, Axis("query", about=about), Axis("key", about=asked))
    yield f"{branch}.mixed", (heads, Axis("query", about=about), size)
    yield f"{branch}.out", _vectors(about, wiring.config.width)


def _mlp(wiring: Wiring, about: bool) -> Iterator[tuple[str, tuple[Axis, ...]]]:
    mlp = wiring.config.mlp
    for leaf in ("hidden", *(["up"] if isinstance(mlp, GatedMlp) else []), "activated"):
        yield f"mlp.{leaf}", _vectors(about, mlp.hidden)
    yield "mlp.out", _vectors(about, wiring.config.width)


def _stepped(wiring: Wiring, step: str, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """The axes of a step: those of the site it leads to, and of one head's part the head too."""
    return (Axis("head", wiring.config.attention.heads), *axes) if step.endswith("by_head") else axes


def _output(wiring: Wiring) -> tuple[str, ...]:
    if wiring.transforms:
        return (*wiring.between("head.transform"), "head.transform")
    return ("head.narrow",) if wiring.unembeds == "head.narrow" else ()


