"""Counting tokens word by word, against what the tokenizers themselves make of the text."""

import json
import random
import shutil
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer
from tokenizers import AddedToken, Tokenizer

from components.corpus import tokens
from components.corpus.tokens import Tokens, longest, prompt
from components.store.errors import UserError
from tests.corpus import trained


@pytest.fixture(scope="module")
def folders(tiny_model, tmp_path_factory) -> dict[str, Path]:
    """A model folder for each tokenizer, the small model's own among them."""
    place = tmp_path_factory.mktemp("tokenizers")
    makers = [*trained.WORD_BY_WORD, *trained.ACROSS_WORDS]
    return {make.__name__: trained.folder(make(), place / make.__name__) for make in makers} | {"bert": tiny_model}


def texts(seed: int) -> list[str]:
    """Sentences of a reference manual, and random ones of what tokenizers treat in ways of their own."""
    rng = random.Random(seed)
    odd = [
        "".join(rng.choice((" ", " ", " ", "\n", "  ")) + rng.choice(trained.ODD) for _ in range(rng.randint(1, 40)))
        for _ in range(60)
    ]
    return [*rng.sample(trained.PARAGRAPHS, 60), *odd]


@pytest.mark.parametrize("name", ["bert", *(make.__name__ for make in trained.WORD_BY_WORD)])
def test_the_sum_over_words_is_never_less_than_what_a_line_adds_to_a_text(folders, name):
    counted = Tokens(folders[name])
    assert counted.sums
    for text in texts(1):
        for above in ("a", "Title it is", text):
            assert counted.encoded(f"{above}\n{text}") - counted.encoded(above) <= counted.count(text)


@pytest.mark.parametrize("name", ["bert", *(make.__name__ for make in trained.WORD_BY_WORD)])
def test_the_sum_over_words_of_plain_text_is_what_the_text_adds(folders, name):
    counted = Tokens(folders[name])
    lines = trained.PARAGRAPHS[:300]
    assert sum(map(counted.count, lines)) == sum(counted.encoded(f"a\n{line}") - counted.encoded("a") for line in lines)


@pytest.mark.parametrize("name", ["bert", *(make.__name__ for make in trained.WORD_BY_WORD)])
def test_a_word_that_begins_a_line_counts_what_it_then_takes(folders, name):
    counted = Tokens(folders[name])
    for line in trained.PARAGRAPHS[:100]:
        first, _, rest = line.partition(" ")
        beside = int(counted.costs(counted.words(line)).sum())
        assert beside + counted.more(first) == counted.count(line)


@pytest.mark.parametrize("name", [make.__name__ for make in trained.ACROSS_WORDS])
def test_a_tokenizer_that_looks_across_words_is_known_as_one(folders, name):
    assert not Tokens(folders[name]).sums


def test_a_token_with_a_space_within_makes_a_tokenizer_look_across_words(tmp_path):
    made = trained.byte_level()
    made.add_tokens(["New York"])
    assert not Tokens(trained.folder(made, tmp_path / "model")).sums


def test_berts_short_cut_counts_every_word_as_bert_does(tiny_model):
    counted = Tokens(tiny_model)
    words = sorted({word for text in trained.PARAGRAPHS for word in text.split()} | set(trained.ODD))
    plain = [
        word for word in words if word.isascii() and word.isprintable() and "SEP" not in word and "MASK" not in word
    ]
    assert counted.costs(plain).tolist() == [counted.encoded(word) for word in plain]


def test_a_word_that_was_added_to_berts_vocabulary_is_counted_with_what_it_leaves_around_it(tiny_model, tmp_path):
    made = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    made.add_tokens([AddedToken("itch", normalized=True)])
    counted = Tokens(trained.folder(made, tmp_path / "model"))
    assert (Tokens(tiny_model).count("kitchen"), counted.encoded("kitchen"), counted.count("kitchen")) == (1, 3, 3)


def test_what_was_counted_before_changes_no_count_and_the_memory_is_bounded(folders, monkeypatch):
    for name in ("bert", "byte_level"):
        monkeypatch.setattr(tokens, "KNOWN", 1 << 18)
        fresh = Tokens(folders[name])
        expected = [fresh.count(text) for text in texts(2)]
        monkeypatch.setattr(tokens, "KNOWN", 50)
        counted = Tokens(folders[name])
        assert [counted.count(text) for text in texts(2)] == expected
        assert [counted.count(text) for text in reversed(texts(2))] == expected[::-1]
        assert len(counted._known) <= 52 < len(fresh._known)


def test_long_words_are_not_remembered(folders):
    counted = Tokens(folders["bert"])
    counted.costs(["x" * 1000, "y" * 10])
    assert max(map(len, counted._known)) == 10


def test_a_long_text_is_clipped_to_what_fits(folders):
    for name in folders:
        counted = Tokens(folders[name])
        for text in texts(3):
            short = counted.clip(text, 7)
            assert text.startswith(short)
            assert counted.count(short) <= 7
            assert short == text or counted.count(text[: len(short) + 30]) > 7


def changed(model: Path, into: Path, name: str, **values: object) -> Path:
    """A copy of a model folder with values of one of its JSON files changed."""
    shutil.copytree(model, into, dirs_exist_ok=True)
    settings = json.loads((into / name).read_bytes())
    (into / name).write_text(json.dumps(settings | values))
    return into


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("tokenizer_config.json", {}, 128),
        ("tokenizer_config.json", {"model_max_length": 10**30}, 512),  # the positions that BERT has
        ("sentence_bert_config.json", {"max_seq_length": 64}, 64),
        ("sentence_bert_config.json", {"max_seq_length": 200}, 200),
    ],
)
def test_the_longest_text_is_what_sentence_transformers_lets_through(tiny_model, tmp_path, name, values, expected):
    model = changed(tiny_model, tmp_path / "model", name, **values)
    assert longest(model) == expected
    assert SentenceTransformer(str(model), device="cpu").max_seq_length == expected


def test_a_limit_over_what_the_model_takes_is_refused_with_both_named(tiny_model):
    Tokens(tiny_model).check(128)
    with pytest.raises(UserError, match=r"corpus.passage_tokens 129, expected at most 128") as raised:
        Tokens(tiny_model).check(129)
    assert raised.value.code == "PASSAGE_TOO_LONG"


def test_the_models_prompt_takes_its_tokens_from_what_a_passage_may_have(tiny_model, tmp_path):
    prompts = {"query": "query: ", "document": "passage: "}
    model = changed(tiny_model, tmp_path / "model", "config_sentence_transformers.json", prompts=prompts)
    assert prompt(model) == "passage: "
    Tokens(model).check(126)
    with pytest.raises(UserError, match="at most 126, since the model takes 128 tokens, 2 of them its prompt"):
        Tokens(model).check(127)
    with pytest.raises(UserError, match="at most 126"):
        Tokens(tiny_model).check(127, unsaid="passage: ")


def test_a_folder_that_says_nothing_of_lengths_takes_any(folders):
    assert longest(folders["unigram"]) is None
    Tokens(folders["unigram"]).check(8192)


@pytest.mark.parametrize("body", [None, "{half"])
def test_a_model_without_a_fast_tokenizer_is_refused(tmp_path, body):
    if body:
        (tmp_path / "tokenizer.json").write_text(body)
    with pytest.raises(UserError) as raised:
        Tokens(tmp_path)
    assert raised.value.code == "NOT_A_MODEL"
