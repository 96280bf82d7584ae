"""The branches kept beside a text: other continuations of the same beginning, to be compared with it and gone back to.

They are ids, a value of the link; what the model makes of them is computed when they are shown. They belong to one model and one prompt,
their *owner*: with another, none are left. Any page may keep one: `keep(owner(session), ids)`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from components import state
from components.page import Session
from components.state import Field
from model.errors import Refusal

MOST = 6
"""Branches kept; for a new one the oldest that is not pinned is dropped."""
LONGEST = 1_024
"""Tokens of a branch that are kept."""
_LIMIT = 50_000
_WRITTEN = re.compile(r"p?\d{1,10}(\.\d{1,10})*", re.ASCII)
_OWNER = "branches.owner"
_TEXT = state.text("g.branches", "", _LIMIT)

Owner = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """The new tokens of a continuation, from the prompt's end on, or, of a text with blanks, its fillings one after the other (see
    `writing.Filled.trail`); a pinned one is dropped by nobody but the reader."""

    ids: tuple[int, ...]
    pinned: bool = False

    @property
    def key(self) -> int:
        """What a browser calls it."""
        return zlib.crc32(repr(self.ids).encode())


def _read(given: str) -> tuple[Branch, ...]:
    parts = _TEXT.read(given).split("-")
    if len(parts) > MOST or not all(_WRITTEN.fullmatch(part) and part.count(".") < LONGEST for part in parts):
        sentence = "up to {most} branches are written as the numbers of their tokens, 17.4-p17.230, p for a pinned one; got {given!r}"
        raise Refusal("link.branches", sentence, most=MOST, given=given[:40])
    return tuple(Branch(tuple(map(int, part.removeprefix("p").split("."))), part.startswith("p")) for part in parts)


def _written(branches: tuple[Branch, ...]) -> str:
    return _TEXT.write("-".join("p" * branch.pinned + ".".join(map(str, branch.ids)) for branch in branches))


BRANCHES: Field[tuple[Branch, ...]] = Field("g.branches", (), _read, _written)
"""The newest first."""


def owner(session: Session) -> Owner:
    """Whose branches these are: the model, the prompt that is continued, and its source."""
    return session.specimen.id, session.prompt.given, session.prompt.source_ids


def of(owner: Owner) -> tuple[Branch, ...]:
    """The branches kept beside this text, the newest first; those of another text are forgotten."""
    if state.remember(_OWNER, lambda: owner) != owner:
        state.forget(_OWNER)
        state.remember(_OWNER, lambda: owner)
        state.reset(BRANCHES)
    return state.get(BRANCHES)


def keep(owner: Owner, ids: Sequence[int]) -> None:
    """Keep a continuation: `ids` are all its new tokens, from the prompt's end on. One that goes on from another takes its place."""
    new, others = tuple(ids)[:LONGEST], of(owner)
    if not new or any(begins(other.ids, new) for other in others):
        return
    pinned = any(other.pinned and begins(new, other.ids) for other in others)
    _put(_within((Branch(new, pinned), *(other for other in others if not begins(new, other.ids)))))


def drop(owner: Owner, key: int) -> None:
    """Let a branch go; an unknown key is passed over."""
    _put(tuple(branch for branch in of(owner) if branch.key != key))


def pin(owner: Owner, key: int) -> None:
    """Pin a branch, or let go of its pin. All but one may be pinned, so that there is room for what comes."""
    others = of(owner)
    full = sum(branch.pinned for branch in others) >= MOST - 1
    _put(tuple(replace(each, pinned=not each.pinned and not full) if each.key == key else each for each in others))


def begins(ids: Sequence[int], with_: Sequence[int]) -> bool:
    """Whether some ids begin with others, or are the same."""
    return tuple(ids[: len(with_)]) == tuple(with_)


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two continuations begin with together."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _within(branches: tuple[Branch, ...]) -> tuple[Branch, ...]:
    """No more than there is room for: the oldest that is not pinned leaves, never the newest."""
    if len(branches) <= MOST:
        return branches
    leaving = max(at for at, branch in enumerate(branches) if not branch.pinned)
    return branches[:leaving] + branches[leaving + 1 :]


def _put(branches: tuple[Branch, ...]) -> None:
    if branches:
        state.put(BRANCHES, branches)
    else:
        state.reset(BRANCHES)
