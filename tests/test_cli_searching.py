"""`python -m model generate` with beams, contrastively, and blanks in rounds: what the machine itself finds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model.checkpoints import EMBEDDED, MASKED, TRANSLATOR, load
from model.generation import Beams, Contrast, beam_search, contrastive_search, filled
from model.text import blanks
from model.verbs.command import main


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]):
    def run(*words: object) -> Any:
        status = main(["generate", *map(str, words), "--json"])
        out, err = capsys.readouterr()
        return json.loads(out) if status == 0 else err

    return run


def test_beams_find_what_the_machine_finds(cli) -> None:
    loaded = load(EMBEDDED)
    assert loaded.tokenizer is not None
    ids = [loaded.tokenizer.begin, *loaded.tokenizer.encode("Ana").ids]
    told = cli("--text", "Ana", "--tokens", 6, "--beams", 3, "--length-penalty", 0)
    steps = list(beam_search(loaded.model, ids, Beams(width=3, tokens=6, length_penalty=0)))
    assert [one["ids"] for one in told["found"]] == [list(one.text.ids) for one in steps[-1].finished]
    assert [one["score"] for one in told["found"]] == [one.score for one in steps[-1].finished]
    assert [step["id"] for step in told["steps"]] == told["found"][0]["ids"]
    assert [[one["fate"] for one in step] for step in told["weighed"]] == [[one.fate for one in step.candidates] for step in steps]
    assert told["text"] == f"Ana {told['found'][0]['text']}"


def test_a_translation_is_searched_for(cli) -> None:
    loaded = load(TRANSLATOR)
    told = cli("--source", "the yellow boat is in the river", "--beams", 4)
    assert told["text"] == "o barco amarelo está no rio"
    assert told["found"][0]["ended"]
    assert told["found"][0]["ids"][-1] == loaded.marks.stop


def test_contrastive_search_weighs_what_the_machine_weighs(cli) -> None:
    loaded = load(EMBEDDED)
    assert loaded.tokenizer is not None
    ids = [loaded.tokenizer.begin, *loaded.tokenizer.encode("Ana").ids]
    told = cli("--text", "Ana", "--tokens", 5, "--contrastive", 0.6, "--top-k", 3)
    steps = list(contrastive_search(loaded.model, ids, Contrast(alpha=0.6, top_k=3, tokens=5)))
    assert told["chosen"] == [step.chosen for step in steps]
    assert [[one["score"] for one in step] for step in told["trials"]] == [[one.score for one in step.trials] for step in steps]


def test_blanks_are_filled_at_once_and_in_rounds(cli) -> None:
    loaded, text = load(MASKED), "The ___ is at the ___. Q: Where is the ___? A: at the ___."
    tokenizer = loaded.tokenizer
    assert tokenizer is not None
    assert tokenizer.blank is not None
    ids = [*tokenizer.opening, *blanks.encode(tokenizer, text).ids, *tokenizer.closing]
    for order in ("once", "rounds"):
        told, found = cli("--text", text, "--order", order, "--rounds", 3), filled(loaded.model, ids, tokenizer.blank, order, rounds=3)
        assert told["pseudo_log_likelihood"] == found.pseudo
        assert {step["place"]: step["id"] for step in told["steps"]} == {place: put.id for place, put in found.last.items()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--beams", 0], "width"),
        (["--beams", 2, "--temperature", 1], "--temperature and --beams"),
        (["--contrastive", 0.5, "--beams", 2], "--contrastive and --beams"),
        (["--contrastive", 2], "alpha"),
        (["--length-penalty", 1], "goes with --beams"),
        (["--beams", 2, "--mask", "causal"], "--mask and --beams"),
    ],
)
def test_what_does_not_go_together_is_refused(words: list[object], said: str, cli) -> None:
    assert said in cli("--text", "Ana", *words)


def test_the_tables_are_for_reading(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--beams", "2"], ["--contrastive", "0.4"]):
        assert main(["generate", "--text", "Ana", "--tokens", "3", *words]) == 0
        out, _ = capsys.readouterr()
        assert "score" in out
        assert out.startswith("Ana ")
