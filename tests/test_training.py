"""Training: schedules end where they should, runs go on bit for bit, and a diverging one says why."""

from __future__ import annotations

import json
import resource
from dataclasses import replace
from itertools import count, islice, pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, Learned, PlainMlp, RMSNorm, from_dict, to_dict
from model.errors import Refusal
from model.memory import keep_freed_memory
from model.text.rows import Lesson
from model.text.tokenizer import BLANK, Tokenizer
from model.text.world import Dials
from model.training import (
    SGD,
    AdamW,
    Clip,
    Constant,
    Cosine,
    Masked,
    NextToken,
    NoClipping,
    Objective,
    Packed,
    Recipe,
    Seconds,
    Source,
    Steps,
    Tokens,
    Translation,
    Trapezoid,
    load_run,
    objective,
    save_run,
    session,
    train,
)
from model.training.divergence import Evidence, explain
from model.training.loss import cross_entropy
from model.training.run import answer
from model.training.source import Batch, following
from model.training.weights import Weights
from model.transformer import Transformer

PAD = 0
TINY = Config(
    vocabulary=24,
    context=32,
    width=16,
    layers=2,
    attention=Attention(heads=2, kv_heads=2, size=8),
    mlp=PlainMlp(hidden=32, activation="gelu", bias=True),
)
SHORT = Recipe(learning_rate=0.01, batch=4, context=16, warmup=3, budget=Steps(count=12), precision="float32")


class Echo:
    """Rows whose second half repeats the first, a few places padded: something small that can be learned."""

    pad = PAD

    def __init__(self, length: int = 17, vocabulary: int = 24) -> None:
        self.length, self.vocabulary, self.dealt = length, vocabulary, 0

    def next(self, batch: int) -> Batch:
        dice = torch.Generator().manual_seed(self.dealt)
        self.dealt += 1
        half = torch.randint(1, self.vocabulary, (batch, self.length // 2 + 1), generator=dice)
        rows = torch.cat([half, half], 1)[:, : self.length].clone()
        rows[0, -3:] = PAD
        return following(rows)

    def state(self) -> dict[str, Any]:
        return {"dealt": self.dealt}

    def restore(self, state: dict[str, Any]) -> None:
        self.dealt = state["dealt"]


def weights_of(model: Transformer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


# ---------------------------------------------------------------- recipes


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(optimiser=SGD(momentum=0.5), schedule=Cosine(final=0.1), budget=Tokens(count=1_000), clipping=NoClipping(), warmup=0),
        Recipe(optimiser=AdamW(weight_decay=0.2), schedule=Constant(), budget=Steps(count=50), clipping=Clip(norm=0.5), precision="bfloat16", seed=3),
    ],
)
def test_a_recipe_survives_json(recipe: Recipe) -> None:
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Recipe(learning_rate=0.0), "learning_rate is a number above zero; got 0.0"),
        (lambda: Recipe(learning_rate=float("nan")), "got nan"),
        (lambda: Recipe(batch=0), "batch is a whole number, 1 or more; got 0"),
        (lambda: Recipe(warmup=-1), "warmup is zero or more; got -1"),
        (lambda: Recipe(budget=Steps(count=40), warmup=40), "39 steps at most"),
        (lambda: Steps(count=0), "count is a whole number, 1 or more; got 0"),
        (lambda: Seconds(length=0), "length is a number above zero; got 0"),
        (lambda: AdamW(beta2=1.0), "beta2 is a share from 0 up to, not including, 1; got 1.0"),
        (lambda: SGD(weight_decay=-0.1), "weight_decay is zero or more; got -0.1"),
        (lambda: Clip(norm=-1), "norm is a number above zero; got -1"),
        (lambda: Trapezoid(decline=1.5), "decline is a portion from 0 to 1; got 1.5"),
    ],
)
def test_impossible_settings_are_refused_with_their_value(make: Any, named: str) -> None:
    with pytest.raises(Refusal) as refused:
        make()
    assert named in str(refused.value)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.05, 1), st.floats(0, 0.5))
def test_schedules_start_at_the_peak_never_rise_and_end_at_their_floor(a: float, b: float, decline: float, final: float) -> None:
    for schedule in (Constant(), Cosine(final=final), Trapezoid(decline=decline, final=final)):
        early, late = sorted((a, b))
        assert schedule.height(0.0) == pytest.approx(1)
        assert schedule.height(late) <= schedule.height(early) + 1e-12
        assert schedule.height(1.0) == pytest.approx(1 if isinstance(schedule, Constant) else final)


