"""Passages: every token limit kept by the real tokenizers, nothing of a document lost."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from components.corpus import tokens
from components.corpus.document import DOCUMENT_SCHEMA, Document, Parsed, Section
from components.corpus.passages import PASSAGE_SCHEMA, Cutter, Passage, cut, read, rows
from components.store.artifact import Artifact, ArtifactWriter
from components.store.errors import UserError
from tests.corpus import trained

_numbers = itertools.count()
CUTS = [(16, 0), (16, 5), (40, 0), (40, 19), (128, 0), (128, 32)]
"""Limits and overlaps."""


def document(title: str, *sections: tuple[tuple[str, ...], str]) -> Document:
    made = tuple(Section(path, text) for path, text in sections)
    parsed = Parsed("", title, "", made, "text/plain")
    return Document.of(parsed, uri=f"s3://b/{next(_numbers)}", version="1")


def random_document(rng: random.Random) -> Document:
    """Headings up to long ones, sentences up to endless ones, of a reference manual's words and of odd ones."""

    def phrase(most: int) -> str:
        words = rng.choice(trained.PARAGRAPHS).split() if rng.random() < 0.7 else trained.ODD
        return " ".join(rng.choice(words) for _ in range(rng.randint(1, most)))

    def sentence() -> str:
        return phrase(rng.choice((5, 30, 100))) + rng.choice((".", "?", "", "\n", "  "))

    title = phrase(rng.choice((4, 40)))
    paths = [(title, *(phrase(rng.choice((3, 30))) for _ in range(rng.randrange(3)))) for _ in range(rng.randint(1, 5))]
    texts = [" ".join(sentence() for _ in range(rng.randint(1, 5))) for _ in paths]
    clean = ["\n".join(line.strip() for line in text.split("\n") if line.strip()) for text in texts]
    found = [(path[rng.randrange(2) :], text) for path, text in zip(paths, clean, strict=True) if text]
    return document(title, *found)


@pytest.fixture(scope="module")
def corpus() -> list[Document]:
    """What may go wrong, by name and at random."""
    rng = random.Random(5)
    return [
        document("Boiler", (("Boiler", "Valves"), "Turn it left. Then right."), (("Boiler", "Care"), "Dust it.")),
        document("endless", ((), "valve " * 900 + "end")),
        document("unbreakable", ((), "Look: " + "x=y;" * 150 + " and on.")),
        document("long title " * 40, (("long heading " * 30,), "Short text. " * 30 + "End.")),
        document("lines", ((), "\n".join(f"row {n} of the table" for n in range(90)))),
        document("", ((), "No title at all."), ((), "")),
        document("茶", ((), trained.CHINESE * 12), (("水壶",), trained.CHINESE)),
        document("", ((), " ".join(trained.PARAGRAPHS[100:130]))),
        document("digits", ((), "0123456789" * 900)),
        *(random_document(rng) for _ in range(16)),
    ]


@pytest.fixture(scope="module")
def folders(tiny_model, tmp_path_factory) -> dict[str, Path]:
    """A model folder for each tokenizer, the small model's own among them."""
    place = tmp_path_factory.mktemp("tokenizers")
    made = [*trained.WORD_BY_WORD, *trained.ACROSS_WORDS]
    return {"bert": tiny_model} | {one.__name__: trained.folder(one(), place / one.__name__) for one in made}


NAMES = ["bert", *(one.__name__ for one in (*trained.WORD_BY_WORD, *trained.ACROSS_WORDS))]


@pytest.fixture(scope="module", params=itertools.product(NAMES, CUTS), ids=str)
def cuts(request, folders, corpus) -> tuple[Path, int, int, list[tuple[Document, list[Passage]]], int]:
    """The model's folder, limit and overlap, every document with its passages, and the characters rejected."""
    name, (limit, overlap) = request.param
    cutter = Cutter(folders[name], limit, overlap)
    made = [(one, list(cutter.passages(one))) for one in corpus]
    return folders[name], limit, overlap, made, cutter.rejected


