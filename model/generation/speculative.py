"""Speculative decoding: a small model proposes some tokens, a large one reads them all in one pass and keeps what it may.

The rule that leaves the large model's distribution as it is: Leviathan, Kalman and Matias 2023 (arXiv:2211.17192, algorithm 1) and
Chen et al. 2023 (arXiv:2302.01318, algorithm 2). A token x that the draft drew from q is kept with probability min(1, p(x) / q(x));
the first that is not is replaced by a draw from what p has more than q; where all are kept, one more is drawn from p.

Legend: γ tokens proposed ahead in a round, V the size of the vocabulary; p is the target's distribution and q the draft's, both after
the same filters, so what is kept is the *filtered* target's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model.checkpoints import Loaded
from model.errors import Refusal
from model.generation.choose import Choose, Greedy, Numbers, Sample, die, draw, drawn, left, pick, softmax
from model.generation.decoder import Decoder, Reading
from model.generation.steps import checked, refuse_damaged
from model.transformer import Transformer

Origin = Literal["correction", "bonus"]
"""Why the target adds a token of its own: in place of a rejected one, or because none was rejected."""
JUDGING, CORRECTING = 1 << 64, 2 << 64
"""Added to a position, they give it a second and a third die; the first, which plain sampling throws too, is the draft's and the bonus's."""
GREEDY = Greedy()


# ---------------------------------------------------------------- the rule


def distribution(logits: NDArray[np.floating], choose: Choose, history: Sequence[int]) -> Numbers:
    """What `choose` draws from, (V,): the logits after all its filters; everything on one token where it is greedy."""
    if isinstance(choose, Sample):
        return softmax(left(logits, choose, history))
    certain = np.zeros(len(logits))
    certain[pick(logits, choose, history)] = 1.0
    return certain


def accepting(p: Numbers, q: Numbers) -> Numbers:
    """The probability min(1, p / q) with which each token (V,) is kept when it is proposed; 1 for those that never are."""
    return np.divide(p, q, out=np.ones_like(p), where=q > p)


def keeps(p: Numbers, q: Numbers, id: int, u: float) -> bool:
    """Whether the proposal `id` is kept when the die falls on `u` in [0, 1)."""
    return bool(keeping(p, q, np.array([id]), np.array([u]))[0])


def keeping(p: Numbers, q: Numbers, ids: NDArray[np.intp], dice: Numbers) -> NDArray[np.bool_]:
    """The same for many proposals `ids` (N,), each with its own of the `dice` (N,)."""
    return dice * q[ids] < p[ids]


def residual(p: Numbers, q: Numbers) -> Numbers:
    """What a rejected token is replaced from, norm(max(p − q, 0)): (V,). Where p nowhere exceeds q nothing is ever rejected, and it is p."""
    more = np.maximum(p - q, 0)
    total = more.sum()
    return more / total if total > 0 else p


def outcome(p: Numbers, q: Numbers) -> Numbers:
    """The distribution (V,) of the token that the rule writes: every token that may be proposed, kept, or rejected and replaced. It is p."""
    kept = q * accepting(p, q)
    return kept + (q - kept).sum() * residual(p, q)


def repeated(p: Numbers, q: Numbers, *, seed: int, times: int) -> NDArray[np.int64]:
    """How often the rule writes each token (V,) in so many tries, every one with dice of its own."""
    dice = [np.array([die(seed, number + which) for number in range(times)]) for which in (0, JUDGING, CORRECTING)]
    proposed, instead = drawn(q, dice[0]), drawn(residual(p, q), dice[2])
    return np.bincount(np.where(keeping(p, q, proposed, dice[1]), proposed, instead), minlength=len(p))


# ---------------------------------------------------------------- what a round tells


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A proposed token, number `index` of the new ones, drawn from `q` (V,) where the die fell on `die`; `logits` (V,) are the draft's."""

    index: int
    id: int
    die: float
    q: Numbers = field(repr=False)
    logits: NDArray[np.floating] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the target made of a draft: its own `logits` (V,), `p` (V,) of them after the filters, and whether the die let it stay."""

    draft: Draft
    accepted: bool
    die: float
    p: Numbers = field(repr=False)
    logits: NDArray[np.floating] = field(repr=False)

    @property
    def chance(self) -> float:
        """The probability with which it was to be kept: min(1, p / q)."""
        return min(1.0, float(self.p[self.draft.id] / self.draft.q[self.draft.id]))


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """The token that the target adds, drawn from `probabilities` (V,): the residual for a correction, p for a bonus."""

    index: int
    id: int
    origin: Origin
    die: float
    probabilities: Numbers = field(repr=False)
    logits: NDArray[np.floating] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """All that was proposed after `history`; the verdicts, the last of which may be a rejection, behind which nothing is judged, for it was
    proposed for a text that is not written; and what the target added (`None` where a proposal ended the text).

    `drafting` and `verifying` are seconds in either model, `seconds` all the round took.
    """

    number: int
    history: tuple[int, ...] = field(repr=False)
    drafts: tuple[Draft, ...]
    verdicts: tuple[Verdict, ...]
    added: Added | None
    drafting: float
    verifying: float
    seconds: float

    @property
    def accepted(self) -> tuple[Draft, ...]:
        """The proposals that stayed."""
        return tuple(verdict.draft for verdict in self.verdicts if verdict.accepted)

    @property
    def ids(self) -> tuple[int, ...]:
        """What the round wrote."""
        return (*(draft.id for draft in self.accepted), *(() if self.added is None else (self.added.id,)))


@dataclass(frozen=True, slots=True)
class Tally:
    """Counted over rounds: how many, which is also how often the target read; tokens written; proposals made, judged and accepted."""

    rounds: int
    tokens: int
    proposed: int
    judged: int
    accepted: int

    @property
    def rate(self) -> float | None:
        """α, the share of the judged proposals that were accepted; `None` before any was judged."""
        return self.accepted / self.judged if self.judged else None

    @property
    def per_pass(self) -> float | None:
        """Tokens written for each pass of the target; `None` before the first."""
        return self.tokens / self.rounds if self.rounds else None


def tally(rounds: Sequence[Round]) -> Tally:
    """What rounds come to."""
    return Tally(
        rounds=len(rounds),
        tokens=sum(len(round.ids) for round in rounds),
        proposed=sum(len(round.drafts) for round in rounds),
        judged=sum(len(round.verdicts) for round in rounds),
        accepted=sum(len(round.accepted) for round in rounds),
    )


def expected(rate: float, ahead: int) -> float:
    """Tokens for each pass of the target when every proposal is kept with probability `rate`, whatever became of the others
    (Leviathan et al. 2023, equation 1): (1 − α^(γ+1)) / (1 − α)."""
    return ahead + 1.0 if rate >= 1 else (1 - rate ** (ahead + 1)) / (1 - rate)


def speed_up(rate: float, ahead: int, cost: float, reading: float = 1.0) -> float:
    """How many times sooner that is than the target alone (theorem 3.8): (1 − α^(γ+1)) / ((1 − α)(γc + 1)), where `cost` c is a proposal's
    time in steps of the target. The theorem lets the target read γ + 1 tokens in the time of one; where it takes `reading` times as long,
    the 1 below the line is that."""
    return expected(rate, ahead) / (ahead * cost + reading)


# ---------------------------------------------------------------- the two of them


class Speculator:
    """One text continued by two models: each `round` lets the draft propose, and the target read, judge and add.

    `tokens` bounds the new tokens; the text never grows past the target's context, and where the draft's is full the target goes on by
    itself. An encoder–decoder writes about a `source`, which both read. Raises `Refusal` for what `Writer` refuses, and for a draft of
    another form or vocabulary.
    """

    def __init__(
        self, target: Transformer, draft: Transformer, ids: Sequence[int] | Tensor, *, tokens: int, source: Sequence[int] | Tensor | None = None
    ) -> None:
        refuse_unlike(target, draft)
        self.prompt = checked(ids, target)
        self.limit = min(tokens, target.config.context - len(self.prompt))
        about, longest = None if source is None else checked(source, target), len(self.prompt) + self.limit
        self._target = Decoder(target, capacity=longest, source=about)
        self._draft = Decoder(draft, capacity=min(longest, draft.config.context), source=about)
        self.text, self.rounds = [*self.prompt], list[Round]()
        if len(self.prompt) > 1:
            self._target.read(self.prompt[:-1])

    @property
    def room(self) -> int:
        """How many tokens may still be written."""
        return len(self.prompt) + self.limit - len(self.text)

    def follow(self, choose: Choose, ahead: int, stop: int | None = None, sure: float = 0.0) -> Iterator[Round]:
        """Rounds until there is no room, or `stop` is written."""
        while self.room and not (self.rounds and self.text[-1] == stop):
            yield self.round(choose, ahead, stop, sure)

    def round(self, choose: Choose, ahead: int, stop: int | None = None, sure: float = 0.0) -> Round:
        """Up to `ahead` proposals, as long as the draft gives one token a probability of `sure` or more, read in one pass and judged, and
        the target's own token. Raises `Refusal` when there is no room, or the logits are not numbers."""
        if not self.room:
            raise _full(self)
        began, history = perf_counter(), tuple(self.text)
        drafts = self._propose(choose, ahead, stop, sure)
        drafted = perf_counter()
        logits = self._target.extend([history[-1], *(draft.id for draft in drafts)]).logits.cpu().numpy()
        verified = perf_counter()
        verdicts = self._judge(choose, drafts, logits)
        added = self._add(choose, verdicts, logits, stop)
        spent = drafted - began, verified - drafted, perf_counter() - began
        self.rounds.append(Round(len(self.rounds), history, tuple(drafts), tuple(verdicts), added, *spent))
        return self.rounds[-1]

    def _propose(self, choose: Choose, ahead: int, stop: int | None, sure: float) -> list[Draft]:
        """Tokens drawn from the draft one after the other while it is sure, and no more than there is room for beside the target's own.
        Whether it goes on is told by the text alone, before a die falls, so it changes nothing in what is written."""
        text, drafts = [*self.text], list[Draft]()
        for _ in range(min(ahead, self.room - 1, self._draft.capacity + 1 - len(text))):
            logits = _read(self._draft, text).logits.cpu().numpy()
            refuse_damaged(logits, len(text))
            if sure and softmax(logits).max() < sure:
                break
            q, u = distribution(logits, choose, text), thrown(choose, len(text))
            drafts.append(Draft(len(text) - len(self.prompt), draw(q, u), u, q, logits))
            text.append(drafts[-1].id)
            if text[-1] == stop:
                break
        return drafts

    def _judge(self, choose: Choose, drafts: Sequence[Draft], logits: NDArray[np.floating]) -> list[Verdict]:
        """A verdict for each proposal up to the first that is rejected; the accepted ones join the text."""
        verdicts: list[Verdict] = []
        for draft, row in zip(drafts, logits, strict=False):
            refuse_damaged(row, len(self.text))
            p, u = distribution(row, choose, self.text), thrown(choose, len(self.text) + JUDGING)
            verdicts.append(Verdict(draft, keeps(p, draft.q, draft.id, u), u, p, row))
            if not verdicts[-1].accepted:
                break
            self.text.append(draft.id)
        return verdicts

    def _add(self, choose: Choose, verdicts: Sequence[Verdict], logits: NDArray[np.floating], stop: int | None) -> Added | None:
        """The target's own token behind what was accepted; both caches forget what lies beyond."""
        place = len(self.text)
        added = None
        if verdicts and not verdicts[-1].accepted:
            last = verdicts[-1]
            instead, u = residual(last.p, last.draft.q), thrown(choose, place + CORRECTING)
            added = Added(place - len(self.prompt), draw(instead, u), "correction", u, instead, last.logits)
        elif not verdicts or self.text[-1] != stop:
            row = logits[len(verdicts)]
            refuse_damaged(row, place)
            p, u = distribution(row, choose, self.text), thrown(choose, place)
            added = Added(place - len(self.prompt), draw(p, u), "bonus", u, p, row)
        if added is not None:
            self.text.append(added.id)
        for decoder in (self._target, self._draft):
            decoder.rewind(len(self.text) - 1)
        return added


