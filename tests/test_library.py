"""Models from outside: what the operator named is offered by name, what a reader brings along is checked before it is written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from components import compute, library
from components.library import LIMIT, RESERVE, Named, Opening, named, offered, open_brought, open_named, open_offered, refuse_slow, write
from model.checkpoints import memory, save
from model.checkpoints.hub import Fetching
from model.config import Config
from model.errors import Refusal
from model.transformer import Transformer

TINY = Config(vocabulary=20, context=16, width=8, layers=1)


@dataclass
class File:
    name: str
    data: bytes
    size: int = -1

    def __post_init__(self) -> None:
        self.size = len(self.data) if self.size < 0 else self.size

    def getbuffer(self) -> memoryview:
        return memoryview(self.data)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the operator's, with one model, one folder that is none, and one that cannot be read."""
    save(tmp_path / "small", Transformer(TINY))
    (tmp_path / "notes").mkdir()
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "config.json").write_text('{"model_type": "clip"}')
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv(library.VARIABLE, str(tmp_path))
    monkeypatch.setattr(library.sys, "argv", ["app.py"])
    offered.clear()
    yield tmp_path
    offered.clear()


def last(work: Iterator[Opening]) -> Opening:
    return list(work)[-1]


def brought(folder: Path) -> list[File]:
    return [File(path.name, path.read_bytes()) for path in folder.iterdir()]


def test_what_the_operator_named_is_offered_and_nothing_else(shelf: Path) -> None:
    assert [(one.name, one.family, one.folder) for one in offered()] == [("small", "vitrine", shelf / "small")]
    assert offered()[0].bytes == (shelf / "small" / "model.safetensors").stat().st_size


def test_folders_and_names_on_the_hub_are_given_on_the_command_line_or_in_the_environment(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert named(["--models", str(tmp_path), "owner/model", str(other)], "") == Named((tmp_path, other), ("owner/model",))
    assert named([], f"{tmp_path}:{other}:owner/model@v1") == Named((tmp_path, other), ("owner/model@v1",))
    assert named(["--models", str(tmp_path / "nowhere"), "../../nowhere"], "") == Named((), ())
    assert named(["tests/test_library.py"], "") == Named((), ())


def test_only_an_allowed_name_is_fetched(monkeypatch: pytest.MonkeyPatch, shelf: Path) -> None:
    asked = []

    def fetch(name: str) -> Iterator[Fetching]:
        asked.append(name)
        yield Fetching(name, "c", 5, 10)
        yield Fetching(name, "c", 10, 10, shelf / "small")

    monkeypatch.setattr(library.hub, "fetch", fetch)
    monkeypatch.setattr(library.sys, "argv", ["app.py", "--models", "owner/model"])
    with pytest.raises(Refusal, match="not among the hub's models"):
        last(open_named("owner/other"))
    assert asked == []
    steps = list(open_named("owner/model"))
    assert [step.fraction for step in steps] == [0.45, 0.9, 1.0]
    assert steps[-1].specimen is not None


def test_one_copy_serves_everybody_who_looks_at_it(shelf: Path) -> None:
    one, two = last(open_offered("small")), last(open_offered("small"))
    assert one.specimen is not None
    assert one.specimen is two.specimen


def test_a_link_may_name_a_model_of_the_operators_that_somebody_has_open(shelf: Path) -> None:
    opened = last(open_offered("small")).specimen
    assert opened is not None

    def linked() -> None:
        import streamlit

        from components import compute, library

        library.recall(streamlit.session_state["id"])
        streamlit.write(str([offer.name for offer in compute.offers()][-1]))

    for id, name in ((opened.id, "small"), ("f" * 12, "Vitrine translator"), ("", "Vitrine translator")):
        app = AppTest.from_function(linked)
        app.session_state["id"] = id
        assert app.run().markdown[0].value == name


@pytest.mark.parametrize("name", ["../small", "/etc", "strange", "small/../small", "", "notes"])
def test_only_an_offered_name_is_ever_opened(shelf: Path, name: str) -> None:
    with pytest.raises(Refusal, match="no model called"):
        last(open_offered(name))


def test_a_link_never_names_what_somebody_brought_along(tmp_path: Path) -> None:
    save(tmp_path / "mine", Transformer(TINY, seed=7))
    mine = last(open_brought(brought(tmp_path / "mine"), "mine")).specimen
    assert mine is not None
    library.recall(mine.id)
    assert compute.specimen_of(mine.id) is None


def test_what_was_brought_along_is_opened_and_thrown_away(shelf: Path) -> None:
    specimen = last(open_brought([*brought(shelf / "small"), File("generation_config.json", b"no JSON at all")], "mine")).specimen
    assert specimen is not None
    assert specimen.name == "mine"
    assert specimen.loaded.model.config == TINY
    assert list((shelf / "temporary").iterdir()) == []


NAMES = ["../config.json", "a/model.safetensors", "/etc/passwd", "pytorch_model.bin", "model.pt", "..safetensors", "x" * 200 + ".safetensors"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_part_of_a_model_has_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="is no file that is read here"):
        write([File("config.json", b"{}"), File(name, b"")], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_too_much_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="201 MB together and 200"):
        write([File("config.json", b"{}"), File("model.safetensors", b"", size=LIMIT + 1)], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"config\.json was brought along twice"):
        write([File("config.json", b"{}"), File("config.json", b"{}")], tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("model.safetensors", b"\x10\x00", "model.safetensors is not the file that was saved"),
        ("config.json", b"{", "no valid JSON"),
        ("config.json", b'{"model_type": "clip"}', "model_type 'clip'"),
        ("card.json", b"{}", "records no checksum"),
    ],
)
def test_a_broken_model_is_refused_without_saying_where_it_lay(shelf: Path, name: str, data: bytes, sentence: str) -> None:
    files = [File(name, data) if file.name == name else file for file in brought(shelf / "small")]
    with pytest.raises(Refusal, match=sentence) as refused:
        last(open_brought(files, "mine"))
    assert str(shelf) not in str(refused.value)
    assert all(str(shelf) not in str(value) for value in refused.value.values.values())
    assert list((shelf / "temporary").iterdir()) == []


def test_a_model_that_leaves_too_little_memory_is_refused_with_both_figures(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = brought(shelf / "small")
    monkeypatch.setattr(memory, "free_memory", lambda: RESERVE)
    with pytest.raises(Refusal, match=r"needs 50\d MB of memory and 500 MB are free"):
        last(open_brought(files, "mine"))
    monkeypatch.setattr(memory, "free_memory", lambda: 2 * RESERVE)
    assert last(open_brought(files, "mine")).fraction == 1


QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


HARMLESS, ENDLESS = (QWEN, " {2,}", r"\)+"), ("(a+)+b", "(a|a)*b", "x" * 501)


@pytest.mark.parametrize(("pattern", "slow"), [*((one, False) for one in HARMLESS), *((one, True) for one in ENDLESS)])
def test_a_strangers_pattern_that_could_search_for_ever_is_refused(pattern: str, slow: bool, tmp_path: Path) -> None:
    described = {"normalizer": {"normalizers": [{"type": "Replace", "pattern": {"Regex": pattern}}]}, "model": {"vocab": {"a": 0}}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(described))
    if slow:
        with pytest.raises(Refusal, match="could search for ever"):
            refuse_slow(tmp_path / "tokenizer.json")
    else:
        refuse_slow(tmp_path / "tokenizer.json")
