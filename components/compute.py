"""What is computed once for a whole room: the one door to `st.cache_*`.

A `Shelf` keeps finished work up to a number of bytes and lets simultaneous requests for the same thing wait for one
computation. Keys are values (a specimen's identity is a digest of its weights), so every reader who asks the same gets the
same object; nobody may write into it.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
import torch

from components import state
from model import checkpoints
from model.analysis.changing import Restoring, restoring
from model.analysis.leaking import Leaks, leaks
from model.analysis.places import Where, named, own, sighted
from model.checkpoints import Loaded
from model.config import Config
from model.cost import parameters
from model.errors import Refusal
from model.generation import Continuation, Round, continuation, generate
from model.generation.speculative import refuse_strangers
from model.interventions import Comparison, Edit, Head, Output, Residual, compare, direction, follow, spell
from model.interventions import Prompt as Given
from model.interventions.passes import seen
from model.layers.masks import parse_plan
from model.text.tokenizer import Tokenizer
from model.trace import Trace, Tracer

EMBEDDED = Path(__file__).parents[1] / "model" / "embedded"
"""The decoder that ships; the others stand beside it, in folders of these names."""
BESIDE = ("masked", "translator")
NAME = "Vitrine"
DRAFTED = f"{NAME} draft"
"""The small decoder that proposes tokens to the one that ships."""
MEGABYTE = 1_000_000
Site = Head | Output | Residual
"""What may be patched from another text, layer by layer and token by token."""
ADOPTED = 6
"""How many models of its own a session keeps; the oldest leaves first."""


@dataclass(frozen=True)
class Specimen:
    """A model on show, known by a digest of its configuration and weights."""

    id: str
    name: str = field(compare=False)
    loaded: Loaded = field(compare=False)
    parameters: int = field(compare=False)
    tracer: Tracer = field(compare=False, repr=False)
    turn: threading.Lock = field(compare=False, repr=False, default_factory=threading.Lock)

    @property
    def config(self) -> Config:
        """Its shape and arithmetic."""
        return self.loaded.model.config

    @property
    def tokenizer(self) -> Tokenizer:
        """What turns text into its tokens. Raises `Refusal` for a checkpoint that came without one."""
        if self.loaded.tokenizer is None:
            raise Refusal("compute.tokenizer", "{name} came without a tokenizer, so it cannot read text; add its tokenizer.json", name=self.name)
        return self.loaded.tokenizer


# ---------------------------------------------------------------- the shelf


class Shelf:
    """Finished work by key, at most `limit` bytes of it, the longest unused dropped first. Safe among threads."""

    def __init__(self, limit: int, weigh: Callable[[Any], int]) -> None:
        self._limit, self._weigh = limit, weigh
        self._lock = threading.Lock()
        self._made: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self.bytes = 0

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The work at `key`, made now if nobody has, or awaited if somebody is at it. What `make` raises is raised to all who
        waited for their own attempt; nothing is kept of it."""
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key][0]
            turn = self._making.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._made:
                    return self._made[key][0]
            try:
                work = make()
                self._keep(key, work)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return work

    def _keep(self, key: Hashable, work: Any) -> None:
        weight = self._weigh(work)
        with self._lock:
            self._made[key] = (work, weight)
            self.bytes += weight
            while self.bytes > self._limit and len(self._made) > 1:
                _, (_, dropped) = self._made.popitem(last=False)
                self.bytes -= dropped


@st.cache_resource(show_spinner=False)
def _traces() -> Shelf:
    return Shelf(160 * MEGABYTE, _trace_bytes)


@st.cache_resource(show_spinner=False)
def _payloads() -> Shelf:
    return Shelf(48 * MEGABYTE, len)


@st.cache_resource(show_spinner=False)
def _comparisons() -> Shelf:
    return Shelf(48 * MEGABYTE, _comparison_bytes)


@st.cache_resource(show_spinner=False)
def _experiments() -> Shelf:
    return Shelf(8 * MEGABYTE, lambda found: found.moved.nbytes + found.reached.nbytes + found.future.nbytes)


@st.cache_resource(show_spinner=False)
def _grids() -> Shelf:
    return Shelf(4 * MEGABYTE, lambda found: found.effects.nbytes)


def _decoded_bytes(work: Any) -> int:
    """What a decoding holds: a megabyte, and the distributions of the rounds of a draft and its target, where it is made of such rounds."""
    rounds = [one for one in work if isinstance(one, Round)] if isinstance(work, Sequence) else []
    drafts = [draft for one in rounds for draft in one.drafts]
    verdicts = [verdict for one in rounds for verdict in one.verdicts]
    added = [one.added for one in rounds if one.added is not None]
    arrays = [(one.q, one.logits) for one in drafts] + [(one.p, one.logits) for one in verdicts] + [(one.probabilities, one.logits) for one in added]
    return MEGABYTE + sum(array.nbytes for pair in arrays for array in pair)


@st.cache_resource(show_spinner=False)
def _decodings() -> Shelf:
    return Shelf(64 * MEGABYTE, _decoded_bytes)


