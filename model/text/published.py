"""Tokenizers that others published, with the face of ours: what opens a text, what closes it, what one token looks like.

What a `tokenizer.json` knows is kept as it is: its normaliser, its pieces, the frame it puts around a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tokenizers import Tokenizer as Library

from model.errors import Refusal
from model.text.tokenizer import Encoding, Tokenizer

T = TypeVar("T")

LARGEST = 64 * 2**20
"""The most bytes of a tokenizer.json that are read; the largest published ones have half of that."""
BEGINNINGS = ("<s>", "[CLS]", "<|endoftext|>", "<|begin_of_text|>", "<bos>")
PADS = ("<pad>", "[PAD]", "<|padding|>")
BLANKS = ("[MASK]", "<mask>")
UNKNOWN = ("<unk>", "[UNK]")
PLAIN = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTES = {chr(byte): byte for byte in PLAIN} | {chr(256 + n): byte for n, byte in enumerate(sorted({*range(256)} - {*PLAIN}))}
"""The letter that byte-level vocabularies write for each byte: itself where it can be seen, else one from beyond (Radford et al. 2019)."""
SPELLED = re.compile(r"<0x[0-9A-F]{2}>")


class PublishedTokenizer(Tokenizer):
    """A published vocabulary with its rules, for a model of `vocabulary` tokens; no id beyond them is ever given out."""

    def __init__(self, library: Library, vocabulary: int) -> None:
        library.no_truncation()
        library.no_padding()
        self.library, self.vocabulary = library, vocabulary
        self.size = library.get_vocab_size()
        self._added = {number: token.content for number, token in library.get_added_tokens_decoder().items()}
        self._stranger = self._first(UNKNOWN)
        self._anchor = self._ordinary()
        self.blank = self._first(BLANKS)
        self.opening, self.closing = self._frame()
        self.begin = self.opening[0] if self.opening else self._first(BEGINNINGS) or 0
        pad = self._first(PADS)
        self.pad = self.begin if pad is None else pad

    @classmethod
    def read(cls, path: Path | str, vocabulary: int) -> PublishedTokenizer:
        """Read the tokenizer.json of a model of so many tokens. Raises `Refusal` for one that the library cannot make sense of, that is
        too large, or that has more pieces than the model has tokens."""
        if Path(path).stat().st_size > LARGEST:
            raise Refusal("tokenizer.size", "{path} has more than {limit} MB, the most that is read", path=str(path), limit=LARGEST >> 20)
        try:
            library = sheltered(lambda: Library.from_file(str(path)))
        except ValueError as error:
            sentence = "{path} is not a tokenizer the `tokenizers` library can read: {why}"
            raise Refusal("tokenizer.file", sentence, path=str(path), why=str(error)) from error
        pieces = library.get_vocab_size(with_added_tokens=False)
        if pieces > vocabulary:
            sentence = "{path} knows {pieces} pieces, but vocabulary = {vocabulary}; the tokenizer belongs to another model"
            raise Refusal("tokenizer.foreign", sentence, path=str(path), pieces=pieces, vocabulary=vocabulary)
        return cls(library, vocabulary)

    def encode(self, text: str) -> Encoding:
        """Any text at all, without its frame. What the vocabulary has no piece for, and no token for the unknown, is left out."""
        clean = text.encode("utf-8", "replace").decode()
        try:
            found = self._encoded(clean)
        except ValueError:
            found = [token for place, letter in enumerate(clean) for token in self._alone(letter, place)]
        kept = [(self._within(number), span) for number, span in found]
        kept = [(number, span) for number, span in kept if number is not None]
        ids = tuple(number for number, _ in kept)
        return Encoding(ids, tuple(map(self.piece, ids)), tuple(map(self._knows, ids)), tuple(span for _, span in kept))

    def ids(self, text: str) -> list[int]:
        """`encode(text).ids`."""
        return list(self.encode(text).ids)

    def decode(self, ids: list[int] | tuple[int, ...]) -> str:
        """The text of some tokens, those of the frame included as they are written."""
        return sheltered(lambda: self.library.decode(list(ids), skip_special_tokens=False))

    def piece(self, number: int) -> str:
        """One token as it is written after another, its leading space included; part of a letter as its bytes."""
        if number in self._added:
            return self._added[number]
        stored = self.library.id_to_token(number)
        if stored is None:
            return f"<{number}>"
        shown = self.decode([*self._anchor, number]).removeprefix(self.decode(self._anchor))
        return shown if shown and "\ufffd" not in shown else in_bytes(stored)

    def _knows(self, number: int) -> bool:
        return number != self._stranger and not SPELLED.fullmatch(self.library.id_to_token(number) or "")

    def _encoded(self, text: str) -> list[tuple[int, tuple[int, int]]]:
        found = sheltered(lambda: self.library.encode(text, add_special_tokens=False))
        return list(zip(found.ids, found.offsets, strict=True))

    def _alone(self, letter: str, place: int) -> list[tuple[int, tuple[int, int]]]:
        try:
            return [(number, (start + place, end + place)) for number, (start, end) in self._encoded(letter)]
        except ValueError:
            return []

    def _within(self, number: int) -> int | None:
        """The token, or the one for the unknown where the model has no row for it."""
        return number if number < self.vocabulary else self._stranger

    def _first(self, names: tuple[str, ...]) -> int | None:
        found = (self.library.token_to_id(name) for name in names)
        return next((number for number in found if number is not None and number < self.vocabulary), None)

    def _ordinary(self) -> list[int]:
        """A token of letters to stand before another, so that decoding shows the space the other one brings along."""
        words = {number: word for word, number in self.library.get_vocab(with_added_tokens=False).items() if word.isascii() and word.isalpha()}
        return sorted(words, key=lambda number: (len(words[number]), number))[:1]

    def _frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What the published rules put before a text and after it; nothing where they cannot be followed."""
        text = self.decode(self._anchor)
        try:
            bare, framed = [number for number, _ in self._encoded(text)], sheltered(lambda: self.library.encode(text)).ids
        except ValueError:
            return (), ()
        starts = (start for start in range(len(framed) - len(bare) + 1) if framed[start : start + len(bare)] == bare)
        start = next(starts, None) if bare else None
        sides = ((), ()) if start is None else (framed[:start], framed[start + len(bare) :])
        opening, closing = (tuple(number for number in side if number < self.vocabulary) for side in sides)
        return opening, closing


def in_bytes(stored: str) -> str:
    """A token of bytes, byte by byte; any other as it is stored."""
    if SPELLED.fullmatch(stored) or not set(stored) <= BYTES.keys():
        return stored
    return "".join(f"<0x{BYTES[letter]:02X}>" for letter in stored)


def sheltered(work: Callable[[], T]) -> T:
    """The library's answer; whatever it raises, its panics too, which are no exceptions, becomes a `ValueError`."""
    try:
        return work()
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
