"""What is computed once for a whole room: the one door to `st.cache_*`.

A `Shelf` keeps finished work up to a number of bytes and lets simultaneous requests for the same thing wait for one
computation. Keys are values (a specimen's identity is a digest of its weights), so every reader who asks the same gets the
same object; nobody may write into it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st
import torch

from components import state
from model import checkpoints
from model.checkpoints import Loaded
from model.errors import Refusal
from model.layers import masks
from model.text.tokenizer import Tokenizer
from model.trace import Trace, Tracer

EMBEDDED = Path(__file__).parents[1] / "model" / "embedded"
MEGABYTE = 1_000_000
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


def _trace_bytes(trace: Trace) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in (trace.logits, trace.mask, *trace.sites.values()))


# ---------------------------------------------------------------- specimens


@st.cache_resource(show_spinner=False)
def embedded() -> Specimen:
    """The model that is shipped with the house."""
    return specimen(checkpoints.load(EMBEDDED), "Vitrine")


def adopt(loaded: Loaded, name: str) -> Specimen:
    """Make a freshly trained model choosable on every page of this session."""
    adopted, kept = specimen(loaded, name), _adopted()
    kept[adopted.id] = adopted
    while len(kept) > ADOPTED:
        kept.pop(next(iter(kept)))
    return adopted


def specimens() -> tuple[Specimen, ...]:
    """The models this session may look at, the embedded one first."""
    return embedded(), *_adopted().values()


def specimen_of(id: str) -> Specimen | None:
    """The session's model with this identity ("" is the embedded one), or `None` if this session has none such."""
    return embedded() if not id else next((specimen for specimen in specimens() if specimen.id == id), None)


def _adopted() -> dict[str, Specimen]:
    return state.remember("compute.adopted", dict)


def specimen(loaded: Loaded, name: str) -> Specimen:
    """A loaded model made ready to be shown: it is no longer trained, and has an identity."""
    model = loaded.model.eval().requires_grad_(False)
    digest = hashlib.blake2b(repr(model.config).encode(), digest_size=6)
    for parameter in model.parameters():
        digest.update(parameter.cpu().numpy().tobytes())
    return Specimen(digest.hexdigest(), name, loaded, sum(parameter.numel() for parameter in model.parameters()), Tracer(model))


# ---------------------------------------------------------------- work


def traced(specimen: Specimen, ids: Sequence[int], mask: str = "causal") -> Trace:
    """Everything that happens in `specimen` on `ids` under a mask specification. Shared: read it, never write into it.

    Raises `Refusal` for a mask that cannot be read.
    """
    ids = tuple(ids)

    def make() -> Trace:
        allowed = None if mask == "causal" else masks.parse(mask).build(len(ids))
        with specimen.turn:
            return specimen.tracer.trace(torch.tensor(ids), mask=allowed).clone()

    return _traces().get((specimen.id, ids, mask), make)


def packed(name: str, *key: Hashable, make: Callable[[], bytes]) -> bytes:
    """The bytes of a picture, packed once and sent to every reader who asks for the same `name` and `key` (values, a specimen by its id)."""
    return _payloads().get((name, *key), make)
