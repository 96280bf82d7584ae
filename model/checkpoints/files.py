"""Files at the border: bounded, checked by their SHA-256, and written so that a reader sees all of a folder or none of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from model.errors import Refusal

JSON_LIMIT = 64 * 2**20
LARGEST_NUMBER = 10**12


def read_json(path: Path) -> dict[str, Any]:
    """The object a JSON file holds. Raises `Refusal` if it is missing, too large, no JSON, or holds something else."""
    try:
        size = path.stat().st_size
        if size > JSON_LIMIT:
            raise Refusal("checkpoint.json_size", "{file} has {size} bytes, {limit} at most are read", file=str(path), size=size, limit=JSON_LIMIT)
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number, parse_int=_bounded)
    except FileNotFoundError:
        raise Refusal("checkpoint.missing", "{file} is missing", file=str(path)) from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal("checkpoint.json", "{file} is no valid JSON: {reason}", file=str(path), reason=_sentence(error)) from None
    if not isinstance(value, dict):
        raise Refusal("checkpoint.json_object", "{file} holds {kind}, but a JSON object is needed", file=str(path), kind=type(value).__name__)
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as readable JSON."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def fingerprint(path: Path) -> dict[str, Any]:
    """A file's length and SHA-256."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def verify(folder: Path, names: Iterable[str], record: Any) -> None:
    """Compare the folder's files with the fingerprints recorded for them. Raises `Refusal` naming the first that differs."""
    for name in names:
        expected = record.get(name) if isinstance(record, dict) else None
        if not isinstance(expected, dict):
            raise Refusal("checkpoint.unrecorded", "card.json records no checksum for {file}; save the checkpoint again", file=name)
        if not (folder / name).is_file():
            raise Refusal("checkpoint.missing", "{file} is missing", file=str(folder / name))
        found = fingerprint(folder / name)
        for key in ("bytes", "sha256"):
            if found[key] != expected.get(key):
                raise Refusal(
                    "checkpoint.checksum",
                    "{file} is not the file that was saved: its {key} is {found}, and card.json records {expected}; copy it again",
                    file=str(folder / name),
                    key=key,
                    found=found[key],
                    expected=expected.get(key),
                )


class Replacement:
    """A folder being written beside the one it will replace.

    Inside `with`, `path` is a temporary folder; leaving it without an exception puts it in place, leaving it with one
    removes it. Files named in `carried` come along from the old folder. One that holds anything but files named in `ours` is
    not replaced: raises `Refusal`.
    """

    def __init__(self, folder: Path, ours: Iterable[str], carried: Iterable[str] = ()) -> None:
        self.folder, self.carried = folder.absolute(), tuple(carried)
        refuse_foreign(self.folder, (*ours, *self.carried))

    def __enter__(self) -> Path:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}-", dir=self.folder.parent))
        self.path.chmod(0o755)
        return self.path

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        for file in self.path.iterdir():
            file.chmod(0o644)
            _flush(file)
        for name in self.carried:
            if (self.folder / name).exists():
                os.link(self.folder / name, self.path / name)
        old = self.path.with_name(self.path.name + "-old")
        if self.folder.exists():
            os.rename(self.folder, old)
        os.rename(self.path, self.folder)
        shutil.rmtree(old, ignore_errors=True)


def refuse_foreign(folder: Path, ours: Iterable[str]) -> None:
    """Raise `Refusal` if a checkpoint written to `folder` would replace anything that is none. Half-written files of ours
    (`.card.json.1234`) are ours too."""
    if folder.exists() and not folder.is_dir():
        raise Refusal("checkpoint.no_folder", "{folder} is a file; a checkpoint needs a folder", folder=str(folder))
    known = (*ours,)
    hidden = tuple(f".{name}." for name in known)
    found = sorted(file.name for file in folder.iterdir()) if folder.exists() else []
    foreign = [name for name in found if name not in known and not name.startswith(hidden)]
    if foreign:
        raise Refusal(
            "checkpoint.foreign",
            "{folder} holds {file}, which is no part of a checkpoint; choose another folder",
            folder=str(folder),
            file=foreign[0],
        )


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _bounded(text: str) -> int:
    value = int(text)
    if abs(value) > LARGEST_NUMBER:
        raise ValueError(f"{text[:24]} is beyond {LARGEST_NUMBER}")
    return value


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
