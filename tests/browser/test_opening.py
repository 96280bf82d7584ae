"""Opening a model in a real browser: one that the operator offers, one that the reader brings along, and ones that are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

from tests.browser.conftest import Visit
from tests.browser.reading import linked, repainted
from tests.browser.serving import ROOT, painted, serving, settled

WORDS = 300
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's folder: three tiny models of three forms, saved by `transformers`, and something that is none."""
    root = tmp_path_factory.mktemp("models")
    GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, n_positions=64, n_embd=24, n_layer=2, n_head=3)).save_pretrained(root / "tiny-gpt2")
    BertForMaskedLM(
        BertConfig(vocab_size=WORDS, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=48, max_position_embeddings=64)
    ).save_pretrained(root / "tiny-bert")
    T5ForConditionalGeneration(T5Config(vocab_size=WORDS, d_model=24, d_kv=8, d_ff=48, num_layers=2, num_heads=3)).save_pretrained(root / "tiny-t5")
    (root / "broken").mkdir()
    (root / "broken" / "config.json").write_text("{")
    return root


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    with serving(ROOT / "app.py", "--models", str(folder)) as running:
        yield running.address


@pytest.fixture
def counter(visit: Callable[..., Visit]) -> Page:
    """The attention page in English, the counter open."""
    page = visit(locale="en-US").page
    page.locator(".st-key-opening-door button").click()
    expect(page.locator(".st-key-opening")).to_be_visible()
    return settled(page)


def bring(page: Page, files: list[Path]) -> None:
    page.locator(".st-key-opening input[type=file]").set_input_files([str(file) for file in files])
    page.locator(".st-key-opening-open button").click()


@pytest.mark.parametrize(("name", "says"), [("tiny-gpt2", "It continues texts"), ("tiny-bert", "It fills blanks"), ("tiny-t5", "It reads a source")])
def test_a_model_that_the_operator_offers_is_opened_and_looked_into(counter: Page, name: str, says: str) -> None:
    expect(counter.locator(".st-key-opening")).not_to_contain_text("broken")
    before = painted(counter, "theatre")
    counter.locator(".st-key-opening-shelf button", has_text=name).click()
    expect(counter.locator(".st-key-opening")).to_contain_text(f"Open: {name}")
    expect(counter.locator(".st-key-opening")).to_contain_text(says)
    repainted(counter, "theatre", before)
    linked(counter, "model=")
    assert settled(counter, wholly=True).evaluate(CONTRAST, ".st-key-theatre") == []


def test_a_model_brought_along_is_opened_and_a_broken_one_refused_in_one_sentence(counter: Page, folder: Path, tmp_path: Path) -> None:
    torn = tmp_path / "model.safetensors"
    torn.write_bytes((folder / "tiny-gpt2" / "model.safetensors").read_bytes()[:500])
    bring(counter, [folder / "tiny-gpt2" / "config.json", torn])
    expect(counter.locator(".st-key-opening .v-note")).to_contain_text("model.safetensors is no complete safetensors file")
    assert painted(counter, "theatre")
    counter.reload()
    settled(counter)
    counter.locator(".st-key-opening-door button").click()
    bring(counter, [folder / "tiny-gpt2" / "config.json", folder / "tiny-gpt2" / "model.safetensors"])
    expect(counter.locator(".st-key-opening")).to_contain_text("Open: Your model")


@pytest.mark.parametrize("forged", ["../../etc", "%2Fetc%2Fpasswd", "tiny-gpt2", "a" * 200])
def test_a_link_opens_nothing(visit: Callable[..., Visit], forged: str) -> None:
    page = visit(f"/?model={forged}", locale="en-US").page
    expect(page.locator(".v-note").first).to_be_visible()
    assert painted(page, "theatre")


def test_a_page_that_reads_no_text_asks_for_none(visit: Callable[..., Visit]) -> None:
    page = visit("/paper", locale="en-US").page
    expect(page.locator(".st-key-prompt")).to_have_count(0)
    page.locator(".st-key-menu a", has_text="Attention").click()
    expect(page.locator(".st-key-prompt textarea")).to_be_visible()
