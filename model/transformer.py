"""The whole forward pass, on one screen: ids in, logits out.

This file knows nothing of families, text, training or screens. B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.config import Config
from model.layers.birth import draw
from model.layers.embedding import Embedding
from model.layers.frame import Maps, Scratch, frame, fresh
from model.layers.head import Head
from model.layers.past import Past
from model.layers.stack import Stack
from model.tap import Tap, ignore, under


class Transformer(nn.Module):
    """A decoder-only transformer of any configuration, its weights drawn from `seed`.

    Built inside `with torch.device("meta")` it allocates nothing; inside `with torch.device("cuda")` it lives there.
    """

    def __init__(self, config: Config, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        home = torch.get_default_device()
        with torch.device("meta"):
            self.embed = Embedding(config)
            self.decoder = Stack(config)
            self.head = Head(config)
        if home.type != "meta":
            self.to_empty(device=home)
        draw(self, config, seed)

    def forward(
        self, ids: Tensor, *, mask: Tensor | None = None, past: Past | None = None, tap: Tap = ignore, maps: Maps = "all", scratch: Scratch = fresh
    ) -> Tensor:
        """Logits (B, T, V) of `ids` (B, T).

        `mask` is boolean, True where a query may look at a key: (T, S), (B, T, S) or (B, heads, T, S); `None` is causal.
        `past` is a KV cache to read and extend. `tap` sees every site, the T × S maps only as far as `maps` says.
        Raises `Refusal` for more tokens than the context.
        """
        x = self.embed(ids, past.length if past else 0, under("decoder.embed", tap))
        where = frame(self.config, ids, mask, past, x, maps, scratch)
        x = self.decoder(x, where, under("decoder", tap))
        if past is not None:
            past.advance(ids.shape[1])
        return tap("logits", self.head(x, self.embed.token.weight))

    def settle(self) -> Transformer:
        """Store every matrix column by column, the way reading multiplies by it: the same numbers, up to a fifth sooner.

        Training prefers the order of birth, so only a model that will be read settles.
        """
        for part in self.modules():
            if isinstance(part, nn.Linear):
                part.weight.data = part.weight.data.t().contiguous().t()
        return self

    def past(self, *, batch: int = 1, capacity: int | None = None) -> Past:
        """An empty KV cache for `capacity` tokens (the whole context unless given), in this model's precision."""
        weight = self.embed.token.weight
        return Past(self.config, batch=batch, capacity=capacity or self.config.context, dtype=weight.dtype, device=weight.device)
