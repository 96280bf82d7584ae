"""How a model answers: right or wrong, what answers and prompts cost it, and how hard each of the two pulls at its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from model.text.instructions import Asked, Instruction, encode
from model.text.tokenizer import Tokenizer
from model.transformer import Transformer

AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Answered:
    """On instructions that no training reads: the share answered right to the last token, of all and of each kind, and the mean loss in
    nats per token of the answers, the token that ends one included, and of the prompts."""

    count: int
    right: float
    kinds: dict[str, float]
    answer: float
    prompt: float


@dataclass(frozen=True, slots=True)
class Pull:
    """The length of the gradient that prompts and answers cause, each as it enters the mean over all their tokens, and how many tokens
    they are."""

    prompt: float
    answer: float
    prompt_tokens: int
    answer_tokens: int

    @property
    def share(self) -> float:
        """How much of both lengths is the prompts'."""
        return self.prompt / max(self.prompt + self.answer, 1e-12)


def answered(model: Transformer, tokenizer: Tokenizer, asked: Sequence[Instruction]) -> Answered:
    """The model on some instructions. An answer is right when each of its tokens is the likeliest after those before it: the same as
    decoding greedily."""
    right: dict[str, list[bool]] = {}
    costs, parts = [], []
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        hits, losses, answers, said = _read(model, tokenizer, some)
        for instruction, hit in zip(some, hits, strict=True):
            right.setdefault(instruction.kind, []).append(hit)
        costs.append(losses[said])
        parts.append(answers[said])
    cost, part = torch.cat(costs), torch.cat(parts)
    return Answered(
        count=len(asked),
        right=sum(map(sum, right.values())) / len(asked),
        kinds={kind: sum(hits) / len(hits) for kind, hits in right.items()},
        answer=float(cost[part].mean()),
        prompt=float(cost[~part].mean()),
    )


def pull(model: Transformer, tokenizer: Tokenizer, asked: Sequence[Instruction]) -> Pull:
    """The gradients that these instructions cause in the weights as they are."""
    ids, answers, said = _rows(tokenizer, [encode(tokenizer, one) for one in asked])
    weights = list(model.parameters())
    moving = [weight.requires_grad for weight in weights]
    with torch.enable_grad():
        for weight in weights:
            weight.requires_grad_(True)
        losses = F.cross_entropy(model(ids[:, :-1]).float().transpose(1, 2), ids[:, 1:], reduction="none")
        parts = [losses[said & side].sum() / said.sum() for side in (~answers, answers)]
        lengths = [_length(torch.autograd.grad(part, weights, retain_graph=True)) for part in parts]
    for weight, was in zip(weights, moving, strict=True):
        weight.requires_grad_(was)
    return Pull(lengths[0], lengths[1], int((said & ~answers).sum()), int((said & answers).sum()))


def _length(gradient: Sequence[Tensor]) -> float:
    return float(torch.stack([part.square().sum() for part in gradient]).sum().sqrt())


@torch.inference_mode()
def _read(model: Transformer, tokenizer: Tokenizer, asked: Sequence[Instruction]) -> tuple[list[bool], Tensor, Tensor, Tensor]:
    """Which are answered right; the loss of each token, which tokens are an answer's, and which are there: all (N, T)."""
    rows = [encode(tokenizer, one) for one in asked]
    ids, answers, said = _rows(tokenizer, rows)
    logits = model(ids[:, :-1])
    wrong = (logits.argmax(-1) != ids[:, 1:]) & answers
    wrong[torch.arange(len(rows)), torch.tensor([len(row.ids) - 2 for row in rows])] = False
    return (~wrong.any(1)).tolist(), F.cross_entropy(logits.float().transpose(1, 2), ids[:, 1:], reduction="none"), answers, said


def _rows(tokenizer: Tokenizer, rows: Sequence[Asked]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids (N, T + 1), padded, and for each but the first whether it is an answer's and whether it is there (N, T)."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.tensor([[*row.ids, *[tokenizer.pad] * (longest - len(row.ids))] for row in rows])
    answers = torch.tensor([[*row.answer, *[False] * (longest - len(row.ids))] for row in rows])[:, 1:]
    return ids, answers, ids[:, 1:] != tokenizer.pad

