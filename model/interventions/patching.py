"""Activation patching as a map: which layer and position carries what makes two prompts differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import starmap
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import Refusal
from model.interventions.parts import Head, Lengths, Output, Residual, below
from model.interventions.passes import Prompt, logits, seen
from model.layers.frame import Memory, Watch
from model.tap import Tap
from model.transformer import Transformer

TOGETHER = 1_024
"""About how many tokens go through the model at once: as many copies of the prompt, each patched at another position."""


def logit_difference(model: Transformer, prompt: Prompt, answer: tuple[int, int], at: int = -1) -> float:
    """How much the first token of `answer` is preferred to the second after the token `at`: the difference of their logits."""
    return float(_preferred(logits(model, prompt)[None], answer, at)[0])


@torch.no_grad()
def patching_grid(
    model: Transformer,
    clean_ids: Sequence[int],
    corrupted_ids: Sequence[int],
    site: Head | Output | Residual,
    answer: tuple[int, int],
    *,
    sources: tuple[Sequence[int], Sequence[int]] | None = None,
    at: int = -1,
) -> NDArray[np.floating[Any]]:
    """What each patch from the clean prompt does to the corrupted one: (layers, positions), the logit difference of `answer` (right,
    wrong) at the token `at`, patched minus corrupted. Where it reaches `logit_difference` clean minus corrupted, that one place restores all.

    `site` says what is patched, its layer and positions aside; positions are those of its stack. `sources` are an encoder–decoder's, clean
    and corrupted. Wang et al. 2022, arXiv:2211.00593; Meng et al. 2022, arXiv:2202.05262. Raises `Refusal` for prompts of different lengths.
    """
    sides = (None, None) if sources is None else sources
    clean, corrupted = starmap(_prompt, zip((clean_ids, corrupted_ids), sides, strict=True))
    length = _refuse_unfit(model, clean, corrupted, site, answer)
    baseline = logit_difference(model, corrupted, answer, at)
    grid = np.zeros((model.stack(site.stack).depth, length))
    for layer in range(len(grid)):
        place = replace(site, layer=layer, positions=())
        (value,) = seen(model, clean, place.sites).values()
        for positions in torch.arange(length).split(max(1, TOGETHER // length)):
            patched = _batch(model, corrupted, len(positions), _spread(place, place.view(value)[0], positions))
            grid[layer, positions] = _preferred(patched, answer, at).cpu().numpy() - baseline
    return grid


def _spread(place: Head | Output | Residual, clean: Tensor, positions: Tensor) -> Tap:
    """The tap that patches each row of a batch at a position of its own, from the clean values (T, numbers)."""
    rows = torch.arange(len(positions))

    def patch(name: str, value: Tensor) -> Tensor:
        if name not in place.sites:
            return value
        new = value.clone()
        place.view(new)[rows, positions] = clean[positions]
        return new

    return patch


def _batch(model: Transformer, prompt: Prompt, copies: int, tap: Tap) -> Tensor:
    """The logits (copies, T, V) of as many copies of a prompt."""
    device, watch = model.embed.token.weight.device, Watch("none")
    ids = torch.tensor(prompt.ids, device=device).expand(copies, -1)
    memory: Memory | None = None
    if prompt.source is not None:
        memory = model.encode(torch.tensor(prompt.source, device=device).expand(copies, -1), tap=tap, watch=watch)
    return model(ids, memory=memory, tap=tap, watch=watch)


def _preferred(scores: Tensor, answer: tuple[int, int], at: int) -> Tensor:
    right, wrong = answer
    return scores[:, at, right].double() - scores[:, at, wrong].double()


def _prompt(ids: Sequence[int], source: Sequence[int] | None) -> Prompt:
    return Prompt(tuple(map(int, ids)), None if source is None else tuple(map(int, source)))


def _refuse_unfit(model: Transformer, clean: Prompt, corrupted: Prompt, site: Head | Output | Residual, answer: tuple[int, int]) -> int:
    """How many positions the grid has. Raises `Refusal` for what cannot be patched."""
    for prompt in (clean, corrupted):
        prompt.refuse_unfit(model)
    first, second = clean.lengths(model), corrupted.lengths(model)
    if first != second:
        sentence = "patching token by token takes two prompts of the same length; got {clean} and {corrupted} tokens"
        raise Refusal("edit.lengths", sentence, clean=_told(first), corrupted=_told(second))
    replace(site, layer=0, positions=()).refuse_unfit(model, first)
    for token in answer:
        below("token", token, model.config.vocabulary)
    return first[site.stack]


def _told(lengths: Lengths) -> str:
    return " + ".join(map(str, lengths.values()))