def real(model: Path) -> Tokenizer:
    found = Tokenizer.from_file(str(model / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


def parts(one: Document, passage: Passage) -> Iterator[str]:
    """The text of the document's sections within the passage's span."""
    offset = 0
    for section in one.sections:
        end = offset + len(section.text)
        yield one.text[max(offset, passage.start) : max(offset, min(end, passage.end))].strip()
        offset = end + 1


def test_no_passage_is_over_the_limit_when_the_real_tokenizer_encodes_it(cuts):
    model, limit, _, made, _ = cuts
    tokenizer = real(model)
    assert max(len(tokenizer.encode(p.text)) for _, passages in made for p in passages) <= limit


def test_every_character_is_in_some_passage_or_counted_as_rejected(cuts):
    *_, made, rejected = cuts
    lost = 0
    for one, passages in made:
        held = bytearray(len(one.text))
        for passage in passages:
            held[passage.start : passage.end] = b"\1" * (passage.end - passage.start)
        lost += sum(not kept and not character.isspace() for kept, character in zip(held, one.text, strict=True))
    assert lost == rejected


def test_a_passage_shows_all_the_text_of_its_span_in_order(cuts):
    *_, made, _ = cuts
    for one, passages in made:
        for passage in passages:
            assert one.text[passage.start : passage.end].strip() == one.text[passage.start : passage.end] != ""
            at = 0
            for part in parts(one, passage):
                at = passage.text.index(part, at) + len(part)


def test_every_passage_begins_after_the_one_before_and_holds_something_new(cuts):
    _, _, overlap, made, _ = cuts
    for _, passages in made:
        for before, after in itertools.pairwise(passages):
            assert before.start < after.start
            assert before.end < after.end
            assert overlap or before.end <= after.start


def test_passages_are_well_filled(tiny_model, corpus):
    tokenizer = real(tiny_model)
    for limit in (16, 40, 128):
        cutter = Cutter(tiny_model, limit)
        passages = list(cutter.passages(corpus[1]))
        assert {len(tokenizer.encode(p.text)) for p in passages[:-1]} == {limit}
        table = list(cutter.passages(corpus[4]))
        assert sum(len(tokenizer.encode(p.text)) for p in table[:-1]) > 0.6 * limit * len(table[:-1])
    assert len(list(cutter.passages(corpus[0]))) == 1


def test_a_passage_ends_with_a_sentence_unless_that_leaves_it_half_empty(tiny_model):
    text = "Turn the valve to the left. " * 12 + "Then " + "turn the key and " * 40 + "wait. Now it is warm."
    passages = [p.text for p in Cutter(tiny_model, 40).passages(document("Boiler", ((), text)))]
    assert passages[0] == "Boiler\n" + " ".join(["Turn the valve to the left."] * 5)
    assert all(text.endswith(".") != ("." not in text[len(text) // 2 :]) for text in passages)
    assert {text.endswith(".") for text in passages} == {True, False}
    first = next(Cutter(tiny_model, 40).passages(document("Boiler", ((), "Wait. " + "turn the key and " * 40))))
    assert len(first.text.split()) > 30


def test_a_chinese_text_is_cut_after_its_full_stops(tiny_model):
    passages = list(Cutter(tiny_model, 128).passages(document("茶", ((), trained.CHINESE * 12))))
    assert all(p.text[-1] in "。！？" for p in passages)
    assert min(len(p.text) for p in passages[:-1]) > 128 - 5 - 22  # a character is a token; the longest sentence has 22


@pytest.mark.parametrize("name", NAMES)
def test_the_next_passage_of_a_section_repeats_about_the_overlap(folders, name):
    words = [word for text in trained.PARAGRAPHS[20:60] for word in text.split()]
    one = document("Reference", (("Reference", "All"), " ".join(words)))
    tokenizer = real(folders[name])
    for overlap in (8, 24):
        passages = list(Cutter(folders[name], 100, overlap).passages(one))
        repeats = [one.text[after.start : before.end] for before, after in itertools.pairwise(passages)]
        alone = len(tokenizer.encode("a"))
        counts = [len(tokenizer.encode(f"a {text}")) - alone for text in repeats]
        assert max(counts) <= overlap
        assert sum(counts) > 0.6 * overlap * len(counts)
        assert all(one.text[p.start - 1 : p.start] in ("", " ") for p in passages)


def test_a_section_repeats_nothing_of_the_one_before(tiny_model):
    sections = [((name,), " ".join(f"{name} {n} turns." for n in range(60))) for name in ("Key", "Valve")]
    one = document("Boiler", *sections)
    for passage in Cutter(tiny_model, 60, 20).passages(one):
        assert ("Key" in passage.text) != ("Valve" in passage.text)


def test_whole_sentences_are_repeated_where_they_fit(tiny_model):
    text = " ".join(f"Valve {n} is at {n}." for n in range(60))
    passages = list(Cutter(tiny_model, 60, 20).passages(document("Boiler", ((), text))))
    assert len(passages) > 5
    for before, after in itertools.pairwise(passages):
        repeated = text[after.start : before.end]
        assert repeated.startswith("Valve ")
        assert repeated.count("Valve") == 3


def test_a_text_without_spaces_is_repeated_too(tiny_model):
    text = trained.CHINESE * 12
    passages = list(Cutter(tiny_model, 100, 30).passages(document("茶", ((), text))))
    assert all(10 <= before.end - after.start <= 30 for before, after in itertools.pairwise(passages))


def test_an_overlap_takes_at_most_half_of_what_long_headings_leave(tiny_model):
    one = document("long title " * 40, (("long heading " * 30,), " ".join(f"turn {n}" for n in range(300))))
    apart, lapped = (len(list(Cutter(tiny_model, 128, overlap).passages(one))) for overlap in (0, 60))
    assert 1.5 * apart < lapped < 2.5 * apart


def test_an_overlap_of_half_the_limit_is_refused_with_both_named(tiny_model):
    Cutter(tiny_model, 41, 20)
    with pytest.raises(UserError, match=r"corpus.passage_overlap is 20 .* corpus.passage_tokens, 40") as raised:
        Cutter(tiny_model, 40, 20)
    assert raised.value.code == "OVERLAP_TOO_LARGE"


def test_a_limit_over_the_models_own_is_refused(tiny_model):
    with pytest.raises(UserError) as raised:
        Cutter(tiny_model, 129)
    assert raised.value.code == "PASSAGE_TOO_LONG"


def test_a_character_of_more_tokens_than_a_passage_may_have_is_rejected_alone_and_counted(folders):
    cutter = Cutter(folders["compatible"], 16)
    one = document("", ((), "before \ufdfa after"))
    assert [p.text for p in cutter.passages(one)] == ["before", "after"]
    assert cutter.rejected == 1


@pytest.mark.parametrize("name", ["bert", "byte_level", "patterned"])
def test_the_same_documents_give_the_same_passages_whatever_was_cut_before(folders, corpus, monkeypatch, name):
    expected = [list(Cutter(folders[name], 128, 32).passages(one)) for one in corpus]
    cutter = Cutter(folders[name], 128, 32)
    assert [list(cutter.passages(one)) for one in reversed(corpus)] == expected[::-1]
    monkeypatch.setattr(tokens, "KNOWN", 20)
    assert [list(cutter.passages(one)) for one in corpus] == expected
    ids = [passage.id for passages in expected for passage in passages]
    assert len(set(ids)) == len(ids)


def test_a_passage_shows_the_title_and_each_heading_once(tiny_model):
    one = document(
        "Boiler",
        (("Boiler",), "Intro."),
        (("Boiler", "Valves", "Inlet"), "Turn left."),
        (("Boiler", "Valves", "Inlet"), "Turn right."),
        (("Boiler", "Care"), "Dust it."),
    )
    (passage,) = Cutter(tiny_model, 128).passages(one)
    assert passage.text == "Boiler\nIntro.\nValves > Inlet\nTurn left.\nTurn right.\nCare\nDust it."
    assert (passage.path, passage.id, passage.document) == ("Boiler", f"{one.id}-0", one.id)


def test_passages_of_an_artifact_come_back_as_they_were(tiny_model, corpus, tmp_path):
    with ArtifactWriter(tmp_path / "documents", "documents") as out:
        out.table("documents", DOCUMENT_SCHEMA, (one.row() for one in corpus[:9]))
    made = list(cut(Artifact.open(tmp_path / "documents", "documents"), Cutter(tiny_model, 40)))
    with ArtifactWriter(tmp_path / "passages", "pairs") as out:
        out.table("passages", PASSAGE_SCHEMA, rows(made))
    assert read(Artifact.open(tmp_path / "passages", "pairs")) == made
    assert made == [passage for one in corpus[:9] for passage in Cutter(tiny_model, 40).passages(one)]
