"""Signatures of texts: what they find again, and what they keep to themselves."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.corpus.document import Document, Parsed, Section
from components.pairs import signatures
from components.pairs.ancestry import Inherited, inherited
from components.pairs.judged import Query
from components.pairs.leakage import Leakage
from components.pairs.ngrams import N, batch
from components.pairs.signatures import BITS, LEAST, SAMPLED, Past, exact
from components.store.digests import file_digest
from components.store.errors import TouchstoneError
from components.store.intake import SIGNATURES

WORDS = [f"word{n}" for n in range(4000)]
ROOT = [{"fingerprint": "f" * 64, "signed": False}]


def text(seed: int, count: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def edited(whole: str, places: tuple[int, ...]) -> str:
    words = whole.split()
    for place in places:
        words[place] = "another"
    return " ".join(words)


def part(whole: str, share: float, seed: int) -> str:
    """A text of which the first words are those of another, so that this share of its runs is shared."""
    words = whole.split()
    kept = round(share * (len(words) - N + 1)) + N - 1
    return " ".join([*words[:kept], *text(seed, len(words) - kept).split()])


def document(name: str, *sections: str) -> Document:
    parts = tuple(Section((), one) for one in sections)
    return Document.of(Parsed("", "", "", parts, "text/plain"), uri=f"s3://b/{name}", version="1")


def base(folder, *texts: str, past: Past | None = None, groups: tuple[str, ...] = ()) -> Past:
    """A model's folder that tells what it was trained on."""
    folder.mkdir(exist_ok=True)
    owned = zip(groups or [""] * len(texts), texts, strict=True)
    count = signatures.write(folder / SIGNATURES, owned, past)
    known = {"version": 1, "sha256": file_digest(folder / SIGNATURES), "texts": count, "ancestors": ROOT}
    (folder / "training.json").write_text(json.dumps({"signatures": known}))
    found = Past.of(folder)
    assert found and found.record.texts == count
    return found


def found(folder, judging: list[Document], queries: tuple[str, ...] = (), groups: dict | None = None) -> Inherited:
    asked = [Query("q", "what is asked", (), {one.id: 1 for one in judging})]
    asked += [Query(one, one, (), {}) for one in queries]
    return inherited(folder, lambda: judging, groups or {one.id: one.id for one in judging}, asked)


LONG = text(1, 100)
FORTY = text(2, 40)
CASES = {
    "an exact copy": (LONG, (LONG,), True),
    "in other letters": (LONG.upper(), (LONG,), True),
    "in a longer document": (LONG, (f"{text(3, 80)} {LONG}", text(4, 300)), True),
    "a passage of a longer text": (f"{text(5, 150)} {LONG} {text(6, 150)}", (LONG, text(4, 300)), True),
    "a hundred words, the last edited": (edited(LONG, (99,)), (LONG,), True),
    "forty words, three edited here and there": (edited(FORTY, (5, 20, 33)), (FORTY,), False),
    "nothing in common": (text(7, 100), (LONG,), False),
    "a third of it": (part(LONG, 0.33, 8), (LONG,), False),
    "a sentence of twenty words": (text(9, 20), (f"{text(10, 90)} {text(9, 20)}",), True),
    "a short document": ("Ask for it.", ("ask FOR it",), True),
    "a short text in a longer document": ("Ask for it.", (f"Ask for it. {LONG}",), False),
    "no word": ("...", ("--",), False),
}


@pytest.mark.parametrize(("trained", "judging", "known"), CASES.values(), ids=CASES)
def test_a_document_is_found_in_what_was_trained_on(tmp_path, trained, judging, known):
    base(tmp_path / "base", text(11, 60), trained, text(12, 60))
    tests = [document("test", *judging), document("other", text(13, 100))]
    assert found(tmp_path / "base", tests).documents == ({tests[0].id} if known else frozenset())


@pytest.mark.parametrize(
    ("share", "least", "most"), [(0.5, 0, 5), (0.7, 0, 25), (0.8, 20, 60), (0.9, 60, 100), (1.0, 100, 100)]
)
def test_a_quotation_is_found_by_the_share_of_its_runs(tmp_path, share, least, most):
    """Estimated on a sample: of a hundred documents so many are found."""
    tests = [document(f"{n}", text(1000 + n, 100)) for n in range(100)]
    base(tmp_path / "base", *(part(one.text, share, 2000 + n) for n, one in enumerate(tests)))
    assert least <= len(found(tmp_path / "base", tests).documents) <= most


def test_what_stands_in_many_texts_is_boilerplate_but_versions_of_a_page_are_one(tmp_path):
    versions = [f"{LONG} {text(20 + n, 30)}" for n in range(9)]
    tests = [document("test", LONG)]
    base(tmp_path / "base", *versions)
    assert not found(tmp_path / "base", tests).documents
    base(tmp_path / "base", *versions, groups=("page",) * 9)
    assert found(tmp_path / "base", tests).documents == {tests[0].id}


def test_a_text_of_many_documents_is_boilerplate_for_who_keeps_it_once(tmp_path):
    tests = [document("test", LONG, text(4, 300))]
    base(tmp_path / "base", *[LONG] * 9, groups=tuple(f"page {n}" for n in range(9)))
    assert not found(tmp_path / "base", tests).documents


