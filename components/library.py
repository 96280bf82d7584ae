"""Models from outside: folders and hub names that the operator gave when the server was started, and files that a reader brings along.

A reader chooses among what the operator named. Nothing that a link, a form or a file's name says is ever used as a path, or fetched;
what is brought along is written under names known here, read once and thrown away.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import threading
import weakref
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import streamlit as st

from components import compute
from components.compute import MEGABYTE, Specimen
from model import checkpoints
from model.checkpoints import hub
from model.checkpoints.files import read_json
from model.cost import parameters
from model.errors import Refusal

OPTION, VARIABLE = "--models", "VITRINE_MODELS"
"""Where the operator names folders of models, and models of the hub: `streamlit run app.py -- --models DIR owner/model …`, or the
variable, its entries separated as in PATH."""
LIMIT = 200 * MEGABYTE
"""The most bytes a reader may bring along at once."""
RESERVE = 500 * MEGABYTE
"""Memory that opening a model leaves to those who are already at work."""
ACCEPTED = re.compile(r"(config|tokenizer|card|model\.safetensors\.index)\.json|[\w-]{1,80}(\.[\w-]{1,80})?\.safetensors")
LEFT_ASIDE = re.compile(r"(generation_config|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json|merges\.txt|vocab\.txt|README\.md")
"""Files that lie beside published weights and are not needed: brought along, they are thrown away unread."""

REPEATED_GROUP = re.compile(r"(?<!\\)\)[*+{]")
LONGEST_PATTERN = 500
FETCHED = 0.9
"""The share of opening that fetching takes, when there is something to fetch; reading is the rest."""

_SHARING = threading.Lock()
_log = logging.getLogger("vitrine")


# ---------------------------------------------------------------- what the operator offers


@dataclass(frozen=True)
class Offered:
    """A model on the operator's disk, of which only the configuration has been read; `bytes` are those of its weights' files."""

    name: str
    folder: Path
    family: str
    parameters: int
    bytes: int


@dataclass(frozen=True)
class Named:
    """What the operator named: folders, and names on the hub."""

    folders: tuple[Path, ...]
    names: tuple[str, ...]


def named(arguments: Sequence[str], variable: str) -> Named:
    """What stands on the command line and in the environment; what is neither a folder nor a name is left out with a line in the log."""
    asked = list(arguments[arguments.index(OPTION) + 1 :]) if OPTION in arguments else []
    given = [one for one in (*asked, *variable.split(os.pathsep)) if one]
    folders = tuple(Path(one) for one in given if Path(one).is_dir())
    names = tuple(one for one in given if not Path(one).is_dir() and hub.is_name(one))
    for one in given:
        if not Path(one).is_dir() and one not in names:
            _log.warning("%s is no folder and no name on the hub; give %s folders that hold models, or owner/model", one, OPTION)
    return Named(folders, names)


def _named() -> Named:
    return named(sys.argv[1:], os.environ.get(VARIABLE, ""))


@st.cache_resource(show_spinner=False)
def offered() -> tuple[Offered, ...]:
    """The models in the folders that the operator named, smallest first. What cannot be read is left out, and the server's log says why."""
    found: dict[str, Offered] = {}
    for folder in (place for root in _named().folders for place in _places(root)):
        try:
            one = _offer(folder)
        except Refusal as refused:
            _log.warning("%s is not offered: %s", folder, refused)
        else:
            found.setdefault(one.name, one)
    return tuple(sorted(found.values(), key=lambda one: one.parameters))


def on_hub() -> tuple[str, ...]:
    """The names on the hub that the operator allows, as they were given."""
    return _named().names


def _places(root: Path) -> list[Path]:
    """The folder itself if it holds a model, or else the folders directly in it that do."""
    if (root / "config.json").is_file():
        return [root]
    return sorted(path.parent for path in root.glob("*/config.json") if path.is_file())


def _offer(folder: Path) -> Offered:
    family, config = checkpoints.read_config(folder / "config.json")
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return Offered(folder.resolve().name, folder, family, parameters(config), weights)


# ---------------------------------------------------------------- what a reader brings along


class Brought(Protocol):
    """A file from a reader's disk, as Streamlit hands it over."""

    name: str
    size: int

    def getbuffer(self) -> memoryview: ...


