"""Tokens as vectors: before context, as they stand in the embedding; within it, after each block; after it, as the output reads them.

A `Cloud` holds the vectors, stage by stage; `drawn` lays each stage out in the plane, `nearest` finds neighbours in all dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model.analysis.head_probes import questions
from model.config import EncoderDecoder, Free, Kind, Learned, Sinusoidal
from model.errors import Refusal
from model.text.skills import held_out
from model.text.tokenizer import Tokenizer
from model.trace import Trace, Tracer
from model.transformer import Transformer

Floats = NDArray[np.floating[Any]]
Method = Literal["pca", "tsne"]
BEFORE, OUTPUT = "embedding", "output"
MOST_STAGES = 10
"""Stages a cloud shows at most: of a deeper model the first, the last, and others evenly between."""
MOST_WORDS, MOST_POINTS = 600, 600
NEIGHBOURS = 10
DOCUMENTS = 48


@dataclass(frozen=True, slots=True)
class Point:
    """One vector's token: its id, its place in the text it stands in, and which text; the reader's is 0, a word without context has −1."""

    id: int
    place: int = -1
    text: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """`vectors[stage]` (N, d) of N `points` at each of `stages`: "embedding", sites of the residual stream, "output". `texts` are the ids
    of every text that points stand in, the reader's first."""

    points: tuple[Point, ...]
    stages: tuple[str, ...]
    vectors: tuple[Floats, ...]
    texts: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """Where each point is drawn, (stages, N, 2), every stage filling the square from −1 to 1; `explained` (stages, 2) the share of the
    variance that each axis shows, nothing for a method that has no such share."""

    places: NDArray[np.float32]
    explained: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """For each of N points its nearest others, (N, k) indices, the nearest first, and the cosines of the angles to them, (N, k)."""

    indices: NDArray[np.integer[Any]]
    cosines: Floats


# ---------------------------------------------------------------- clouds


def words(model: Transformer, ids: Sequence[int], among: Sequence[int] | None = None, most: int = MOST_WORDS) -> Cloud:
    """The vocabulary without any context: every token's row of the embedding and, where the output has a matrix of its own, of that.
    `among` are the tokens worth showing, all unless told; of more than `most` the tokens `ids` of a text and their nearest neighbours."""
    rows = model.embed.token.weight.detach()
    chosen = torch.arange(len(rows)) if among is None else torch.tensor(sorted({*among, *ids}), dtype=torch.long)
    if len(chosen) > most:
        chosen = _around(rows, ids, chosen, most)
    stages, vectors = [BEFORE], [rows[chosen]]
    if isinstance(model.config.output, Free) and model.head.unembed is not None:
        stages.append(OUTPUT)
        vectors.append(model.head.unembed.weight.detach()[chosen])
    return Cloud(tuple(Point(id) for id in chosen.tolist()), tuple(stages), tuple(map(_numpy, vectors)))


