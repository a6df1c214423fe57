"""The demo's sources, on the real packages and a real S3 server."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from components.corpus.html import parse
from components.store import s3
from components.store.errors import UserError
from pipelines import demo, demo_guard, demo_questions, demo_reference
from pipelines.s3_server import running

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[s3.Folder]:
    with running(tmp_path_factory.mktemp("s3")) as server, server.applied():
        s3._client.cache_clear()
        yield s3.Folder("s3://bucket/demo")
    s3._client.cache_clear()


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return demo_questions.ranked_services()


@pytest.fixture(scope="module")
def queries(services) -> dict[str, demo_questions.Query]:
    return {query.text: query for query in demo_questions.queries(services)}


def page(service: str, name: str) -> bytes:
    return next(operation.page for operation in demo_reference.operations(service) if operation.name == name)


def table(body: bytes) -> list[list[str]]:
    return [line.split("\t") for line in body.decode().splitlines()]


def records(body: bytes) -> list[dict]:
    return [json.loads(line) for line in body.decode().splitlines()]


def test_a_page_holds_title_service_opening_and_capped_parameters():
    sections = parse(page("ec2", "RunInstances")).sections
    assert [section.path for section in sections] == [
        ("RunInstances",),
        ("RunInstances", "Request parameters"),
    ]
    about, request = (section.text for section in sections)
    assert len(about) < demo_reference.OPENING + 100, "the opening paragraphs of a long description"
    assert about.startswith("Amazon Elastic Compute Cloud\nLaunches the specified number of instances using an AMI")
    assert request.startswith("MaxCount: The maximum number of instances to launch.\n"), "required ones first"
    assert len(request.splitlines()) == demo_reference.MEMBERS + 1
    assert request.endswith("more")


@pytest.mark.parametrize(
    ("markup", "sentence"),
    [
        ("<p>The ID. Required.</p>", "The ID."),
        ("<p> </p><p>No full stop</p><p>Next.</p>", "No full stop"),
        ("<p>Names, e.g. Foo, of <code>a&lt;b</code> v1.2. More.</p>", "Names, e.g. Foo, of a<b v1.2."),
        ("", ""),
    ],
)
def test_the_first_sentence_of_a_member(markup, sentence):
    assert demo_reference.first_sentence(markup) == sentence


def test_there_are_as_many_documents_and_queries_as_the_demo_promises(services, queries):
    assert len(services) >= 170
    assert services[0] == "ec2"
    assert {"s3", "config"} <= set(services), "awscli's s3api and configservice"
    assert sum(len(demo_reference.names(service)) for service in services[:100]) > 5_000
    assert len(queries) > 4_500
    shown = demo_questions.queries(
        [service for service in services[:100] if service not in demo.held_back(services[:100])]
    )
    assert len(shown) > 3_000, "40 percent of which are 1,200 sealed queries"


def test_every_answer_is_a_page_of_the_services_asked_for(services):
    chosen = services[:5]
    pages = {operation.key for service in chosen for operation in demo_reference.operations(service)}
    answers = {key for query in demo_questions.queries(chosen) for key in query.answers}
    assert answers < pages


def test_a_title_of_several_operations_is_one_query_with_all_of_them(queries):
    shared = queries["To tag a resource"]
    assert len(shared.answers) > 5
    assert {f"service:{key.split('/')[0]}" for key in shared.answers} == set(shared.slices) - {"names-operation"}
    alone = {query.text: query for query in demo_questions.queries([shared.answers[0].split("/")[0]])}
    assert alone["To tag a resource"].answers == shared.answers[:1]
    assert alone["To tag a resource"].identity == shared.identity


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Example 1: To launch an instance", "To launch an instance"),
        ("Example 12. To use ``a`` *b*.", "To use a b"),
        ("1. To add tags", "To add tags"),
        ("Example of use:", "Example of use"),
        ("2-way sync of folders", "2-way sync of folders"),
    ],
)
def test_titles_lose_their_number_and_markup(title, text):
    assert demo_questions.clean(title) == text


def test_titles_that_name_the_operation_are_a_slice(queries):
    assert "names-operation" in queries["To delete a user pool domain"].slices
    assert "names-operation" not in queries["To stop finding aggregation"].slices
    share = sum("names-operation" in query.slices for query in queries.values()) / len(queries)
    assert 0.15 < share < 0.3


def test_a_fifth_is_held_back_spread_over_the_ranking(services):
    held = demo.held_back(services[:100])
    assert [sum(service in held for service in services[at : at + 5]) for at in range(0, 100, 5)] == [1] * 20
    program = (
        "import sys; from pipelines import demo, demo_questions as q\n"
        "sys.stdout.write(' '.join(demo.held_back(q.ranked_services()[:100])))"
    )
    again = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(again.stdout.split()) == held


def test_the_guard_is_large_distinct_and_the_same_every_time():
    texts = demo_guard.texts()
    assert len(texts) == demo_guard.SIZE >= 1_050
    assert len({text.summary.casefold() for text in texts}) == len(texts)
    assert len({text.body for text in texts}) == len(texts)
    assert not [text for text in texts if len(text.body) not in demo_guard.BODY or text.summary[:-1] in text.body]
    assert set(Counter(text.name.split(".")[0] for text in texts)) == {"numpy", "scipy", "pandas", "torch"}
    program = (
        "from pipelines.demo_guard import *; import sys; sys.stdout.write(' '.join(text.name for text in texts()))"
    )
    again = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert again.stdout.split() == [text.name for text in texts]


def test_near_copies_leave_the_guard():
    words = [str(number) for number in range(20)]
    kept, near = (
        demo_guard.Text("a", "One of two", " ".join(words)),
        demo_guard.Text("b", "Two of two", " ".join(words[1:])),
    )
    assert list(demo_guard._distinct(iter([kept, near]))) == [kept]


def test_a_guard_that_is_too_small_is_refused(monkeypatch):
    monkeypatch.setattr(demo_guard, "MODULES", {"numpy": ".fft"})
    with pytest.raises(UserError) as raised:
        demo_guard.collect()
    assert raised.value.code == "DEMO_GUARD_TOO_SMALL"


def test_a_missing_package_is_named():
    with pytest.raises(UserError, match="no_such_package"):
        demo_reference.package_folder("no_such_package")


def test_other_weights_are_refused(tmp_path, monkeypatch):
    assert sha256((demo.base_model() / "model.safetensors").read_bytes()).hexdigest() == demo.BASE_SHA256
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other")
    monkeypatch.setattr(demo_reference, "package_folder", lambda package: tmp_path)
    with pytest.raises(UserError) as raised:
        demo.base_model()
    assert raised.value.code == "BASE_MODEL_CHANGED"


def test_only_changes_are_uploaded_and_nothing_is_removed(folder):
    folder.ensure_bucket()
    part = folder / "part"
    assert demo.upload(part, [("a/1", b"one"), ("a/2", b"two")]) == 2
    assert demo.upload(part, [("a/1", b"one"), ("a/2", b"changed")]) == 1
    assert {entry.key: part.read(entry.key) for entry in part.list()} == {"a/1": b"one", "a/2": b"changed"}


def test_the_second_round_adds_what_the_first_held_back(folder, monkeypatch):
    monkeypatch.setattr(demo_questions, "ranked_services", lambda: ("sts", "sqs", "sns", "polly", "swf"))
    first = demo.prepare(folder, services=5, later=False)
    listed = {entry.key for entry in (folder / demo.DOCUMENTS).list()}
    assert (first.services, first.held_services, first.documents) == (4, 1, len(listed))
    rows = table((folder / demo.JUDGED).read("qrels/test.tsv"))
    assert rows[0] == ["query-id", "corpus-id", "score"]
    assert {key for _, key, _ in rows[1:]} <= listed
    judged = records((folder / demo.JUDGED).read("queries.jsonl"))
    assert {query["_id"] for query in judged} == {identity for identity, _, _ in rows[1:]}
    assert len(records((folder / demo.GUARD).read("corpus.jsonl"))) == first.guard

    second = demo.prepare(folder, services=5, later=True)
    assert (second.services, second.held_services) == (5, 0)
    assert listed < {entry.key for entry in (folder / demo.DOCUMENTS).list()}
    assert second.queries > first.queries