def _comparison_bytes(found: Comparison) -> int:
    pairs = [pair for pair in (found.next, found.losses) if pair is not None]
    return found.divergence.nbytes + sum(pair.default.nbytes + pair.changed.nbytes for pair in pairs)


def _trace_bytes(trace: Trace) -> int:
    sights = {id(sight): sight for given in trace.sights.values() for sight in given}.values()
    seen = [tensor for sight in sights for tensor in (sight.allowed, sight.added)]
    about = [tensor for tensor in (trace.source_mask, trace.across, *seen) if tensor is not None]
    return sum(tensor.numel() * tensor.element_size() for tensor in (trace.logits, trace.mask, *about, *trace.sites.values()))


# ---------------------------------------------------------------- specimens


@dataclass(frozen=True)
class Offer:
    """A model that can be chosen: what a link calls it, its name, and how many parameters it has. It need not be in memory."""

    id: str
    name: str
    parameters: int


@st.cache_resource(show_spinner=False)
def _shipped() -> tuple[Offer, ...]:
    """The models that ship, the decoder first, each under its folder's name; only their configurations are read."""
    names = ("", *(name for name in BESIDE if _folder(name).is_dir()))
    configs = (checkpoints.read_config(_folder(name) / "config.json")[1] for name in names)
    return tuple(Offer(name, _shown(name), parameters(config)) for name, config in zip(names, configs, strict=True))


@st.cache_resource(show_spinner=False)
def shipped(name: str) -> Specimen:
    """A model that ships, loaded when it is first asked for: the decoder ("") or the one in the folder of this name."""
    return specimen(checkpoints.load(_folder(name)), _shown(name))


def _shown(name: str) -> str:
    return f"{NAME} {name}".strip()


def _folder(name: str) -> Path:
    return EMBEDDED.with_name(name) if name else EMBEDDED


@st.cache_resource(show_spinner=False)
def _draft() -> Specimen | None:
    folder = EMBEDDED.with_name("draft")
    return specimen(checkpoints.load(folder), DRAFTED) if folder.is_dir() else None


def drafts(target: Specimen) -> tuple[Specimen, ...]:
    """The models that may propose tokens to `target`: the one that ships for it, those of this session that read as it does, and itself."""
    known = filter(None, (_draft(), *_adopted().values()))
    return *(own for own in known if own.id != target.id and _helps(target, own)), target


def _helps(target: Specimen, draft: Specimen) -> bool:
    try:
        refuse_strangers(target.loaded, draft.loaded)
    except Refusal:
        return False
    return True


def embedded() -> Specimen:
    """The decoder that ships with the house."""
    return shipped("")


def adopt(loaded: Loaded, name: str) -> Specimen:
    """Make a freshly trained model choosable on every page of this session."""
    return keep(specimen(loaded, name))


def keep(adopted: Specimen) -> Specimen:
    """Make a model that is ready choosable on every page of this session."""
    kept = _adopted()
    kept[adopted.id] = adopted
    while len(kept) > ADOPTED:
        kept.pop(next(iter(kept)))
    return adopted


def offers() -> tuple[Offer, ...]:
    """The models this session may look at, the shipped ones first."""
    return *_shipped(), *(Offer(own.id, own.name, own.parameters) for own in _adopted().values())


def specimen_of(id: str) -> Specimen | None:
    """The session's model that a link calls so ("" is the embedded one), or `None` if this session has none such."""
    if any(offer.id == id for offer in _shipped()):
        return shipped(id)
    return _adopted().get(id)


def _adopted() -> dict[str, Specimen]:
    return state.remember("compute.adopted", dict)


def specimen(loaded: Loaded, name: str) -> Specimen:
    """A loaded model made ready to be shown: it is no longer trained, and has an identity."""
    model = loaded.model.eval().requires_grad_(False)
    return Specimen(checkpoints.identity(model), name, loaded, sum(parameter.numel() for parameter in model.parameters()), Tracer(model))


# ---------------------------------------------------------------- work


def traced(specimen: Specimen, ids: Sequence[int], mask: str = "", *, source: Sequence[int] = (), where: Where | None = None) -> Trace:
    """Everything that happens in `specimen` on `ids`, for an encoder–decoder about a `source`. Shared: read it, never write into it.

    A `mask` specification, which may be a plan, replaces the model's own in one place, `where`: among the tokens of the main stack unless
    told. Raises `Refusal` for a mask that cannot be read, or names layers or heads that are not there.
    """
    ids, source, where = tuple(ids), tuple(source), where or Where(specimen.config.main)
    plan = parse_plan(mask) if mask else None
    changed = plan if plan is not None and plan.mask != own(specimen.config, where) else None

    def make() -> Trace:
        queries = len(source) if source and where.stack == "encoder" else len(ids)
        given: dict[str, Any] = {}
        if changed is not None:
            given[named(specimen.config, where)] = sighted(changed, specimen.config, where, queries, len(source))
        about = torch.tensor(source) if source else None
        with specimen.turn:
            return specimen.tracer.trace(torch.tensor(ids), source=about, **given).clone()

    return _traces().get((specimen.id, ids, source, (where, mask) if changed is not None else None), make)