def test_a_trapezoid_without_decline_stays_level() -> None:
    assert Trapezoid(decline=0.0).height(0.99) == 1


def test_the_warm_up_rises_in_even_steps_to_the_peak() -> None:
    recipe = Recipe(learning_rate=0.1, warmup=4, schedule=Constant())
    assert [recipe.rate(step, 0.0) for step in range(1, 7)] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


# ---------------------------------------------------------------- one step


def reference(config: Config, recipe: Recipe, steps: int) -> tuple[list[float], Transformer]:
    """The loop of any textbook, parameter by parameter."""
    model, source, losses = Transformer(config), Echo(), []
    groups = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": recipe.optimiser.weight_decay},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    match recipe.optimiser:
        case AdamW(beta1=one, beta2=two):
            optimiser: torch.optim.Optimizer = torch.optim.AdamW(groups, betas=(one, two))
        case SGD(momentum=momentum):
            optimiser = torch.optim.SGD(groups, momentum=momentum)
    for step in range(1, steps + 1):
        rows = source.next(recipe.batch)
        loss = torch.nn.functional.cross_entropy(model(rows.ids).flatten(0, 1), rows.targets.flatten(), ignore_index=PAD)
        optimiser.zero_grad()
        loss.backward()
        if isinstance(recipe.clipping, Clip):
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clipping.norm)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(step, step / steps)
        optimiser.step()
        losses.append(loss.item())
    return losses, model


@pytest.mark.parametrize("optimiser", [AdamW(weight_decay=0.1), SGD(weight_decay=0.05, momentum=0.9)], ids=["adamw", "sgd"])
@pytest.mark.parametrize("clipping", [Clip(norm=0.3), NoClipping()], ids=["clip", "free"])
def test_training_is_the_textbook_loop(optimiser: AdamW | SGD, clipping: Clip | NoClipping) -> None:
    recipe = replace(SHORT, optimiser=optimiser, clipping=clipping)
    losses, expected = reference(TINY, recipe, 12)
    model = Transformer(TINY)
    assert [step.loss for step in train(model, Echo(), recipe)] == pytest.approx(losses, abs=2e-5)
    torch.testing.assert_close(weights_of(model), weights_of(expected), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_loss_and_slope_are_those_of_pytorch(scale: float) -> None:
    dice = torch.Generator().manual_seed(0)
    logits = (scale * torch.randn(3, 7, 11, generator=dice)).requires_grad_()
    targets = torch.randint(0, 11, (3, 7), generator=dice)
    loss, slope = cross_entropy(logits, targets, 4)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=4)
    torch.testing.assert_close(slope, torch.autograd.grad(expected, logits)[0])
    if scale == 1:
        assert loss == pytest.approx(expected.item(), abs=1e-6)
    else:
        assert expected.item() > loss > 50, "a hopeless guess costs 87 nats at most"


def test_a_run_learns_what_can_be_learned() -> None:
    model = Transformer(TINY)
    steps = list(train(model, Echo(), replace(SHORT, budget=Steps(count=240), learning_rate=0.02, batch=16)))
    assert steps[-1].loss < 0.75 * steps[0].loss


def test_steps_count_what_they_say() -> None:
    steps = list(train(Transformer(TINY), Echo(), SHORT))
    assert [step.step for step in steps] == list(range(1, 13))
    assert [step.tokens for step in steps] == [61 * step.step for step in steps], "4 rows of 16, 3 of them padding"
    assert [step.fraction for step in steps] == pytest.approx([n / 12 for n in range(1, 13)])
    assert steps[-1].learning_rate == pytest.approx(SHORT.learning_rate * 0.02)


def test_a_token_budget_ends_with_the_step_that_spends_it() -> None:
    steps = list(train(Transformer(TINY), Echo(), replace(SHORT, budget=Tokens(count=500))))
    assert steps[-1].tokens >= 500 > steps[-2].tokens
    assert steps[-1].learning_rate == pytest.approx(SHORT.learning_rate * 0.02)


