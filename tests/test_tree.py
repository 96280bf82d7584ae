"""The tree of continuations: its probabilities are those of whole passes, what it leaves out is counted, and it finds what brute force finds."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from model.checkpoints import EMBEDDED, MASKED, load
from model.config import Attention, Config, Encoder, EncoderDecoder, Learned, Rotary
from model.errors import Refusal
from model.generation import Greedy, fill_blanks, generate
from model.generation.tree import (
    DEEPEST,
    REMEMBERED,
    Continuations,
    Continued,
    Filled,
    Keep,
    Node,
    greedy,
    grow,
    leaves,
    likeliest,
    ripest,
    verdict,
)
from model.transformer import Transformer
from model.verbs.command import main

TINY = Config(vocabulary=5, context=12, width=16, layers=2, attention=Attention(heads=2, kv_heads=1, size=8))
PROMPT, SOURCE = (1, 4, 2), (3, 0, 2, 2)


def made(config: Config) -> Transformer:
    """A random model whose distributions are far from even."""
    model = Transformer(config, seed=3).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.mul_(3.0)
    return model


FORMS = {
    "rotary": replace(TINY, positions=Rotary()),
    "learned": replace(TINY, positions=Learned()),
    "translator": replace(TINY, form=EncoderDecoder(encoder_layers=1)),
}


def continued(name: str) -> Continued:
    config = FORMS[name]
    return Continued(made(config), PROMPT, source=SOURCE if config.form == EncoderDecoder(encoder_layers=1) else None)


def exact(asked: Continued, path: tuple[int, ...]) -> np.ndarray:
    """The next token's log-probabilities (V,) after a path, from a whole pass without a cache."""
    source = None if asked.source is None else torch.tensor([asked.source])
    memory = None if source is None else asked.model.encode(source)
    ids = torch.tensor([[*asked.prompt, *path]])
    return asked.model(ids, memory=memory)[0, -1].double().log_softmax(-1).numpy()


def to(depth: int):
    return lambda ranks: len(ranks) < depth


# ---------------------------------------------------------------- probabilities


@pytest.mark.parametrize("name", FORMS)
def test_every_probability_is_a_whole_passes_and_children_and_others_make_one(name: str) -> None:
    asked = continued(name)
    root = grow(asked, to(3), Keep(width=2))
    for node in root.walk():
        if node.branches is None:
            continue
        nats = exact(asked, node.path)
        own = sorted(nats, reverse=True)[:2]
        assert [child.nats for child in node.children] == pytest.approx(own, abs=1e-5)
        assert [nats[child.path[-1]] for child in node.children] == pytest.approx(own, abs=1e-5)
        kept = {child.path[-1] for child in node.children}
        assert node.branches.others == pytest.approx(sum(math.exp(nats[id]) for id in range(5) if id not in kept), abs=1e-5)
        assert sum(child.probability for child in node.children) + node.branches.others == pytest.approx(1)
        assert (node.branches.count, node.branches.likeliest) == (3, pytest.approx(sorted(nats)[2], abs=1e-5))
        assert node.whole == pytest.approx(math.prod(step.probability for step in along(root, node)))
    assert len(list(root.walk())) == 1 + 2 + 4 + 8


def along(root: Node, node: Node) -> list[Node]:
    """The nodes on the way from the root, which is left out, to a node."""
    return [each for each in root.walk() if each.path and node.path[: each.depth] == each.path]


def test_a_paths_perplexity_is_the_geometric_mean_of_one_over_its_steps() -> None:
    asked = continued("rotary")
    leaf = leaves(grow(asked, to(3), Keep(width=2)))[0]
    steps = [step.probability for step in along(grow(asked, to(3), Keep(width=2)), leaf)]
    assert leaf.perplexity == pytest.approx(np.prod(steps) ** (-1 / 3))
    assert Node().perplexity == Node().whole == 1


def test_the_order_in_which_paths_are_asked_for_changes_nothing() -> None:
    paths = [path for length in range(4) for path in itertools.product(range(5), repeat=length)][:90]
    one, other = continued("learned"), continued("learned")
    shuffled = [paths[at] for at in np.random.default_rng(0).permutation(len(paths))]
    found = {path: np.exp(one.after(path).nats) for path in shuffled}
    for path in paths:
        assert found[path] == pytest.approx(np.exp(other.after(path).nats), abs=1e-5)
        assert found[path] == pytest.approx(np.exp(sorted(exact(one, path), reverse=True)), abs=1e-5)


# ---------------------------------------------------------------- brute force


