"""A page as a notebook that computes its numbers again with `model/`.

The notebook's JSON is written here (nbformat 4.5). Whatever comes from a reader or a token stands in it as data: a Python literal in code,
letters without meaning in Markdown.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from components.takeaway.gallery import Exhibit
from components.takeaway.view import Reading, View

LARGEST = 200_000  # characters of a table that is written out
FEW = 500  # its rows where it is larger

IMPORTS = """\
import io
import sys
from pathlib import Path

VITRINE = Path(".")
sys.path.insert(0, str(VITRINE.resolve()))

import numpy as np
import pandas as pd
import torch

from model import checkpoints
from model.text import blanks
from model.trace import Tracer"""
SHIPPED = "CHECKPOINT = Path(checkpoints.__file__).parents[1] / {folder!r}"
ADOPTED = 'CHECKPOINT = Path("path/to/the/model")'
LOAD = """\
loaded = checkpoints.load(CHECKPOINT)
model, tokenizer = loaded.model.eval().requires_grad_(False), loaded.tokenizer"""
TRACE = "trace = Tracer(model).trace(torch.tensor(ids), source=torch.tensor(source) if source else None).clone()"


def notebook(view: View, exhibits: Iterable[Exhibit]) -> str:
    """The notebook as JSON: the code's place, the model, the text, its trace, then every exhibit's sentence and the cell that leaves
    its `numbers`. Where a picture has no recipe its table is there instead."""
    cells = [*_opening(view), *(cell for number, exhibit in enumerate(exhibits, 1) for cell in _shown(view, number, exhibit))]
    numbered = [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells)]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    return json.dumps({"cells": numbered, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, ensure_ascii=False, indent=1)


def _opening(view: View) -> Iterator[dict[str, Any]]:
    words = view.words
    about = [words("takeaway.notebook.model", model=plain(view.model)), words("takeaway.day", day=view.day), plain(view.address)]
    yield _prose(f"# {plain(view.title)}\n\n" + "\n\n".join(about))
    yield _prose(words("takeaway.notebook.code"))
    yield _code(IMPORTS)
    yield _prose(words("takeaway.notebook.shipped" if view.folder else "takeaway.notebook.adopted"))
    yield _code("\n".join([SHIPPED.format(folder=view.folder) if view.folder else ADOPTED, LOAD]))
    if view.main is not None:
        yield _prose(words("takeaway.notebook.text"))
        yield _code("\n\n".join([_read("source", view.source) if view.source else "source = []", _read("ids", view.main)]))
        yield _code(TRACE)


def _read(name: str, reading: Reading) -> str:
    """The lines that leave a text's ids under `name`."""
    if not reading.spell:
        return f"{name} = {list(reading.ids)}"
    return f"text = {reading.text!r}\n{name} = {reading.spell}"


def _shown(view: View, number: int, exhibit: Exhibit) -> Iterator[dict[str, Any]]:
    yield _prose(f"## {view.words('takeaway.figure', number=number)}\n\n{plain(exhibit.reading)}")
    if exhibit.recipe is None:
        yield _code(_listed(exhibit))
    else:
        yield _code(f"{exhibit.recipe().strip()}\n\nnumbers")


def _listed(exhibit: Exhibit) -> str:
    """A table as it is, or its first rows."""
    frame = exhibit.table()
    text = frame.to_csv(index=False)
    return f"table = pd.read_csv(io.StringIO({text if len(text) <= LARGEST else frame.head(FEW).to_csv(index=False)!r}))\ntable"


# ---------------------------------------------------------------- cells


def _prose(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _code(text: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": text}


def plain(text: str) -> str:
    """Any text as Markdown that shows it and does nothing else: every sign that could mean something is named by its number, and what
    could open a formula stands by itself."""
    line = " ".join(text.split())
    named = re.sub(r"[`*_{}\[\]()#+\-.!|~=:^@/\"']", lambda found: f"&#{ord(found[0])};", html.escape(line, quote=False))
    return re.sub("[\x00-\x1f\x7f]", "\ufffd", named).replace("\\", "<span>&#92;</span>").replace("$", "<span>&#36;</span>")
