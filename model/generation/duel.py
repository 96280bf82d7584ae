"""The target alone and with a draft, timed side by side: in turns, so that whatever else the machine does slows both alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

from model.generation.choose import Choose, Sample
from model.generation.speculative import Round, Tally, expected, speculate, speed_up, tally
from model.generation.steps import generate
from model.transformer import Transformer


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """What `laps` came to, medians: tokens a second `alone` and `together`; seconds of a `step` of the target by itself, of a `proposal`,
    and of a `reading` of all proposals at once; and the `count` over all laps."""

    ahead: int
    laps: int
    alone: float
    together: float
    step: float
    proposal: float
    reading: float
    count: Tally

    @property
    def speed_up(self) -> float:
        """How many times as many tokens a second with the draft; below 1 it is slower."""
        return self.together / self.alone

    @property
    def cost(self) -> float:
        """c: the time of a proposal in steps of the target."""
        return self.proposal / self.step

    @property
    def promised(self) -> float:
        """What theorem 3.8 of Leviathan et al. (2023) promises at this rate of acceptance and cost, where reading several tokens takes
        no longer than reading one."""
        return speed_up(self.count.rate or 0.0, self.ahead, self.cost)

    @property
    def explained(self) -> float:
        """The same with the time that reading them took."""
        return speed_up(self.count.rate or 0.0, self.ahead, self.cost, self.reading / self.step)

    @property
    def expected(self) -> float:
        """Tokens a pass of the target at this rate of acceptance (their equation 1)."""
        return expected(self.count.rate or 0.0, self.ahead)


def duel(
    target: Transformer,
    draft: Transformer,
    ids: Sequence[int],
    choose: Choose,
    *,
    ahead: int,
    tokens: int,
    source: Sequence[int] | None = None,
    laps: int = 5,
    sure: float = 0.0,
) -> Duel:
    """Both continue `ids` by `tokens`, in turns, `laps` times and once more before that, which does not count; a sampler throws other dice
    in every lap."""
    alone, together, rounds = list[float](), list[float](), list[list[Round]]()
    for lap in range(laps + 1):
        how = replace(choose, seed=(choose.seed + lap) % 2**64) if isinstance(choose, Sample) else choose
        began = perf_counter()
        plain = len(list(generate(target, ids, how, tokens, source=source)))
        between = perf_counter()
        helped = list(speculate(target, draft, ids, how, ahead=ahead, tokens=tokens, source=source, sure=sure))
        alone.append((between - began) / plain)
        together.append((perf_counter() - between) / plain)
        rounds.append(helped)
    return _summed(ahead, alone[1:], together[1:], rounds[1:])


def _summed(ahead: int, alone: Sequence[float], together: Sequence[float], laps: Sequence[Sequence[Round]]) -> Duel:
    rounds = [round for lap in laps for round in lap]
    drafting = [round.drafting / len(round.drafts) for round in rounds if round.drafts]
    return Duel(
        ahead=ahead,
        laps=len(alone),
        alone=1 / median(alone),
        together=1 / median(together),
        step=median(alone),
        proposal=median(drafting) if drafting else 0.0,
        reading=median([round.verifying for round in rounds]),
        count=tally(rounds),
    )
