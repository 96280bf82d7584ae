"""Models by their name on the Hugging Face hub, where the network allows: fetched once, at one commit, checked, kept in a folder.

Only public models are asked for, and only configuration, tokenizer and safetensors; what is too large is refused before it is fetched.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from model.checkpoints.files import JSON_LIMIT
from model.checkpoints.loading import CONFIG, read_config, require_room
from model.errors import Refusal

NAME = re.compile(r"(?P<model>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(@(?P<revision>[\w.-]{1,100}))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
DESCRIBING = (CONFIG, "generation_config.json", "tokenizer.json")
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"[A-Za-z0-9][\w.-]{0,120}\.safetensors")
HOME = Path(os.environ.get("VITRINE_HUB") or Path.home() / ".cache" / "vitrine" / "hub")
"""Where fetched models are kept, each in a folder of its name and commit."""
CHUNK = 2**20
PATIENCE = 10
"""Seconds without an answer after which the hub counts as out of reach."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """How far a model has come: bytes of bytes, at which commit; `folder` once all of it is there."""

    name: str
    commit: str
    done: int
    total: int
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Remote:
    """A file of a model on the hub: its size in bytes, its address, and its SHA-256 where the hub tells."""

    name: str
    size: int
    address: str
    sha256: str | None


def is_name(text: str) -> bool:
    """Whether this is how a model on the hub is named: `owner/model`, or `owner/model@revision`."""
    return NAME.fullmatch(text) is not None


def fetch(text: str, home: Path = HOME, endpoint: str | None = None) -> Generator[Fetching, None, None]:
    """Fetch a model file by file; the last step has its folder. One fetched before at a named commit needs no network.

    Closing the generator stops it: files that are whole stay for the next time, a half one does not. Raises `Refusal` for a name that
    is none, a hub that cannot be reached, a model that is unknown, gated, without safetensors, of no known family, too large for the
    memory or the disk, and for files that arrive otherwise than announced.
    """
    found = NAME.fullmatch(text)
    if found is None:
        raise Refusal("hub.name", "{given!r} is no name of a model on the hub; one is written owner/model or owner/model@revision", given=text)
    model, revision = found["model"], found["revision"] or "main"
    shelf = home / model.replace("/", "--")
    if COMMIT.fullmatch(revision) and (shelf / revision).is_dir():
        yield Fetching(model, revision, 0, 0, shelf / revision)
        return
    commit, files = _listed(model, revision, endpoint)
    yield from _gathered(Fetching(model, commit, 0, sum(file.size for file in files)), files, shelf / commit)


def _gathered(start: Fetching, files: list[Remote], folder: Path) -> Iterator[Fetching]:
    """All files, in a folder that takes its name when it is whole."""
    arriving = folder.with_name(f"{folder.name}.arriving")
    if not folder.is_dir():
        arriving.mkdir(parents=True, exist_ok=True)
        _refuse_full_disk(start, arriving)
        done = 0
        for file in files:
            for arrived in _arriving(file, arriving / file.name):
                yield Fetching(start.name, start.commit, done + arrived, start.total)
            done += file.size
            if file.name == CONFIG:
                require_room(read_config(arriving / CONFIG)[1])
        arriving.rename(folder)
    yield Fetching(start.name, start.commit, start.total, start.total, folder)


# ---------------------------------------------------------------- what there is


def _listed(model: str, revision: str, endpoint: str | None) -> tuple[str, list[Remote]]:
    """The commit that a revision stands for, and those of its files that are needed, the configuration first."""
    from huggingface_hub import HfApi, hf_hub_url

    info = _asked(partial(HfApi(endpoint=endpoint, token=False).model_info, model, revision=revision, files_metadata=True, timeout=PATIENCE), model)
    commit, sizes = str(info.sha), {file.rfilename: file for file in info.siblings or ()}
    if not COMMIT.fullmatch(commit):
        raise Refusal("hub.commit", "the hub names no commit for {name}", name=model)
    files = [
        Remote(
            name=name,
            size=int(sizes[name].size or 0),
            address=hf_hub_url(model, name, revision=commit, endpoint=endpoint),
            sha256=sizes[name].lfs.sha256 if sizes[name].lfs else None,
        )
        for name in _needed(set(sizes), model)
    ]
    return commit, files


def _asked(question: Any, model: str) -> Any:
    """What the hub answers. Its own errors become one sentence each."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return question()
    except GatedRepoError:
        sentence = "{name} is given only to those who have asked for it; fetch it as its owners say, and name the folder"
        raise Refusal("hub.gated", sentence, name=model) from None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise Refusal("hub.unknown", "{name} is neither a folder here nor a public model of the hub at that revision", name=model) from None
    except Exception as error:
        raise _unreachable(model, error) from None


def _unreachable(name: str, error: BaseException) -> Refusal:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    sentence = "{name} is no folder here, and the hub cannot be reached ({reason}); fetch it where there is a network, and name its folder"
    return Refusal("hub.unreachable", sentence, name=name, reason=reason)


def _needed(names: set[str], model: str) -> list[str]:
    """The configuration, what describes the text, and the weights: one file, or the shards of an index, or whatever there is."""
    if CONFIG not in names:
        raise Refusal("hub.no_config", "{name} has no config.json, so it is no model that can be read here", name=model)
    shards = sorted(name for name in names if SHARD.fullmatch(name))
    weights = [WHOLE] if WHOLE in names else [INDEX] * (INDEX in names) + shards
    if not shards:
        raise Refusal("hub.no_weights", "{name} holds no .safetensors file, the only format that is read", name=model)
    return [name for name in DESCRIBING if name in names] + weights


def _refuse_full_disk(start: Fetching, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if start.total > free:
        sentence = "{name} takes {needed} MB and {free} MB are free on the disk; choose a smaller model"
        raise Refusal("hub.disk", sentence, name=start.name, needed=-(-start.total // 10**6), free=free // 10**6)


# ---------------------------------------------------------------- one file


def _arriving(file: Remote, place: Path) -> Iterator[int]:
    """Bytes so far, again and again, until the file is whole and what was announced; one that is already there is left as it is."""
    if file.name.endswith(".json") and file.size > JSON_LIMIT:
        raise Refusal("hub.json_size", "{file} has {size} bytes, {limit} at most are fetched", file=file.name, size=file.size, limit=JSON_LIMIT)
    if place.is_file() and place.stat().st_size == file.size:
        return
    half, digest, size = place.with_name(f"{place.name}.half"), hashlib.sha256(), 0
    try:
        with half.open("wb") as written:
            for chunk in _chunks(file):
                size += len(chunk)
                digest.update(chunk)
                written.write(chunk)
                yield min(size, file.size)
        _refuse_other(file, size, digest.hexdigest())
        half.rename(place)
    finally:
        half.unlink(missing_ok=True)


def _chunks(file: Remote) -> Iterator[bytes]:
    """The file as it arrives, no more of it than was announced and one byte."""
    left = file.size + 1
    try:
        with closing(urlopen(file.address, timeout=PATIENCE)) as answer:
            while left > 0 and (chunk := answer.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
    except (OSError, HTTPException) as error:
        raise _unreachable(file.name, error) from None


def _refuse_other(file: Remote, size: int, sha256: str) -> None:
    if size != file.size or (file.sha256 is not None and sha256 != file.sha256):
        sentence = "{file} arrived otherwise than the hub announced it ({size} of {announced} bytes); try again"
        raise Refusal("hub.damaged", sentence, file=file.name, size=size, announced=file.size)