def test_time_stands_still_between_steps_and_a_run_by_time_ends_annealed() -> None:
    ticks = count()
    run = train(Transformer(TINY), Echo(), replace(SHORT, budget=Seconds(length=10.0)), clock=lambda: float(next(ticks)))
    steps = []
    for step in run:
        steps.append(step)
        next(islice(ticks, 99, None))
    assert [step.seconds for step in steps] == [float(n) for n in range(1, 11)], "one tick a step, however long the pauses"
    assert steps[-1].fraction == 1
    assert steps[-1].learning_rate == pytest.approx(SHORT.learning_rate * 0.02)


def test_bfloat16_follows_float32_closely_and_leaves_float32_weights() -> None:
    models = {precision: Transformer(TINY) for precision in ("float32", "bfloat16")}
    losses = {name: [step.loss for step in train(model, Echo(), replace(SHORT, precision=name))] for name, model in models.items()}
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], abs=0.02)
    assert {p.dtype for p in models["bfloat16"].parameters()} == {torch.float32}


def test_between_steps_the_model_is_current_and_in_evaluation_mode() -> None:
    config = Config(vocabulary=24, context=32, width=16, layers=1, attention=Attention(heads=2, kv_heads=2, size=8), dropout=0.3)
    model, ids = Transformer(config), torch.arange(1, 9)[None]
    seen = []
    for _ in train(model, Echo(), replace(SHORT, precision="bfloat16")):
        assert not model.training
        first, again = model(ids), model(ids)
        assert torch.equal(first, again)
        seen.append(first.detach())
    assert not any(torch.equal(a, b) for a, b in pairwise(seen))


def test_the_vector_is_the_model() -> None:
    model = Transformer(TINY)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weights = Weights(model, torch.bfloat16)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    weights.vector.zero_()
    weights.refresh()
    assert not any(p.any() for p in [*model.parameters(), *weights.worker.parameters()])


def test_dropout_throws_its_own_dice() -> None:
    config = Config(vocabulary=24, context=32, width=16, layers=1, attention=Attention(heads=2, kv_heads=2, size=8), dropout=0.3)
    torch.manual_seed(5)
    untouched = torch.rand(3)
    runs = {}
    for seed in (0, 0, 1):
        torch.manual_seed(5)
        losses = [step.loss for step in train(Transformer(config), Echo(), replace(SHORT, seed=seed))]
        assert torch.equal(torch.rand(3), untouched), "everyone else's dice fall as before"
        assert runs.setdefault(seed, losses) == losses
    assert runs[0] != runs[1]


# ---------------------------------------------------------------- rest and resume


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimiser", [AdamW(), SGD()], ids=["adamw", "sgd"])
def test_resumed_is_uninterrupted_bit_for_bit(tmp_path: Any, precision: Any, optimiser: Any) -> None:
    config = Config(
        vocabulary=24,
        context=32,
        width=16,
        layers=2,
        attention=Attention(heads=2, kv_heads=1, size=8),
        positions=Learned(),
        norm=RMSNorm(),
        dropout=0.2,
    )
    recipe = replace(SHORT, precision=precision, optimiser=optimiser)
    whole = Transformer(config)
    expected = [(step.loss, step.learning_rate, step.gradient_norm, step.tokens) for step in train(whole, Echo(), recipe)]

    first = train(Transformer(config), Echo(), recipe)
    told = [(step.loss, step.learning_rate, step.gradient_norm, step.tokens) for step in islice(first, 5)]
    save_run(tmp_path, first.checkpoint())
    next(iter(first))

    saved = load_run(tmp_path)
    assert (saved.step, saved.recipe, saved.config) == (5, recipe, config)
    resumed = Transformer(config, seed=9)
    told += [(step.loss, step.learning_rate, step.gradient_norm, step.tokens) for step in train(resumed, Echo(), recipe, resume=saved)]
    assert told == expected
    assert torch.equal(weights_of(resumed), weights_of(whole))


def test_a_checkpoint_of_a_run_not_yet_begun_is_its_beginning(tmp_path: Any) -> None:
    save_run(tmp_path, train(Transformer(TINY), Echo(), SHORT).checkpoint())
    again = [step.loss for step in train(Transformer(TINY, seed=3), Echo(), SHORT, resume=load_run(tmp_path))]
    assert again == [step.loss for step in train(Transformer(TINY), Echo(), SHORT)]


