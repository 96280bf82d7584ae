"""A page taken away: run by itself, its notebook finds the numbers that the page showed; its hand-out holds every word and number, inert."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from components.controls import leaving
from components.i18n import Words
from components.page import Session
from components.takeaway.gallery import Exhibit, Gallery
from components.takeaway.handout import ROWS, handout, slot
from components.takeaway.notebook import notebook, plain
from components.takeaway.view import Reading, View
from tests.test_takeaway import HOSTILE, TABLE

ROOT = Path(__file__).parents[1]
SABOTAGE = "<script>alert(1)</script> **b** $x^2$ `c` [l](javascript:1) ''' \"\"\" \\ {y} שלום 🐟 -->"


class Taken:
    """What the foot of a page saw in one run."""

    def __init__(self) -> None:
        self.view: View | None = None
        self.exhibits: list[Exhibit] = []
        self.tables: dict[str, pd.DataFrame] = {}
        self.notebook = self.handout = ""

    def foot(self, session: Session, name: str) -> None:
        self.view = leaving.seen(session, name)
        self.exhibits = list(session.gallery)
        self.tables = {exhibit.key: exhibit.table() for exhibit in self.exhibits}
        self.notebook, self.handout = notebook(self.view, self.exhibits), handout(self.view, self.exhibits)


def alone() -> None:
    """A page by itself, and instead of its foot the test's own."""
    import importlib

    import streamlit

    from components import compute, permalink, state, theme
    from components.controls import header, prompt
    from components.i18n import Words
    from components.page import UNREAD, Session

    said = streamlit.session_state["said"]
    page = importlib.import_module(f"components.pages.{said['page']}").PAGE
    permalink.restore(page.fields)
    state.put(header.MODEL, said["model"])
    words, specimen = Words(said["lang"]), compute.shipped(said["model"])
    read = prompt.read(words, specimen, said["text"], said["source"]) if page.reads else UNREAD
    session = Session(words, theme.LIGHT, specimen, read)
    page.render(session)
    said["foot"](session, said["page"])


def taken(page: str, text: str = "The sky is blue.", model: str = "", source: str | None = None, lang: str = "en", **link: str) -> Taken:
    """A page as its foot sees it, with one of the models that ship."""
    found, app = Taken(), AppTest.from_function(alone, default_timeout=120)
    app.session_state["said"] = {"page": page, "text": text, "model": model, "source": source, "lang": lang, "foot": found.foot}
    for name, value in link.items():
        app.query_params[name.replace("_", ".")] = value
    app.run()
    assert not app.exception
    assert found.exhibits
    return found