@pytest.mark.parametrize("name", FORMS)
def test_the_most_probable_leaves_are_those_of_brute_force(name: str) -> None:
    asked = continued(name)
    table = {path: exact(asked, path) for length in range(3) for path in itertools.product(range(5), repeat=length)}
    every = {path: sum(table[path[:at]][path[at]] for at in range(3)) for path in itertools.product(range(5), repeat=3)}
    wanted = sorted(every, key=lambda path: -every[path])
    root = grow(asked, to(3), Keep(width=5))
    found = leaves(root)
    assert [node.path for node in found[:20]] == wanted[:20]
    assert [node.total for node in found] == pytest.approx(sorted(every.values(), reverse=True), abs=1e-4)
    said = verdict(asked, root)
    assert said is not None
    assert (said.best.path, said.proven) == (wanted[0], True)


@pytest.mark.parametrize("name", FORMS)
def test_opening_the_ripest_leaf_finds_the_most_probable_text_and_proves_it(name: str) -> None:
    asked = continued(name)
    opened: set[tuple[int, ...]] = {()}
    best = leaves(grow(asked, to(3), Keep(width=5)))[0]
    while True:
        root = grow(asked, opened.__contains__, Keep(width=5))
        ripe = ripest(root)
        assert ripe is not None
        if ripe.depth == 3:
            break
        opened.add(ripe.ranks)
    assert ripe.path == best.path
    said = verdict(asked, root)
    assert said is not None
    assert (said.best.path, said.proven) == (best.path, True)


def test_what_is_not_proven_is_not_called_proven() -> None:
    """Whatever the tree has opened: a verdict that says so is brute force's."""
    proven = 0
    for name, width, seed in itertools.product(FORMS, (1, 2, 3), range(6)):
        asked, draw = continued(name), np.random.default_rng(seed)
        best = leaves(grow(asked, to(2), Keep(width=5)))[0]
        opened = {(), *((rank,) for rank in range(5) if draw.random() < 0.5)}
        said = verdict(asked, grow(asked, opened.__contains__, Keep(width=width)))
        assert said is not None
        if said.greedy.depth == 2 and said.proven:
            proven += 1
            assert said.best.total == pytest.approx(best.total)
    assert proven


# ---------------------------------------------------------------- greedy


def test_greedys_path_is_the_generators() -> None:
    asked = continued("rotary")
    written = [step.id for step in generate(asked.model, PROMPT, Greedy(), tokens=5)]
    assert list(greedy(asked, 5).path) == written


def test_the_trained_model_knows_a_text_that_greedy_misses() -> None:
    loaded = load(EMBEDDED)
    assert loaded.tokenizer is not None
    ids = [*loaded.tokenizer.opening, *loaded.tokenizer.encode("Ana").ids]
    asked = Continued(loaded.model.eval(), ids, stop=loaded.marks.stop)
    said = verdict(asked, grow(asked, to(2), Keep(width=3)))
    assert said is not None
    assert said.better
    assert said.proven
    assert said.best.whole > 5 * said.greedy.whole
    assert loaded.tokenizer.decode(said.best.path) == "made a"


def test_a_root_without_branches_has_no_verdict() -> None:
    asked = continued("rotary")
    assert verdict(asked, Node()) is None


# ---------------------------------------------------------------- pruning, bounds, ends


@pytest.mark.parametrize(("step", "whole"), [(0.0, 0.0), (0.15, 0.0), (0.0, 0.05), (0.1, 0.02)])
def test_pruning_keeps_exactly_what_is_above_the_thresholds(step: float, whole: float) -> None:
    asked = continued("learned")
    kept = {node.path for node in grow(asked, to(2), Keep(width=5, step=step, whole=whole)).walk() if node.path}
    full = [node for node in grow(asked, to(2), Keep(width=5)).walk() if node.path]
    fits = {node.path for node in full if node.probability >= step and node.whole >= whole}
    assert kept == {path for path in fits if len(path) == 1 or path[:1] in fits}
    for node in grow(asked, to(2), Keep(width=4, step=step, whole=whole)).walk():
        if node.branches is not None:
            assert len(node.branches.children) + len(node.branches.pruned) == 4
            assert len(node.branches.children) + node.branches.count == 5


def test_a_text_ends_where_it_is_told_to_and_where_the_context_does() -> None:
    model = made(FORMS["rotary"])
    asked = Continued(model, PROMPT, stop=2)
    root = grow(asked, to(2), Keep(width=5))
    assert all((node.closed == "end") == (node.path[-1] == 2) for node in root.walk() if node.path)
    assert not any(node.branches for node in root.walk() if node.closed)
    nearly = Continued(model, [1] * 10)
    assert {node.closed for node in grow(nearly, to(5), Keep(width=2)).walk()} == {None, "context"}
    full = Continued(model, [1] * 12)
    assert full.closed(()) == grow(full, to(3), Keep()).closed == "context"
    for path in ((), (2,)):
        with pytest.raises(Refusal, match="nothing follows"):
            (full if not path else asked).after(path)