def test_a_finished_run_may_be_given_a_longer_budget_but_no_other_recipe() -> None:
    run = train(Transformer(TINY), Echo(), SHORT)
    list(run)
    more = train(Transformer(TINY), Echo(), replace(SHORT, budget=Steps(count=15)), resume=run.checkpoint())
    assert [step.step for step in more] == [13, 14, 15]
    with pytest.raises(Refusal, match=r"learning_rate = 0.01 and cannot go on with 0.5"):
        train(Transformer(TINY), Echo(), replace(SHORT, learning_rate=0.5), resume=run.checkpoint())
    with pytest.raises(Refusal, match="another configuration"):
        train(Transformer(Config(vocabulary=24, context=32)), Echo(), SHORT, resume=run.checkpoint())


def test_a_failed_save_leaves_the_last_one(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(Transformer(TINY), Echo(), SHORT)
    next(iter(run))
    save_run(tmp_path, run.checkpoint())
    next(iter(run))
    monkeypatch.setattr("model.training.checkpoint.os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_run(tmp_path, run.checkpoint())
    assert load_run(tmp_path).step == 1


def test_what_is_no_run_is_refused(tmp_path: Any) -> None:
    with pytest.raises(Refusal, match=r"there is no run\.safetensors"):
        load_run(tmp_path)
    save_run(tmp_path, train(Transformer(TINY), Echo(), SHORT).checkpoint())
    file = tmp_path / "run.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(Refusal, match="damaged"):
        load_run(tmp_path)


# ---------------------------------------------------------------- what goes wrong


def test_a_diverging_run_stops_names_its_step_and_keeps_good_weights() -> None:
    recipe = replace(
        SHORT, optimiser=SGD(momentum=0.0), learning_rate=1e6, clipping=NoClipping(), warmup=0, schedule=Constant(), budget=Steps(count=200)
    )
    model = Transformer(TINY)
    run = train(model, Echo(), recipe)
    first = next(iter(run))
    with pytest.raises(Refusal) as refused:
        list(run)
    assert str(refused.value).startswith(f"step {run.steps + 1}: ")
    assert refused.value.code.startswith("training.diverged.")
    rows = Echo().next(4)
    loss = torch.nn.functional.cross_entropy(model(rows.ids).flatten(0, 1), rows.targets.flatten(), ignore_index=PAD)
    assert loss.item() == pytest.approx(first.loss, abs=1e-4), "the only weights that were ever good are the first"


def test_freed_memory_is_kept_for_the_next_step() -> None:
    keep_freed_memory()
    pages = 8 * 2**20 // resource.getpagesize()
    torch.empty(2 * 2**20).fill_(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.empty(2 * 2**20).fill_(1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 10 * pages, "twenty times 8 MiB, without asking for each anew"


@pytest.mark.parametrize(
    ("recipe", "step", "norms", "cause"),
    [
        (Recipe(), 1, (), "birth"),
        (Recipe(learning_rate=0.5), 30, (1.0, 1.1), "rate"),
        (Recipe(clipping=NoClipping()), 30, (1.0, 1.1, 1.2, 80.0), "clipping"),
        (Recipe(clipping=NoClipping()), 300, (1.0, 1.1, 1.2, 1.3), "rate_lower"),
        (Recipe(warmup=0), 30, (1.0, 1.1), "warmup"),
        (Recipe(warmup=0), 300, (1.0, 1.1), "rate_lower"),
        (Recipe(optimiser=SGD(), learning_rate=0.5), 30, (1.0, 1.1), "rate_lower"),
    ],
)
def test_the_evidence_decides_the_cause(recipe: Recipe, step: int, norms: tuple[float, ...], cause: str) -> None:
    refusal = explain(Evidence(step=step, learning_rate=recipe.learning_rate, norms=norms, width=64, recipe=recipe))
    assert refusal.code == f"training.diverged.{cause}"
    assert str(refusal).startswith(f"step {step}: ")
    assert "{" not in str(refusal)


class Bad(Echo):
    """An echo spoiled on purpose."""

    def __init__(self, spoil: Any) -> None:
        super().__init__()
        self.spoil = spoil

    def next(self, batch: int) -> Batch:
        dealt = super().next(batch)
        return Batch(self.spoil(dealt.ids), self.spoil(dealt.targets))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda rows: rows[:, :-1], "4 rows of 16 tokens, the source dealt 4 x 15"),
        (lambda rows: rows + 24, "the model knows 0 to 23"),
        (lambda rows: rows - 24, "a row holds token -"),
        (torch.zeros_like, "nothing to learn"),
    ],
)
def test_rows_that_cannot_be_learned_are_refused(spoil: Any, told: str) -> None:
    with pytest.raises(Refusal, match=told):
        next(iter(train(Transformer(TINY), Bad(spoil), SHORT)))


def test_rows_longer_than_the_model_reads_are_refused() -> None:
    with pytest.raises(Refusal, match="rows of 64 tokens are longer than the 32"):
        train(Transformer(TINY), Echo(), replace(SHORT, context=64))


def test_half_precision_weights_are_refused() -> None:
    with pytest.raises(Refusal, match="training moves float32 weights"):
        train(Transformer(TINY).half(), Echo(), SHORT)


# ---------------------------------------------------------------- objectives

WORDS = Tokenizer.for_world(BLANK)
FORMS: dict[Any, Any] = {NextToken: Decoder(), Masked: Encoder(), Translation: EncoderDecoder(encoder_layers=1)}


def learner(form: Any, **given: Any) -> Config:
    return Config(vocabulary=WORDS.size, context=64, width=16, layers=1, form=form, attention=Attention(heads=2, kv_heads=2, size=8), **given)


@pytest.mark.parametrize("kind", FORMS)
def test_the_objective_follows_from_the_form(kind: type[Objective]) -> None:
    config = learner(FORMS[kind])
    assert objective.usual(config) == kind()
    assert session.Preset(config=config).task == kind()
    assert objective.read(json.loads(json.dumps(objective.write(kind()))), config) == kind()
    assert objective.read({}, config) == kind()


def test_an_objective_of_another_form_is_refused() -> None:
    with pytest.raises(Refusal, match="form Encoder is trained by Masked, not by NextToken"):
        objective.read({"kind": "NextToken"}, learner(Encoder()))
    with pytest.raises(Refusal, match="leave lessons away"):
        objective.source(Translation(), 64, seed=0, dials=Dials(), lessons=(Lesson(10, Dials()),))
    for wrong in ({"rate": 0.0}, {"blank": 0.8, "random": 0.3}, {"random": -0.1}):
        with pytest.raises(Refusal, match="add up to 1 at most"):
            Masked(**wrong)


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_objective_is_learned_and_resumes_bit_for_bit(tmp_path: Any, kind: type[Objective], precision: Any) -> None:
    config = learner(FORMS[kind], dropout=0.1)
    recipe = Recipe(learning_rate=0.02, batch=2, context=64, warmup=3, budget=Steps(count=30), precision=precision)

    def dealt() -> Source:
        return objective.source(kind(), 64, seed=3, dials=Dials(weights=(("fact", 1.0),)))

    whole = Transformer(config)
    losses = [step.loss for step in train(whole, dealt(), recipe)]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    first = train(Transformer(config), dealt(), recipe)
    head = [step.loss for step in islice(first, 11)]
    save_run(tmp_path, first.checkpoint())
    resumed = Transformer(config, seed=5)
    assert head + [step.loss for step in train(resumed, dealt(), recipe, resume=load_run(tmp_path))] == losses
    assert torch.equal(weights_of(resumed), weights_of(whole))


def test_four_fifths_are_hidden_a_tenth_exchanged_a_tenth_left() -> None:
    ids = next(iter(objective.source(NextToken(), 4_000, seed=0, dials=Dials()).next(1).ids.split(1)))
    shown, asked = objective.hide(ids, Masked(), WORDS, torch.Generator().manual_seed(0))
    ordinary = (ids != WORDS.begin) & (ids != WORDS.pad)
    share = lambda part, whole: float(part.sum() / whole.sum())  # noqa: E731
    assert not (asked & ~ordinary).any()
    assert torch.equal(shown[~asked], ids[~asked])
    assert share(asked, ordinary) == pytest.approx(0.15, abs=0.02)
    assert share(shown[asked] == WORDS.blank, asked) == pytest.approx(0.8, abs=0.05)
    assert share(shown[asked] == ids[asked], asked) == pytest.approx(0.1, abs=0.04)
    assert not torch.isin(shown[~(shown == ids) & (shown != WORDS.blank)], torch.tensor([WORDS.begin, WORDS.pad])).any()


def test_what_is_hidden_depends_on_the_seed_and_the_rows_before_and_nothing_else() -> None:
    def dealt(seed: int) -> Source:
        return objective.source(Masked(rate=0.3), 64, seed=seed, dials=Dials())

    one, two, other = dealt(1), dealt(1), dealt(2)
    first = one.next(3)
    torch.rand(7)
    again = two.next(3)
    assert torch.equal(first.ids, again.ids)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.ids, other.next(3).ids)
    two.restore({"rows": 3})
    assert torch.equal(one.next(2).ids, two.next(2).ids)


