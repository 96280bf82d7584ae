"""What hangs on a page in one run, so that all of it can be taken away: words at once, numbers when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A picture on the page: its key, its sentence, its table and, where there is one, the lines of Python that compute its numbers again."""

    key: str
    reading: str
    table: Callable[[], DataFrame]
    recipe: Callable[[], str] | None = None


class Gallery:
    """The exhibits of one run, in the order of the page. A part of the page that runs again hangs its own anew, where they hung; what it
    no longer shows is taken down."""

    def __init__(self) -> None:
        self._hung: dict[str, Exhibit] = {}
        self._when: dict[str, int] = {}
        self._part: dict[str, Hashable] = {}
        self._around: dict[Hashable, Hashable] = {}
        self._now: Hashable = None
        self._clock = 0

    def __iter__(self) -> Iterator[Exhibit]:
        return iter(tuple(self._hung.values()))

    def __len__(self) -> int:
        return len(self._hung)

    def hang(self, exhibit: Exhibit) -> None:
        """Add an exhibit to the part that is running, or replace what hung under its key."""
        self._clock += 1
        self._hung[exhibit.key] = exhibit
        self._when[exhibit.key], self._part[exhibit.key] = self._clock, self._now

    @contextmanager
    def anew(self, part: Hashable) -> Iterator[None]:
        """While a part of the page runs: afterwards, only what it hung this time hangs there."""
        outer, began = self._now, self._clock
        self._around.setdefault(part, outer)
        self._now = part
        try:
            yield
        finally:
            self._now = outer
            for key in [key for key, when in self._when.items() if when <= began and self._inside(self._part[key], part)]:
                del self._hung[key], self._when[key], self._part[key]

    def _inside(self, part: Hashable, whole: Hashable) -> bool:
        while part is not None and part != whole:
            part = self._around.get(part)
        return part == whole
