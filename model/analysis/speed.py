"""What a model really takes on this machine: FLOPs counted while they happen, bytes counted where they lie, seconds by the clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from model.layers.past import Past
from model.transformer import Transformer

BUDGET = 0.4
FEWEST = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """A forward pass over `tokens` tokens: its FLOPs as PyTorch counts them, the median of its `seconds` over `passes` of them; the bytes
    of the weights, and of the KV cache that the pass filled (0 in an encoder, which keeps none)."""

    tokens: int
    flops: int
    seconds: float
    passes: int
    weight_bytes: int
    cache_bytes: int

    @property
    def flops_per_second(self) -> float:
        """What this machine reached, in this model, on as many threads as PyTorch has here."""
        return self.flops / self.seconds


class _Counter(TorchDispatchMode):
    """PyTorch's own formulas, applied to every product of this thread, the CPU's fused attention too. (`FlopCounterMode` hooks into the
    modules of the whole process, other readers' among them.)"""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu:
            self.total += sdpa_flop_count(*(tensor.shape for tensor in args[:3]))
        elif func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def measure(model: Transformer, tokens: int = 256, budget: float = BUDGET) -> Measured:
    """Measure a forward pass of `tokens` tokens (at most the context; an encoder–decoder reads a source as long), over and over for
    `budget` seconds, at least three times."""
    tokens = min(tokens, model.config.context)
    once = _pass(model, tokens)
    with torch.no_grad(), _Counter() as counter:
        cache = once()
    with torch.inference_mode():
        seconds = _timed(once, budget)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    return Measured(tokens, counter.total, statistics.median(seconds), len(seconds), weights, cache.bytes if cache else 0)


def _pass(model: Transformer, tokens: int) -> Callable[[], Past | None]:
    """One pass, filling a cache where the model has one."""
    ids = torch.zeros(1, tokens, dtype=torch.long)

    def once() -> Past | None:
        cache = model.past(capacity=tokens) if model.decoder is not None else None
        memory = model.encode(ids) if model.encoder is not None and model.decoder is not None else None
        model(ids, memory=memory, past=cache)
        return cache

    return once


def _timed(once: Callable[[], Past | None], budget: float) -> list[float]:
    seconds: list[float] = []
    end = time.perf_counter() + budget
    while len(seconds) < FEWEST or time.perf_counter() < end:
        start = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - start)
    return seconds
