"""The flow's numbers, packed: small maps of every head, and what one token is at every station. They depend on no language and no reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.canvas import plate
from components.canvas.flow.layout import LANES
from model.analysis.passage import passage, small_maps
from model.analysis.places import Where, places, sides
from model.analysis.residual import Attribution, Stream, attribution, parts_of, stations_of, stream
from model.config import Config, EncoderDecoder, GatedMlp, Kind
from model.trace import Trace

SIDE = 64
PIXELS = 600_000
"""Of all maps together; where there are many heads each is smaller."""
NUMBERS = 400_000
"""Of the insides of all blocks together; where there are more, only the block that is open is sent."""
BEST = 8
"""How many of the likeliest tokens can be followed without asking the server."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Followed:
    """What the picture follows, counted from 0: the place `at` in the text, `source` in the source (0 without one), and the vocabulary's
    `tokens` whose logits are taken apart."""

    at: int
    source: int
    tokens: tuple[int, ...]

    def place(self, config: Config, stack: Kind) -> int:
        """The token that is followed through a stack."""
        return self.at if stack == config.main else self.source


def followed(trace: Trace, at: int, source: int, token: int | None) -> Followed:
    """The likeliest tokens at this place, and the one that is asked for wherever it stands."""
    best = trace.logits[at].topk(min(BEST, trace.logits.shape[-1])).indices.tolist()
    return Followed(at, source, tuple(best if token is None or token in best else [*best, token]))


def detailed(config: Config, longest: int, layer: int, stack: str) -> dict[Kind, tuple[int, ...]]:
    """The layers of each stack whose insides are sent: all where they are few numbers, else that of the block which is open."""
    one = numbers_of_a_block(config, longest)
    if one * sum(config.depths.values()) <= NUMBERS:
        return {kind: tuple(range(depth)) for kind, depth in config.depths.items()}
    return {kind: (layer - 1,) if kind == stack and layer else () for kind in config.depths}


def numbers_of_a_block(config: Config, longest: int) -> int:
    """About how many numbers one token leaves in one block."""
    a, branches = config.attention, 2 if isinstance(config.form, EncoderDecoder) else 1
    heads = a.heads * (2 * longest + 2 * a.size + config.width) + 2 * a.kv_heads * a.size
    return branches * heads + 8 * config.width + (3 if isinstance(config.mlp, GatedMlp) else 2) * config.mlp.hidden


# ---------------------------------------------------------------- maps


def pack_maps(trace: Trace) -> bytes:
    """Every head's map as codes of its roots, one attention after the other; the header says how large they are."""
    config, planes, facts = trace.model.config, [], {}
    heads = config.attention.heads * (sum(config.depths.values()) + (config.layers if isinstance(config.form, EncoderDecoder) else 0))
    side = max(4, min(SIDE, int((PIXELS / heads) ** 0.5)))
    for where in places(config).values():
        maps, block = small_maps(trace, where, side)
        facts[f"{where.stack}.{where.branch}"] = {"shape": maps.shape, "block": block}
        planes += plate.rooted(maps, fine=False)
    return plate.envelope({"maps": facts}, plate.squeeze(planes))


# ---------------------------------------------------------------- numbers


def pack_numbers(trace: Trace, about: Followed, layers: dict[Kind, tuple[int, ...]]) -> bytes:
    """Every number along the way of one token (and one of the source) as float32; the header lists the arrays by name and shape."""
    named = list(_arrays(trace, about, layers))
    facts = {"arrays": [[name, *values.shape] for name, values in named], "layers": layers, "tokens": about.tokens, "at": about.at}
    return plate.envelope(facts | {"source": about.source}, plate.squeeze([np.ascontiguousarray(values, "<f4") for _, values in named]))


def _arrays(trace: Trace, about: Followed, layers: dict[Kind, tuple[int, ...]]) -> Iterator[tuple[str, Floats]]:
    config = trace.model.config
    for stack in config.depths:
        at = about.place(config, stack)
        yield from ((f"{stack}.{name}", values) for name, values in _sizes(config, stream(trace, stack), at))
        found = passage(trace, at, stack, layers[stack])
        yield from ((f"{stack}.ends.{name}", values) for name, values in found.ends.items())
        yield from ((f"{stack}.{name}", values) for name, values in found.blocks.items())
        for where in places(config).values():
            if where.stack == stack:
                yield f"{stack}.{where.branch}.allowed", _allowed(trace, where, at, layers[stack])
    yield from _pushes(trace, attribution(trace, about.at, about.tokens))


def _sizes(config: Config, sizes: Stream, at: int) -> Iterator[tuple[str, Floats]]:
    for name in stations_of(config, sizes.stack):
        yield f"size.{name}", sizes.norms[name][:, at]
    for part, added in sizes.added.items():
        yield f"size.{part}.out", added.norms[:, at]
        yield f"cosine.{part}.out", added.cosines[:, at]
        if added.heads is not None and added.head_cosines is not None:
            yield f"size.{part}.heads", added.heads[:, :, at]
            yield f"cosine.{part}.heads", added.head_cosines[:, :, at]


def _allowed(trace: Trace, where: Where, at: int, layers: tuple[int, ...]) -> Floats:
    """Whom one token may look at in each head of these layers: (L, H, S)."""
    rows = [trace.allowed(where.branch, where.stack, layer)[..., at, :].float().numpy() for layer in layers]
    shape = trace.model.config.attention.heads, len(sides(trace, where)[1])
    return np.stack([np.broadcast_to(row, shape) for row in rows]) if rows else np.zeros((0, *shape), np.float32)


def _pushes(trace: Trace, found: Attribution) -> Iterator[tuple[str, Floats]]:
    for branch, heads in found.heads.items():
        yield f"push.{branch}.heads", heads
        yield f"push.{branch}.bias", found.biases[branch]
        yield f"push.{branch}.out", heads.sum(2) + found.biases[branch]
    yield from (("push.mlp.out", found.mlp), ("push.embedding", found.embedding), ("push.offsets", found.offsets), ("push.bias", found.bias))
    yield from (("push.logits", found.logits), ("push.shares", trace.logits[found.at].float().softmax(-1)[list(found.tokens)].numpy()))


def unpacked(numbers: bytes) -> dict[str, Floats]:
    """What `pack_numbers` wrote, by name: as the browser reads it."""
    header, (part,) = plate.opened(numbers)
    flat, at, found = np.frombuffer(part, "<f4"), 0, {}
    for name, *shape in header["arrays"]:
        size = int(np.prod(shape))
        found[name] = flat[at : at + size].reshape(shape)
        at += size
    return found


def facts(config: Config) -> dict[str, Any]:
    """What the browser needs to know of a configuration."""
    return {
        "main": config.main,
        "depths": config.depths,
        "branches": {stack: parts_of(config, stack)[:-1] for stack in config.depths},
        "heads": config.attention.heads,
        "shared": config.attention.heads // config.attention.kv_heads,
        "width": config.width,
        "vocabulary": config.vocabulary,
        "arrangement": str(getattr(config.arrangement, "norm_place", "parallel")),
        "final": config.final_norm,
        "ribbon": {shape: (lane.heads[0], lane.heads[1] - 44) for shape, lane in LANES.items()},
    }