@pytest.mark.parametrize("form", [Encoder(), EncoderDecoder(encoder_layers=2)], ids=["encoder", "both"])
def test_texts_that_share_a_row_do_not_see_each_other(form: Any) -> None:
    kind = Masked if form == Encoder() else Translation
    batch = objective.source(kind(), 64, seed=3, dials=Dials(weights=(("fact", 1.0), ("sound", 1.0)))).next(2)
    model, texts = Transformer(learner(form)).eval(), batch.texts
    assert texts is not None
    with torch.no_grad():
        together = answer(model, batch)
        for row in range(2):
            for text in range(int(texts[row].max()) + 1):
                here = texts[row] == text
                source = None if batch.source is None else batch.source.ids[row][batch.source.texts[row] == text][None]
                alone = model(batch.ids[row][here][None], memory=None if source is None else model.encode(source))
                torch.testing.assert_close(together[row][here], alone[0], atol=1e-5, rtol=1e-5)


def test_a_source_of_another_length_is_refused() -> None:
    class Short(Echo):
        def next(self, batch: int) -> Batch:
            dealt = super().next(batch)
            return replace(dealt, texts=torch.zeros_like(dealt.ids), source=Packed(dealt.ids[:, :9], torch.zeros_like(dealt.ids[:, :9])))

    with pytest.raises(Refusal, match="the source dealt 4 x 9"):
        next(iter(train(Transformer(TINY), Short(), SHORT)))


