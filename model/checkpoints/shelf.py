"""The arrays of a folder's safetensors files: what they are called, where they lie, what shape they have; read one at a time.

This file knows nothing of models. No other format is opened, and nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from model.checkpoints.files import read_json
from model.errors import Refusal

FLOATS = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored array: its name, file, shape and number format ("F16")."""

    name: str
    file: Path
    shape: tuple[int, ...]
    kind: str


@dataclass(slots=True)
class Shelf:
    """Stored arrays by name, and the open files they are read from."""

    arrays: dict[str, Stored]
    files: dict[Path, safe_open] = field(repr=False)

    def read(self, name: str) -> Tensor:
        """One array in fp32, in memory of its own. Raises `Refusal` for number formats that are no plain floats and for
        numbers that are not finite."""
        stored = self.arrays[name]
        if stored.kind not in FLOATS:
            raise Refusal(
                "checkpoint.kind",
                "{name} is stored as {kind}; only {known} can be read",
                name=name,
                kind=stored.kind,
                known=", ".join(FLOATS),
            )
        values = self.files[stored.file].get_tensor(name).to(torch.float32, copy=True)
        if not bool(torch.isfinite(values).all()):
            raise Refusal("checkpoint.finite", "{name} in {file} holds numbers that are not finite", name=name, file=stored.file.name)
        return values


@contextmanager
def shelf(folder: Path) -> Iterator[Shelf]:
    """Open the folder's safetensors files (one, several, or the shards of an index) while their arrays are read.

    Raises `Refusal` if there are none, if one is truncated or damaged, or if a name is found twice.
    """
    with ExitStack() as stack:
        files = {path: stack.enter_context(_open(path)) for path in _paths(folder)}
        arrays: dict[str, Stored] = {}
        for path, file in files.items():
            for name in file.keys():  # noqa: SIM118 (an open safetensors file is no mapping)
                if name in arrays:
                    raise Refusal(
                        "checkpoint.twice", "{name} is stored in both {first} and {second}", name=name, first=arrays[name].file.name, second=path.name
                    )
                part = file.get_slice(name)
                arrays[name] = Stored(name, path, tuple(part.get_shape()), part.get_dtype())
        yield Shelf(arrays, files)


def _open(path: Path) -> safe_open:
    try:
        return safe_open(path, "pt")
    except FileNotFoundError:
        raise Refusal("checkpoint.missing", "{file} is missing", file=str(path)) from None
    except (SafetensorError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise Refusal("checkpoint.damaged", "{file} is no complete safetensors file ({reason})", file=str(path), reason=reason) from None


def _paths(folder: Path) -> list[Path]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists() or not index.exists():
        found = [single] if single.exists() else sorted(folder.glob("*.safetensors"))
        if not found:
            raise Refusal("checkpoint.no_weights", "{folder} holds no .safetensors file, the only format that is read", folder=str(folder))
        return found
    table = read_json(index).get("weight_map")
    names = sorted({str(name) for name in table.values()}) if isinstance(table, dict) else []
    for name in names:
        if Path(name).name != name:
            raise Refusal("checkpoint.outside", "{index} points outside its folder, at {name}", index=index.name, name=name)
    if not names:
        raise Refusal("checkpoint.index", "{index} has no table weight_map of array names and files", index=str(index))
    return [folder / name for name in names]