def speculate(
    target: Transformer,
    draft: Transformer,
    ids: Sequence[int] | Tensor,
    choose: Choose = GREEDY,
    *,
    ahead: int = 4,
    tokens: int = 20,
    stop: int | None = None,
    source: Sequence[int] | Tensor | None = None,
    sure: float = 0.0,
) -> Iterator[Round]:
    """Continue `ids` (T,) by up to `tokens`, one `Round` at a time, each with up to `ahead` proposals of `draft`, which stops proposing
    where its likeliest token is less probable than `sure`; the text ends early at the id `stop`. What is written is distributed as if
    `target` had written it alone; where the choice is greedy it is the same text."""
    if ahead < 0:
        raise Refusal("speculative.ahead", "the draft proposes 0 tokens a round or more; got {given}", given=ahead)
    if not 0 <= sure <= 1:
        raise Refusal("speculative.sure", "how sure a draft must be is a probability, from 0 to 1; got {given}", given=sure)
    speculator = Speculator(target, draft, ids, tokens=tokens, source=source)
    if tokens and not speculator.room:
        raise _full(speculator)
    return speculator.follow(choose, ahead, stop, sure)


def _full(speculator: Speculator) -> Refusal:
    longest = len(speculator.text)
    return Refusal("generation.full", "no room for another token: the text has all {longest} it may have; shorten the prompt", longest=longest)


