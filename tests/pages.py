"""What the tests of pages share: a tiny model in the embedded one's place, a page opened as a reader opens it, what it drew and said."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import compute
from components.canvas import plate
from model import checkpoints
from model.config import Attention, Config, PlainMlp
from model.text.tokenizer import Tokenizer
from model.transformer import Transformer

APP = Path(__file__).parents[1] / "app.py"


def tiny(folder: Path, *, context: int = 40, layers: int = 2) -> Path:
    """A random decoder in a folder: so many layers of 2 heads, which read so many tokens of the micro-world."""
    tokenizer, heads = Tokenizer.for_world(), Attention(heads=2, kv_heads=1, size=8)
    config = Config(vocabulary=tokenizer.size, context=context, width=16, layers=layers, attention=heads, mlp=PlainMlp(hidden=32))
    checkpoints.save(folder, Transformer(config, seed=3), tokenizer)
    return folder


@contextmanager
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The model in a folder stands where the embedded one did, in a session without a past that leaves none behind."""
    monkeypatch.setattr(compute, "EMBEDDED", folder)
    _forget()
    yield
    _forget()


@contextmanager
def furnished(folders: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A function that puts one of several models, by name, where the embedded one stood, each time in a session without a past."""

    def furnish(name: str) -> None:
        monkeypatch.setattr(compute, "EMBEDDED", folders[name])
        _forget()

    yield furnish
    _forget()


def _forget() -> None:
    st.session_state.clear()
    st.cache_resource.clear()


# ---------------------------------------------------------------- opened


def whole(**parameters: str) -> AppTest:
    """The whole app at its first page, in English unless told; `a_layer` stands for the parameter `a.layer`."""
    return _run(AppTest.from_file(str(APP), default_timeout=60), parameters)


def alone(name: str, **parameters: str) -> AppTest:
    """The page `components.pages.NAME` by itself, with the state and the address it has in the app."""
    return _run(AppTest.from_function(_page, default_timeout=60, kwargs={"name": name}), parameters)


def _page(name: str) -> None:
    from importlib import import_module

    from components import compute, permalink, theme
    from components.controls import header, prompt
    from components.page import Session

    found = import_module(f"components.pages.{name}").PAGE
    permalink.restore((*header.FIELDS, *prompt.FIELDS, *found.fields))
    specimen = compute.embedded()
    found.render(Session(header.words(), theme.LIGHT, specimen, prompt.prompt(header.words(), specimen)))


def _run(app: AppTest, parameters: dict[str, str]) -> AppTest:
    for name, value in ({"lang": "en"} | parameters).items():
        app.query_params[name.replace("_", ".")] = value
    return app.run()


def worked(app: AppTest, name: str) -> AppTest:
    """The page once more, when what this session remembers under a name, a studio or a clock, has come to its end."""
    work, deadline = app.session_state["vitrine.remembered"][name], time.monotonic() + 60
    while work.alive:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return app.run()


# ---------------------------------------------------------------- read


def canvas(app: AppTest, name: str, place: int = 0) -> Any:
    """What the component of this name was last sent, opened: header and parts, or the data of one that is sent no bytes; `place` tells
    several apart."""
    found = [element.proto for element in app.get("bidi_component") if element.proto.component_name == f"vitrine.{name}"][place]
    return json.loads(found.json) if found.json else plate.opened(found.bytes)


def said(app: AppTest) -> str:
    """Every sentence of the page, as markup."""
    return "\n".join(element.proto.body for element in app.html)
