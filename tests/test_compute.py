"""A room's shared work: made once, however many ask at once; bounded; and equal to what a reader would compute alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import streamlit as st
import torch
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from components import compute
from components.compute import Offer, Shelf, Specimen
from model.checkpoints import Loaded, Report
from model.config import Attention, Config
from model.errors import Refusal
from model.generation import speculate
from model.layers import masks
from model.trace import Tracer
from model.transformer import Transformer

REPORT = Report("test", 0)
CONFIG = Config(vocabulary=50, context=64, width=16, layers=2, attention=Attention(heads=2, kv_heads=2, size=8))


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def specimen(seed: int = 0) -> Specimen:
    return compute.specimen(Loaded(Transformer(CONFIG, seed=seed), None, None, REPORT), f"seed {seed}")


# ---------------------------------------------------------------- the shelf


def test_simultaneous_requests_wait_for_one_computation() -> None:
    shelf, made, start = Shelf(1_000, len), [], threading.Barrier(12)
    release = threading.Event()

    def make() -> bytes:
        made.append(1)
        release.wait(5)
        return b"work"

    results: list[bytes] = []

    def ask() -> None:
        start.wait()
        results.append(shelf.get("key", make))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join(5)
    assert len(made) == 1
    assert results == [b"work"] * 12


def test_different_requests_do_not_wait_for_each_other() -> None:
    shelf, inside = Shelf(1_000, len), threading.Event()

    def slow() -> bytes:
        assert inside.wait(5)
        return b"slow"

    thread = threading.Thread(target=shelf.get, args=("slow", slow))
    thread.start()
    assert shelf.get("quick", lambda: b"quick") == b"quick"
    inside.set()
    thread.join(5)


def test_a_failure_is_raised_and_not_kept() -> None:
    shelf = Shelf(1_000, len)
    with pytest.raises(ZeroDivisionError):
        shelf.get("key", lambda: bytes(1 // 0))
    assert shelf.get("key", lambda: b"now") == b"now"


@given(some.lists(some.tuples(some.integers(0, 9), some.integers(1, 60)), max_size=60))
def test_a_shelf_never_holds_more_than_its_limit_but_for_one_large_piece(requests: list[tuple[int, int]]) -> None:
    shelf = Shelf(100, len)
    for key, size in requests:
        assert shelf.get((key, size), lambda size=size: bytes(size)) == bytes(size)
        assert shelf.bytes <= 100
    assert shelf.get("huge", lambda: bytes(500)) == bytes(500)
    assert shelf.bytes == 500


def test_the_longest_unused_is_dropped_first() -> None:
    shelf, made = Shelf(30, len), []

    def ask(key: str) -> None:
        shelf.get(key, lambda: (made.append(key), bytes(10))[1])

    for key in ("a", "b", "c", "a", "d", "a", "b"):
        ask(key)
    assert made == ["a", "b", "c", "d", "b"]


def test_a_decoding_that_is_no_list_is_kept_as_well() -> None:
    alone = object()
    assert compute.decoded("replayed", specimen(), make=lambda: alone) is compute.decoded("replayed", specimen(), make=object)


def test_distributions_over_a_large_vocabulary_fill_the_shelf_of_decodings() -> None:
    target, helper = Transformer(CONFIG, seed=0), Transformer(CONFIG, seed=1)
    rounds = compute.decoded("drafts", specimen(), make=lambda: tuple(speculate(target, helper, (1, 2), ahead=3, tokens=9)))
    proposed, judged, added = (sum(map(len, column)) for column in zip(*((one.drafts, one.verdicts, (1,)) for one in rounds), strict=True))
    assert compute._decodings().bytes == compute.MEGABYTE + (8 + 4) * CONFIG.vocabulary * (proposed + judged + added)
    compute.decoded("beams", specimen(), make=lambda: ("no rounds",))
    assert compute._decodings().bytes == 2 * compute.MEGABYTE + (8 + 4) * CONFIG.vocabulary * (proposed + judged + added)


# ---------------------------------------------------------------- specimens and traces


def test_a_specimens_identity_is_its_weights_and_shape() -> None:
    assert specimen(0) == specimen(0)
    assert specimen(0) != specimen(1)
    assert len({specimen(0), specimen(0), specimen(1)}) == 2


def test_a_shared_trace_is_the_one_a_reader_would_compute_alone() -> None:
    shown, ids = specimen(), (1, 5, 9, 5, 2)
    alone = Tracer(Transformer(CONFIG, seed=0).eval()).trace(torch.tensor(ids))
    shared = compute.traced(shown, ids)
    assert shared.sites.keys() == alone.sites.keys()
    assert all(torch.equal(shared[name], alone[name]) for name in alone.sites)
    assert torch.equal(shared.logits, alone.logits)


def test_a_trace_is_made_once_and_survives_the_next_one() -> None:
    shown = specimen()
    first = compute.traced(shown, (1, 2, 3, 4))
    before = first.pattern(0).clone()
    compute.traced(shown, (4, 3, 2, 1))
    assert compute.traced(shown, [1, 2, 3, 4]) is first
    assert torch.equal(first.pattern(0), before)


def test_a_mask_specification_is_applied() -> None:
    trace = compute.traced(specimen(), (1, 2, 3, 4, 5, 6), "causal & window(2)")
    allowed = masks.parse("causal & window(2)").build(6)
    assert torch.equal(trace.mask, allowed)
    assert (trace.pattern(1)[:, ~allowed] == 0).all()


def test_a_mask_that_cannot_be_read_is_refused_each_time() -> None:
    shown = specimen()
    for _ in range(2):
        with pytest.raises(Refusal):
            compute.traced(shown, (1, 2), "window(")


def test_traces_from_many_threads_are_each_their_own() -> None:
    shown = specimen()
    requests = [tuple((start + step) % 50 for step in range(40)) for start in range(16)]
    found: dict[tuple[int, ...], torch.Tensor] = {}

    def ask(ids: tuple[int, ...]) -> None:
        found[ids] = compute.traced(shown, ids).logits

    threads = [threading.Thread(target=ask, args=(ids,)) for ids in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    lone = Transformer(CONFIG, seed=0).eval()
    with torch.no_grad():
        assert all(torch.allclose(found[ids], lone(torch.tensor([ids]))[0], atol=1e-5) for ids in requests)


def test_a_specimen_without_a_tokenizer_says_what_to_add() -> None:
    with pytest.raises(Refusal, match=r"add its tokenizer\.json"):
        _ = specimen().tokenizer


# ---------------------------------------------------------------- in a session


def adopting() -> None:
    import streamlit as st

    from components import compute
    from model.checkpoints import Loaded, Report
    from model.config import Config
    from model.transformer import Transformer

    born = st.number_input("seed", 0, 99, 3)
    if st.button("adopt"):
        compute.adopt(Loaded(Transformer(Config(vocabulary=20, layers=1), seed=born), None, None, Report("test", 0)), f"mine {born}")
    st.session_state["seen"] = [(shown.name, shown.id) for shown in compute.offers()]


def test_an_adopted_model_belongs_to_its_session_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "_shipped", lambda: (Offer("", "Vitrine", 1),))
    mine, other = AppTest.from_function(adopting).run(), AppTest.from_function(adopting).run()
    mine.button[0].click().run()
    mine.run()
    assert [name for name, _ in mine.session_state["seen"]] == ["Vitrine", "mine 3"]
    assert [name for name, _ in other.run().session_state["seen"]] == ["Vitrine"]


def test_a_session_keeps_its_latest_models_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "_shipped", lambda: (Offer("", "Vitrine", 1),))
    app = AppTest.from_function(adopting).run()
    for seed in range(compute.ADOPTED + 2):
        app.number_input[0].set_value(seed).run()
        app.button[0].click().run()
    assert [name for name, _ in app.session_state["seen"]] == ["Vitrine", *(f"mine {seed}" for seed in range(2, compute.ADOPTED + 2))]