def test_what_trains_again_is_left_to_the_proof(tmp_path):
    base(tmp_path / "base", LONG, FORTY)
    tests = [document("one", LONG), document("two", FORTY)]
    asked, groups = [Query("q", "q", (), {one.id: 1 for one in tests})], {one.id: one.id for one in tests}
    known = inherited(tmp_path / "base", lambda: tests, groups, asked, [LONG.upper()])
    assert known.documents == {tests[1].id}


def test_near_duplicates_of_a_document_that_was_trained_on_are_found_too(tmp_path):
    base(tmp_path / "base", LONG)
    tests = [document("one", f"{LONG} {text(1, 9)}"), document("two", f"{LONG} {text(2, 9)}"), document("three", FORTY)]
    groups = {one.id: "same" if n < 2 else one.id for n, one in enumerate(tests)}
    assert found(tmp_path / "base", tests, groups=groups).documents == {one.id for one in tests[:2]}


def test_queries_that_were_trained_on_are_counted(tmp_path):
    base(tmp_path / "base", "How do I pay?", LONG)
    known = found(tmp_path / "base", [document("test", FORTY)], ("how do i PAY", "how do I leave"))
    assert (known.queries, known.ancestors, known.texts) == (1, "partly", 2)


def test_a_base_from_elsewhere_tells_nothing(tmp_path):
    tests = [document("test", LONG)]
    assert found(tmp_path, tests) == Inherited("unknown", 0, frozenset(), 0)
    (tmp_path / "training.json").write_text("[]")
    assert found(tmp_path, tests).ancestors == "unknown"
    assert "the base does not tell" in Leakage(1, 0).inherited


def test_texts_of_all_ancestors_are_kept_once(tmp_path):
    first = base(tmp_path / "first", LONG, FORTY)
    second = base(tmp_path / "second", FORTY, FORTY.upper(), text(30, 50), past=first)
    assert (first.record.texts, second.record.texts) == (2, 3)
    tests = [document("one", LONG), document("two", FORTY), document("three", text(30, 50))]
    assert found(tmp_path / "second", tests).documents == {one.id for one in tests}
    base(tmp_path / "again", FORTY, FORTY.upper(), text(30, 50), past=first)
    assert (tmp_path / "again" / SIGNATURES).read_bytes() == second.file.read_bytes(), "equal texts give equal bytes"


def test_only_a_sample_is_kept_and_nothing_of_the_text(tmp_path):
    texts = [text(n, 120) for n in range(40, 80)]
    (signed,) = base(tmp_path / "base", *texts).signatures()
    runs = batch([[one] for one in texts]).hashes & BITS
    assert set(signed.runs.tolist()) <= set(runs.tolist())
    assert (signed.runs < SAMPLED).mean() > 0.7
    assert len(signed.runs) < 0.2 * len(runs)
    assert min(signed.counts) >= LEAST
    raw = (tmp_path / "base" / SIGNATURES).read_bytes()
    assert not [word for one in texts for word in one.split() if word.encode() in raw]


def other_columns(folder) -> None:
    pq.write_table(pa.table({"exact": [1]}), folder / SIGNATURES)
    told = json.loads((folder / "training.json").read_text())
    told["signatures"]["sha256"] = file_digest(folder / SIGNATURES)
    (folder / "training.json").write_text(json.dumps(told))


def no_parquet(folder) -> None:
    (folder / SIGNATURES).write_bytes(b"PAR1")
    told = json.loads((folder / "training.json").read_text())
    told["signatures"]["sha256"] = file_digest(folder / SIGNATURES)
    (folder / "training.json").write_text(json.dumps(told))


HARM = {
    "a bit": lambda f: (f / SIGNATURES).write_bytes((f / SIGNATURES).read_bytes()[:-1] + b"?"),
    "gone": lambda f: (f / SIGNATURES).unlink(),
    "unnamed": lambda f: (f / "training.json").write_text("{}"),
    "another version": lambda f: (f / "training.json").write_text('{"signatures": {"version": 2}}'),
    "no record": lambda f: (f / "training.json").write_text('{"signatures": 1}'),
    "cut short": lambda f: (f / "training.json").write_text(
        json.dumps({"signatures": {"version": 1, "sha256": file_digest(f / SIGNATURES)}})
    ),
    "no Parquet": no_parquet,
    "other columns": other_columns,
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_damaged_signatures_are_an_error_and_not_an_unknown_past(tmp_path, harm):
    base(tmp_path / "base", LONG)
    harm(tmp_path / "base")
    with pytest.raises(TouchstoneError) as raised:
        found(tmp_path / "base", [document("test", LONG)])
    assert raised.value.code == "BAD_SIGNATURES"


def test_the_hashes_are_those_of_every_version_so_far(tmp_path):
    """Signatures of published models are compared with new ones: if this fails, raise `VERSION`."""
    words = "one two three four five six seven eight nine ten eleven twelve 13"
    (signed,) = base(tmp_path / "base", words).signatures()
    assert (exact("Any text."), signed.runs.tolist()) == (14173895319761357869, [13455176265745039360])