def leaking(specimen: Specimen, ids: Sequence[int], mask: str, where: Where, source: Sequence[int] = ()) -> Leaks:
    """What exchanging each token does to each prediction under a plan, as written; see `model.analysis.leaking.leaks`. Shared: nobody
    writes into it."""
    ids, source = tuple(ids), tuple(source)
    make = lambda: leaks(specimen.loaded.model, ids, parse_plan(mask), where, source)  # noqa: E731
    return _experiments().get((specimen.id, ids, source, where, mask), make)


def compared(specimen: Specimen, ids: Sequence[int], edits: Sequence[Edit], *, source: Sequence[int] = (), at: int = -1) -> Comparison:
    """What edits do to a pass, continued by nothing (see `continued`). Shared: nobody writes into it. Raises `Refusal` for an edit that
    has no place in this model or text."""
    ids, source = tuple(ids), tuple(source)
    make = lambda: compare(specimen.loaded.model, ids, edits, source or None, at=at)  # noqa: E731
    return _comparisons().get((specimen.id, ids, source, spell(edits), at), make)


def continued(specimen: Specimen, ids: Sequence[int], edits: Sequence[Edit], tokens: int, *, source: Sequence[int] = ()) -> tuple[int, ...]:
    """The likeliest tokens after `ids`, every pass made with all the edits."""
    ids, source = tuple(ids), tuple(source)

    def make() -> bytes:
        return array("q", follow(specimen.loaded.model, ids, edits, source or None, tokens=tokens)).tobytes()

    kept = array("q")
    kept.frombytes(packed("compute.continued", specimen.id, ids, source, spell(edits), tokens, make=make))
    return tuple(kept)


def restored(specimen: Specimen, first: Given, second: Given, site: Site, at: int | None, answer: tuple[int | None, int | None]) -> Restoring:
    """What each patch from a second text does to the first, place by place; see `model.analysis.changing.restoring`."""
    make = lambda: restoring(specimen.loaded.model, first, second, site, at=at, answer=answer)  # noqa: E731
    return _grids().get((specimen.id, first, second, site, at, answer), make)


def directed(specimen: Specimen, part: Residual, toward: Sequence[Given], away: Sequence[Given], given: Given) -> tuple[float, float]:
    """How long the direction between two sets of texts is, and the residual stream of a text at the same place, on average over its tokens."""

    def make() -> bytes:
        model = specimen.loaded.model
        (stream,) = seen(model, given, part.sites).values()
        return array("d", (float(direction(model, part, toward, away).norm()), float(stream[0].norm(dim=-1).mean()))).tobytes()

    kept = array("d")
    kept.frombytes(packed("compute.directed", specimen.id, part, tuple(toward), tuple(away), given, make=make))
    return kept[0], kept[1]


def written(specimen: Specimen, source: Sequence[int], begin: int, end: int | None) -> tuple[int, ...]:
    """What an encoder–decoder makes of a `source`: from the token `begin` on always the likeliest token, until `end`, which is left out,
    or until it has written twice as much as it read and a little more."""
    source = tuple(source)

    def make() -> bytes:
        steps = generate(specimen.loaded.model, (begin,), tokens=2 * len(source) + 16, stop=end, source=source)
        return array("q", (begin, *(step.id for step in steps if step.id != end))).tobytes()

    kept = array("q")
    kept.frombytes(packed("compute.written", specimen.id, source, begin, end, make=make))
    return tuple(kept)


def decoded(name: str, specimen: Specimen, *key: Hashable, make: Callable[[], Any]) -> Any:
    """What a way of decoding, called `name`, wrote in this `specimen`, all its steps; the same for every reader who asks with the same
    `key`. Shared: nobody writes into it. At most 64 are kept, fewer where they hold distributions over a large vocabulary."""
    return _decodings().get((name, specimen.id, *key), make)


def scored(specimen: Specimen, prompt: Sequence[int], ids: Sequence[int], source: Sequence[int] = ()) -> Continuation:
    """What the model makes of new tokens after a prompt, in one pass over all of them. Shared: nobody writes into it."""
    prompt, ids, source = tuple(prompt), tuple(ids), tuple(source)

    def make() -> bytes:
        found = continuation(specimen.loaded.model, prompt, ids, source or None)
        return found.nats.astype("<f8").tobytes() + found.rank.astype("<i8").tobytes()

    kept = packed("compute.scored", specimen.id, prompt, ids, source, make=make)
    nats, rank = np.frombuffer(kept, "<f8", len(ids)), np.frombuffer(kept, "<i8", len(ids), 8 * len(ids))
    return Continuation(ids, nats, rank)


def packed(name: str, *key: Hashable, make: Callable[[], bytes]) -> bytes:
    """The bytes of a picture, packed once and sent to every reader who asks for the same `name` and `key` (values, a specimen by its id)."""
    return _payloads().get((name, *key), make)
