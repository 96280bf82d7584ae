"""One miniature, told positions in another way: trained on short rows, then read on rows four times as long.

A `Trial` is pulled by a job, one step at a time, and read by a page at any moment from another thread; what it shows is replaced whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache

from components.experiments import LIVE
from model.analysis.lengths import Beyond, Long, beyond, long_rows, reread
from model.config import Alibi, ByWavelength, Embedding, Learned, NoPositions, Positions, Relative, Rotary, Sinusoidal
from model.text.skills import held_out
from model.text.tokenizer import Tokenizer
from model.training import Step, Steps
from model.training.session import Preset, Session, begin
from model.transformer import Transformer

TRAINED = 64
"""Tokens per row of training: the micro-world's longest document, with room to spare."""
READ = 4 * TRAINED
BATCH = 16
MOMENTS = (0.2, 0.45, 0.7)
"""Shares of the budget after which a miniature is read, on fewer rows; at the end it is read on all."""
FEW, ALL = 400, 2_000
"""Held-out documents for that: about thirty rows, and about a hundred and forty."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to tell positions: as it is trained, and, where it is stretched afterwards, as it is read. Sinusoids have numbers near 1, so
    the tokens' vectors are scaled up beside them, as in Vaswani et al. 2017, section 3.4."""

    trained: Positions
    read: Positions | None = None
    scaled: bool = False


WAYS: dict[str, Way] = {
    "learned": Way(Learned()),
    "sinusoidal": Way(Sinusoidal(), scaled=True),
    "rotary": Way(Rotary()),
    "stretched": Way(Rotary(), Rotary(stretch=ByWavelength(factor=READ / TRAINED, trained=TRAINED))),
    "alibi": Way(Alibi()),
    "relative": Way(Relative(buckets=16, reach=TRAINED // 2)),
    "none": Way(NoPositions()),
}
"""The schemes to choose from. Relative distances are told apart up to half a row, so that every bucket is trained."""


def preset(way: str, steps: int, seed: int) -> Preset:
    """The live miniature with this scheme, its context `READ`, its rows `TRAINED` tokens. Its steps are counted and not timed: both
    miniatures read the same rows, and a link trains as many on any machine."""
    chosen = WAYS[way]
    config = dataclasses.replace(LIVE.config, context=READ, positions=chosen.trained, embedding=Embedding(scaled=chosen.scaled))
    recipe = dataclasses.replace(LIVE.recipe, context=TRAINED, batch=BATCH, budget=Steps(count=steps), seed=seed)
    return Preset(config=config, recipe=recipe)


@cache
def rows(documents: int) -> Long:
    """Held-out rows of `READ` tokens, the same for every miniature."""
    return long_rows(held_out(documents), Tokenizer.for_world(), READ)


class Trial:
    """One miniature from nothing to its reading. `work` is the job's generator; the rest is for looking at."""

    def __init__(self, way: str, steps: int, seed: int) -> None:
        self.way, self.steps, self.seed = way, steps, seed
        self.tokenizer = Tokenizer.for_world()
        self.session: Session | None = None
        self.step: Step | None = None
        self.measured: Beyond | None = None
        self.final = False

    def work(self) -> Generator[Step, None, None]:
        """Train, reading the long rows at the moments and at the end; yields every step."""
        self.session = begin(preset(self.way, self.steps, self.seed))
        due = list(MOMENTS)
        for step in self.session.run:
            self.step = step
            if due and step.fraction >= due[0]:
                due = [moment for moment in due if moment > step.fraction]
                self.measured = beyond(self.model(), rows(FEW))
            yield step
        self.measured = beyond(self.model(), rows(ALL))
        self.final = True

    def model(self) -> Transformer:
        """The miniature as it is read: with its angles stretched where the scheme says so."""
        assert self.session is not None
        read = WAYS[self.way].read
        return self.session.model if read is None else reread(self.session.model, read)
