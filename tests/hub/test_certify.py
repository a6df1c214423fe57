"""A running server is the model that was tested, or it is told what is wrong with it."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize

from components.evaluation import parity
from components.evaluation.parity import FILE, Parity
from components.hub import serving
from components.hub.certify import certify
from components.hub.serving import KEY, connected
from components.store.errors import TouchstoneError, TransientError, UserError
from tests.hub.test_parity import PROMPTS, shipped
from tests.servers.embeddings_server import Embeddings, embeddings

PROTOCOLS = ("tei", "openai")
SECRET = "canary-of-the-server"


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BERT-tiny with prompts and unit vectors of its own, and what was tested of it."""
    model = SentenceTransformer(str(tiny_model), device="cpu")
    unit = tmp_path_factory.mktemp("unit") / "model"
    SentenceTransformer(modules=[*model, Normalize()], device="cpu").save_pretrained(str(unit), create_model_card=False)
    return shipped(unit, tmp_path_factory.mktemp("served"), PROMPTS)


@pytest.fixture
def known(folder: Path) -> Parity:
    return parity.load(folder / FILE)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between tries."""
    monkeypatch.setattr(serving, "PAUSE", 0.001)


def told(served: Embeddings, known: Parity, end: str = "") -> dict[str, str]:
    """The lines about a server, by label."""
    with connected(served.address + end) as server:
        return dict(certify(server, known))


def refused(served: Embeddings, known: Parity) -> str:
    """How a server fails that is not the model which was tested."""
    with pytest.raises(TouchstoneError) as error:
        told(served, known)
    assert (error.value.code, error.value.exit_code) == ("SERVED_DIFFERENTLY", 1)
    assert not [one.text for one in (*known.queries, *known.documents) if len(one.text) > 9 and one.text in str(error)]
    return f"{error.value.found} {error.value.fix}"


def test_text_embeddings_inference_with_the_promoted_folder_is_the_same_model(folder: Path, known: Parity) -> None:
    with embeddings(folder, "tei") as served:
        lines = told(served, known)
    assert "Text Embeddings Inference 1.7.1, float32, mean pooling" in lines["server"]
    assert re.fullmatch(
        r"43 texts, largest difference \S+e-0\d, tolerance 0\.0001; lowest cosine \S+", lines["vectors"]
    )
    assert float(lines["vectors"].rpartition(" ")[2]) > 0.999999
    assert lines["unit"] == "its vectors have length 1"
    assert lines["prompts"].endswith("right by name (prompt_name: query, document)")
    sent = [text for path, body in served.asked if path == "POST /embed" for text in body["inputs"]]
    assert f"ask: {known.queries[0].text}" in sent and f"about: {known.documents[0].text}" in sent


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/embeddings"])
def test_an_openai_compatible_server_is_asked_with_its_model_s_name(folder: Path, known: Parity, end: str) -> None:
    with embeddings(folder, "openai", does="turned") as served:
        lines = told(served, known, end)
    assert lines["server"].endswith("OpenAI-compatible") and "length" not in lines
    assert lines["prompts"].startswith("right before each text; whoever asks must put them there")


def test_a_server_that_refuses_what_the_model_would_cut_is_told_so(folder: Path, known: Parity) -> None:
    with embeddings(folder, "openai", does="long") as served:
        lines = told(served, known)
    cut = sum(text.cut for text in (*known.queries, *known.documents))
    assert lines["length"] == f"refuses more than 128 tokens, which the model cuts off: {cut} texts not asked"
    assert lines["vectors"].startswith(f"{43 - cut} texts")


def test_vectors_of_other_lengths_are_no_fault_where_the_model_makes_such(tiny_model: Path, tmp_path: Path) -> None:
    plain = shipped(tiny_model, tmp_path, {"query": "", "document": ""})
    with embeddings(plain, "openai") as served:
        lines = told(served, parity.load(plain / FILE))
    assert lines["unit"] == "its vectors have other lengths: compare by cosine"
    assert lines["prompts"] == "the model has none"


FAULTS = {
    ("tei", "ignored"): "ignores prompts: asked by name, it puts none before the texts",
    ("tei", "pooling"): "cls pooling instead of mean",
    ("openai", "pooling"): "another pooling than mean",
    ("tei", "default prompt"): "it puts a prompt before each text by itself, and so a second one",
    ("openai", "default prompt"): "it puts a prompt before each text by itself, and so a second one",
    ("openai", "lengths"): "vectors of other lengths than 1",
    ("openai", "dimension"): "the first 64 numbers instead of 128",
    ("tei", "half"): "less precision, such as 16 bits Serve it in float32",
    ("openai", "early"): "in the longest texts alone: it cuts them elsewhere Have it cut texts after 128 tokens",
    ("tei", "other"): "another model or revision",
}


@pytest.mark.parametrize(("protocol", "served"), FAULTS, ids=[" ".join(one) for one in FAULTS])
def test_a_server_that_is_not_the_model_which_was_tested(
    folder: Path, known: Parity, protocol: str, served: str
) -> None:
    with embeddings(folder, protocol, served=served) as server:
        assert FAULTS[protocol, served] in refused(server, known)


def test_half_precision_is_told_with_its_difference_and_its_cosine(folder: Path, known: Parity) -> None:
    with embeddings(folder, "tei", served="half") as served, connected(served.address) as server:
        lines = certify(server, known)
        assert "float16" in next(lines)[1]
        assert re.fullmatch(
            r"43 texts, largest difference 0\.00\d+, tolerance 0\.0001; lowest cosine 0\.99999\d+", next(lines)[1]
        )


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("statuses", [[429], [500, 503, 429]])
def test_what_passes_is_asked_again(folder: Path, known: Parity, protocol: str, statuses: list[int]) -> None:
    with embeddings(folder, protocol, statuses=list(statuses)) as served:
        assert "vectors" in told(served, known)
        assert not served.statuses


ANSWERS: dict[str, tuple[dict[str, Any], type[TouchstoneError], str, str]] = {
    "no key": ({"key": SECRET}, UserError, "SERVER_DENIED", f"Set {KEY}"),
    "forbidden": ({"statuses": [403]}, UserError, "SERVER_DENIED", "HTTP 403"),
    "no endpoint": ({"statuses": [404] * 9}, UserError, "NO_SUCH_ENDPOINT", "HTTP 404"),
    "always busy": ({"statuses": [429] * 9}, TransientError, "SERVER_BUSY", "HTTP 429"),
    "down": ({"statuses": [500] * 9}, TransientError, "SERVER_BUSY", "HTTP 500"),
    "too much": ({"statuses": [413] * 9}, UserError, "SERVER_REFUSED", "HTTP 413"),
    "not understood": ({"statuses": [422] * 9}, UserError, "SERVER_REFUSED", "HTTP 422"),
    "a page": ({"does": "html"}, TouchstoneError, "NO_VECTORS", "no JSON"),
    "null": ({"does": "null"}, TouchstoneError, "NO_VECTORS", "no number"),
    "few": ({"does": "few"}, TouchstoneError, "NO_VECTORS", "x 128 for"),
    "hang": ({"does": "hang"}, TransientError, "SERVER_TIMEOUT", "ReadTimeout"),
    "drip": ({"does": "drip"}, TransientError, "SERVER_TIMEOUT", "ReadTimeout"),
    "reset": ({"does": "reset"}, UserError, "SERVER_UNREACHABLE", "ReadError"),
    "redirect": ({"does": "redirect"}, UserError, "SERVER_REFUSED", "HTTP 307"),
}


@pytest.mark.parametrize("case", ANSWERS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_answer_that_is_no_vectors_has_a_code_and_quotes_nothing(
    folder: Path, known: Parity, protocol: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    does, kind, code, said = ANSWERS[case]
    monkeypatch.setattr(serving, "TIMEOUT", 0.3 if does.get("does") in ("hang", "drip") else 60)
    with embeddings(folder, protocol, **copy.deepcopy(does)) as served, pytest.raises(kind) as error:
        told(served, known)
    assert (error.value.code, said in str(error.value)) == (code, True), str(error.value)
    assert SECRET not in str(error.value) and "words" not in str(error.value)


def test_the_key_of_the_environment_is_sent(folder: Path, known: Parity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    with embeddings(folder, "openai", key=SECRET) as served:
        assert "vectors" in told(served, known)


@pytest.mark.parametrize(
    ("url", "key", "code"),
    [
        ("localhost:8080", "", "BAD_ENDPOINT"),
        ("ftp://host", "", "BAD_ENDPOINT"),
        (f"https://user:{SECRET}@host", "", "BAD_ENDPOINT"),
        (f"https://host/?key={SECRET}", "", "BAD_ENDPOINT"),
        ("http://host:99999", "", "BAD_ENDPOINT"),
        ("http://models.example:8080", SECRET, "SERVER_INSECURE"),
        ("http://127.0.0.1:9", f"{SECRET} and more", "BAD_KEY"),
        ("http://127.0.0.1:9", "", "SERVER_UNREACHABLE"),
    ],
)
def test_an_address_or_a_key_that_cannot_be_used(
    url: str, key: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, key)
    with pytest.raises(UserError) as error, connected(url):
        pass
    assert error.value.code == code and SECRET not in str(error.value)


def test_a_server_of_something_else_or_of_several_models(
    folder: Path, known: Parity, monkeypatch: pytest.MonkeyPatch
) -> None:
    reranker = {"model_type": {"reranker": {}}, "version": "1.7.1"}
    with embeddings(folder, "tei") as served, pytest.raises(UserError, match="serves no embedding model"):
        monkeypatch.setattr(served, "info", lambda: reranker)
        told(served, known)
    several = {"data": [{"id": "one"}, {"id": "two"}]}
    with embeddings(folder, "openai") as served, pytest.raises(UserError, match="serves 2 models"):
        monkeypatch.setattr(served, "answer", lambda *_: (200, several))
        told(served, known)


def test_a_name_that_the_server_does_not_know_is_no_fault(folder: Path, known: Parity, tmp_path: Path) -> None:
    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / "config_sentence_transformers.json").write_text('{"prompts": {}}')
    with embeddings(bare, "tei") as served:
        for name in ("query", "document"):
            served.model.prompts.pop(name, None)
        assert "does not know them by name" in told(served, known)["prompts"]