def test_no_tree_is_deeper_or_larger_than_its_bounds() -> None:
    asked = Continued(made(replace(FORMS["rotary"], context=64)), PROMPT)
    deep = grow(asked, lambda _: True, Keep(width=1))
    assert {node.closed for node in leaves(deep)} == {"depth"}
    assert max(node.depth for node in deep.walk()) == DEEPEST
    assert sum(node.branches is not None for node in grow(asked, lambda _: True, Keep(width=3), most=20).walk()) == 20


@pytest.mark.parametrize("wrong", [{"width": 0}, {"width": REMEMBERED + 1}, {"step": -0.1}, {"whole": 1.5}, {"step": math.nan}])
def test_what_cannot_be_kept_is_refused(wrong: dict) -> None:
    with pytest.raises(Refusal):
        Keep(**wrong)


def test_unknown_tokens_and_damaged_logits_are_refused() -> None:
    with pytest.raises(Refusal, match="token ids run from 0 to 4"):
        continued("rotary").after((9,))
    with pytest.raises(Refusal, match="not all numbers"):
        likeliest(np.full(5, np.nan, np.float32), 3)


def test_of_equals_the_lowest_id_comes_first_and_only_so_many_are_remembered() -> None:
    logits = np.zeros(500, np.float32)
    logits[[7, 300]] = 2.0
    assert likeliest(logits, 0).ids.tolist() == [7, 300, *range(7), *range(8, REMEMBERED - 1)]
    assert likeliest(logits, 0).count == 500


# ---------------------------------------------------------------- blanks


@pytest.mark.parametrize("order", ["surest", "left"])
def test_an_encoders_tree_fills_its_blanks_one_a_level(order) -> None:
    model = made(replace(TINY, form=Encoder(), positions=Learned()))
    text, blank = (1, 4, 3, 4, 2, 4), 4
    asked = Filled(model, text, blank, order)
    root = grow(asked, to(3), Keep(width=5))
    best = list(fill_blanks(model, text, blank, Greedy(), order))
    assert greedy(asked, 3).path == tuple(step.id for step in best)
    assert asked.places(greedy(asked, 3).path) == tuple(step.place for step in best)
    assert all(node.closed == "blanks" for node in root.walk() if node.depth == 3)
    for node in root.walk():
        if node.branches is not None:
            place = node.children[0].place
            logits = model(torch.tensor([asked.text(node.path)]))[0, place].double()
            logits[blank] = -math.inf
            nats = logits.log_softmax(-1)
            assert [child.nats for child in node.children] == pytest.approx([float(nats[child.path[-1]]) for child in node.children], abs=1e-5)
            assert sum(child.probability for child in node.children) == pytest.approx(1)
            assert blank not in {child.path[-1] for child in node.children}


def test_the_trained_encoder_finds_two_words_together() -> None:
    loaded = load(MASKED)
    tokenizer = loaded.tokenizer
    assert tokenizer is not None
    assert tokenizer.blank is not None
    words = tokenizer.encode("The sky is blue.").ids
    ids = [*tokenizer.opening, words[0], tokenizer.blank, words[2], tokenizer.blank, words[4], *tokenizer.closing]
    asked: Continuations = Filled(loaded.model.eval(), ids, tokenizer.blank)
    said = verdict(asked, grow(asked, to(2), Keep(width=4)))
    assert said is not None
    assert said.best.total >= said.greedy.total


# ---------------------------------------------------------------- the verb


def test_the_verb_prints_the_tree_and_who_wins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tree", "--text", "Ana", "--depth", "2", "--width", "3", "--threshold", "0.01", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [len(node["path"]) for node in told["nodes"]][:3] == [0, 1, 2]
    assert all(node["probability"] >= 0.01 for node in told["nodes"])
    first = [node for node in told["nodes"] if len(node["path"]) == 1]
    assert sum(node["probability"] for node in first) + told["nodes"][0]["others"] == pytest.approx(1)
    assert (told["best"]["text"], told["greedy"]["text"], told["proven"]) == (" made a", " and Jorge", True)
    assert main(["tree", "--text", "Ana"]) == 0
    assert "best    ' made a' 5.2" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--text", "The ___ is ___."], ["--source", "the yellow boat is in the river"]])
def test_the_verb_grows_trees_of_blanks_and_of_translations(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tree", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert max(len(node["path"]) for node in told["nodes"]) == 2
    assert ("place" in told["nodes"][1]) == ("--text" in words)


@pytest.mark.parametrize("words", [["--text", "Ana", "--depth", "0"], ["--text", "Ana", "--width", "0"], ["--text", "Ana", "--threshold", "2"], []])
def test_the_verb_refuses_what_makes_no_tree(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tree", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