def thrown(choose: Choose, position: int) -> float:
    """Where the die of one position falls, in [0, 1); a greedy choice depends on none, and is given 0."""
    return die(choose.seed, position) if isinstance(choose, Sample) else 0.0


def refuse_unlike(target: Transformer, draft: Transformer) -> None:
    """Raise `Refusal` for a draft that cannot propose tokens to this target: of another form, or another vocabulary."""
    forms = type(target.config.form), type(draft.config.form)
    if forms[0] is not forms[1]:
        sentence = "a draft reads what its target reads, so it must have its form; this one is of the form {draft}, the target {target}"
        raise Refusal("speculative.form", sentence, draft=forms[1].__name__, target=forms[0].__name__)
    if target.config.vocabulary != draft.config.vocabulary:
        sentence = "a draft must share its target's vocabulary: it has {draft} tokens, and the target {target}"
        raise Refusal("speculative.vocabulary", sentence, draft=draft.config.vocabulary, target=target.config.vocabulary)


def refuse_strangers(target: Loaded, draft: Loaded) -> None:
    """The same, and for a draft by whose tokenizer the numbers of the tokens mean something else."""
    refuse_unlike(target.model, draft.model)
    if target.tokenizer is not None and draft.tokenizer is not None and not target.tokenizer.agrees(draft.tokenizer):
        raise Refusal("speculative.tokens", "a draft must give every token the number that its target gives it; this one reads by another tokenizer")


def _read(decoder: Decoder, text: Sequence[int]) -> Reading:
    """What the draft makes of the text, of which it reads only what it has not read yet."""
    ahead = text[decoder.length :]
    return decoder.step(ahead[0]) if len(ahead) == 1 else decoder.read(ahead)