# ---------------------------------------------------------------- from a preset to a run


@pytest.mark.parametrize("name", session.presets())
def test_every_preset_is_read_back_as_it_is_written(name: str) -> None:
    given = session.preset(name)
    assert session.read(json.loads(json.dumps(session.write(given)))) == given


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": {}}, "a preset has config, objective, recipe, world and lessons, not model"),
        ({"world": {"rain": 1}}, "the world has no dial rain; it has portuguese"),
        ({"recipe": {"batch": 0}}, "batch is a whole number"),
        ({"lessons": [{"until": 10}]}, "a lesson has until, kinds and share"),
    ],
)
def test_a_preset_that_cannot_be_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(Refusal, match=told):
        session.read(given)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(Refusal, match="no preset huge; choose from answers, draft, embedded, live, masked, translator, unmasked"):
        session.preset("huge")


def test_the_world_is_learned_and_the_run_resumes_bit_for_bit(tmp_path: Any) -> None:
    small = {
        "config": {
            "context": 64,
            "width": 16,
            "layers": 1,
            "attention": {"heads": 1, "kv_heads": 1, "size": 16},
            "mlp": {"kind": "PlainMlp", "hidden": 32},
        },
        "recipe": {"batch": 2, "context": 64, "warmup": 2, "learning_rate": 0.02, "budget": {"kind": "Steps", "count": 40}},
        "lessons": [{"until": 60, "kinds": ["copy"], "share": 0.9}],
    }
    whole = session.begin(session.read(small))
    losses = [step.loss for step in whole.run]
    assert losses[-1] < losses[0] - 1
    first = session.begin(session.read(small))
    head = [step.loss for step in islice(first.run, 25)]
    save_run(tmp_path, first.run.checkpoint())
    second = session.begin(session.read(small), load_run(tmp_path))
    assert head + [step.loss for step in second.run] == losses
    assert torch.equal(weights_of(second.model), weights_of(whole.model))
    card = second.card({"ratio": 3.0})
    assert (card["tokens_seen"], card["steps"], card["seed"], card["ratio"]) == (whole.run.tokens, 40, 0, 3.0)
    assert session.read(json.loads(json.dumps(card["preset"]))) == second.preset
