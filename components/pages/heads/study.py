"""Where the finder's numbers come from: kept beside a model that ships, measured here in the background, or only looked at."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Literal

from components import compute
from components.compute import Specimen
from components.jobs import Desk, Job
from components.page import Session
from components.pages.heads.wanted import traced
from model import checkpoints
from model.analysis.found import FILE, FINE, Found, head, kept, row
from model.analysis.head_probes import Question, Skill, plain, questions
from model.analysis.heads import Head, Progress, glance, search
from model.text.published import PublishedTokenizer
from model.text.tokenizer import Tokenizer
from model.text.world import Dials
from model.training.session import read

SHIPPED: tuple[Path, ...] = (checkpoints.EMBEDDED, checkpoints.MASKED, checkpoints.TRANSLATOR)


@dataclass(frozen=True, slots=True)
class Basis:
    """What the page shows: every head, how it was measured, and, if it was kept, since when."""

    kind: Literal["kept", "live", "glance"]
    heads: tuple[Head, ...]
    since: date | None = None


@dataclass
class Study:
    """The search of this tab: on the desk the job that pulls it, and what it is about."""

    desk: Desk = field(default_factory=Desk)
    about: Hashable = None

    def start(self, session: Session) -> None:
        """Begin to silence one head after the other."""
        self.about = subject(session)
        tokenizer = session.specimen.loaded.tokenizer
        work = search(session.specimen.loaded.model, sets(session), 0 if tokenizer is None else tokenizer.pad)
        self.desk.place(Job(work, owner=id(self)))

    def job(self, session: Session) -> Job[Progress] | None:
        """The search for what is on show, if there is one."""
        return self.desk.jobs[0] if self.desk.jobs and self.about == subject(session) else None


def worldly(specimen: Specimen) -> Tokenizer | None:
    """What reads the micro-world's texts for this model; `None` where nothing does."""
    tokenizer = specimen.loaded.tokenizer
    return None if isinstance(tokenizer, PublishedTokenizer) else tokenizer


def subject(session: Session) -> Hashable:
    """What a search is about: a model, and the reader's text where it is measured on that."""
    specimen, prompt = session.specimen, session.prompt
    return specimen.id if worldly(specimen) else (specimen.id, prompt.ids, prompt.source_ids)


def dials(specimen: Specimen) -> Dials | None:
    """How the world was set that this model was trained on; `None` where nobody wrote it down."""
    preset = (specimen.loaded.card or {}).get("preset")
    return None if preset is None else read(preset).dials


def sets(session: Session) -> Mapping[Skill, Sequence[Question]]:
    """What the heads of the model on show are asked."""
    specimen, prompt = session.specimen, session.prompt
    tokenizer = worldly(specimen)
    if tokenizer is not None:
        return questions(specimen.config, tokenizer, dials(specimen))
    blank = specimen.loaded.tokenizer.blank if specimen.loaded.tokenizer else None
    return plain(specimen.config, prompt.ids, prompt.source_ids, blank, prompt.opening, prompt.closing)


def basis(session: Session, study: Study) -> Basis:
    """The best there is: what was measured here, what lies beside the model, or what one look at the reader's text says."""
    job, stored = study.job(session), shelved().get(session.specimen.id)
    if job is not None and job.latest is not None and job.latest.heads:
        return Basis("live", job.latest.heads)
    return Basis("glance", glanced(session)) if stored is None else Basis("kept", stored.heads, stored.computed)


@lru_cache
def shelved() -> Mapping[str, Found]:
    """What lies beside the models that ship, by the identity of the weights it was measured on: of others it says nothing."""
    found = [kept(folder / FILE) for folder in SHIPPED if (folder / FILE).is_file()]
    return {each.model: each for each in found}


def glanced(session: Session) -> tuple[Head, ...]:
    """Where every head looks in the reader's text."""
    make = lambda: json.dumps([row(each, FINE) for each in glance(traced(session))]).encode()  # noqa: E731
    prompt = session.prompt
    return tuple(head(each) for each in json.loads(compute.packed("heads.glance", session.specimen.id, prompt.ids, prompt.source_ids, make=make)))