def _around(rows: Tensor, ids: Sequence[int], among: Tensor, most: int) -> Tensor:
    """The tokens of a text, and as many neighbours of each `among` others as there is room for, in the order of their ids."""
    asked = torch.tensor(list(dict.fromkeys(ids)), dtype=torch.long)[:most]
    cosines = functional.normalize(rows[asked], dim=-1) @ functional.normalize(rows[among], dim=-1).T
    near = among[cosines.topk(min(max(1, most // max(1, len(asked))), len(among)), -1).indices]
    found = dict.fromkeys([*asked.tolist(), *near.T.flatten().tolist()])
    return torch.tensor(sorted(list(found)[:most]), dtype=torch.long)


def in_context(trace: Trace, stack: Kind | None = None, others: Sequence[Trace] = (), most: int = MOST_POINTS) -> Cloud:
    """Every token of a text and of `others` through the residual stream of one stack. Up to `most` points: the reader's text first."""
    kind = stack or trace.model.config.main
    traces = [trace, *others]
    texts = tuple(tuple(_read(each, kind).tolist()) for each in traces)
    points = [Point(id, place, text) for text, ids in enumerate(texts) for place, id in enumerate(ids)][:most]
    stages = stages_of(trace.model, kind)
    vectors = (torch.cat([_at(each, kind, stage) for each in traces])[: len(points)] for stage in stages)
    return Cloud(tuple(points), stages, tuple(map(_numpy, vectors)), texts)


def stages_of(model: Transformer, stack: Kind) -> tuple[str, ...]:
    """The stages a token passes in a stack: its embedding, the stream after each block, and after the final norm where there is one."""
    blocks = [f"{stack}.blocks.{layer}.after" for layer in range(model.config.depths[stack])]
    spread = np.unique(np.linspace(0, len(blocks) - 1, min(len(blocks), MOST_STAGES - 2)).round().astype(int))
    last = [f"{stack}.norm"] if model.stack(stack).norm is not None else []
    return BEFORE, *(blocks[layer] for layer in spread), *last


def _read(trace: Trace, stack: Kind) -> Tensor:
    if stack == trace.model.config.main:
        return trace.ids
    if trace.source is None:
        raise Refusal("embedding.source", "the {stack} has read nothing: there is no source", stack=stack)
    return trace.source


def _at(trace: Trace, stack: Kind, stage: str) -> Tensor:
    return trace.model.embed.token.weight.detach()[_read(trace, stack)] if stage == BEFORE else trace[stage]


def examples(model: Transformer, tokenizer: Tokenizer, count: int = DOCUMENTS) -> list[Trace]:
    """Texts of the micro-world that no training reads, traced, for a reader's tokens to stand among; those that fit the context."""
    tracer, config = Tracer(model), model.config
    if isinstance(config.form, EncoderDecoder):
        asked = questions(config, tokenizer, counts={"documents": count, "repeats": 0, "agreement": 0, "coreference": 0})["documents"]
        return [tracer.trace(question.ids, source=question.source).clone() for question in asked]
    written = ((tokenizer.begin, *tokenizer.ids(document.text)) for document in held_out(count))
    return [tracer.trace(ids).clone() for ids in written if len(ids) <= config.context]


# ---------------------------------------------------------------- pictures


def drawn(cloud: Cloud, method: Method = "pca", seed: int = 0) -> Drawing:
    """Each stage laid out in the plane, turned to lie as closely as it can on the stage before (orthogonal Procrustes, Schönemann 1966),
    so that a point's way from one to the next is its own and not the axes'.

    "pca" shows the two directions of greatest variance (Pearson 1901) of the vectors as they are. "tsne" keeps neighbours together and
    says nothing of distances between groups (van der Maaten and Hinton 2008): on cosine distances, begun at the stage before.
    """
    places, explained = [], []
    for vectors in cloud.vectors:
        flat, shares = components(vectors)
        if method == "tsne" and len(vectors) > 3:
            flat = _tsne(vectors, places[-1] if places else _filled(flat), seed)
        places.append(_filled(_turned(_filled(flat), places[-1]) if places else _filled(flat)))
        explained.append(shares)
    return Drawing(np.stack(places).astype(np.float32), np.stack(explained) if method == "pca" else None)


def components(vectors: Floats) -> tuple[Floats, Floats]:
    """The first two principal components of vectors (N, d), as (N, 2), and the share of the variance of each, (2,)."""
    centred = vectors.astype(np.float64) - vectors.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    kept, total = min(2, len(sizes)), float((sizes**2).sum())
    flat, shares = np.zeros((len(vectors), 2)), np.zeros(2)
    flat[:, :kept] = left[:, :kept] * sizes[:kept]
    if total > 0:
        shares[:kept] = sizes[:kept] ** 2 / total
    return flat, shares


def _tsne(vectors: Floats, start: Floats, seed: int) -> Floats:
    from sklearn.manifold import TSNE  # a second to import, and only this needs it
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    begun = 1e-2 * start + np.random.default_rng(seed).normal(0, 1e-4, start.shape)
    settings: dict[str, Any] = {"init": begun.astype(np.float32), "metric": "cosine", "random_state": seed, "max_iter": 500}
    method = TSNE(2, perplexity=perplexity, **settings)
    with threadpool_limits(1):  # as everywhere in the house: one thread a reader
        return method.fit_transform(vectors.astype(np.float32)).astype(np.float64)


def _turned(flat: Floats, onto: Floats) -> Floats:
    left, _, right = np.linalg.svd(flat.T @ onto)
    return flat @ (left @ right)


def _filled(flat: Floats) -> Floats:
    """The same picture, its middle at 0 and its farthest coordinate at 1."""
    centred = flat - (flat.max(0) + flat.min(0)) / 2
    size = np.abs(centred).max()
    return centred / size if size > 0 else centred


# ---------------------------------------------------------------- neighbours and positions


def together(near: Neighbours, groups: Sequence[int], count: int = 5) -> tuple[float, float]:
    """Of points that belong to a group (from 0; −1 is none): how often one of their `count` nearest others within groups is of the same,
    and how often any other of them would be."""
    kept = np.array(groups)
    inside = kept >= 0
    if inside.sum() < 2:
        return 0.0, 0.0
    rows = [(point, row[kept[row] >= 0][:count]) for point, row in enumerate(near.indices) if inside[point]]
    same = [np.mean(kept[row] == kept[point]) for point, row in rows if len(row)]
    if not same:
        return 0.0, 0.0
    others = [(np.sum(kept == kept[point]) - 1) / (inside.sum() - 1) for point in np.flatnonzero(inside)]
    return float(np.mean(same)), float(np.mean(others))


def nearest(vectors: Floats, count: int = NEIGHBOURS) -> Neighbours:
    """The `count` nearest others of each of N vectors (N, d), by the cosine of the angle between them in all d dimensions."""
    cosines = alike(vectors)
    np.fill_diagonal(cosines, -np.inf)
    kept = np.argsort(-cosines, axis=1, kind="stable")[:, : min(count, len(vectors) - 1)]
    return Neighbours(kept, np.take_along_axis(cosines, kept, 1))


def alike(vectors: Floats) -> Floats:
    """The cosines of the angles between vectors (N, d), pair by pair: (N, N); 0 to a vector without length."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    return np.clip(unit @ unit.T, -1, 1)


def positions(model: Transformer, length: int) -> Floats | None:
    """The vectors that the model adds for the positions 0 to `length` − 1, (length, d); `None` where it adds none to its tokens."""
    if not isinstance(model.config.positions, Learned | Sinusoidal):
        return None
    found: dict[str, Tensor] = {}

    def note(name: str, value: Tensor) -> Tensor:
        found.setdefault(name, value)
        return value

    with torch.no_grad():
        ids = torch.zeros(1, min(length, model.config.context), dtype=torch.long)
        about = model.encode(ids) if isinstance(model.config.form, EncoderDecoder) else None
        model(ids, memory=about, tap=note)
    vectors = next(value for name, value in found.items() if name.endswith("embed.position"))
    return _numpy(vectors.reshape(-1, vectors.shape[-1]))


def _numpy(values: Tensor) -> Floats:
    return values.detach().cpu().float().numpy()
