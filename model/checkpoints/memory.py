"""Memory asked for before it is taken."""

from __future__ import annotations

from pathlib import Path

from model.errors import Refusal

MEMINFO = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Bytes this process may still take: the machine's, or its container's if that is less; `None` where Linux does not say."""
    known = [amount for amount in (_machine(), _container()) if amount is not None]
    return min(known) if known else None


def require_memory(needed: int, what: str) -> None:
    """Raise `Refusal` if `what` needs more bytes than are free."""
    free = free_memory()
    if free is not None and needed > free:
        raise Refusal(
            "checkpoint.memory",
            "{what} needs {needed} MB of memory and {free} MB are free; choose a smaller model or close something",
            what=what,
            needed=-(-needed // 10**6),
            free=free // 10**6,
        )


def _machine() -> int | None:
    amount = _entry(MEMINFO, "MemAvailable:")
    return None if amount is None else amount * 1_024


def _container() -> int | None:
    try:
        limit, used = (GROUP / "memory.max").read_text().strip(), int((GROUP / "memory.current").read_text())
    except OSError:
        return None
    reclaimable = _entry(GROUP / "memory.stat", "inactive_file") or 0
    return None if limit == "max" else max(int(limit) - used + reclaimable, 0)


def _entry(file: Path, name: str) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), None)
