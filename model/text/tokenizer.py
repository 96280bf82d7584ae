"""Text to tokens and back: one token a word of the micro-world, and for anything else letters and bytes, so that nothing is lost.

Every word carries the space before it; the text's first word is given one, so that a word is the same token wherever it stands.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Library

from model.errors import Refusal
from model.text.spelling import CONSONANTS, SIGNS, VOWELS
from model.text.world import PIECE, known_pieces

BEGIN, PAD, BLANK = "<|doc|>", "<|pad|>", "<|blank|>"
SPECIAL = (BEGIN, PAD)
"""What every tokenizer of the micro-world begins with. `BLANK` stands last, and only where a model fills blanks."""
LETTERS = tuple(dict.fromkeys(" " + CONSONANTS + VOWELS + SIGNS + string.punctuation))
SPLIT = re.compile(PIECE)
BYTES = tuple(f"<0x{value:02X}>" for value in range(256))


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text as the model reads it. `pieces` are what each token shows, `known` whether it is a word of the micro-world,
    `spans` where it stands in the text (start, end), in characters."""

    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    known: tuple[bool, ...]
    spans: tuple[tuple[int, int], ...]


class Tokenizer:
    """A vocabulary with its rules, kept in the `tokenizers` library's own file format.

    `begin` stands before a text, `pad` where there is none, `blank` for a hidden token (`None` where there is none such); `opening` and
    `closing` frame a text that is read.
    """

    closing: tuple[int, ...] = ()

    def __init__(self, library: Library) -> None:
        self.library = library
        begin, pad = library.token_to_id(BEGIN), library.token_to_id(PAD)
        self.begin = 0 if begin is None else begin
        self.pad = self.begin if pad is None else pad
        self.opening: tuple[int, ...] = () if begin is None else (begin,)
        self.blank = library.token_to_id(BLANK)
        self.size = library.get_vocab_size()
        fallback = (token for token in (*LETTERS, *BYTES) if token not in known_pieces())
        ours = {} if begin is None else {piece: library.token_to_id(piece) for piece in known_pieces()}
        self._words = {piece: number for piece, number in ours.items() if number is not None}
        self._fallback = frozenset(number for token in fallback if (number := library.token_to_id(token)) is not None)

    @property
    def world(self) -> tuple[int, ...]:
        """The ids of the micro-world's words; none for a tokenizer of another world."""
        return tuple(sorted(self._words.values()))

    @classmethod
    @lru_cache(maxsize=4)
    def for_world(cls, *more: str) -> Tokenizer:
        """The micro-world's tokenizer: its words in alphabetical order, then letters, then bytes; `more` tokens come after them all, so
        that no id changes."""
        words = sorted(known_pieces())
        letters = [letter for letter in LETTERS if letter not in known_pieces()]
        tokens = [*SPECIAL, *words, *letters, *BYTES, *more]
        library = Library(models.BPE({token: number for number, token in enumerate(tokens)}, [], byte_fallback=True, ignore_merges=True))
        library.normalizer = normalizers.Prepend(" ")
        library.pre_tokenizer = pre_tokenizers.Split(Regex(PIECE), "isolated")
        library.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
        return cls(library)

    @classmethod
    def load(cls, path: Path | str) -> Tokenizer:
        """Read a tokenizer.json. Raises `Refusal` if the library cannot make sense of it."""
        try:
            return cls(Library.from_file(str(path)))
        except Exception as error:
            sentence = "{path} is not a tokenizer the `tokenizers` library can read: {why}"
            raise Refusal("tokenizer.file", sentence, path=str(path), why=str(error)) from error

    def save(self, path: Path | str) -> None:
        """Write tokenizer.json."""
        self.library.save(str(path))

    def agrees(self, other: Tokenizer) -> bool:
        """Whether every token has the same number in both."""
        return self.library.get_vocab() == other.library.get_vocab()

    def encode(self, text: str) -> Encoding:
        """Any text at all; the begin token is not added. A lone surrogate, which no text file can hold, becomes a question mark."""
        found = self.library.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)
        pieces = tuple(self.piece(number) for number in found.ids)
        spans = ((0, 0) if n == 0 and pieces[0] == " " and text[:1] != " " else span for n, span in enumerate(found.offsets))
        return Encoding(tuple(found.ids), pieces, tuple(number not in self._fallback for number in found.ids), tuple(spans))

    def ids(self, text: str) -> list[int]:
        """`encode(text).ids` and nothing else, ten times sooner where every word is the micro-world's: training reads thousands a second."""
        found = [self._words.get(piece, -1) for piece in SPLIT.findall(" " + text)]
        return list(self.encode(text).ids) if -1 in found else found

    def decode(self, ids: list[int] | tuple[int, ...]) -> str:
        """The text of some tokens; without the space that the first word was given."""
        return self.library.decode(list(ids), skip_special_tokens=False)

    def piece(self, number: int) -> str:
        """One token as it is written, its leading space included; a byte that is no letter by itself as its number."""
        return self.library.id_to_token(number) or f"<{number}>"
