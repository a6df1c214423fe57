"""A sample of the bad inputs, some of each class, and the oracle that judges them; `make campaign` runs them all."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.corpus import bad_parsers as evil
from tests.corpus.bad_file import CANARY, MIB, Bad, BadFile
from tests.corpus.bad_inputs import CLASSES, bad_files
from tests.corpus.bad_inputs_campaign import upload
from tests.corpus.bad_oracle import Parse, observe, violations, watched

SEED = 7
APART = {
    *("Parquet bombs", "PDF bombs", "odd PDF", "broken PDF", "DOCX bombs", "DOCX properties"),
    *("nested tags", "slow patterns", "absurd Markdown"),
}
"""Classes whose files could take a process down, or a minute of it: the first of each, in a process of its own."""


def sample(folder: Path, name: str) -> list[BadFile]:
    """Three files of a class, and none of many megabytes."""
    files = [file for file in bad_files(folder, SEED, classes=(name,)) if file.path.stat().st_size < 5 * MIB]
    return Random(SEED).sample(files, min(3, len(files)))


@pytest.mark.parametrize("name", CLASSES)
def test_a_bad_input_ends_as_documents_or_as_rows_with_a_reason(name, tmp_path):
    if name in APART:
        file = next(bad_files(tmp_path, SEED, classes=(name,)))
        assert not violations(file, watched(file)), file.key
        return
    for file in sample(tmp_path, name):
        assert not violations(file, observe(file)), file.key


def test_there_are_enough_of_them_and_a_seed_gives_the_same():
    def all_of(seed: int) -> list[tuple[str, Bad]]:
        quick = CLASSES.keys() - APART - {"large texts", "long lines", "giant parts", "entity bombs", "deep JSON"}
        return [(name, bad) for name in sorted(quick) for bad in CLASSES[name](Random(f"{seed} {name}"))]

    files = all_of(SEED)
    names = [(name, bad.key) for name, bad in files]
    assert len(files) >= 250
    assert len({name for name, _ in names}) >= 30
    assert len(set(names)) == len(names)
    assert max(len(key.encode()) for _, key in names) == 1024
    made = [(name, bad.key, bad.content) for name, bad in files if isinstance(bad.content, bytes)]
    again = [(name, bad.key, bad.content) for name, bad in all_of(SEED) if isinstance(bad.content, bytes)]
    assert [one[:2] for one, other in zip(made, again, strict=True) if one != other] == []


def test_hostile_keys_reach_a_real_store(place, tmp_path):
    files = list(bad_files(tmp_path, SEED, classes=("keys", "folder markers")))
    refused = upload(files, place)
    assert set(refused.values()) <= {"S3_FAILED", "S3_SETTINGS"}
    assert len(refused) < len(files) / 2
    assert not Path("escape.txt").exists()
    assert not Path("/tmp/escape.txt").exists()


@pytest.mark.parametrize(
    ("parse", "found"),
    [
        (evil.good, []),
        (evil.of_nothing, ["ended as EMPTY, not BAD_RECORD or document", "1 documents and rows", "0 documents, not 1"]),
        (evil.raising, ["raised KeyError (1)", "text in an exception (1)"]),
        (evil.quoting, ["text in a detail (1)", "ended as BROKEN"]),
        (evil.inventing, ["the reason ODD for an object (1)"]),
        (evil.garbling, ["a document that does not say what the file says (1)"]),
        (evil.half, ["a document that is no Unicode (1)"]),
        (evil.scripted, ["a document that quotes a script or a frame (1)"]),
        (evil.repeating, ["two documents with one key (1)", "2 documents, not 1"]),
        (evil.escaping, ["wrote outside its folder"]),
        (evil.littering, ["files left behind (1)"]),
        (evil.calling_home, ["called socket.connect (1)"]),
        (evil.gorging, ["took 1"]),
        (evil.bursting, ["ended as PARSER_DIED", "took 1"]),
        (evil.dying, ["ended as PARSER_DIED"]),
        (evil.hanging, ["ended as PARSE_TIMEOUT"]),
    ],
)
def test_the_oracle_notices(parse: Parse, found: list[str], tmp_path):
    path = tmp_path / "a"
    path.write_text(CANARY)
    file = BadFile("a class", "a.txt", path, frozenset({"document", "BAD_RECORD"}), 2, 1, CANARY)
    wrong = violations(file, watched(file, parse, seconds=2.0 if parse is evil.hanging else 50.0))
    assert not found or wrong
    assert not [start for start in found if not any(one.startswith(start) for one in wrong)], wrong
    assert found or not wrong
