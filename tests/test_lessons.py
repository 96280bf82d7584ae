"""Masks in training: the cheat goes under the floor and the honest never, spans have their length and their share, answers alone are learned."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch

from components import lessons
from components.lessons import ASKING_WORLD, BLANK_WORLD, Trial
from components.runs import Curve
from model.analysis import filling
from model.analysis.answering import answered, pull
from model.analysis.cheating import cheating
from model.config import Attention, Config, Decoder, PlainMlp
from model.errors import Refusal
from model.generation import generate
from model.text.instructions import Instruction, InstructionStream, cut, encode, held_out_instructions, instructions
from model.text.skills import held_out
from model.text.tokenizer import BLANK, Tokenizer
from model.text.world import Dials, World
from model.training import Answering, Masked, NextToken, Objective, Steps, Unmasked, objective
from model.training.objective import hide
from model.training.run import answer
from model.training.session import Preset, begin, read, write
from model.transformer import Transformer

WORDS, BLANKED = Tokenizer.for_world(), Tokenizer.for_world(BLANK)
FACTS = Dials(weights=(("fact", 1.0), ("sound", 1.0)))
TINY = Config(context=128, width=32, layers=1, attention=Attention(heads=1, kv_heads=1, size=32), mlp=PlainMlp(hidden=64))


def short(task: Objective, steps: int, dials: Dials = FACTS) -> Preset:
    whole = lessons.preset(task, Steps(count=steps), 3, dials)
    recipe = replace(whole.recipe, learning_rate=0.02, precision="float32")
    return replace(whole, config=replace(TINY, form=whole.config.form), recipe=recipe)


# ---------------------------------------------------------------- without the causal mask


@cache
def trained(task: NextToken | Unmasked) -> tuple[Any, list[float]]:
    session = begin(short(task, 160))
    return session, [step.loss for step in session.run]


def test_who_sees_what_follows_goes_under_the_floor_and_who_does_not_never_does() -> None:
    documents = held_out(120, FACTS)
    found = {}
    for task in (NextToken(), Unmasked()):
        session, losses = trained(task)
        found[task] = cheating(session.model, WORDS, documents), sum(losses[-20:]) / 20
    (honest, learned), (cheat, copied) = found[NextToken()], found[Unmasked()]
    assert honest.floor == cheat.floor > 0.5
    assert learned > honest.floor * 0.97
    assert honest.causal > honest.floor
    assert copied < 0.6 * cheat.floor
    assert cheat.open < 0.6 * cheat.floor
    assert cheat.causal > 2 * honest.causal


def test_with_everything_in_sight_a_batch_is_read_without_the_models_own_mask() -> None:
    batch = objective.source(Unmasked(), 64, seed=1, dials=FACTS).next(2)
    same = objective.source(NextToken(), 64, seed=1, dials=FACTS).next(2)
    assert torch.equal(batch.ids, same.ids)
    assert torch.equal(batch.targets, same.targets)
    assert batch.allowed is not None
    assert batch.allowed.all()
    model = Transformer(replace(TINY, vocabulary=WORDS.size)).eval()
    changed = batch.ids.clone()
    changed[:, -1] = changed[:, 1]
    other = replace(batch, ids=changed)
    with torch.no_grad():
        assert not torch.allclose(answer(model, batch)[:, 0], answer(model, other)[:, 0], atol=1e-4)
        assert torch.equal(answer(model, same)[:, 0], answer(model, replace(same, ids=changed))[:, 0])


@pytest.mark.parametrize("task", [Unmasked(), Answering(), Answering(learn="everything"), Masked(rate=0.3, span=3.0)])
def test_every_new_objective_survives_json_and_a_preset(task: Objective) -> None:
    preset = lessons.preset(task, Steps(count=60), 4, ASKING_WORLD)
    assert read(write(preset)) == preset
    assert objective.read(objective.write(task), preset.config) == task


def test_an_encoder_is_not_taught_by_a_decoders_objective() -> None:
    with pytest.raises(Refusal, match="form Decoder is trained by NextToken or Unmasked or Answering, not by Masked"):
        objective.read({"kind": "Masked"}, Config(form=Decoder()))


# ---------------------------------------------------------------- blanks


def runs(asked: torch.Tensor) -> list[int]:
    """The lengths of the runs of asked tokens in one row."""
    edges = [0, *((asked[1:] != asked[:-1]).nonzero().flatten() + 1).tolist(), len(asked)]
    return [after - before for before, after in pairwise(edges) if asked[before]]


@pytest.mark.parametrize(("rate", "span"), [(0.15, 1.0), (0.15, 3.0), (0.3, 2.0), (0.5, 6.0)])
def test_spans_have_the_share_and_the_length_that_were_asked_for(rate: float, span: float) -> None:
    ids = torch.full((40, 2_000), WORDS.begin + 5)
    ids[:, 0] = WORDS.begin
    _, asked = hide(ids, Masked(rate=rate, span=span), BLANKED, torch.Generator().manual_seed(1))
    assert float(asked[:, 1:].float().mean()) == pytest.approx(rate, rel=0.06)
    assert float(asked[:, 1].float().mean()) == pytest.approx(rate, abs=0.16)
    lengths = [length for row in asked for length in runs(row)]
    start = rate / (span * (1 - rate) + rate)
    assert sum(lengths) / len(lengths) == pytest.approx(span / (1 - start), rel=0.06)


def test_a_span_meets_one_fate_and_documents_are_apart() -> None:
    ids = torch.full((30, 1_000), WORDS.begin + 5)
    ids[:, ::50] = WORDS.begin
    task = Masked(rate=0.2, blank=0.5, random=0.0, span=5.0)
    shown, asked = hide(ids, task, BLANKED, torch.Generator().manual_seed(2))
    assert not asked[:, ::50].any()
    hidden = shown == BLANKED.blank
    together = asked[:, 1:] & asked[:, :-1]
    broken = together & (hidden[:, 1:] != hidden[:, :-1])
    assert float(broken.sum() / together.sum()) < 0.06
    assert float(hidden[asked].float().mean()) == pytest.approx(0.5, abs=0.05)


def test_spans_of_one_token_are_the_dice_of_old() -> None:
    rows = objective.source(Masked(rate=0.3), 64, seed=1, dials=Dials()).next(3)
    again = objective.source(Masked(rate=0.3, span=1.0), 64, seed=1, dials=Dials()).next(3)
    assert torch.equal(rows.ids, again.ids)
    with pytest.raises(Refusal, match="1 token long or longer on average; got"):
        Masked(span=0.5)


def test_what_is_shown_is_hidden_as_it_is_told_and_guesses_belong_to_it() -> None:
    task = Masked(rate=0.3, blank=0.6, random=0.2)
    given = lessons.hidden(task, 2)
    trial = lessons.blanks(Steps(count=25), 2, task)[0]
    trial.preset = short(task, 25, BLANK_WORLD)
    for _ in trial.work():
        pass
    assert trial.last is not None
    found = trial.last.found
    assert len(found.guesses) == len(given.best) == sum(map(sum, given.asked))
    assert (found.truth <= found.probability + 1e-6).all()
    assert found.filled.accuracy <= found.filled.best + 1e-9
    assert found.filled.loss >= found.filled.floor
    assert set(found.kinds) == {kind for kind, _ in BLANK_WORLD.weights}
    for ids, shown, asked in zip(given.ids, given.shown, given.asked, strict=True):
        assert all(now == was for was, now, one in zip(ids, shown, asked, strict=True) if not one)
    likely = [best for best in given.best if not math.isnan(best)]
    assert all(0 < best <= 1 for best in likely)


# ---------------------------------------------------------------- answers


def test_an_instruction_is_cut_where_its_answer_begins() -> None:
    texts = {kind: World(5, ASKING_WORLD).document(kind) for kind in ("question", "counting", "translation")}
    for document in texts.values():
        found = cut(document)
        assert found is not None
        assert found.prompt + found.answer == document.text
        assert found.answer.startswith(" ")
        assert found.prompt[-1] == ":"
    assert cut(World(5).document("story")) is None
    with pytest.raises(Refusal, match="asks for nothing"):
        next(instructions(0, Dials(weights=(("story", 1.0),))))


def test_both_runs_read_the_same_rows_and_one_is_asked_for_the_answers_alone() -> None:
    alone, everything = (
        objective.source(Answering(learn=learn), 64, seed=2, dials=ASKING_WORLD).next(4)
        for learn in ("answer", "everything")
    )
    assert torch.equal(alone.ids, everything.ids)
    counted = alone.targets != WORDS.pad
    assert torch.equal(alone.targets[counted], everything.targets[counted])
    assert 0.2 < float(counted.sum() / (everything.targets != WORDS.pad).sum()) < 0.8
    rows = InstructionStream(WORDS, 64, seed=2, dials=ASKING_WORLD).next(4)
    assert torch.equal(counted, rows.answer[:, 1:])


def test_no_row_holds_what_is_held_out_and_a_stream_goes_on_where_it_stood() -> None:
    asked = {one.prompt + one.answer for one in held_out_instructions(80, ASKING_WORLD) if one.kind != "fact"}
    stream = InstructionStream(WORDS, 64, seed=0, dials=ASKING_WORLD)
    texts = {text.strip() for row in stream.next(200).ids.tolist() for text in WORDS.decode(row).replace("<|pad|>", "").split("<|doc|>")}
    assert len(asked) > 30
    assert not asked & texts
    again = InstructionStream(WORDS, 64, seed=0, dials=ASKING_WORLD)
    again.restore(stream.state())
    assert torch.equal(stream.next(2).ids, again.next(2).ids)


def test_an_answer_is_right_when_greedy_decoding_says_it_and_losses_are_the_models_own() -> None:
    session = begin(short(Answering(), 220, Dials(weights=(("fact", 1.0),))))
    for _ in session.run:
        pass
    asked = held_out_instructions(20, Dials(weights=(("fact", 1.0),)))
    found = answered(session.model, WORDS, asked)
    right = [said(session.model, one) == one.answer for one in asked]
    assert found.right == sum(right) / len(right) > 0.2
    one = encode(WORDS, asked[0])
    ids = torch.tensor([one.ids])
    with torch.no_grad():
        nats = -session.model(ids[:, :-1]).log_softmax(-1)[0].gather(1, ids[0, 1:, None])[:, 0]
    alone = answered(session.model, WORDS, asked[:1])
    assert alone.answer == pytest.approx(float(nats[one.start - 1 :].mean()), abs=1e-4)
    assert alone.prompt == pytest.approx(float(nats[: one.start - 1].mean()), abs=1e-4)


def said(model: Transformer, asked: Instruction) -> str:
    row = encode(WORDS, asked)
    new = generate(model, row.ids[: row.start], tokens=len(row.ids) - row.start - 1)
    return WORDS.decode([*row.ids[1 : row.start], *(step.id for step in new)]).removeprefix(asked.prompt)


def test_what_prompts_and_answers_pull_is_what_each_would_pull_alone() -> None:
    model = Transformer(replace(TINY, vocabulary=WORDS.size))
    asked = held_out_instructions(6, ASKING_WORLD)
    found = pull(model, WORDS, asked)
    rows = [encode(WORDS, one) for one in asked]
    assert (found.prompt_tokens, found.answer_tokens) == (sum(row.start - 1 for row in rows), sum(sum(row.answer) for row in rows))
    costs = []
    for row in rows:
        ids = torch.tensor([row.ids])
        nats = -model(ids[:, :-1]).log_softmax(-1)[0].gather(1, ids[0, 1:, None])[:, 0]
        costs.append(nats[row.start - 1 :].sum())
    total = torch.stack(costs).sum() / (found.prompt_tokens + found.answer_tokens)
    gradient = torch.autograd.grad(total, list(model.parameters()))
    assert found.answer == pytest.approx(float(torch.cat([part.flatten() for part in gradient]).norm()), rel=1e-3)
    assert 0 < found.share < 1


def test_a_trial_is_looked_at_before_on_the_way_and_at_the_end() -> None:
    trial: Trial[int] = Trial(short(NextToken(), 24), lambda session, whole: int(whole), (0.5,))
    steps = list(trial.work())
    assert [seen.found for seen in trial.seen] == [0, 0, 1]
    assert [seen.tokens for seen in trial.seen][::2] == [0, steps[-1].tokens]
    assert trial.final
    assert isinstance(trial.curve, Curve)


def test_blanks_whose_chances_are_known_are_the_grammars() -> None:
    known = lessons.examined()
    assert sum(map(len, known.values())) > 150
    assert all(sum(blank.chances.values()) == pytest.approx(1) for kind in known.values() for blank in kind)
    assert filling.parted({"all": [blank for kind in known.values() for blank in kind]})[1] == {}

