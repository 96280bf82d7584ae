"""default | changed | difference: one prompt left alone and edited, each pass taking the same road."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.config import Kind
from model.interventions.edits import Edit, maps_of, refuse_unfit, tap_of
from model.interventions.parts import Head
from model.interventions.passes import Prompt, logits, pass_by, remember, row, seen
from model.layers.frame import Maps, Watch
from model.tap import Tap, chain
from model.trace import Branch
from model.transformer import Transformer

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The same numbers without and with the edits, of one shape."""

    default: Floats
    changed: Floats

    @property
    def difference(self) -> Floats:
        """Changed minus default."""
        return self.changed - self.default


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What edits did to one prompt.

    `next` (V,): the probabilities at its token `at`, of what follows it, or, in an encoder, of what belongs in its place. `divergence`
    (T,): KL(default ‖ changed) at every token, in nats. `losses` (T - 1,): the surprise of each token after the first, in nats; an encoder has
    none. `continuations`: the likeliest tokens one after the other, default and changed, every pass made with all the edits; empty in an encoder.
    """

    model: Transformer = field(repr=False)
    prompt: Prompt
    edits: tuple[Edit, ...]
    at: int
    next: Pair
    divergence: Floats
    losses: Pair | None
    continuations: tuple[tuple[int, ...], tuple[int, ...]]

    def patterns(self, layer: int, branch: Branch = "attn", stack: Kind | None = None) -> Pair:
        """Every head of one layer, (heads, T, S), by two passes more. Raises `Refusal` for a map this model has not."""
        kind = stack or self.model.config.main
        Head(layer, 0, branch, kind).refuse_unfit(self.model, self.prompt.lengths(self.model))
        site = f"{kind}.blocks.{layer}.{branch}.pattern"
        taps = pass_by, tap_of(self.edits, self.model)
        return Pair(*(seen(self.model, self.prompt, (site,), tap, maps_of(self.edits))[site][0].cpu().numpy() for tap in taps))


def compare(
    model: Transformer,
    ids: Sequence[int] | Tensor,
    edits: Sequence[Edit],
    source: Sequence[int] | Tensor | None = None,
    *,
    tokens: int = 0,
    at: int = -1,
) -> Comparison:
    """Run `ids` (T,), for an encoder–decoder about a `source` (S,), without and with the edits, look at the token `at`, and continue both
    greedily by up to `tokens` tokens, as far as the context reaches. Raises `Refusal` for an edit that has no place in this model or text."""
    prompt = Prompt(tuple(map(int, ids)), None if source is None else tuple(map(int, source)))
    refuse_unfit(edits, model, prompt)
    maps, taps = maps_of(edits), (pass_by, chain(pass_by, tap_of(edits, model)))
    before, after = (logits(model, prompt, tap, maps).double().log_softmax(-1) for tap in taps)
    writes = model.decoder is not None
    default, changed = (continued(model, prompt, tap, maps, tokens) if writes else () for tap in taps)
    return Comparison(
        model=model,
        prompt=prompt,
        edits=tuple(edits),
        at=at,
        next=Pair(before[at].exp().cpu().numpy(), after[at].exp().cpu().numpy()),
        divergence=(before.exp() * (before - after)).sum(-1).clamp(min=0).cpu().numpy(),
        losses=Pair(_surprise(before, prompt), _surprise(after, prompt)) if writes else None,
        continuations=(default, changed),
    )


def follow(
    model: Transformer, ids: Sequence[int] | Tensor, edits: Sequence[Edit], source: Sequence[int] | Tensor | None = None, *, tokens: int
) -> tuple[int, ...]:
    """One of `compare`'s two continuations, by itself: what the model writes after `ids` with these edits, likeliest token by likeliest token."""
    prompt = Prompt(tuple(map(int, ids)), None if source is None else tuple(map(int, source)))
    refuse_unfit(edits, model, prompt)
    return continued(model, prompt, chain(pass_by, tap_of(edits, model)), maps_of(edits), tokens)


@torch.no_grad()
def continued(model: Transformer, prompt: Prompt, tap: Tap, maps: Maps, tokens: int) -> tuple[int, ...]:
    """The likeliest token after the prompt, and after that, as far as the context reaches. Each is a whole pass, because an edit may
    change positions that a KV cache would have settled."""
    memory, text = remember(model, prompt, tap, maps), row(model, prompt.ids)
    for _ in range(min(tokens, model.config.context - len(prompt.ids))):
        after = model(text, memory=memory, tap=tap, watch=Watch(maps))[:, -1:]
        text = torch.cat([text, after.argmax(-1)], 1)
    return tuple(text[0, len(prompt.ids) :].tolist())


def _surprise(logarithms: Tensor, prompt: Prompt) -> Floats:
    targets = torch.tensor(prompt.ids[1:], dtype=torch.long, device=logarithms.device)
    return -logarithms[:-1].gather(-1, targets[:, None])[:, 0].cpu().numpy()
