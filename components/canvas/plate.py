"""What canvases share on the Python side: their scripts put together, and numbers packed for the browser.

An envelope is the length of its header (uint32, little endian), the header as JSON, then parts; the header's `parts` lists
their lengths. A part is one zlib stream, or a zero byte and the bytes as they are. Parts depend on numbers alone and may be
shared by every reader; the header carries what is this reader's: words, choices, revision.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import theme
from model.errors import Refusal

HERE = Path(__file__).parent
FEW = 16_384  # bytes up to which a part travels as it is: a browser's inflating waits its turn, for longer than the bytes do


def script(folder: Path, *shared: str) -> str:
    """A component's whole JavaScript: the colour tables, what it shares with others (files beside this one), its own view."""
    colours = {"plate": theme.DARK.plate, "glow": theme.DARK.glow, "dim": theme.DARK.dim, "hairline": theme.DARK.hairline, "mark": theme.DARK.accent}
    files = [HERE / "plate.js", *(HERE / name for name in shared), folder / "view.js"]
    return "\n".join([theme.script(), f"const PLATE = {json.dumps(colours)};", *(file.read_text(encoding="utf-8") for file in files)])


def style(folder: Path, *shared: str) -> str:
    """A component's whole style sheet: the shared files, then its own."""
    colours = f":host, .plate {{ --spot: {theme.DARK.accent}; }}"
    return "\n".join([colours, *(file.read_text(encoding="utf-8") for file in [*(HERE / name for name in shared), folder / "view.css"])])


def envelope(header: Mapping[str, Any], *parts: bytes) -> bytes:
    """Header and parts as the bytes that `open` in plate.js reads."""
    text = json.dumps({**header, "parts": [len(part) for part in parts]}, ensure_ascii=False, separators=(",", ":")).encode()
    return b"".join([struct.pack("<I", len(text)), text, *parts])


def split(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """An envelope's header and its parts, as they are."""
    (size,) = struct.unpack_from("<I", data)
    header, at, parts = json.loads(data[4 : 4 + size]), 4 + size, []
    for length in header["parts"]:
        parts.append(data[at : at + length])
        at += length
    return header, parts


def opened(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """An envelope's header and its parts, inflated: what the browser sees."""
    header, parts = split(data)
    return header, [part[1:] if part.startswith(b"\0") else zlib.decompress(part) for part in parts]


def squeeze(planes: Sequence[NDArray[Any]]) -> bytes:
    """Arrays one after the other as a part: as they are where they are few bytes, else compressed for speed rather than size."""
    plain = plainly(planes)
    return plain if len(plain) <= FEW + 1 else zlib.compress(plain[1:], 1)


def plainly(planes: Sequence[NDArray[Any]]) -> bytes:
    """Arrays one after the other as a part, as they are."""
    return b"\0" + b"".join(plane.tobytes() for plane in planes)


def rooted(values: NDArray[np.floating[Any]], *, fine: bool) -> list[NDArray[np.uint8]]:
    """Numbers from 0 to 1 as codes of their square roots, which keeps small ones apart: one plane of bytes (0.6 within
    0.003), or with `fine` two, high bytes first (0.6 within 0.00002)."""
    roots = np.sqrt(np.clip(values, 0, 1))
    if not fine:
        return [np.rint(roots * 255).astype(np.uint8)]
    codes = np.rint(roots * 65535).astype(np.uint16)
    return [(codes >> 8).astype(np.uint8), (codes & 255).astype(np.uint8)]


def unrooted(planes: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """What `rooted` packed, as the browser reads it."""
    if len(planes) == 1:
        return (planes[0] / 255) ** 2
    return ((planes[0] * 256.0 + planes[1]) / 65535) ** 2


def index(sent: Any, name: str, limit: int) -> int:
    """The whole number from 0 up to, not including, `limit` that a browser sent under `name`. Raises `Refusal` for anything else."""
    given = sent.get(name) if isinstance(sent, dict) else None
    if type(given) is not int or not 0 <= given < limit:
        raise Refusal("canvas.index", "{name} counts from 0 to {last}, got {given}", name=name, last=limit - 1, given=repr(given)[:40])
    return given


def plain(value: Any) -> Any:
    """A dataclass, or a nest of them, as what JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def visible(piece: str) -> str:
    """A token as it can be seen: its leading space left out, line breaks and tabs as signs, nothing as an open box."""
    shown = piece.removeprefix(" ").replace("\n", "⏎").replace("\t", "⇥")
    return shown if shown.strip() else "␣" * max(1, len(shown))
