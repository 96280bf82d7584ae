"""Heads are named by where they look and by what is lost without them; the names of the models that ship are reproduced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from model.analysis import found as finding
from model.analysis import head_probes
from model.analysis.found import FILE, keep, kept
from model.analysis.head_probes import Link, Skill, plain, questions
from model.analysis.heads import (
    COSTS,
    LOOKS,
    MEASURES,
    Batch,
    Effect,
    Seen,
    attended,
    batch,
    distance,
    effect,
    entropy,
    find,
    glanced,
    losses,
    parted,
    resume,
    search,
    silence,
    silenced,
    watch,
)
from model.analysis.places import places
from model.checkpoints import EMBEDDED, MASKED, TRANSLATOR, identity, load, save
from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, Form, PlainMlp
from model.errors import Refusal
from model.text.tokenizer import Tokenizer
from model.training.session import read
from model.transformer import Transformer
from model.verbs import heads as verb
from model.verbs.command import main

FEW: dict[Skill, int] = {"documents": 4, "repeats": 4, "agreement": 4, "coreference": 4}
WORDS = Tokenizer.for_world()
torch.set_num_threads(1)


def looking(length: int, links: list[Link]) -> torch.Tensor:
    """A map (1, 1, T, T) that does nothing but follow some links, evenly; a query without one looks at itself."""
    pattern = torch.eye(length)
    for query, keys in links:
        pattern[query] = 0
        pattern[query, list(keys)] = 1 / len(keys)
    return pattern[None, None]


def small(seed: int = 3) -> Transformer:
    attention = Attention(heads=4, kv_heads=2, size=8, out_bias=True)
    return Transformer(Config(vocabulary=WORDS.size, context=64, width=16, layers=2, attention=attention, mlp=PlainMlp(hidden=24)), seed=seed)


# ---------------------------------------------------------------- who looks at whom

IDS = (0, 5, 6, 7, 5, 6, 7, 9)
WAYS: Mapping[str, list[Link]] = {
    "previous": head_probes.previous(len(IDS)),
    "first": head_probes.first(len(IDS)),
    "current": head_probes.current(len(IDS)),
    "duplicate": head_probes.duplicate(IDS),
    "induction": head_probes.induction(IDS),
}


def test_links_of_a_repeated_text() -> None:
    assert WAYS["duplicate"] == [(4, (1,)), (5, (2,)), (6, (3,))]
    assert WAYS["induction"] == [(4, (2,)), (5, (3,))], "after the last word of the copy comes another token"


@pytest.mark.parametrize("name", WAYS)
def test_a_head_that_follows_its_links_scores_one(name: str) -> None:
    assert attended(looking(len(IDS), WAYS[name]), [WAYS[name]]).item() == pytest.approx(1)


@pytest.mark.parametrize(("head", "name"), [(a, b) for a in WAYS for b in WAYS if a != b])
def test_a_head_that_follows_others_scores_nothing(head: str, name: str) -> None:
    own = dict(WAYS[head])
    links = [(query, keys) for query, keys in WAYS[name] if query in own and not set(keys) & set(own[query])]
    assert links
    assert attended(looking(len(IDS), WAYS[head]), [links]).item() == 0


def test_a_score_is_the_mean_over_all_links_of_all_texts() -> None:
    patterns = torch.rand(2, 3, 6, 6).softmax(-1)
    links: list[list[Link]] = [[(2, (0, 1)), (3, (3,))], [(5, (4,))]]
    by_hand = (patterns[0, :, 2, 0] + patterns[0, :, 2, 1] + patterns[0, :, 3, 3] + patterns[1, :, 5, 4]) / 3
    torch.testing.assert_close(attended(patterns, links), by_hand)


def test_distance_and_entropy_pass_over_padding_and_the_first_token() -> None:
    real = torch.tensor([[True, True, True, True, False, False]])
    back = looking(6, head_probes.previous(6))
    assert distance(back, real).tolist() == [1.0]
    assert entropy(back, real).tolist() == [0.0]
    assert entropy(torch.full((1, 1, 6, 6), 1 / 6), real).item() == pytest.approx(np.log(6))


# ---------------------------------------------------------------- what is asked


def pieces(ids: tuple[int, ...]) -> list[str]:
    return [WORDS.piece(id).strip() for id in ids]


def test_stories_ask_for_adjectives_that_agree_and_pronouns_that_stand_for_a_name() -> None:
    found = questions(small().config, WORDS, counts=FEW)
    assert [len(asked) for asked in found.values()] == [4, 4, 4, 4]
    for question in found["agreement"]:
        text = pieces(question.ids)
        for (place, right), (query, keys) in zip(question.answers, question.links, strict=True):
            assert (place, text[place]) in ((query, "era"), (query, "eram"))
            assert {text[key] for key in keys} == {text[query - 1]}
            assert question.ids[place + 1] in right
            assert all(WORDS.piece(id).endswith("s") == (text[place] == "eram") for id in right)
    for question in found["coreference"]:
        text = pieces(question.ids)
        assert all(text[place + 1].lower() in ("ela", "ele", "she", "he") for place, _ in question.answers)
        assert {keys for _, keys in question.links} == {(1,)}


def test_an_encoder_is_asked_for_one_hidden_word() -> None:
    loaded = load(MASKED)
    assert loaded.tokenizer is not None
    for asked in questions(loaded.model.config, loaded.tokenizer, counts=FEW).values():
        for question in asked:
            ((place, _),) = question.answers
            assert question.ids[place] == loaded.tokenizer.blank
            assert all(query == place and place not in keys for query, keys in question.links)


# ---------------------------------------------------------------- silencing


@pytest.mark.parametrize("stand_in", [0.0, 0.25])
def test_silencing_is_what_it_is_by_hand(stand_in: float) -> None:
    model, ids = small(), torch.tensor([[0, 5, 9, 5, 9, 12]])
    size = model.config.attention.size
    value = torch.full((size,), stand_in)
    edited, part = small(), slice(2 * size, 3 * size)
    weight, bias = (edited.get_parameter(f"decoder.blocks.1.attn.out.{name}") for name in ("weight", "bias"))
    with torch.no_grad():
        bias += weight[:, part] @ value
        weight[:, part] = 0
        by_hand = edited(ids)
        silenced = model(ids, tap=silence("decoder.blocks.1.attn.mixed", 2, value))
    torch.testing.assert_close(silenced, by_hand)
    assert not torch.equal(silenced, model(ids))


def test_losses_do_not_know_what_stands_beside_them() -> None:
    model, asked = small(), questions(small().config, WORDS, counts=FEW)["documents"]
    together = losses(model, batch(asked, WORDS.pad))
    alone = torch.cat([losses(model, batch([question], WORDS.pad)) for question in asked])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        first = model(torch.tensor([asked[0].ids]))[0].log_softmax(-1)
    place, (right,) = asked[0].answers[0]
    assert together[0].item() == pytest.approx(-first[place, right].item(), abs=1e-5)


@pytest.mark.parametrize("folder", [EMBEDDED, MASKED, TRANSLATOR])
def test_means_are_those_of_real_tokens_and_maps_sum_to_one(folder: Path) -> None:
    loaded = load(folder)
    assert loaded.tokenizer is not None
    asked = batch(questions(loaded.model.config, loaded.tokenizer, counts=FEW)["documents"], loaded.tokenizer.pad)
    seen = watch(loaded.model, asked)
    for where in places(loaded.model.config).values():
        weights = seen.patterns[where.site(0, "pattern")].sum(-1).transpose(1, 2)[asked.asking(where)]
        torch.testing.assert_close(weights, torch.ones_like(weights))
    alone = [watch(loaded.model, batch([question], loaded.tokenizer.pad)).means for question in asked.questions]
    site, where = next((where.site(1, "mixed"), where) for where in places(loaded.model.config).values())
    shares = asked.asking(where).sum(1) / asked.asking(where).sum()
    torch.testing.assert_close(seen.means[site], sum(share * one[site] for share, one in zip(shares, alone, strict=True)), atol=1e-5, rtol=1e-4)


def test_an_effect_is_a_mean_with_the_error_of_whole_texts() -> None:
    found = effect(torch.tensor([1.0, 1.0, 3.0, 3.0]), torch.tensor([0, 0, 1, 1]))
    assert found.nats == 2
    assert found.error == pytest.approx(np.sqrt(4 + 4) / 4)
    assert not found.real
    assert Effect(2.0, 0.1).real
    assert not Effect(COSTS / 2, 0.0).real


@pytest.mark.parametrize("folder", [EMBEDDED, TRANSLATOR])
def test_a_pass_taken_up_in_the_middle_ends_as_a_whole_one(folder: Path) -> None:
    loaded = load(folder)
    assert loaded.tokenizer is not None
    asked = batch(questions(loaded.model.config, loaded.tokenizer, counts=FEW)["documents"], loaded.tokenizer.pad)
    (part, answers, begun), *_ = parted(loaded.model, asked)
    for where in places(loaded.model.config).values():
        tap = silence(where.site(1, "mixed"), 2, 0.1)
        torch.testing.assert_close(resume(loaded.model, part, begun, where.site(1, "mixed"), tap), losses(loaded.model, asked, tap)[answers])


@pytest.mark.parametrize("blank", [None, 17])
@pytest.mark.parametrize("form", [Decoder(), Encoder(), EncoderDecoder(encoder_layers=1)])
def test_a_model_of_another_world_is_asked_about_the_readers_text_and_random_tokens(form: Form, blank: int | None) -> None:
    model, ids = Transformer(replace(small().config, form=form), seed=3), (0, 9, 30, 40, 50, 70, 80)
    sets = plain(model.config, ids, (5, 6, 7) if isinstance(form, EncoderDecoder) else (), blank)
    for question in sets.get("repeats", ()):
        (query, keys), *_ = question.links
        place, right = next(answer for answer in question.answers if answer[0] == query)
        assert question.ids[keys[0]] == right[0]
        assert place == query
    *_, last = search(model, sets)
    assert last.fraction == 1
    assert {head.where.name for head in last.heads} == set(places(model.config))
    assert all(effect.error > 0 for head in last.heads for effect in head.effects.values())


# ---------------------------------------------------------------- the models that ship


EXPECTED = {
    (0, 1): ["current token"],
    (0, 2): ["induction", "first token"],
    (1, 1): ["previous token"],
    (2, 4): ["previous token"],
    (3, 1): ["induction", "first token"],
    (3, 3): ["induction", "first token"],
    (3, 6): ["coreference"],
}
"""Measured on 2026-11-21. No head is an agreement head: one looks at the noun, and nothing is lost without it."""


@pytest.fixture(scope="module")
def embedded() -> list[dict]:
    return [finding.row(head) for head in kept(EMBEDDED / FILE).heads]


def test_the_heads_of_the_embedded_model_are_those_that_were_found(embedded: list[dict]) -> None:
    assert [(row["layer"], row["head"]) for row in embedded] == [(layer, head) for layer in range(4) for head in range(8)]
    assert {(row["layer"], row["head"]): row["labels"] for row in embedded if row["labels"]} == EXPECTED
    induction = next(row for row in embedded if (row["layer"], row["head"]) == (3, 1))
    assert induction["score"] == pytest.approx(0.93, abs=0.01)
    assert induction["silenced_effect"] == pytest.approx(0.108, abs=0.01)


@pytest.mark.parametrize("folder", [EMBEDDED, MASKED, TRANSLATOR])
def test_what_lies_beside_a_model_is_what_a_search_finds_in_these_weights(folder: Path) -> None:
    loaded, stored = load(folder), kept(folder / FILE)
    assert loaded.tokenizer is not None
    preset = (loaded.card or {}).get("preset")
    sets = questions(loaded.model.config, loaded.tokenizer, None if preset is None else read(preset).dials)
    assert stored.model == identity(loaded.model)
    batches: dict[Skill, Batch] = {skill: batch(asked, loaded.tokenizer.pad) for skill, asked in sets.items() if asked}
    seen: dict[Skill, Seen] = {skill: watch(loaded.model, asked) for skill, asked in batches.items()}
    for found, head in zip(glanced(loaded.model.config, batches, seen), stored.heads, strict=True):
        assert (found.where, found.layer, found.head) == (head.where, head.layer, head.head)
        assert found.scores == pytest.approx(head.scores, abs=1e-4)
        assert (found.entropy, found.distance) == pytest.approx((head.entropy, head.distance), abs=1e-3)
    lasts = {skill: parted(loaded.model, asked) for skill, asked in batches.items()}
    for head in stored.heads[-1:]:
        for measure in (each for each in MEASURES if each.name in head.scores):
            again = silenced(loaded.model, lasts[measure.skill], seen[measure.skill], head.where.site(head.layer, "mixed"), head.head)
            assert (again.nats, again.error) == pytest.approx((head.effects[measure.name].nats, head.effects[measure.name].error), abs=1e-4)


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    stored = kept(EMBEDDED / FILE)
    keep(stored, tmp_path / FILE)
    assert kept(tmp_path / FILE) == stored
    assert [finding.row(finding.head(finding.row(each, 9)), 9) for each in stored.heads] == [finding.row(each, 9) for each in stored.heads]


def test_induction_previous_token_and_coreference_are_found_and_agreement_is_reported_absent(embedded: list[dict]) -> None:
    labels = {row["label"] for row in embedded}
    assert {"induction", "previous token", "coreference"} < labels
    assert "agreement" not in labels
    said = verb.table(embedded)
    nearest = max(embedded, key=lambda row: row["scores"]["agreement"])
    assert f"no agreement head; the nearest is decoder layer {nearest['layer']} head {nearest['head']}" in said
    assert "no induction head" not in said


def test_a_row_says_what_its_label_rests_on(embedded: list[dict]) -> None:
    for row in embedded:
        assert row["label"] == (row["labels"][0] if row["labels"] else None)
        assert row["score"] == row["scores"][row["closest"]]
        assert row["silenced_effect"] == row["effects"][row["closest"]]
        assert row["label"] is None or (row["score"] >= LOOKS and row["silenced_effect"] >= COSTS)


def test_the_verb_prints_every_head_the_same_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(verb, "find", partial(verb.find, counts=FEW))
    save(tmp_path / "small", small(), WORDS)
    printed = []
    for _ in range(2):
        assert main(["heads", "--checkpoint", str(tmp_path / "small"), "--json"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert [(row["layer"], row["head"]) for row in json.loads(printed[0])] == [(layer, head) for layer in range(2) for head in range(4)]


def test_a_translator_has_heads_in_three_places() -> None:
    loaded = load(TRANSLATOR)
    assert loaded.tokenizer is not None
    rows = [finding.row(head) for head in find(loaded.model, loaded.tokenizer, counts=FEW)]
    assert {row["stack"] for row in rows} == {"encoder", "decoder", "cross"}
    assert all(set(row["scores"]) == {"first token"} and row["distance"] is None for row in rows if row["stack"] == "cross")


def test_a_context_too_short_for_any_document_is_refused() -> None:
    model = Transformer(replace(small().config, context=3))
    with pytest.raises(Refusal, match="a context of 3 tokens"):
        find(model, WORDS, counts=FEW)


def test_a_model_of_another_world_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "mute", small(), None)
    assert main(["heads", "--checkpoint", str(tmp_path / "mute"), "--json"]) == 2
    assert "texts of the micro-world" in capsys.readouterr().err
