"""Small real tokenizers of every family that encoders use, trained on Python's own language reference."""

from __future__ import annotations

from pathlib import Path
from pydoc_data.topics import topics

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

CHINESE = "他走进厨房。水壶里的水开了！你要喝茶吗？他把阀门向左转，然后等了很久，直到房间变暖。"
PARAGRAPHS = [" ".join(part.split()) for text in topics.values() for part in text.split("\n\n")]
SENTENCES = [*PARAGRAPHS[:600], *[CHINESE] * 3]
ODD = [
    *("the", "valve", "it's", "'s", "e.g.", "kubernetes.io/foo-bar/v1beta1", "x=y;z", "1234567890", "''", "``", ":::"),
    *(
        "é",
        "e\u0301",
        "\u0308x",
        "東京",
        "한국어",
        "—",
        "ß",
        "İ",
        "ΟΔΟΣ",
        "\ufb01n",
        "\ufdfa",
        "क्षि",
        "ก็ไม่ใช่",
        "\ufffd",
    ),
    *("☃\ufe0f", "👩\u200d👩\u200d👧", "🇩🇪", "▁", "▁x", "a\u200bb", "\u202eabc", "\ufeff", "\xa0", "a\xa0b", "\u3000"),
    *("\t", "a\tb", "\r", "a\rb", "a\x0bb", "\x1f", "a\x1fb", "\x00", "\u2028", "。", "。。"),
    *("[MASK]", "a[SEP]b", "</s>", "a<unk>b", "x=y;" * 5, "q" * 150, "ab1" * 15),
]
"""Words that some tokenizer or other treats in a way of its own."""
MARKS = ["<s>", "</s>", "<unk>", "<pad>"]


def byte_level() -> Tokenizer:
    """As ModernBERT's: byte-level BPE behind NFC, with tokens of several spaces and a mask that takes the space."""
    made = _trained(_byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFC()))
    made.add_tokens([AddedToken(" " * n, normalized=True) for n in (3, 2)])
    made.add_special_tokens([AddedToken("[MASK]", lstrip=True)])
    return made


def prefixed() -> Tokenizer:
    """As some RoBERTa's: byte-level BPE that puts a space before the first word, and behind every added token."""
    return _trained(_byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), None))


def compatible() -> Tokenizer:
    """Byte-level BPE behind NFKC, which makes eighteen characters of one."""
    return _trained(_byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFKC()))


def patterned() -> Tokenizer:
    """As Qwen's: a pattern of its own that ties line breaks to punctuation, then byte-level BPE."""
    pattern = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    parts = [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    return _trained(_byte_level(pre_tokenizers.Sequence(parts), normalizers.NFC()))


def unigram() -> Tokenizer:
    """As XLM-R's: Unigram behind compatibility forms, words apart before a mark stands for the space."""
    parts = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    return _trained(_unigram(pre_tokenizers.Sequence(parts), normalizers.NFKC()))


def sentencepiece() -> Tokenizer:
    """As sentencepiece converted: line breaks become spaces, several spaces one, and a word at the start has none."""
    steps = [
        normalizers.Nmt(),
        normalizers.NFKC(),
        normalizers.Strip(False, True),
        normalizers.Replace(Regex(" {2,}"), "▁"),
    ]
    return _trained(_unigram(pre_tokenizers.Metaspace(prepend_scheme="never"), normalizers.Sequence(steps)))


def unbroken() -> Tokenizer:
    """Unigram to which a line break is a character like any other."""
    return _trained(_unigram(pre_tokenizers.Metaspace(prepend_scheme="first"), None))


WORD_BY_WORD = [byte_level, compatible, unigram, sentencepiece]
ACROSS_WORDS = [prefixed, patterned, unbroken]


def folder(made: Tokenizer, path: Path) -> Path:
    """A model folder that holds the tokenizer."""
    path.mkdir(parents=True)
    made.save(str(path / "tokenizer.json"))
    return path


def _byte_level(
    split: pre_tokenizers.PreTokenizer, normalizer: normalizers.Normalizer | None
) -> tuple[Tokenizer, trainers.Trainer]:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = split
    if normalizer:
        made.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return made, trainers.BpeTrainer(
        vocab_size=3000, initial_alphabet=alphabet, special_tokens=MARKS, show_progress=False
    )


def _unigram(
    split: pre_tokenizers.PreTokenizer, normalizer: normalizers.Normalizer | None
) -> tuple[Tokenizer, trainers.Trainer]:
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = split
    if normalizer:
        made.normalizer = normalizer
    return made, trainers.UnigramTrainer(
        vocab_size=3000, unk_token="<unk>", special_tokens=MARKS, show_progress=False, n_sub_iterations=1
    )


def _trained(untrained: tuple[Tokenizer, trainers.Trainer]) -> Tokenizer:
    made, trainer = untrained
    made.train_from_iterator(SENTENCES, trainer)
    ends = [(mark, made.token_to_id(mark)) for mark in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair=None, special_tokens=ends)
    return made
