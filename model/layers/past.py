"""The KV cache: keys and values already computed, kept so that the next token costs one row instead of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    def held(self) -> int:
        """How many tokens have their keys and values here: all of them so far."""
        return self.length

    @property
    def before(self) -> int:
        """How many keys stand before those of the next token: as many as it may look back."""
        return self.length

    @property
    def bytes(self) -> int:
        """Bytes that hold something: two tensors, every layer, every token held and every token of the source."""
        return 2 * self.keys[:, :, :, : self.held].numel() * self.keys.element_size() + sum(k.nbytes + v.nbytes for k, v in self._across.values())

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

    def choose(self, rows: Sequence[int]) -> None:
        """Row i goes on as the old row `rows[i]` did: of several texts side by side some are dropped, others go two ways."""
        chosen = torch.tensor(rows, device=self.keys.device)
        self.keys, self.values = self.keys[:, chosen], self.values[:, chosen]
        self._across = {layer: (k[chosen], v[chosen]) for layer, (k, v) in self._across.items()}

    def rewind(self, length: int) -> None:
        """Forget everything after the first `length` tokens."""
        self.length = min(self.length, length)


class Rolling(Past):
    """The cache of a model that looks back `window` tokens only: it holds no more than these, however long the text grows (Jiang et al.
    2023, arXiv:2310.06825, section 2). Keys stay in the order of the text, so every new one moves the rest along.

    Raises `Refusal` for a model without a window.
    """

    def __init__(self, config: Config, *, batch: int = 1, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> None:
        if config.attention.window is None:
            raise Refusal("cache.window", "only a model with a sliding window may let old keys go; this one looks back at every token")
        self.window = config.attention.window
        super().__init__(config, batch=batch, capacity=self.window, dtype=dtype, device=device)
        self._held = 0

    @property
    def held(self) -> int:
        """How many tokens have their keys and values here: no more than the window."""
        return self._held

    @property
    def before(self) -> int:
        """How many keys stand before those of the next token, which is the last in its own window."""
        return min(self._held, self.window - 1)

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Let one layer's oldest keys and values go, store the new ones; return those that the new tokens may look at."""
        old = slice(self._held - self.before, self._held)
        k, v = (torch.cat([kept[layer, :, :, old], new], -2) for kept, new in ((self.keys, k), (self.values, v)))
        stays = min(k.shape[-2], self.window)
        self.keys[layer, :, :, :stays], self.values[layer, :, :, :stays] = k[:, :, -stays:], v[:, :, -stays:]
        return k, v

    def advance(self, tokens: int) -> None:
        """Count `tokens` more as stored, and those beyond the window as gone."""
        self.length += tokens
        self._held = min(self.before + tokens, self.window)

    def rewind(self, length: int) -> None:
        """Forget everything after the first `length` tokens. Raises `Refusal` where what comes before them is gone already."""
        gone = self.length - self._held
        if length < self.length and gone > max(0, length - self.window + 1):
            sentence = "this cache has let the first {gone} tokens go, so it cannot go back to token {length}; read the text again"
            raise Refusal("cache.gone", sentence, gone=gone, length=length)
        self.length = min(self.length, length)
        self._held = self.length - gone
