"""The KV cache: keys and values already computed, kept so that the next token costs one row instead of all of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from model.config import Config
from model.errors import Refusal


class Past:
    """Keys and values of every layer of the decoder, in buffers taken once: (batch, kv_heads, capacity, size) each; and those of the
    source, where it looks at one, computed at first use."""

    def __init__(
        self, config: Config, *, batch: int = 1, capacity: int, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> None:
        shape = (config.layers, batch, config.attention.kv_heads, capacity, config.attention.size)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.capacity = capacity
        self.length = 0
        self._source: Tensor | None = None
        self._across: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def bytes(self) -> int:
        """Bytes that hold something: two tensors, every layer, every token so far and every token of the source."""
        return 2 * self.keys[:, :, :, : self.length].numel() * self.keys.element_size() + sum(k.nbytes + v.nbytes for k, v in self._across.values())

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store one layer's new keys and values behind the old ones; return all of them. `advance` once every layer has."""
        end = self.length + k.shape[-2]
        if end > self.capacity:
            sentence = "the KV cache holds {capacity} tokens and {end} were asked for; make it larger"
            raise Refusal("cache.full", sentence, capacity=self.capacity, end=end)
        self.keys[layer, :, :, self.length : end] = k
        self.values[layer, :, :, self.length : end] = v
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def across(self, layer: int, source: Tensor, remembered: Callable[[Tensor], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """One layer's keys and values of `source`, computed once for as long as the source stays the same."""
        if self._source is not source:
            self._source, self._across = source, {}
        if layer not in self._across:
            self._across[layer] = remembered(source)
        return self._across[layer]

    def advance(self, tokens: int) -> None:
        """Count `tokens` more as stored."""
        self.length += tokens

    def rewind(self, length: int) -> None:
        """Forget everything after the first `length` tokens."""
        self.length = min(self.length, length)
