"""Sentence pairs: the same document in Portuguese and in English, and which of them no training ever reads.

A kind draws the same choices whichever language it writes in, so the same dice thrown twice write a text and its translation. No
token names the direction: the source is in one language, the translation is in the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

import torch
from torch import Tensor

from model.errors import Refusal
from model.text.kinds import KINDS, Maker
from model.text.lexicon import Language
from model.text.stream import Stream
from model.text.tokenizer import Tokenizer
from model.text.world import Dials, World

UNTRANSLATED = ("again",)
"""Kinds that mix the languages: they have no translation."""
WHOLE = ("fact", "sound")
"""Kinds whose words stand nowhere else: to hold one of their texts out would be to ask for a word never read."""
HELD_OUT_SHARE = 25
"""One pair in so many is held out."""
HELD_OUT_SEED = "held-out pairs"
OTHER: dict[Language, Language] = {"pt": "en", "en": "pt"}


@dataclass(frozen=True, slots=True)
class Pair:
    """A text, the one right translation, the kind of document they are, and the language of the source."""

    source: str
    target: str
    kind: str
    language: Language

    @property
    def held_out(self) -> bool:
        """Whether training never reads this pair, in either direction: a hash of both texts decides, so no list has to be kept."""
        texts = sorted((self.source, self.target))
        return self.kind not in WHOLE and int.from_bytes(blake2b("\n".join(texts).encode(), digest_size=4).digest()) % HELD_OUT_SHARE == 0


class Pairs:
    """An endless supply of pairs: the same seed and dials, the same pairs, on any machine. Raises `Refusal` where nothing can be translated."""

    def __init__(self, seed: int | str = 0, dials: Dials | None = None) -> None:
        self.world = World(f"pairs {seed}", dials)
        usable = [(kind, part) for kind, part in self.world.dials.usable() if kind not in UNTRANSLATED]
        if not usable:
            sentence = "a world of nothing but {kinds} has no translations; let it write other kinds too"
            raise Refusal("pairs.none", sentence, kinds=", ".join(UNTRANSLATED))
        self.kinds, self.parts = zip(*usable, strict=True)

    def pair(self, kind: str | None = None) -> Pair:
        """The next pair, of this kind if one is given. Raises `Refusal` for a kind that has no translation here."""
        if kind is not None and kind not in self.kinds:
            raise Refusal("pairs.kind", "this world translates {known}, not {given}", known=", ".join(self.kinds), given=kind)
        chance = self.world.chance
        written: str = kind or chance.weigh(self.kinds, self.parts)
        language: Language = "pt" if chance.flip(self.world.dials.portuguese) else "en"
        texts = both(self.world.maker, written)
        return Pair(texts[language], texts[OTHER[language]], written, language)

    def __iter__(self) -> Iterator[Pair]:
        """Pairs without end, held-out ones among them."""
        while True:
            yield self.pair()


def both(maker: Maker, kind: str) -> dict[Language, str]:
    """One document in both languages: the dice are thrown, put back, and thrown again."""
    dice = maker.chance.random.getstate()
    pt = KINDS[kind](maker, "pt")
    if kind == "translation":
        return _halves(pt)
    maker.chance.random.setstate(dice)
    return {"pt": pt, "en": KINDS[kind](maker, "en")}


def _halves(text: str) -> dict[Language, str]:
    pt, _, en = text.removeprefix("PT: ").removesuffix(".").partition(" = EN: ")
    return {"pt": pt, "en": en}


def held_out_pairs(count: int = 1_000, dials: Dials | None = None) -> list[Pair]:
    """Different pairs that no training reads, as often of each kind as the dials say."""
    found = (pair for pair in Pairs(HELD_OUT_SEED, dials) if pair.held_out)
    return list(islice(_different(found), count))


def _different(pairs: Iterator[Pair]) -> Iterator[Pair]:
    seen: set[Pair] = set()
    for pair in pairs:
        if pair not in seen:
            seen.add(pair)
            yield pair


Ids = tuple[list[int], list[int]]
"""A pair as ids: source and target, without the begin token."""


@dataclass(frozen=True, slots=True, eq=False)
class PairRows:
    """Pairs side by side in rows, all (rows, length) int64: what the encoder reads, what the decoder reads and what it should say, and
    the number of the pair that each place belongs to (-1: padding)."""

    source: Tensor
    source_pair: Tensor
    target: Tensor
    target_pair: Tensor
    said: Tensor


class PairStream(Stream[list[Ids], PairRows]):
    """Rows of pairs without end, none of them held out."""

    def __init__(self, tokenizer: Tokenizer, length: int, *, seed: int = 0, dials: Dials | None = None) -> None:
        self.seed, self.dials = seed, dials
        super().__init__(tokenizer, length)

    def written(self) -> Iterator[list[Ids]]:
        taught = (pair for pair in Pairs(f"training {self.seed}", self.dials) if not pair.held_out)
        return pack(taught, self.tokenizer, self.length)

    def laid(self, rows: list[list[Ids]]) -> PairRows:
        return table(rows, self.tokenizer, self.length)


def pack(pairs: Iterator[Pair], tokenizer: Tokenizer, length: int) -> Iterator[list[Ids]]:
    """Rows of whole pairs, as many as fit into `length` places on both sides. Raises `Refusal` for one that fits no row."""
    row: list[Ids] = []
    room = [length, length]
    for pair in pairs:
        ids = tokenizer.ids(pair.source), tokenizer.ids(pair.target)
        need = [1 + len(side) for side in ids]
        if max(need) > length:
            raise Refusal("rows.length", "a document has {given} tokens and a row only {room}; make the context longer", given=max(need), room=length)
        if any(n > left for n, left in zip(need, room, strict=True)):
            yield row
            row, room = [], [length, length]
        row.append(ids)
        room = [left - n for n, left in zip(need, room, strict=True)]
    if row:
        yield row


def table(rows: list[list[Ids]], tokenizer: Tokenizer, length: int) -> PairRows:
    """Rows of pairs as tensors: the begin token before each text, and after each target where it is to be said."""
    begin, pad = tokenizer.begin, tokenizer.pad

    def filled(lists: Iterator[list[int]], blank: int) -> Tensor:
        return torch.tensor([row + [blank] * (length - len(row)) for row in lists])

    def numbered(side: int) -> Tensor:
        return filled(([number for number, pair in enumerate(row) for _ in range(1 + len(pair[side]))] for row in rows), -1)

    return PairRows(
        source=filled(([id for source, _ in row for id in (begin, *source)] for row in rows), pad),
        source_pair=numbered(0),
        target=filled(([id for _, target in row for id in (begin, *target)] for row in rows), pad),
        target_pair=numbered(1),
        said=filled(([id for _, target in row for id in (*target, begin)] for row in rows), pad),
    )
