"""Taps: how anything outside a forward pass sees, or changes, what happens inside it.

Every `forward` passes each interesting value through `tap(name, value)` and goes on with what comes back. Recording is a
tap, an intervention is a tap, and several compose with `chain`. There is no global state to reset.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Tap = Callable[[str, Tensor], Tensor]


def ignore(name: str, value: Tensor) -> Tensor:
    """The tap that looks at nothing; with it, a layer may take a faster road to the same result."""
    return value


def under(prefix: str, tap: Tap) -> Tap:
    """The same tap, for a part that knows only its own name: its sites are reported below `prefix`."""
    return ignore if tap is ignore else lambda name, value: tap(f"{prefix}.{name}", value)


def chain(*taps: Tap) -> Tap:
    """One tap after the other, each seeing what the one before returned."""
    seen = tuple(tap for tap in taps if tap is not ignore)
    if len(seen) < 2:
        return seen[0] if seen else ignore

    def chained(name: str, value: Tensor) -> Tensor:
        for tap in seen:
            value = tap(name, value)
        return value

    return chained
