"""The whole forward pass, on one screen: ids in, logits out.

This file knows nothing of families, text, training or screens. B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from torch import Tensor, nn

from model.config import Config, Kind
from model.errors import Refusal
from model.layers.birth import Unborn, draw
from model.layers.embedding import Embedding
from model.layers.frame import Memory, Watch, frames
from model.layers.head import Head
from model.layers.masks import Sights
from model.layers.past import Past, Rolling
from model.layers.stack import Stack
from model.tap import Tap, ignore, under

PLAIN = Watch()


class Transformer(nn.Module):
    """A transformer of any configuration: a decoder, an encoder, or both; its weights drawn from `seed`.

    Built inside `with torch.device("meta")` it allocates nothing; inside `with torch.device("cuda")` it lives there.
    """

    def __init__(self, config: Config, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with Unborn():
            self.embed = Embedding(config)
            self.encoder = Stack(config, "encoder") if "encoder" in config.depths else None
            self.decoder = Stack(config, "decoder") if "decoder" in config.depths else None
            self.head = Head(config)
        draw(self, config, seed)

    def forward(
        self,
        ids: Tensor,
        *,
        memory: Memory | None = None,
        mask: Tensor | Sights | None = None,
        past: Past | None = None,
        segments: Tensor | None = None,
        places: Tensor | None = None,
        tap: Tap = ignore,
        watch: Watch = PLAIN,
    ) -> Tensor:
        """Logits (B, T, V) of `ids` (B, T); an encoder–decoder writes them about `memory`, which `encode` made of a source.

        `mask` is boolean, True where a query may look at a key: (T, S), (B, T, S) or (B, heads, T, S), or a `Sight` for each layer, as a
        `Plan` builds; `None` is the model's own.
        `past` is a KV cache to read and extend. `segments` and `places` (B, T) number each token's part of the text and its
        position. `tap` sees every site, the T × S maps only as far as `watch` says. Raises `Refusal` for more tokens than the context.
        """
        start = past.length if past else 0
        x = self.embed(ids, start, under(f"{self.config.main}.embed", tap), segments, places)
        x = self.through(self.stack(), x, tap, watch, mask=mask, past=past, memory=memory)
        if past is not None:
            past.advance(ids.shape[1])
        return tap("logits", self.head(x, self.embed.token.weight, under("head", tap)))

    def encode(
        self, ids: Tensor, *, mask: Tensor | Sights | None = None, across: Tensor | Sights | None = None, tap: Tap = ignore, watch: Watch = PLAIN
    ) -> Memory:
        """What the encoder makes of a source `ids` (B, S), for the decoder: `mask` says who may look at whom in the source, `across`
        (T, S) or (B, T, S) which of it the target may look at; either may be a `Sight` for each layer. Raises `Refusal` for a model that
        is no encoder–decoder."""
        if self.encoder is None or self.decoder is None:
            raise Refusal("source.none", "only an encoder–decoder reads a source; this model has no {lacks}", lacks=lacking(self))
        x = self.embed(ids, tap=under("encoder.embed", tap))
        return Memory(self.through(self.encoder, x, tap, watch, mask=mask), across)

    def through(
        self, stack: Stack, x: Tensor, tap: Tap, watch: Watch, *, mask: Tensor | Sights | None, past: Past | None = None, memory: Memory | None = None
    ) -> Tensor:
        """One stack's residual stream from bottom to top, both (B, T, width)."""
        queries = x.shape[1]
        bias = stack.bias(queries, queries + (past.before if past else 0), x)
        seen = frames(self.config, stack.kind, queries, x, watch, mask=mask, bias=bias, past=past, memory=memory)
        return stack(x, seen, under(stack.kind, tap))

    def stack(self, kind: Kind | None = None) -> Stack:
        """The stack of this kind; the one that leads to the logits unless told. Raises `Refusal` if the model has none such."""
        kind = kind or self.config.main
        found = self.encoder if kind == "encoder" else self.decoder
        if found is None:
            raise Refusal("stack.none", "this model has no {kind}, only {has}", kind=kind, has=" and ".join(self.config.depths))
        return found

    def settle(self) -> Transformer:
        """Lay every matrix down along its longer side, the order in which a vector is multiplied soonest: the same numbers, and a token
        is written in two thirds of the time.

        Training prefers the order of birth, so only a model that will be read settles.
        """
        for part in self.modules():
            if isinstance(part, nn.Linear) and part.out_features > part.in_features:
                part.weight.data = part.weight.data.t().contiguous().t()
        return self

    def past(self, *, batch: int = 1, capacity: int | None = None, rolled: bool = False) -> Past:
        """An empty KV cache for `capacity` tokens (the whole context unless given), in this model's precision; `rolled`, one that holds no
        more than a sliding window. Raises `Refusal` for an encoder, where every token waits for all the others, so that nothing can be
        kept, and for rolling without a window."""
        if self.decoder is None:
            raise Refusal("cache.encoder", "an encoder keeps no KV cache: each of its tokens looks at those still to come; use a decoder")
        weight = self.embed.token.weight
        if rolled:
            return Rolling(self.config, batch=batch, dtype=weight.dtype, device=weight.device)
        return Past(self.config, batch=batch, capacity=capacity or self.config.context, dtype=weight.dtype, device=weight.device)


def lacking(model: Transformer) -> Kind:
    """The stack that a model of one stack does not have."""
    return "encoder" if model.encoder is None else "decoder"
