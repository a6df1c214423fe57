"""Passages, cut with the small model's own tokenizer."""

import itertools
import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from components.corpus.document import DOCUMENT_SCHEMA, Document, Parsed, Section
from components.corpus.formats import parse_markdown
from components.corpus.passages import PASSAGE_SCHEMA, Cutter, Passage, cut, read, rows
from components.store.artifact import Artifact, ArtifactWriter
from components.store.errors import UserError

_numbers = itertools.count()
LIMITS = (16, 40, 128)
WORDS = [
    "the",
    "valve",
    "turns",
    "left",
    "thermostat",
    "kubernetes.io/foo-bar/v1beta1",
    "é",
    "東京",
    "—",
    ":::",
    "x=y;z",
]


def document(title: str, *sections: tuple[tuple[str, ...], str]) -> Document:
    made = tuple(Section(path, text) for path, text in sections)
    return Document.of(
        Parsed("", title, "", made), uri=f"s3://b/{next(_numbers)}", version="1", media_type="text/plain"
    )


def random_document(rng: random.Random) -> Document:
    """Headings up to long ones, sentences up to endless ones, words up to long ones."""

    def phrase(most: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))

    def sentence() -> str:
        return phrase(rng.choice((5, 30, 150))) + rng.choice((".", "?", "", "\n"))

    title = phrase(rng.choice((4, 40)))
    paths = [(title, *(phrase(rng.choice((3, 30))) for _ in range(rng.randrange(3)))) for _ in range(rng.randint(1, 6))]
    texts = [" ".join(sentence() for _ in range(rng.randint(1, 6))) for _ in paths]
    clean = ["\n".join(line.strip() for line in text.split("\n") if line.strip()) for text in texts]
    return document(title, *((path[rng.randrange(2) :], text) for path, text in zip(paths, clean, strict=True)))


@pytest.fixture(scope="module")
def corpus() -> list[Document]:
    """What may go wrong, by name and at random."""
    rng = random.Random(5)
    return [
        document("Boiler", (("Boiler", "Valves"), "Turn it left. Then right."), (("Boiler", "Care"), "Dust it.")),
        document("endless", ((), "valve " * 900 + "end")),
        document("unbreakable", ((), "Look: " + "x=y;" * 50 + " and on.")),
        document("long title " * 40, (("long heading " * 30,), "Short text. " * 30 + "End.")),
        document("lines", ((), "\n".join(f"row {n} of the table" for n in range(90)))),
        document("", ((), "No title at all.")),
        *(random_document(rng) for _ in range(60)),
    ]


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    found = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


@pytest.fixture(scope="module", params=LIMITS)
def cuts(request, tiny_model, corpus) -> tuple[int, list[tuple[Document, list[Passage]]]]:
    """The limit, and every document with its passages."""
    cutter = Cutter(tiny_model, request.param)
    return request.param, [(one, list(cutter.passages(one))) for one in corpus]


def test_all_text_is_in_some_passage_once_and_in_order(cuts):
    for one, passages in cuts[1]:
        end = 0
        for passage in passages:
            assert not one.text[end : passage.start].strip()
            assert passage.start < passage.end
            end = passage.end
        assert not one.text[end:].strip()


def test_a_span_points_at_the_text_of_its_passage(cuts):
    for one, passages in cuts[1]:
        for passage in passages:
            lines = iter(passage.text.split("\n"))
            spanned = one.text[passage.start : passage.end]
            assert spanned == spanned.strip()
            assert all(line in lines for line in spanned.split("\n"))


def test_no_passage_is_over_the_limit_but_a_single_word_that_is(cuts, tokenizer):
    limit, made = cuts
    long = [p for _, passages in made for p in passages if len(tokenizer.encode(p.text).ids) > limit]
    texts = {one.id: one.text for one, _ in made}
    spanned = {texts[p.document][p.start : p.end] for p in long}
    assert not [text for text in spanned if len(text.split()) > 1]
    assert all(len(tokenizer.encode(text).ids) > limit / 2 for text in spanned)  # title and headings leave it half
    assert "x=y;" * 50 in spanned


def test_passages_are_well_filled(cuts):
    limit, made = cuts
    assert len(made[1][1]) <= 901 / (limit / 2 - 2) + 1
    if limit == 128:
        assert len(made[0][1]) == 1


def test_the_same_documents_give_the_same_passages(cuts, tiny_model):
    limit, made = cuts
    again = Cutter(tiny_model, limit)
    assert [list(again.passages(one)) for one, _ in made] == [passages for _, passages in made]
    ids = [passage.id for _, passages in made for passage in passages]
    assert len(set(ids)) == len(ids)


def test_a_passage_shows_the_title_and_each_heading_once(tiny_model):
    body = b"# Boiler\n\nIntro.\n\n## Valves\n\n### Inlet\n\nTurn left.\n\n## Care\n\nDust it."
    one = Document.of(next(parse_markdown(body, "x")), uri="s3://b/x.md", version="1", media_type="text/markdown")
    (passage,) = Cutter(tiny_model, 128).passages(one)
    assert passage.text == "Boiler\nIntro.\nValves > Inlet\nTurn left.\nCare\nDust it."
    assert (passage.path, passage.id, passage.document) == ("Boiler", f"{one.id}-0", one.id)


def test_passages_of_an_artifact_come_back_as_they_were(tiny_model, corpus, tmp_path):
    with ArtifactWriter(tmp_path / "documents", "documents") as out:
        out.table("documents", DOCUMENT_SCHEMA, (one.row() for one in corpus[:9]))
    made = list(cut(Artifact.open(tmp_path / "documents", "documents"), Cutter(tiny_model, 40)))
    with ArtifactWriter(tmp_path / "passages", "pairs") as out:
        out.table("passages", PASSAGE_SCHEMA, rows(made))
    assert read(Artifact.open(tmp_path / "passages", "pairs")) == made
    assert made == [passage for one in corpus[:9] for passage in Cutter(tiny_model, 40).passages(one)]


@pytest.mark.parametrize("body", [None, "{half"])
def test_a_model_without_a_fast_tokenizer_is_refused(tmp_path, body):
    if body:
        (tmp_path / "tokenizer.json").write_text(body)
    with pytest.raises(UserError) as raised:
        Cutter(tmp_path, 128)
    assert raised.value.code == "NOT_A_MODEL"