def write(files: Sequence[Brought], folder: Path) -> None:
    """Write what was brought along into a folder of this server's choosing. Raises `Refusal` for too much, for two files of one name,
    and for a name that no part of a checkpoint has; then nothing is written."""
    kept = [file for file in files if not LEFT_ASIDE.fullmatch(file.name)]
    names = [_checked(file.name) for file in kept]
    whole = sum(file.size for file in files)
    if whole > LIMIT:
        sentence = "these files are {given} MB together and {limit} are taken; choose a smaller model, or ask the operator to offer it"
        raise Refusal("library.size", sentence, given=-(-whole // MEGABYTE), limit=LIMIT // MEGABYTE)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise Refusal("library.twice", "{given} was brought along twice; keep one of the two", given=twice)
    for name, file in zip(names, kept, strict=True):
        (folder / name).write_bytes(file.getbuffer())


def _checked(name: str) -> str:
    if not ACCEPTED.fullmatch(name):
        sentence = "{given!r} is no file that is read here; a model is config.json, one or more .safetensors files and, if it has one, tokenizer.json"
        raise Refusal("library.name", sentence, given=name[:60])
    return name


# ---------------------------------------------------------------- opening


@dataclass(frozen=True)
class Opening:
    """How far opening has come, and the model once it is open."""

    fraction: float
    specimen: Specimen | None = None


@st.cache_resource(show_spinner=False)
def _open() -> weakref.WeakValueDictionary[Path, Specimen]:
    """The operator's models in memory: one copy for everybody who looks at it, until nobody does."""
    return weakref.WeakValueDictionary()


def open_offered(name: str) -> Generator[Opening, None, None]:
    """Open one of the operator's models by its name. Raises `Refusal` for a name that was not offered, and what `checkpoints.load` raises."""
    one = next((one for one in offered() if one.name == name), None)
    if one is None:
        known = ", ".join(one.name for one in offered()) or "none"
        raise Refusal("library.unknown", "no model called {given!r} is offered here; there are: {known}", given=name[:60], known=known)
    yield Opening(0.0)
    yield Opening(1.0, _shared(one.folder, one.name))


def open_named(name: str) -> Generator[Opening, None, None]:
    """Fetch a model of the hub that the operator allows, and open it; giving up stops the fetching. Raises `Refusal` for any other
    name, and what `hub.fetch` and `checkpoints.load` raise."""
    if name not in on_hub():
        raise Refusal("library.unnamed", "{given!r} is not among the hub's models that may be fetched here", given=name[:60])
    for step in hub.fetch(name):
        yield Opening(FETCHED * step.done / max(step.total, 1))
        if step.folder is not None:
            yield Opening(1.0, _shared(step.folder, name))


def open_brought(files: Sequence[Brought], name: str) -> Generator[Opening, None, None]:
    """Open what a reader brought along, by way of a folder that is gone afterwards. Raises what `write` and `checkpoints.load` raise."""
    yield Opening(0.0)
    with tempfile.TemporaryDirectory(prefix="vitrine-") as folder:
        write(files, Path(folder))
        refuse_slow(Path(folder) / "tokenizer.json")
        specimen = _load(Path(folder), name)
    yield Opening(1.0, specimen)


def recall(id: str) -> None:
    """Let a link name one of the operator's models that somebody has open: it becomes choosable in this session too."""
    if compute.specimen_of(id) is None:
        held = (reference() for reference in _open().valuerefs())
        found = next((specimen for specimen in held if specimen is not None and specimen.id == id), None)
        if found is not None:
            compute.keep(found)


def refuse_slow(tokenizer: Path) -> None:
    """Raise `Refusal` for a tokenizer from a stranger whose patterns might search for ever: a repeated group is how such ones are
    written, and no published tokenizer we know of needs one."""
    if not tokenizer.is_file():
        return
    for pattern in _patterns(read_json(tokenizer)):
        if len(pattern) > LONGEST_PATTERN or REPEATED_GROUP.search(pattern):
            sentence = "tokenizer.json splits texts by the pattern {given!r}, which could search for ever; leave that file out, and write token ids"
            raise Refusal("library.pattern", sentence, given=pattern[:60])


def _patterns(value: Any) -> Iterator[str]:
    """Every regular expression in a tokenizer's description."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        if name == "Regex" and isinstance(child, str):
            yield child
        else:
            yield from _patterns(child)


def _shared(folder: Path, name: str) -> Specimen:
    """A model that stays on this machine's disk: one copy in memory for everybody."""
    with _SHARING:
        held = _open()
        specimen = held.get(folder)
        if specimen is None:
            specimen = held[folder] = _load(folder, name)
        return specimen


def _load(folder: Path, name: str) -> Specimen:
    """The model in a folder, if memory for it is free and leaves room for the others."""
    with _by_name_only(folder):
        return compute.specimen(checkpoints.load(folder, spare=RESERVE), name)


@contextmanager
def _by_name_only(folder: Path) -> Iterator[None]:
    """A refusal inside names a file, and not where this server keeps it."""

    def hidden(value: Any) -> Any:
        return value.replace(f"{folder}{os.sep}", "").replace(str(folder), folder.name) if isinstance(value, str) else value

    try:
        yield
    except Refusal as refused:
        sentence = hidden(str(refused)).replace("{", "{{").replace("}", "}}")
        raise Refusal(refused.code, sentence, **{name: hidden(value) for name, value in refused.values.items()}) from None
