"""What one or two trained models can do, skill by skill: measured on texts they never saw, drawn as bars from 0 to 100 %."""

from __future__ import annotations

import html
from collections.abc import Sequence

import pandas as pd

from components.i18n import Words
from components.runs import Verdict
from components.theme import PAIR


def bars(words: Words, verdicts: Sequence[Verdict]) -> str:
    """A row a skill, a bar a run in the colour of its curve."""
    rows = "".join(_row(words, skill, [verdict.skills[skill] for verdict in verdicts]) for skill in verdicts[0].skills)
    return f'<div class="v-plate v-skills">{rows}</div>'


def _row(words: Words, skill: str, shares: Sequence[float]) -> str:
    drawn = "".join(f'<i style="width:{share:.1%};background:{colour}"></i>' for share, colour in zip(shares, PAIR, strict=False))
    said = " · ".join(words.percent(share, 0) for share in shares)
    name, example = html.escape(words(f"size.skills.{skill}.name")), html.escape(words(f"size.skills.{skill}.example"))
    return f'<div class="v-skill" title="{example}"><b>{name}</b><em>{html.escape(said)}</em><span>{drawn}</span></div>'


def reading(words: Words, verdicts: Sequence[Verdict], names: Sequence[str]) -> str:
    """For each run, its ratio to the floor and the skills it has, half of the answers right being enough."""
    return " ".join(_told(words, verdict, name) for verdict, name in zip(verdicts, names, strict=True))


def _told(words: Words, verdict: Verdict, name: str) -> str:
    learned = [words(f"size.skills.{skill}.name") for skill, share in verdict.skills.items() if share >= 0.5]
    return words(
        "size.skills.reading",
        name=name or words("size.reading.model"),
        times=words.number(verdict.ratio, 2),
        count=len(learned),
        all=len(verdict.skills),
        learned=", ".join(learned) or words("size.skills.nothing"),
    )


def frame(words: Words, verdicts: Sequence[Verdict], names: Sequence[str]) -> pd.DataFrame:
    """A row a skill, the share right of each run."""
    skills = list(verdicts[0].skills)
    columns = {words("size.table.skill"): [words(f"size.skills.{skill}.name") for skill in skills]}
    label = words("size.table.right")
    columns |= {f"{label} {name}".strip(): [verdict.skills[skill] for skill in skills] for verdict, name in zip(verdicts, names, strict=True)}
    return pd.DataFrame(columns)
