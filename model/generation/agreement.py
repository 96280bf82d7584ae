"""Is the target's distribution left as it is? For one place of a text exactly, and by trying often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.generation.choose import Numbers
from model.generation.speculative import accepting, outcome, repeated, residual

LEAST = 5.0
"""Tokens expected less often than this are counted together: a chi-square wants that many in every class (Cochran 1954)."""


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """One place, every token of the vocabulary (V,): `q` the draft's share and `p` the target's; `kept` min(p, q), what is proposed and
    stays; `replaced`, what comes in place of a rejected one. Kept and replaced are p, but for `error`, the largest difference."""

    q: Numbers
    p: Numbers
    kept: Numbers
    replaced: Numbers
    error: float

    @property
    def acceptance(self) -> float:
        """The probability that a proposal stays: Σ min(p, q), which is 1 less the total variation distance of p and q."""
        return float(self.kept.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """The rule tried `times` times: how often each token was written, `counts` (V,), beside p (V,). `statistic` is the chi-square of
    `freedom` degrees that tells them apart, `chance` the probability of one at least as large where the rule writes p."""

    times: int
    counts: NDArray[np.int64]
    p: Numbers
    statistic: float
    freedom: int
    chance: float


def proof(p: Numbers, q: Numbers) -> Proof:
    """The rule at one place, summed over everything that the draft may propose."""
    kept = q * accepting(p, q)
    return Proof(q, p, kept, (1 - kept.sum()) * residual(p, q), float(np.abs(outcome(p, q) - p).max()))


def trial(p: Numbers, q: Numbers, *, times: int, seed: int = 0) -> Trial:
    """The rule tried so often, with dice of its own each time."""
    return judged(repeated(p, q, seed=seed, times=times), p)


def judged(counts: NDArray[np.int64], p: Numbers) -> Trial:
    """How often each token was written, `counts` (V,), held against p (V,)."""
    times = int(counts.sum())
    often = times * p >= LEAST
    seen = np.append(counts[often], counts[~often].sum()).astype(float)
    due = np.append(times * p[often], times * p[~often].sum())
    if seen[due == 0].any():  # a token was written that p never writes
        return Trial(times, counts, p, np.inf, len(due) - 1, 0.0)
    seen, due = seen[due > 0], due[due > 0]
    statistic, freedom = float(((seen - due) ** 2 / due).sum()), len(due) - 1
    return Trial(times, counts, p, statistic, freedom, _beyond(statistic, freedom))


def _beyond(statistic: float, freedom: int) -> float:
    """The probability that a chi-square of so many degrees of freedom is at least this large."""
    if freedom < 1:
        return 1.0
    return float(torch.special.gammaincc(torch.tensor(freedom / 2, dtype=torch.float64), torch.tensor(statistic / 2, dtype=torch.float64)))
