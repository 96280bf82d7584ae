"""`python -m model VERB`: one JSON value on standard output, errors as one sentence on standard error, status 2 for bad input."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from model.checkpoints import EMBEDDED, MASKED, TRANSLATOR, load, save
from model.config import Attention, Config, Encoder, EncoderDecoder, PlainMlp, to_dict
from model.cost import cache_bytes_per_token, flops_per_token, parameters
from model.generation import generate
from model.layers.masks import parse_plan
from model.text import blanks
from model.text.tokenizer import BLANK, Tokenizer
from model.text.world import World
from model.trace import Tracer
from model.training import Recipe, Run, Step, Steps
from model.transformer import Transformer
from model.verbs import VERBS, evaluate
from model.verbs import generate as verb
from model.verbs.command import Parser, main

SMALL: dict[str, Any] = {"context": 32, "width": 16, "layers": 2, "attention": Attention(heads=2, kv_heads=2, size=8), "mlp": PlainMlp(hidden=24)}


class FailedError(Exception):
    """A verb that ended with another status than 0."""


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]):
    """Run a verb with `--json` and return its value; `FailedError` carries status and standard error."""

    def run(*words: object) -> Any:
        status = main([*map(str, words), "--json"])
        out, err = capsys.readouterr()
        if status:
            raise FailedError(f"{status}: {err}")
        return json.loads(out)

    return run


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained model of ours, with the micro-world's tokenizer."""
    folder, tokenizer = tmp_path_factory.mktemp("models") / "ours", Tokenizer.for_world()
    save(folder, Transformer(Config(vocabulary=tokenizer.size, **SMALL), seed=4), tokenizer)
    return folder


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained LLaMA as `transformers` saves it."""
    folder = tmp_path_factory.mktemp("models") / "llama"
    small: dict[str, Any] = {"vocab_size": 90, "hidden_size": 36, "intermediate_size": 50, "num_hidden_layers": 2}
    torch.manual_seed(3)
    transformers.logging.disable_progress_bar()
    transformers.LlamaForCausalLM(transformers.LlamaConfig(**small, num_attention_heads=6, num_key_value_heads=3)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained encoder–decoder of ours."""
    folder, tokenizer = tmp_path_factory.mktemp("models") / "translator", Tokenizer.for_world()
    save(folder, Transformer(Config(vocabulary=tokenizer.size, form=EncoderDecoder(encoder_layers=1), **SMALL), seed=4), tokenizer)
    return folder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained encoder of ours, whose tokenizer has a blank."""
    folder, tokenizer = tmp_path_factory.mktemp("models") / "encoder", Tokenizer.for_world(BLANK)
    save(folder, Transformer(Config(vocabulary=tokenizer.size, form=Encoder(), **SMALL), seed=4), tokenizer)
    return folder


# ---------------------------------------------------------------- the command itself


def test_listing_families_imports_no_torch_and_the_module_runs() -> None:
    script = "import sys; from model.verbs.command import main; main(['families']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    module = subprocess.run([sys.executable, "-m", "model", "mask", "causal", "--length", "2", "--json"], capture_output=True, text=True, check=False)
    assert json.loads(module.stdout)["rows"] == ["10", "11"]
    assert (module.returncode, module.stderr) == (0, "")


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_without_a_verb_it_lists_them(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    assert all(verb in out for verb in VERBS)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["weigh"], "'weigh'.*families, size"),
        (["size"], "required"),
        (["size", "gpt9"], "gpt9.*gpt2-xl"),
        (["size", "gpt2", "--config", "x.json"], "not allowed"),
        (["size", "gpt2", "--length", "0"], "--length.*0"),
        (["size", "--config", "nowhere.json"], r"nowhere\.json is missing"),
        (["mask", "causal &", "--length", "4"], "stops at character 9"),
        (["mask", "causal", "--length", "0"], "1 to 4096; got 0"),
        (["mask", "causal", "--length", "four"], "four"),
        (["trace", "--ids", "0 1", "--checkpoint", "nowhere", "--out", "x.npz"], "nowhere is no folder"),
        (["generate", "--ids", "0", "--tokens", "0"], "--tokens.*0"),
        (["corpus", "--docs", "-1"], "-1"),
        (["train", "--preset", "gigantic", "--out", "x"], "gigantic"),
        (["families", "--jso"], "--jso"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(words: list[str], names: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert not err.startswith("usage")
    assert re.search(names, err), err


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--ids", "0 1 x"], "0 1 x"),
        (["--ids", "0 -1"], "0 -1"),
        (["--ids", ""], "1 to 32 tokens, got 0"),
        (["--ids", "5 999999"], "999999"),
        (["--ids", " ".join(["1"] * 33)], "1 to 32 tokens, got 33"),
        (["--ids", "1 2", "--site", "nothing.*"], r"nothing\.\*"),
        (["--ids", "1 2", "--mask", "sideways"], "sideways"),
        (["--ids", "1 2", "--text", "a"], "not allowed"),
    ],
)
def test_impossible_texts_are_refused(checkpoint: Path, tmp_path: Path, words: list[str], names: str, cli) -> None:
    with pytest.raises(FailedError, match=f"2: .*{names}"):
        cli("trace", *words, "--checkpoint", checkpoint, "--out", tmp_path / "trace.npz")
    assert not (tmp_path / "trace.npz").exists()


# ---------------------------------------------------------------- counting


def test_families_lists_every_size_with_its_parameters(cli) -> None:
    entries = {entry["size"]: entry for entry in cli("families")}
    assert entries["gpt2"]["parameters"] == 124_439_808
    assert entries["llama2-70b"] | {"paper": ""} == {
        "family": "llama",
        "size": "llama2-70b",
        "year": 2023,
        "paper": "",
        "released": True,
        "parameters": 68_976_648_192,
    }
    named = "original bert gpt2 t5 albert gpt3 gptj lamda neox opt bloom llama alpaca falcon mistral gemma qwen2 qwen3 vitrine"
    assert list(dict.fromkeys(entry["family"] for entry in entries.values())) == named.split()


def test_size_reads_a_name_our_own_file_and_a_published_one(cli, tmp_path: Path, published: Path) -> None:
    assert cli("size", "gpt2-medium")["parameters"] == 354_823_168
    config = Config(**SMALL)
    (tmp_path / "config.json").write_text(json.dumps(to_dict(config)))
    told = cli("size", "--config", tmp_path / "config.json")
    assert told["parameters"] == parameters(config) == sum(told["parts"].values())
    assert told["kv_cache_bytes_per_token"] == cache_bytes_per_token(config)
    assert told["flops_per_token"] == flops_per_token(config)
    assert set(told["bytes"]) == {"fp32", "fp16", "bf16", "int8", "int4"}
    assert cli("size", "--config", published / "config.json")["parameters"] == load(published).report.parameters


def test_a_mask_is_written_out(cli) -> None:
    told = cli("mask", "causal & window(2)", "--length", 4)
    assert told["rows"] == ["1000", "1100", "0110", "0011"]
    assert told["pairs"] == 7


def test_a_blind_query_is_reported(cli) -> None:
    assert cli("mask", "causal & pad_left(1)", "--length", 3)["blind_rows"] == [0]


def test_a_plan_is_written_out_with_what_it_adds_and_what_layers_have_of_their_own(cli) -> None:
    told = cli("mask", "causal + alibi(2); L1.H0: window(1)", "--length", 3, "--heads", 2)
    assert (told["pairs"], told["rows"], told["looks_ahead"]) == (6, ["100", "110", "111"], False)
    np.testing.assert_allclose(told["added"], [[0, -1 / 8, -1 / 4], [0, -1 / 128, -1 / 64]])
    assert [(own["place"], own["mask"], own["rows"]) for own in told["own"]] == [("L1.H0", "window(1)", ["100", "010", "001"])]


# ---------------------------------------------------------------- running a model


def test_sites_are_those_a_trace_writes(cli, checkpoint: Path, tmp_path: Path) -> None:
    listed = {site["name"] for site in cli("sites", "--checkpoint", checkpoint)}
    traced = cli("trace", "--ids", "1 2 3", "--checkpoint", checkpoint, "--out", tmp_path / "all.npz")
    assert set(traced["sites"]) == listed


def test_a_trace_holds_the_arrays_of_the_pass(cli, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "some.npz"
    words = ["--site", "*.attn.pattern", "*.attn.masked", "--site", "logits", "--mask", "causal & window(2)"]
    told = cli("trace", "--ids", "7,1 2 9", "--checkpoint", checkpoint, *words, "--out", out)
    arrays = np.load(out)
    assert set(arrays.files) == {"ids", *told["sites"]}
    assert arrays["ids"].tolist() == [7, 1, 2, 9]
    mask = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]).bool()
    trace = Tracer(load(checkpoint).model).trace([7, 1, 2, 9], mask=mask)
    np.testing.assert_allclose(arrays["logits"], trace.logits, atol=1e-5)
    np.testing.assert_allclose(arrays["decoder.blocks.1.attn.pattern"], trace.pattern(1), atol=1e-5)
    masked = torch.from_numpy(arrays["decoder.blocks.1.attn.masked"])
    np.testing.assert_allclose(masked.softmax(-1), arrays["decoder.blocks.1.attn.pattern"], atol=1e-6)


def test_a_plan_masks_a_trace_and_what_is_written(cli, checkpoint: Path, tmp_path: Path) -> None:
    plan, model = "causal; L1.H0: window(1); L0: causal + kerple(1,1)", load(checkpoint).model
    cli("trace", "--ids", "7 1 2 9", "--checkpoint", checkpoint, "--site", "logits", "--mask", plan, "--out", tmp_path / "plan.npz")
    built = parse_plan(plan).build(model.config.layers, model.config.attention.heads, 4)
    np.testing.assert_allclose(np.load(tmp_path / "plan.npz")["logits"], Tracer(model).trace([7, 1, 2, 9], mask=built).logits, atol=1e-5)
    told = cli("generate", "--ids", "7 1 2 9", "--tokens", 3, "--checkpoint", checkpoint, "--mask", plan)
    assert [step["id"] for step in told["steps"]] == [step.id for step in generate(model, [7, 1, 2, 9], tokens=3, mask=parse_plan(plan))]


def test_a_text_is_read_by_the_checkpoints_tokenizer(cli, checkpoint: Path, tmp_path: Path) -> None:
    tokenizer, out = Tokenizer.for_world(), tmp_path / "text.npz"
    cli("trace", "--text", "O céu é", "--checkpoint", checkpoint, "--site", "logits", "--out", out)
    assert np.load(out)["ids"].tolist() == [tokenizer.begin, *tokenizer.encode("O céu é").ids]


def test_a_text_without_a_tokenizer_is_refused(cli, published: Path) -> None:
    with pytest.raises(FailedError, match=r"tokenizer\.json"):
        cli("generate", "--text", "hello", "--checkpoint", published)


def test_generating_takes_the_most_probable_token_unless_asked_to_sample(cli, checkpoint: Path, published: Path) -> None:
    plain = cli("generate", "--ids", "1 2", "--tokens", 5, "--checkpoint", published)
    assert [step["rank"] for step in plain["steps"]] == [1] * 5
    assert cli("generate", "--ids", "1 2", "--tokens", 5, "--temperature", 0, "--checkpoint", published) == plain
    hot = ["generate", "--text", "O céu é", "--tokens", 8, "--temperature", 3, "--checkpoint", checkpoint]
    first, again, other = (cli(*hot, "--seed", seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first["steps"]) == 8
    assert first["text"].startswith("O céu é")
    assert first["text"] == Tokenizer.for_world().decode([*Tokenizer.for_world().encode("O céu é").ids, *(step["id"] for step in first["steps"])])


def test_probabilities_are_the_models_own(cli, published: Path) -> None:
    told = cli("generate", "--ids", "1 2", "--tokens", 3, "--temperature", 5, "--seed", 1, "--checkpoint", published)
    ids = [1, 2, *(step["id"] for step in told["steps"])]
    probabilities = Tracer(load(published).model).trace(ids).logits.softmax(-1)
    for place, step in enumerate(told["steps"]):
        row = probabilities[1 + place]
        assert step["probability"] == pytest.approx(float(row[step["id"]]), rel=1e-4)
        assert step["rank"] == 1 + int((row > row[step["id"]]).sum())


def test_a_draft_proposes_and_the_text_stays_the_same(cli) -> None:
    given = ["generate", "--text", "Ana viu uma bola azul", "--tokens", 12]
    plain, told = cli(*given), cli(*given, "--draft", "--ahead", 3)
    assert (told["text"], [step["id"] for step in told["steps"]]) == (plain["text"], [step["id"] for step in plain["steps"]])
    proposed = [one for round in told["rounds"] for one in round["proposed"]]
    kept = [one["id"] for one in proposed if one["accepted"]]
    assert len(kept) + sum(round["added"] is not None for round in told["rounds"]) == 12
    sums = told["speculation"]
    assert (sums["proposed"], sums["accepted"]) == (len(proposed), len(kept))
    assert sums["passes"] == len(told["rounds"]) < 12
    assert cli(*given, "--ahead", 3)["rounds"] == told["rounds"]


def test_a_source_is_written_about_until_the_end(cli, translator: Path) -> None:
    model, tokenizer = load(translator).model, Tokenizer.for_world()
    given = ["generate", "--checkpoint", translator, "--source", "O céu é azul."]
    source = [tokenizer.begin, *tokenizer.encode("O céu é azul.").ids]
    told = cli(*given)
    expected = list(generate(model, (tokenizer.begin,), tokens=99, stop=tokenizer.begin, source=source))
    assert [step["id"] for step in told["steps"]] == [step.id for step in expected]
    assert told["text"] == tokenizer.decode([step.id for step in expected if step.id != tokenizer.begin])
    assert len(cli(*given, "--tokens", 3)["steps"]) <= 3
    opened = cli(*given, "--text", "The sky", "--tokens", 4, "--temperature", 2, "--seed", 1)
    assert opened["text"].startswith("The sky")
    ids = ["--source-ids", " ".join(map(str, source)), "--ids", str(tokenizer.begin)]
    assert cli("generate", "--checkpoint", translator, *ids) == told


def test_a_published_target_begins_as_its_folder_says(cli, tmp_path: Path) -> None:
    small: dict[str, Any] = {"vocab_size": 60, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 2, "num_heads": 3}
    torch.manual_seed(3)
    peer: Any = transformers.T5ForConditionalGeneration(transformers.T5Config(**small | {"decoder_start_token_id": 7, "eos_token_id": [5, 6]}))
    peer.save_pretrained(tmp_path)
    told = cli("generate", "--source-ids", "9 8 7 1", "--tokens", 6, "--checkpoint", tmp_path)
    with torch.inference_mode():
        theirs = peer.generate(torch.tensor([[9, 8, 7, 1]]), max_new_tokens=6, do_sample=False, eos_token_id=5)[0].tolist()
    assert told["text"].split() == [str(id) for id in theirs if id != 5]


def test_blanks_are_filled_with_what_else_was_likely(cli, encoder: Path) -> None:
    tokenizer = Tokenizer.for_world(BLANK)
    given = ["generate", "--checkpoint", encoder, "--text", "The ___ is <|blank|>."]
    told = cli(*given)
    assert sorted(step["place"] for step in told["steps"]) == [2, 4]
    left = cli(*given, "--order", "left")
    assert [step["place"] for step in left["steps"]] == [2, 4]
    filled = [step["id"] for step in left["steps"]]
    text = list(blanks.encode(tokenizer, "The ___ is ___.").ids)
    row = Tracer(load(encoder).model).trace([tokenizer.begin, *text]).logits[2].softmax(-1)
    text[1], text[3] = filled
    assert left["text"] == tokenizer.decode(text)
    ranked = [id for id in row.argsort(descending=True).tolist() if id != tokenizer.blank]
    assert [filled[0], *(other["id"] for other in left["steps"][0]["alternatives"])] == ranked[:4]
    one, again, other = (cli(*given, "--temperature", 5, "--seed", seed) for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize(
    ("model", "words", "names"),
    [
        ("checkpoint", ["--text", "a", "--source", "b"], "--source means nothing to a decoder"),
        ("checkpoint", ["--text", "a", "--order", "left"], "--order means nothing to a decoder"),
        ("checkpoint", [], "--text or --ids"),
        ("translator", ["--text", "a"], "source text, and none was given"),
        ("translator", ["--source", "a", "--source-ids", "1"], "not allowed"),
        ("translator", ["--source-ids", "1 99999"], "99999"),
        ("translator", ["--source-ids", "one"], "--source-ids takes whole numbers"),
        ("translator", ["--source", "o céu " * 30], "1 to 32 tokens"),
        ("encoder", ["--text", "The sky is blue."], "nothing to fill"),
        ("encoder", ["--text", "___", "--tokens", "3"], "--tokens means nothing to an encoder"),
        ("encoder", ["--text", "___", "--order", "right"], "right"),
        ("published", ["--ids", "1", "--blank", "2"], "--blank means nothing to a decoder"),
        ("published", ["--ids", "1", "--draft"], "share its target's vocabulary"),
        ("published", ["--ids", "1", "--draft", "--mask", "causal"], "leave --mask or --draft out"),
        ("encoder", ["--text", "___", "--draft"], "--draft means nothing to an encoder"),
        ("translator", ["--source-ids", "1", "--draft"], "of the form Decoder, the target EncoderDecoder"),
    ],
)
def test_what_a_form_of_model_cannot_do_is_refused(cli, request: pytest.FixtureRequest, model: str, words: list[str], names: str) -> None:
    with pytest.raises(FailedError, match=names) as refused:
        cli("generate", *words, "--checkpoint", request.getfixturevalue(model))
    assert str(refused.value).count("\n") == 1


def test_a_model_is_found_that_can_do_what_is_asked() -> None:
    for words, folder in (
        (["--source", "a"], TRANSLATOR),
        (["--source-ids", "1"], TRANSLATOR),
        (["--text", "The ___"], MASKED),
        (["--text", "The [MASK]"], MASKED),
        (["--text", "The sky"], EMBEDDED),
        (["--ids", "1"], EMBEDDED),
    ):
        parser = Parser("generate")
        verb.arguments(parser)
        assert verb.fitting(parser.parse_args(words)) == folder


def test_check_agrees_with_transformers(cli, published: Path, checkpoint: Path) -> None:
    told = cli("check", "--checkpoint", published)
    assert (told["family"], told["skipped"]) == ("llama", [])
    assert told["max_difference"] < 1e-5
    assert len(told["loaded"]) == len(set(told["loaded"])) == 2 * 9 + 3
    assert cli("check", "--checkpoint", checkpoint)["max_difference"] is None


@pytest.mark.parametrize(
    "words",
    [["families"], ["size", "llama-7b"], ["mask", "causal", "--length", "3"], ["sites"], ["check"], ["generate", "--ids", "1"]],
    ids=lambda words: words[0],
)
def test_tables_are_for_people(words: list[str], checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [*words, "--checkpoint", str(checkpoint)] if words[0] in ("sites", "check", "generate") else words
    assert main(given) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) > 2
    assert not out.startswith(("{", "["))


# ---------------------------------------------------------------- training


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures from a few documents and probes."""
    monkeypatch.setattr(evaluate, "DOCUMENTS", 20)
    monkeypatch.setattr(evaluate, "measure", partial(evaluate.measure, count=2))


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A preset small enough to be trained in a test."""
    file = tmp_path / "plan.json"
    config = Config(**{**SMALL, "context": 128, "layers": 1})
    recipe = Recipe(batch=2, warmup=2, budget=Steps(count=8), precision="float32")
    file.write_text(json.dumps({"config": to_dict(config), "recipe": to_dict(recipe)}))
    return file


@pytest.mark.usefixtures("quick")
def test_what_is_trained_is_saved_measured_and_measured_again(cli, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "models" / "first"
    told = cli("train", "--config", plan, "--seed", 5, "--out", out)
    assert told["steps"] == 8
    assert told["ratio"] == pytest.approx(told["loss"] / told["floor"])
    again = cli("evaluate", "--checkpoint", out)
    assert {name: again[name] for name in ("loss", "floor", "ratio", "skills")} == {name: told[name] for name in ("loss", "floor", "ratio", "skills")}
    assert again["tokens_seen"] == told["tokens"]
    assert again["parameters"] == parameters(load(out).model.config)
    card = json.loads((out / "card.json").read_text())
    assert {name: card[name] for name in again if name != "parameters"} == {name: again[name] for name in again if name != "parameters"}
    assert card["seed"] == 5
    assert len(cli("generate", "--text", "O céu é", "--tokens", 3, "--checkpoint", out)["steps"]) == 3


@pytest.mark.usefixtures("quick")
def test_an_interrupted_run_goes_on_bit_for_bit(cli, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    cli("train", "--config", plan, "--store", "fp32", "--out", whole)
    advance = Run.advance

    def interrupted(run: Run) -> Step:
        step = advance(run)
        if step.step == 3:
            signal.raise_signal(signal.SIGINT)
        return step

    monkeypatch.setattr(Run, "advance", interrupted)
    assert cli("train", "--config", plan, "--store", "fp32", "--out", parted)["steps"] == 3
    assert cli("train", "--resume", parted, "--store", "fp32", "--out", parted)["steps"] == 8
    assert (parted / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.mark.usefixtures("quick")
def test_a_run_that_diverges_says_so_and_keeps_good_weights(cli, plan: Path, tmp_path: Path) -> None:
    given = json.loads(plan.read_text())
    given["recipe"] |= {"learning_rate": 1e30, "warmup": 0}
    plan.write_text(json.dumps(given))
    with pytest.raises(FailedError, match=r"2: .*step"):
        cli("train", "--config", plan, "--out", tmp_path / "out")
    assert all(bool(value.isfinite().all()) for value in load(tmp_path / "out").model.parameters())


@pytest.mark.usefixtures("quick")
def test_a_longer_budget_takes_a_finished_run_further(cli, plan: Path, tmp_path: Path) -> None:
    cli("train", "--config", plan, "--steps", 4, "--out", tmp_path / "four")
    assert cli("train", "--resume", tmp_path / "four", "--steps", 6, "--out", tmp_path / "six")["steps"] == 6
    assert json.loads((tmp_path / "six" / "run.json").read_text())["step"] == 6


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--out", "new"], "--preset answers or draft or embedded or live or masked or translator or unmasked"),
        (["--preset", "live", "--out", "full"], r"thesis\.tex"),
        (["--resume", "nowhere", "--out", "new"], r"nowhere/card\.json is missing"),
        (["--resume", "nowhere", "--preset", "live", "--out", "new"], "leave --preset"),
        (["--preset", "live", "--steps", "0", "--out", "new"], "0"),
        (["--preset", "live", "--steps", "3", "--seconds", "3", "--out", "new"], "not allowed"),
    ],
)
def test_training_that_cannot_be_is_refused_before_it_begins(
    words: list[str], names: str, cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    with pytest.raises(FailedError, match=f"2: .*{names}"):
        cli("train", *words)
    assert not (tmp_path / "new").exists()


def test_a_published_model_has_no_figures_in_the_micro_world(cli, published: Path) -> None:
    with pytest.raises(FailedError, match="micro-world"):
        cli("evaluate", "--checkpoint", published)


def test_documents_are_written_with_their_probability(cli) -> None:
    told = cli("corpus", "--docs", 4, "--seed", 3)
    assert told == cli("corpus", "--docs", 4, "--seed", 3) != cli("corpus", "--docs", 4, "--seed", 4)
    world = World(3)
    assert [(entry["text"], entry["log_probability"]) for entry in told] == [(d.text, d.log_probability) for d in islice(world.documents(), 4)]
    assert {entry["kind"] for entry in cli("corpus", "--docs", 3, "--kind", "copy")} == {"copy"}
