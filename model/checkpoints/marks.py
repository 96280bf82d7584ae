"""Tokens with a meaning of their own, as a checkpoint names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.checkpoints.files import read_json
from model.config import Config
from model.text.tokenizer import Tokenizer

GENERATION = "generation_config.json"


@dataclass(frozen=True, slots=True)
class Marks:
    """`start` opens what an encoder–decoder writes, `stop` ends what any model writes; `None` where the checkpoint does not say."""

    start: int | None = None
    stop: int | None = None


def ours(tokenizer: Tokenizer | None) -> Marks:
    """Our own models open and end every text with one token."""
    return Marks() if tokenizer is None else Marks(tokenizer.begin, tokenizer.begin)


def published(folder: Path, given: dict[str, Any], config: Config) -> Marks:
    """What `generation_config.json`, or else `config.json` (`given`), names in the Hugging Face layout; a target without a start token
    of its own opens with padding (T5)."""
    named = given | (read_json(folder / GENERATION) if (folder / GENERATION).exists() else {})
    return Marks(_first(named, config, "decoder_start_token_id", "pad_token_id", "bos_token_id"), _first(named, config, "eos_token_id"))


def _first(named: dict[str, Any], config: Config, *names: str) -> int | None:
    """The first of these settings that is an id of the vocabulary; of several end tokens, the first."""
    for name in names:
        value = named.get(name)
        id = value[0] if isinstance(value, list) and value else value
        if isinstance(id, int) and not isinstance(id, bool) and 0 <= id < config.vocabulary:
            return id
    return None
