"""Published tokenizers of every kind: any text is read and shown, no id is beyond the model's, nothing is raised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from model.errors import Refusal
from model.text.published import BYTES, PublishedTokenizer

TEXTS = ["O céu é azul e o mar também.", "The sky is blue, and the sea as well!", "uma maçã, um café", "a b c hello world's ends"] * 3


def byte_level() -> Library:
    """As GPT-2 reads: bytes, no frame."""
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    library.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"]))
    return library


def fallback() -> Library:
    """As LLaMA reads: pieces with bytes to fall back on, a begin token."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁abcdefgh", "▁a", "▁b"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    library = Library(models.BPE(vocabulary, [("▁", "a"), ("▁", "b")], byte_fallback=True, unk_token="<unk>"))
    library.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    library.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    library.add_special_tokens(["<unk>", "<s>", "</s>"])
    library.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return library


def word_pieces() -> Library:
    """As BERT reads: lower case, a frame, a blank; its file asks to cut and to fill."""
    library = Library(models.WordPiece(unk_token="[UNK]"))
    library.normalizer, library.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    library.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special))
    library.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    library.enable_truncation(4)
    library.enable_padding(length=10)
    return library


def unigram() -> Library:
    """As T5 reads: the likeliest pieces, an end token."""
    library = Library(models.Unigram())
    library.normalizer, library.pre_tokenizer, library.decoder = normalizers.NFKC(), pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    library.train_from_iterator(TEXTS, trainers.UnigramTrainer(vocab_size=80, special_tokens=special, unk_token="<unk>"))
    library.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return library


def words_only() -> Library:
    """Two words, and nothing for the unknown."""
    library = Library(models.WordLevel({"a": 0, "b": 1}, unk_token="missing"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    return library


KINDS: dict[str, Callable[[], Library]] = {
    "byte level": byte_level,
    "bytes to fall back on": fallback,
    "word pieces": word_pieces,
    "unigram": unigram,
    "words only": words_only,
}
READERS = {name: PublishedTokenizer(make(), make().get_vocab_size()) for name, make in KINDS.items()}
each_kind = pytest.mark.parametrize("tokenizer", READERS.values(), ids=list(READERS))
ODD = ["", " ", "olá, mundo!", "😀👨‍👩‍👧", "مرحبا", "a\tb\n\r", "\x00\x07", "e\u0301", "<s>[MASK]</s>", "\u200b", "a\ud800b", "<|endoftext|>"]


@each_kind
@given(text=st.text(max_size=40) | st.sampled_from(ODD))
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_and_shown(tokenizer: PublishedTokenizer, text: str) -> None:
    encoding = tokenizer.encode(text)
    assert len(encoding.ids) == len(encoding.pieces) == len(encoding.known) == len(encoding.spans)
    assert all(0 <= number < tokenizer.vocabulary for number in encoding.ids)
    assert all(0 <= start <= end <= len(text) for start, end in encoding.spans)
    assert all(encoding.pieces)
    assert tokenizer.ids(text) == list(encoding.ids)
    tokenizer.decode(encoding.ids)


@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_bytes_lose_nothing(text: str) -> None:
    tokenizer = READERS["byte level"]
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


@pytest.mark.parametrize(
    ("name", "opening", "closing", "blank"),
    [
        ("byte level", (), (), None),
        ("bytes to fall back on", (1,), (), None),
        ("word pieces", (2,), (3,), 4),
        ("unigram", (), (1,), None),
        ("words only", (), (), None),
    ],
)
def test_the_frame_is_the_published_one(name: str, opening: tuple[int, ...], closing: tuple[int, ...], blank: int | None) -> None:
    tokenizer = READERS[name]
    assert (tokenizer.opening, tokenizer.closing, tokenizer.blank) == (opening, closing, blank)
    assert not {*opening, *closing} & {*tokenizer.encode("a b").ids}


@pytest.mark.parametrize(
    ("name", "text", "pieces"),
    [
        ("byte level", "O céu", ("O", " céu")),
        ("byte level", "😀", ("<0xF0>", "<0x9F>", "<0x98>", "<0x80>")),
        ("bytes to fall back on", "a b é", (" a", " b", " ", "<0xC3>", "<0xA9>")),
        ("word pieces", "The blues [MASK] 😀", (" the", " blue", "s", "[MASK]", "[UNK]")),
        ("unigram", "the ☃", (" t", "he", " ", "<unk>")),
        ("words only", "b x a", (" b", " a")),
    ],
)
def test_pieces_are_shown_as_they_are_written(name: str, text: str, pieces: tuple[str, ...]) -> None:
    assert READERS[name].encode(text).pieces == pieces


def test_what_is_unknown_or_spelled_in_bytes_is_marked() -> None:
    assert READERS["bytes to fall back on"].encode("a é").known == (True, True, False, False)
    assert READERS["word pieces"].encode("blue 😀").known == (True, False)


def test_a_file_that_asks_to_cut_and_fill_is_not_obeyed() -> None:
    assert len(READERS["word pieces"].encode("the sky is blue and the sea").ids) == 7
    assert len(READERS["word pieces"].encode("the").ids) == 1


def test_tokens_added_beyond_the_models_rows_are_never_given_out() -> None:
    library = word_pieces()
    library.add_special_tokens(["<|user|>"])
    vocabulary = library.get_vocab_size() - 1
    tokenizer = PublishedTokenizer(library, vocabulary)
    assert tokenizer.encode("<|user|> the").ids[0] == library.token_to_id("[UNK]")


def test_a_tokenizer_with_more_pieces_than_the_model_is_refused(tmp_path: Path) -> None:
    byte_level().save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(Refusal, match="pieces, but vocabulary = 100; the tokenizer belongs to another model"):
        PublishedTokenizer.read(tmp_path / "tokenizer.json", 100)


@pytest.mark.parametrize("content", ["", "{}", "[" * 10_000, '{"version": "1.0", "model": {"type": "BPE"}}', "\x80"])
def test_a_file_that_is_no_tokenizer_is_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(Refusal, match=r"tokenizer\.json is not a tokenizer"):
        PublishedTokenizer.read(tmp_path / "tokenizer.json", 100)


def test_a_file_too_large_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "tokenizer.json").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(Refusal, match="more than 64 MB"):
        PublishedTokenizer.read(tmp_path / "tokenizer.json", 100)


def test_every_byte_has_a_letter() -> None:
    assert sorted(BYTES.values()) == list(range(256))
    assert set(BYTES) == set(pre_tokenizers.ByteLevel.alphabet())
