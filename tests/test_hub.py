"""Models by name, from a hub that is this test's own: fetched once, at one commit, checked, cancelled, refused."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from model.checkpoints import hub, load, memory
from model.errors import Refusal

transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

NAME, COMMIT = "somebody/tiny", "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A hub with one model: its files, what it announces of them, and what was asked of it."""

    address: str
    files: dict[str, bytes]
    gated: bool = False
    announced: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        if path.startswith(f"/api/models/{NAME}/revision/"):
            if self.gated:
                return 403, {"X-Error-Code": "GatedRepo"}, b"{}"
            siblings = [{"rfilename": name, "size": len(content)} | self.announced.get(name, {}) for name, content in self.files.items()]
            return 200, {}, json.dumps({"id": NAME, "sha": COMMIT, "siblings": siblings}).encode()
        name = path.removeprefix(f"/{NAME}/resolve/{COMMIT}/")
        if name in self.files:
            return 200, {}, self.files[name]
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def fetched(self) -> list[str]:
        return [path.rpartition("/")[2] for path in self.asked if "/resolve/" in path]


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Hub]:
    config = transformers.GPT2Config(vocab_size=50, n_positions=20, n_embd=12, n_layer=2, n_head=3, bos_token_id=0, eos_token_id=0)
    torch.manual_seed(1)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path / "theirs", max_shard_size="10KB")
    files = {file.name: file.read_bytes() for file in (tmp_path / "theirs").iterdir()}
    hub = Hub("", files | {"pytorch_model.bin": b"a pickle", "README.md": b"read me", "onnx/model.onnx": b"another"})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, content = hub.answer(self.path.partition("?")[0])
            self.send_response(status)
            for header in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(*header)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    yield hub
    server.shutdown()
    server.server_close()


def fetched(there: Hub, home: Path, name: str = NAME) -> Path:
    *_, last = hub.fetch(name, home, there.address)
    assert last.folder is not None
    return last.folder


def test_a_model_is_fetched_with_progress_and_loads(there: Hub, tmp_path: Path) -> None:
    steps = list(hub.fetch(NAME, tmp_path, there.address))
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert steps[-1].done == steps[-1].total
    assert [step.folder for step in steps[:-1]] == [None] * (len(steps) - 1)
    folder = steps[-1].folder
    assert folder is not None
    assert folder == tmp_path / "somebody--tiny" / COMMIT
    assert load(folder).report.family == "gpt2"
    assert len(list(folder.glob("*.safetensors"))) > 1


def test_only_configuration_tokenizer_and_safetensors_are_asked_for(there: Hub, tmp_path: Path) -> None:
    fetched(there, tmp_path)
    assert there.fetched()[0] == "config.json"
    assert all(name.endswith((".json", ".safetensors")) for name in there.fetched())


def test_a_model_at_a_known_commit_is_fetched_once_and_then_needs_no_network(there: Hub, tmp_path: Path) -> None:
    folder = fetched(there, tmp_path)
    asked = len(there.asked)
    assert fetched(there, tmp_path, f"{NAME}@{COMMIT}") == folder
    assert len(there.asked) == asked
    assert fetched(there, tmp_path) == folder
    assert len(there.asked) == asked + 1


def test_one_that_was_given_up_leaves_whole_files_and_no_half_one(there: Hub, tmp_path: Path) -> None:
    work = hub.fetch(NAME, tmp_path, there.address)
    while next(work).done <= len(there.files["config.json"]):
        pass
    work.close()
    arriving = tmp_path / "somebody--tiny" / f"{COMMIT}.arriving"
    assert {file.name for file in arriving.iterdir()} >= {"config.json"}
    assert not list(arriving.glob("*.half"))
    assert not arriving.with_name(COMMIT).exists()
    before = there.fetched().count("config.json")
    fetched(there, tmp_path)
    assert there.fetched().count("config.json") == before


@pytest.mark.parametrize("change", [{"size": 99}, {"size": 10_000}, {"lfs": {"sha256": "0" * 64, "size": 1, "pointerSize": 1}}])
def test_a_file_other_than_announced_is_refused_and_not_kept(change: dict[str, Any], there: Hub, tmp_path: Path) -> None:
    name = next(name for name in there.files if name.endswith(".safetensors"))
    there.announced = {name: change}
    with pytest.raises(Refusal, match=rf"{name} arrived otherwise"):
        fetched(there, tmp_path / "home")
    assert not list((tmp_path / "home").rglob(f"{name}*"))


def test_a_true_checksum_is_accepted(there: Hub, tmp_path: Path) -> None:
    for name, content in there.files.items():
        lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 1}
        there.announced[name] = {"lfs": lfs} if name.endswith(".safetensors") else {}
    fetched(there, tmp_path)


def test_a_model_that_would_not_fit_is_refused_before_its_weights_are_fetched(there: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 1_000)
    with pytest.raises(Refusal, match="0 MB are free"):
        fetched(there, tmp_path)
    assert there.fetched() == ["config.json"]


def test_a_family_nobody_knows_is_refused_before_its_weights_are_fetched(there: Hub, tmp_path: Path) -> None:
    there.files["config.json"] = there.files["config.json"].replace(b'"gpt2"', b'"mamba"')
    with pytest.raises(Refusal, match="'mamba'"):
        fetched(there, tmp_path)
    assert there.fetched() == ["config.json"]


def test_a_model_larger_than_the_disk_is_refused(there: Hub, tmp_path: Path) -> None:
    there.announced["config.json"] = {"size": 10**18}
    with pytest.raises(Refusal, match="free on the disk"):
        fetched(there, tmp_path)
    assert there.fetched() == []


def test_only_pickles_are_no_model(there: Hub, tmp_path: Path) -> None:
    there.files = {"config.json": b"{}", "pytorch_model.bin": b"a pickle"}
    with pytest.raises(Refusal, match=r"no \.safetensors file"):
        fetched(there, tmp_path)


@pytest.mark.parametrize(("name", "sentence"), [("somebody/else", "neither a folder here nor a public model"), ("a b", "no name of a model")])
def test_a_name_of_nothing_is_refused(name: str, sentence: str, there: Hub, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=sentence):
        fetched(there, tmp_path, name)


def test_a_gated_model_is_refused(there: Hub, tmp_path: Path) -> None:
    there.gated = True
    with pytest.raises(Refusal, match="only to those who have asked"):
        fetched(there, tmp_path)


def test_without_a_network_there_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"somebody/tiny is no folder here, and the hub cannot be reached .*name its folder"):
        list(hub.fetch(NAME, tmp_path, "http://127.0.0.1:9"))


@pytest.mark.parametrize("text", ["a/b", "a/b@main", f"a/b@{COMMIT}", "openai-community/gpt2"])
def test_what_counts_as_a_name(text: str) -> None:
    assert hub.is_name(text)


@pytest.mark.parametrize("text", ["", "gpt2", "../b", "a/..", "/a/b", "a/b/c", "a/b@x/y", "a/b@", "a /b"])
def test_what_is_no_name(text: str) -> None:
    assert not hub.is_name(text)
