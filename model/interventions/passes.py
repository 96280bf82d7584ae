"""A prompt and its passes: with a tap or without, both on the same road, so that nothing differs but what the tap did."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from model.config import Kind
from model.errors import Refusal
from model.interventions.parts import Lengths, below, whole
from model.layers.frame import Maps, Memory, Watch
from model.tap import Tap, chain
from model.transformer import Transformer, lacking


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text as token ids, for an encoder–decoder written about the ids of a `source`: `1 2 3`, or `7 8 -> 1 2 3`."""

    ids: tuple[int, ...]
    source: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.ids or self.source == ():
            raise Refusal("edit.nothing", "a text to look into has one token or more; got none")
        whole(*self.ids, *(self.source or ()))

    def lengths(self, model: Transformer) -> Lengths:
        """How many tokens each stack reads."""
        lengths: dict[Kind, int] = {model.config.main: len(self.ids)}
        return lengths if self.source is None else {**lengths, "encoder": len(self.source)}

    def refuse_unfit(self, model: Transformer) -> None:
        """Raises `Refusal` for tokens that the model does not know, and for a source where it reads none or none where it reads one."""
        below("token", max(self.ids + (self.source or ())), model.config.vocabulary)
        if self.source is None and model.encoder is not None and model.decoder is not None:
            raise Refusal("source.missing", "this model writes about a source, and none was given; encode one and hand it over as memory")
        if self.source is not None and (model.encoder is None or model.decoder is None):
            raise Refusal("source.none", "only an encoder–decoder reads a source; this model has no {lacks}", lacks=lacking(model))

    def __str__(self) -> str:
        source = "" if self.source is None else " ".join(map(str, self.source)) + " -> "
        return source + " ".join(map(str, self.ids))


def pass_by(name: str, value: Tensor) -> Tensor:
    """The tap that changes nothing, yet is there: a pass with it takes the road of a pass that is changed."""
    return value


def remember(model: Transformer, prompt: Prompt, tap: Tap, maps: Maps) -> Memory | None:
    """What the encoder makes of a prompt's source, if it has one, as the tap changes it."""
    if prompt.source is None:
        return None
    return model.encode(row(model, prompt.source), tap=tap, watch=Watch(maps))


@torch.no_grad()
def logits(model: Transformer, prompt: Prompt, tap: Tap = pass_by, maps: Maps = "none") -> Tensor:
    """The logits (T, V) of one whole pass through both stacks; a tap sees patterns only where `maps` spells them out."""
    tap = chain(pass_by, tap)
    memory = remember(model, prompt, tap, maps)
    return model(row(model, prompt.ids), memory=memory, tap=tap, watch=Watch(maps))[0]


def seen(model: Transformer, prompt: Prompt, sites: Collection[str], tap: Tap = pass_by, maps: Maps = "none") -> dict[str, Tensor]:
    """What passes these sites, (1, …) each, as a tap left it; a pattern is spelled out for them, or as much as `maps` says."""
    found: dict[str, Tensor] = {}

    def record(name: str, value: Tensor) -> Tensor:
        if name in sites:
            found[name] = value
        return value

    spelled: Maps = "pattern" if maps == "none" and any(site.endswith("pattern") for site in sites) else maps
    logits(model, prompt, chain(tap, record), spelled)
    return found


def row(model: Transformer, ids: tuple[int, ...]) -> Tensor:
    """Ids where the model lives, a batch of one: (1, T)."""
    return torch.tensor([ids], device=model.embed.token.weight.device)
