"""Speculative decoding: several tokens are read as one after the other would be, and what is written is the target's, exactly or in distribution."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.checkpoints import DRAFT, EMBEDDED, Loaded, load
from model.config import Attention, Config, EncoderDecoder, Learned, PlainMlp
from model.errors import Refusal
from model.generation import Choose, Decoder, Greedy, Sample, generate, softmax, speculate, tally
from model.generation.choose import stages
from model.generation.speculative import accepting, expected, keeps, outcome, refuse_strangers, repeated, residual, speed_up
from model.layers.masks import parse
from model.transformer import Transformer
from tests.configs import EVERY, told

torch.set_num_threads(1)
TINY = Config(vocabulary=50, context=32, width=24, layers=2, attention=Attention(heads=4, kv_heads=4, size=6), mlp=PlainMlp(hidden=40))
SMALLER = replace(TINY, width=8, layers=1, attention=Attention(heads=2, kv_heads=1, size=4), positions=Learned())
PROMPT = (7, 3, 11, 3, 40)
SOURCE = (5, 9, 2, 30, 30, 1)
MASKS = {"window": "causal & window(4)", "prefix": "causal | prefix(5)", "blind rows": "causal & pad_left(3)", "both ways": "bidirectional"}


@cache
def built(config: Config, seed: int = 0, scale: float = 0.3) -> Transformer:
    """A model in float64, every weight redrawn; the larger the `scale`, the surer it is. The tests share it: none may change it."""
    model = Transformer(config, seed=seed).double().eval()
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=dice, dtype=torch.float64) * scale)
    return model


# ---------------------------------------------------------------- several tokens at once


def alike(decoder: Decoder, other: Decoder, ids: tuple[int, ...]) -> None:
    """What is read at once equals what is read one by one: logits, looks, and the cache it leaves."""
    passage = decoder.extend(ids)
    for row, id in enumerate(ids):
        alone, among = other.step(id), passage.at(row)
        torch.testing.assert_close(among.logits, alone.logits, atol=1e-9, rtol=0)
        for looks, others in ((among.patterns, alone.patterns), (among.crossed, alone.crossed)):
            assert len(looks) == len(others)
            for look, one in zip(looks, others, strict=True):
                torch.testing.assert_close(look.reshape(one.shape), one, atol=1e-9, rtol=0)
    assert decoder.length == other.length
    torch.testing.assert_close(decoder.cache[:, :, : decoder.length], other.cache[:, :, : other.length], atol=1e-9, rtol=0)


@pytest.mark.parametrize("config", [config for config in EVERY if config.main == "decoder"], ids=told)
def test_several_tokens_are_read_at_once_as_one_by_one(config: Config) -> None:
    model = built(config)
    source = SOURCE if isinstance(config.form, EncoderDecoder) else None
    decoder, other = Decoder(model, capacity=20, source=source), Decoder(model, capacity=20, source=source)
    decoder.read(PROMPT)
    other.read(PROMPT)
    alike(decoder, other, (3, 9, 9, 1))
    decoder.rewind(7)
    other.rewind(7)
    alike(decoder, other, (4, 30, 2, 2, 8, 17))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_mask_acts_on_each_of_them(mask: str) -> None:
    model = built(TINY)
    decoder, other = (Decoder(model, capacity=20, mask=parse(mask)) for _ in range(2))
    decoder.read(PROMPT)
    other.read(PROMPT)
    alike(decoder, other, (3, 9, 9, 1, 12))


def test_a_prompt_may_be_read_in_pieces() -> None:
    model = built(TINY)
    whole = Decoder(model).read(PROMPT)
    decoder = Decoder(model)
    decoder.read(PROMPT[:2])
    last = decoder.read(PROMPT[2:])
    torch.testing.assert_close(last.logits, whole.logits, atol=1e-9, rtol=0)
    with pytest.raises(Refusal, match="32 tokens and 33"):
        decoder.extend(range(28))


# ---------------------------------------------------------------- the rule, exactly

shares = st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1)), min_size=6, max_size=6).filter(lambda weights: sum(weights) > 1e-6)


def normed(weights: list[float]) -> np.ndarray:
    return np.array(weights) / sum(weights)


@given(shares.map(normed), shares.map(normed))
def test_over_all_that_may_be_proposed_the_rule_writes_p(p: np.ndarray, q: np.ndarray) -> None:
    written = np.zeros(6)
    for proposed in np.flatnonzero(q):
        kept = min(1.0, p[proposed] / q[proposed])
        more = np.array([max(a - b, 0.0) for a, b in zip(p, q, strict=True)])
        written[proposed] += q[proposed] * kept
        if kept < 1:
            written += q[proposed] * (1 - kept) * more / more.sum()
    np.testing.assert_allclose(written, p, atol=1e-12)
    np.testing.assert_allclose(outcome(p, q), p, atol=1e-12)


@given(shares.map(normed), shares.map(normed), st.floats(0, 1, exclude_max=True))
def test_what_is_kept_and_what_replaces_the_rest(p: np.ndarray, q: np.ndarray, u: float) -> None:
    chances = accepting(p, q)
    assert (q * chances).sum() == pytest.approx(np.minimum(p, q).sum())
    assert residual(p, q).sum() == pytest.approx(1)
    for id in np.flatnonzero(q):
        if abs(u - chances[id]) > 1e-9:
            assert keeps(p, q, int(id), u) == (u < chances[id])
    np.testing.assert_array_equal(residual(p, p), p)


def test_the_formulas_of_the_paper() -> None:
    for rate, ahead in product((0.0, 0.3, 0.8), (1, 4, 7)):
        one_by_one = sum(rate**n * (1 - rate) * (n + 1) for n in range(ahead)) + rate**ahead * (ahead + 1)
        assert expected(rate, ahead) == pytest.approx(one_by_one)
    assert expected(1, 5) == 6
    assert speed_up(0.8, 4, 0.1) == pytest.approx((1 - 0.8**5) / ((1 - 0.8) * (4 * 0.1 + 1)))


# ---------------------------------------------------------------- the same text where it is greedy


@pytest.fixture(scope="module")
def target() -> Loaded:
    return load(EMBEDDED)


@pytest.fixture(scope="module")
def draft() -> Loaded:
    return load(DRAFT)


@cache
def alone(model: Transformer, ids: tuple[int, ...], choose: Choose, tokens: int) -> list[int]:
    """What a model writes by itself."""
    return [step.id for step in generate(model, ids, choose, tokens=tokens)]


TEXTS = ("O céu é", "Ana viu uma bola azul no parque.", "The key is in the", "zuteka", "( [ ( ) ] )")


@pytest.mark.parametrize("ahead", [1, 2, 3, 5, 8])
def test_greedy_writes_what_the_embedded_model_writes_alone(target: Loaded, draft: Loaded, ahead: int) -> None:
    tokenizer = target.tokenizer
    assert tokenizer is not None
    for text in TEXTS:
        ids = (tokenizer.begin, *tokenizer.ids(text))
        rounds = list(speculate(target.model, draft.model, ids, ahead=ahead, tokens=24))
        assert [id for round in rounds for id in round.ids] == alone(target.model, ids, Greedy(), 24)
        assert len(rounds) <= 24
        assert tally(rounds).tokens == 24


@pytest.mark.parametrize("ahead", range(9))
@pytest.mark.parametrize("choose", [Greedy(), Greedy(repetition_penalty=1.3)], ids=["plain", "penalty"])
def test_greedy_is_exact_whatever_the_draft(ahead: int, choose: Greedy) -> None:
    model = built(TINY)
    for number, helper in enumerate((model, built(SMALLER), built(TINY, seed=5), built(replace(SMALLER, context=9)))):
        rounds = list(speculate(model, helper, PROMPT, choose, ahead=ahead, tokens=19))
        assert [id for round in rounds for id in round.ids] == alone(model, PROMPT, choose, 19)
        assert number or all(verdict.accepted for round in rounds for verdict in round.verdicts)


def test_it_ends_where_the_target_ends_alone() -> None:
    model, helper = built(TINY), built(SMALLER)
    whole = alone(model, PROMPT, Greedy(), 27)
    assert [id for round in speculate(model, helper, PROMPT, tokens=99) for id in round.ids] == whole
    for other in (helper, model):
        rounds = list(speculate(model, other, PROMPT, ahead=3, tokens=27, stop=whole[9]))
        assert [id for round in rounds for id in round.ids] == whole[: whole.index(whole[9]) + 1]


def test_a_translator_is_helped_by_a_smaller_one() -> None:
    model = built(replace(TINY, form=EncoderDecoder(encoder_layers=1)))
    helper = built(replace(SMALLER, form=EncoderDecoder(encoder_layers=1)))
    written = [step.id for step in generate(model, (1,), tokens=12, source=SOURCE)]
    assert [id for round in speculate(model, helper, (1,), ahead=3, tokens=12, source=SOURCE) for id in round.ids] == written


# ---------------------------------------------------------------- the same distribution where it is drawn


def test_with_itself_as_draft_it_writes_what_the_same_seed_writes() -> None:
    model = built(TINY)
    choose = Sample(temperature=1.3, top_k=20, seed=4)
    rounds = list(speculate(model, model, PROMPT, choose, ahead=3, tokens=20))
    assert [id for round in rounds for id in round.ids] == [step.id for step in generate(model, PROMPT, choose, tokens=20)]
    assert tally(rounds).rate == 1
    assert tally(rounds).per_pass == 4


def exactly(model: Transformer, choose: Sample, length: int) -> dict[tuple[int, ...], float]:
    """The probability of every continuation of (0,) of this length, by reading each of them with one full pass."""
    found = {}
    for text in product(range(model.config.vocabulary), repeat=length):
        logits = model(torch.tensor([[0, *text]]))[0].detach().numpy()
        found[text] = float(np.prod([softmax(stages(row, choose)[-1].left)[id] for row, id in zip(logits, text, strict=False)]))
    return found


CHI_SQUARE = {15: 37.70, 7: 24.32}
"""What a chi-square of so many degrees of freedom exceeds with probability 0.001: the error of the two tests below, had they not their seeds."""


@pytest.mark.parametrize(
    ("ahead", "choose"), [(1, Sample()), (3, Sample(temperature=0.7)), (2, Sample(top_k=2))], ids=["γ 1", "γ 3, cool", "γ 2, top-k"]
)
def test_drawn_texts_are_distributed_as_the_targets(ahead: int, choose: Sample) -> None:
    tiny = replace(SMALLER, vocabulary=4 if choose.top_k == 0 else 3, width=4, context=4)
    length, times = (2, 600) if choose.top_k == 0 else (3, 600)
    model, helper = built(tiny, scale=1.0), built(tiny, seed=7, scale=1.0)
    expect = {text: share for text, share in exactly(model, choose, length).items() if share > 0}
    counts = dict.fromkeys(expect, 0)
    rejected = 0
    for seed in range(times):
        rounds = list(speculate(model, helper, (0,), replace(choose, seed=seed), ahead=ahead, tokens=length))
        counts[tuple(id for round in rounds for id in round.ids)] += 1
        rejected += sum(not verdict.accepted for round in rounds for verdict in round.verdicts)
    assert sum(expect.values()) == pytest.approx(1)
    assert rejected > times / 20
    assert sum((counts[text] - times * share) ** 2 / (times * share) for text, share in expect.items()) < CHI_SQUARE[len(expect) - 1]


def test_the_rule_repeated_falls_as_p() -> None:
    p, q = softmax(np.array([1.0, 0.0, 3.0, -1.0, 2.0])), softmax(np.array([0.0, 3.0, 1.0, 0.0, -1.0]))
    counts = repeated(p, q, seed=1, times=4_000)
    assert counts.sum() == 4_000
    assert (abs(counts - 4_000 * p) < 4 * np.sqrt(4_000 * p * (1 - p))).all()
    np.testing.assert_array_equal(counts, repeated(p, q, seed=1, times=4_000))


# ---------------------------------------------------------------- what a round tells


@pytest.mark.parametrize("choose", [Greedy(), Sample(temperature=1.5, top_p=0.9, seed=3)], ids=["greedy", "drawn"])
def test_a_round_tells_all_that_was_decided(choose: Choose) -> None:
    model, helper = built(TINY), built(SMALLER)
    written: list[int] = [*PROMPT]
    for round in speculate(model, helper, PROMPT, choose, ahead=3, tokens=20):
        assert round.history == tuple(written)
        assert [verdict.accepted for verdict in round.verdicts[:-1]] == [True] * (len(round.verdicts) - 1)
        for verdict in round.verdicts:
            assert verdict.accepted == (verdict.die < verdict.chance)
            assert verdict.p.sum() == pytest.approx(verdict.draft.q.sum()) == pytest.approx(1)
            assert verdict.draft.q[verdict.draft.id] > 0
        assert round.added is not None
        assert round.added.origin == ("bonus" if len(round.accepted) == len(round.drafts) else "correction")
        assert round.added.probabilities[round.added.id] > 0
        if round.added.origin == "correction":
            last = round.verdicts[-1]
            np.testing.assert_array_equal(round.added.probabilities, residual(last.p, last.draft.q))
            assert round.added.id != last.draft.id
        assert 0 < round.drafting + round.verifying <= round.seconds
        written += round.ids


@pytest.mark.parametrize(
    ("change", "code"),
    [({"vocabulary": 49}, "speculative.vocabulary"), ({"form": EncoderDecoder(encoder_layers=1)}, "speculative.form")],
)
def test_a_draft_that_cannot_help_is_refused(change: dict, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        speculate(built(TINY), built(replace(SMALLER, **change)), PROMPT)
    assert refused.value.code == code


def test_a_draft_proposes_only_where_it_is_sure_and_the_text_stays_the_same(target: Loaded, draft: Loaded) -> None:
    assert target.tokenizer is not None
    ids = [target.tokenizer.begin, *target.tokenizer.ids("Ana")]
    eager, sure = (list(speculate(target.model, draft.model, ids, ahead=4, tokens=24, sure=least)) for least in (0.0, 0.6))
    alone = [step.id for step in generate(target.model, ids, tokens=24)]
    assert [[id for round in rounds for id in round.ids] for rounds in (eager, sure)] == [alone, alone]
    surest = [[float(softmax(one.logits).max()) for round in rounds for one in round.drafts] for rounds in (eager, sure)]
    assert min(surest[0]) < 0.6 <= min(surest[1])
    assert any(not round.drafts for round in sure[:-1])
    assert len(list(speculate(target.model, draft.model, ids, Sample(seed=1), ahead=4, tokens=24, sure=1.0))) == 24
    with pytest.raises(Refusal, match="from 0 to 1"):
        speculate(target.model, draft.model, ids, sure=1.5)


def test_a_draft_must_read_by_the_same_tokenizer(target: Loaded, draft: Loaded) -> None:
    refuse_strangers(target, draft)
    with pytest.raises(Refusal, match="proposes 0 tokens"):
        speculate(target.model, draft.model, (0,), ahead=-1)