def executed(written: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The notebook's code cells, run one after the other in one fresh namespace: each with the namespace after it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads(written)["cells"]:
        if cell["cell_type"] == "code":
            exec(cell["source"], names)
            yield cell["source"], names


# ---------------------------------------------------------------- notebooks

PAGES: dict[str, dict[str, str]] = {
    "attention": {},
    "attention-encoder": {"model": "masked", "text": "The ___ is blue."},
    "attention-across": {"model": "translator", "source": "the boat is yellow", "text": ""},
    "masks": {"m_spec": "causal & window(2)", "text": "The sky is blue. The grass is green."},
    "masks-encoder": {"model": "masked", "text": "The ___ is blue."},
    "masks-across": {"model": "translator", "source": "the boat is yellow", "text": "o barco", "m_where": "cross"},
    "generation": {"text": "The sky is", "g_n": "3", "g_t": "0.8", "g_k": "5"},
    "generation-encoder": {"model": "masked", "text": "The ___ is ___.", "g_n": "1"},
    "generation-across": {"model": "translator", "source": "the boat is yellow", "text": "o barco", "g_n": "2"},
    "positions": {},
}
CLOCKED = "ms"  # a duration is not computed again


def counted(frame: pd.DataFrame) -> np.ndarray:
    """The real numbers of a table."""
    columns = [frame[title].to_numpy() for title in frame.columns if frame[title].dtype.kind == "f" and title != CLOCKED]
    values = np.concatenate([*columns, np.zeros(0)])
    return values[np.isfinite(values)]


def nearest(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """For each value the closest one among others."""
    line = np.sort(np.unique(among))
    right = np.clip(np.searchsorted(line, values), 1, len(line) - 1)
    return np.where(np.abs(line[right - 1] - values) < np.abs(line[right] - values), line[right - 1], line[right])


@pytest.mark.parametrize("name", PAGES)
def test_a_notebook_run_by_itself_finds_the_numbers_of_every_picture_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = taken(name.partition("-")[0], **PAGES[name])
    nbformat.validate(nbformat.reads(found.notebook, as_version=4))
    left: list[dict[str, Any]] = []
    names: dict[str, Any] = {}
    for source, names in executed(found.notebook):
        if source.endswith(("\nnumbers", "\ntable")):
            left.append({"numbers": names.pop("numbers", None), "table": names.pop("table", None)})
    assert found.view is not None
    assert found.view.main is not None
    assert tuple(names["ids"]) == found.view.main.ids
    assert len(left) == len(found.exhibits)
    for exhibit, cell in zip(found.exhibits, left, strict=True):
        frame = found.tables[exhibit.key]
        if exhibit.recipe is None:
            pd.testing.assert_frame_equal(cell["table"], pd.read_csv(io.StringIO(frame.to_csv(index=False))))
            continue
        values = counted(frame)
        again = np.concatenate([np.asarray(array, float).ravel() for array in cell["numbers"].values()])
        np.testing.assert_allclose(values, nearest(values, again), rtol=2e-4, atol=2e-6, err_msg=exhibit.key)


def test_a_notebook_leaves_the_very_arrays_of_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = "The sky is blue. The grass is green."
    found = taken("masks", text, m_spec="causal & window(2)")
    masks = [names["numbers"] for source, names in executed(found.notebook) if source.endswith("\nnumbers")]
    length = len(masks[0]["allowed"])
    np.testing.assert_array_equal(masks[0]["allowed"], np.tri(length, dtype=bool) & ~np.tri(length, k=-2, dtype=bool))
    found = taken("generation", "The sky is", g_n="3")
    steps = next(names["numbers"] for source, names in executed(found.notebook) if source.endswith("\nnumbers"))
    np.testing.assert_array_equal(steps["id"], found.tables["text"]["id"])
    np.testing.assert_array_equal(steps["rank"], found.tables["text"]["rank"])


def test_a_page_that_reads_no_text_lists_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = taken("paper")
    assert found.view is not None
    assert found.view.texts == ()
    last = list(executed(found.notebook))[-1][1]
    assert "trace" not in last
    assert list(last["table"].columns) == list(found.tables[found.exhibits[-1].key].columns)


# ---------------------------------------------------------------- saboteurs


def view(language: str = "en", folder: str = "embedded") -> View:
    text = Reading(text=SABOTAGE, ids=(0, 1), spell="[0, *blanks.encode(tokenizer, text).ids[:9]]")
    words, address = Words(language), "/masks?text=%3Cscript%3E"
    return View(words=words, title="Attention", address=address, model=SABOTAGE, folder=folder, texts=(text,), day="2026-01-02")


def hung(key: str = "one") -> Exhibit:
    return Exhibit(key, SABOTAGE, lambda: TABLE)


class Shown(HTMLParser):
    """What a browser makes of a document: its elements, and its text outside scripts and styles."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = [""]
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags[-1] not in ("script", "style"):
            self.text += data


def test_hostile_text_stays_text_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    written = notebook(view(), [hung()])
    cells = json.loads(written)["cells"]
    prose = [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]
    assert any(plain(SABOTAGE) in cell for cell in prose)
    assert html.unescape(re.sub("</?span>", "", plain(SABOTAGE))) == SABOTAGE
    assert not re.search(r"[`*\[\]$\\]|<(?!/?span>)", plain(SABOTAGE))
    names = list(executed(written))[-1][1]
    assert names["text"] == SABOTAGE
    assert names["table"]["token"].fillna("").tolist() == HOSTILE


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_hostile_text_stays_text_in_a_hand_out(language: str) -> None:
    document = handout(view(language), [hung(), hung("two")])
    shown = Shown(document)
    assert shown.text.count(SABOTAGE) == 4  # the text, the model's name, and two sentences
    assert all(token in shown.text for token in HOSTILE)
    assert shown.tags.count("script") == 1
    assert not {"img", "iframe", "link", "b"} & set(shown.tags)
    assert document.count(slot("one")) == document.count(slot("two")) == 1
    assert not re.search(r'(src|href)=(?!"data:text/csv)', document)


def test_a_long_table_is_listed_in_part_and_carried_whole() -> None:
    frame = pd.DataFrame({"number": np.arange(3 * ROWS) / 7})
    document = handout(view(), [Exhibit("long", "", lambda: frame)])
    assert document.count("<tr>") == ROWS + 1
    packed = re.search('base64,([^"]+)"', document)
    assert packed
    carried = pd.read_csv(io.BytesIO(base64.b64decode(packed[1])))
    np.testing.assert_allclose(carried["number"], frame["number"])


def test_a_model_from_elsewhere_is_not_betrayed() -> None:
    written = notebook(view(folder=""), [])
    assert "path/to/the/model" in written
    assert str(ROOT) not in written


# ---------------------------------------------------------------- the gallery


def test_a_part_that_runs_again_hangs_its_own_anew_where_they_hung() -> None:
    gallery = Gallery()

    def run(part: str, *keys: str, then: Callable[[], None] = lambda: None) -> None:
        with gallery.anew(part):
            for key in keys:
                gallery.hang(hung(key))
            then()

    run("first", "a", "b", then=lambda: run("inner", "c"))
    run("second", "d")
    run("first", "a", "x", then=lambda: run("inner", "c"))
    assert [exhibit.key for exhibit in gallery] == ["a", "c", "d", "x"]
    run("inner")
    assert [exhibit.key for exhibit in gallery] == ["a", "d", "x"]
    run("inner", "c")
    run("first", "a")
    assert [exhibit.key for exhibit in gallery] == ["a", "d"]


def test_what_a_failing_part_no_longer_shows_is_taken_down() -> None:
    gallery = Gallery()
    with gallery.anew("part"):
        gallery.hang(hung("a"))
    with pytest.raises(ZeroDivisionError), gallery.anew("part"):
        raise ZeroDivisionError
    assert len(gallery) == 0
