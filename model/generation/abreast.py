"""Several continuations of one prompt, read side by side: a new token of each is one row of a batch, all their pasts lie in one KV cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import Refusal
from model.generation.decoder import refuse_unfit
from model.generation.steps import checked, refuse_damaged
from model.tap import ignore
from model.transformer import PLAIN, Transformer

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the model makes of a few texts: `logs` (texts, V), the log-probability (nats) of each token coming next, and `hidden`
    (texts, new tokens, width), the residual stream that the output reads."""

    logs: Numbers
    hidden: Tensor


class Abreast:
    """One prompt and at most `tokens` more in each of its continuations, as far as the context reaches; an encoder–decoder writes them
    about a `source`. Raises `Refusal` for an empty prompt, unknown ids, no room, and a model that cannot write."""

    @torch.inference_mode()
    def __init__(self, model: Transformer, ids: Sequence[int] | Tensor, *, tokens: int, source: Sequence[int] | Tensor | None = None) -> None:
        about = None if source is None else checked(source, model)
        refuse_unfit(model, about)
        self.model, self.prompt = model, checked(ids, model)
        self.limit = min(tokens, model.config.context - len(self.prompt))
        if self.limit < 1:
            sentence = "no room for another token: the text has all {longest} it may have; shorten the prompt"
            raise Refusal("generation.full", sentence, longest=len(self.prompt) + self.limit)
        self.device = model.embed.token.weight.device
        self.memory = None if about is None else model.encode(torch.tensor([about], device=self.device))
        self.past = model.past(capacity=len(self.prompt) + self.limit)

    def read(self) -> Seen:
        """The prompt, which is one text still."""
        return self._pass([self.prompt])

    def step(self, rows: Sequence[int], ids: Sequence[int]) -> Seen:
        """One more token each: text i goes on from the old text `rows[i]` with the token `ids[i]`. Those not named are dropped."""
        self.past.choose(rows)
        return self._pass([(id,) for id in ids])

    @torch.inference_mode()
    def _pass(self, texts: Sequence[Sequence[int]]) -> Seen:
        model, ids = self.model, torch.tensor(texts, device=self.device)
        x = model.embed(ids, self.past.length)
        hidden = model.through(model.stack(), x, ignore, PLAIN, mask=None, past=self.past, memory=self.memory)
        self.past.advance(ids.shape[1])
        logits = model.head(hidden[:, -1:], model.embed.token.weight)[:, 0].double()
        for row in logits.cpu().numpy():
            refuse_damaged(row, self.past.length)
        return Seen(logits.log_softmax(-1).cpu().numpy(), hidden)
