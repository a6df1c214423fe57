"""The Hub as a model store where it differs from S3: faults, bad input, commits and models of other people."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled

from components.hub import moving
from components.store import hf_client
from components.store.errors import TouchstoneError, TransientError, UserError
from components.store.events import OFFLINE, environment
from components.store.hf_models import RECORD, HubModels
from components.store.models import Model, Promotion
from components.store.pull import pin, pull
from components.store.stores import open_models
from tests.servers.git_hub import NARROW, OWNER, READER, STRANGER, GitHub, Repository
from tests.servers.git_hub_faults import Fault
from tests.store.test_conformance import fetched, files, planned, promoted

WEIGHTS = "model.safetensors"


@pytest.fixture
def store(hub_place: str) -> HubModels:
    return HubModels(hub_place)


@pytest.fixture
def name(hub_place: str) -> str:
    return hub_place.removeprefix("hf://")


@pytest.fixture
def other(model: Path) -> Path:
    """The small model with another configuration."""
    (model / "sentence_bert_config.json").write_text('{"max_seq_length": 64}')
    return model


def move(store: HubModels, number: int, folder: Path) -> moving.Published:
    """Promote the first model of a store as publishing does it."""
    plan = planned(number, folder)
    return moving.move(store, plan, lambda head: head is None, lambda one: store.promote(one, folder))


def ids(repository: Repository, branch: str = "main") -> list[str]:
    """What the titles of a branch's commits end with, oldest first; each has the one before as its parent."""
    heads = repository.branches[branch]
    assert [repository.commits[one].parent for one in heads] == ["", *heads[:-1]]
    return [repository.commits[one].title.split()[-1] for one in heads[1:]]


def test_a_promotion_is_one_commit_in_a_private_repository(hub, store, name, tiny_model):
    made = promoted(store, 1, tiny_model)
    assert (hub.model(name).private, ids(hub.model(name))) == (True, ["1)"])
    held = hub.model(name).commits[made.revision]
    record = json.loads(held.tree[RECORD].body)
    assert held.title.endswith("(promotion 1)")
    assert (record.pop("revision"), len(record.pop("files"))) == ("", len(files(tiny_model)))
    assert replace(made, revision="").as_json() == record | {"revision": ""}


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (Fault(status=409), 2),
        (Fault(status=412), 2),
        (Fault(status=429, headers={"RateLimit": '"api";r=0;t=1'}), 2),
        (Fault(status=429, headers={"Retry-After": "1"}), 2),
        (Fault(status=429, headers={"Retry-After": "999999"}), 2),
        (Fault(status=500), 2),
        (Fault(status=500, done=True), 1),
        (Fault(status=502, done=True), 1),
        (Fault(status=-1), 2),
        (Fault(status=-1, done=True), 1),
        (Fault(status=0), 2),
        (Fault(status=0, done=True), 1),
        (Fault(where="POST .*/preupload/main", status=503, times=2), 1),
        (Fault(where="POST .*/objects/batch", status=0), 1),
        (Fault(where="PUT .*", status=500, times=2), 1),
        (Fault(where="POST /api/repos/create", status=500, done=True), 1),
        (Fault(where="GET .*/resolve/.*promotion.json", status=502), 1),
    ],
    ids=lambda value: f"{value.where.split()[0]} {value.status} {value.done}" if isinstance(value, Fault) else "",
)
def test_whatever_goes_wrong_there_is_one_promotion(hub, store, name, tiny_model, monkeypatch, fault, tries):
    monkeypatch.setattr(hf_client, "TIMEOUT", 2.0 if fault.status == -1 else 60.0)
    monkeypatch.setattr(moving, "PAUSE", 0.01)
    hub.script.add(fault)
    asked = len(hub.asked)
    assert move(store, 1, tiny_model).outcome == "PROMOTED"
    assert fault.times == 0
    assert ids(hub.model(name)) == ["1)"]
    assert sum("/commit/main" in one for one in hub.asked[asked:]) == tries
    assert move(store, 1, tiny_model).outcome == "ALREADY_PROMOTED"


def test_a_commit_that_landed_without_an_answer_is_open_and_then_found(hub, store, tiny_model):
    hub.script.add(Fault(status=500, done=True))
    with pytest.raises(TransientError) as raised:
        promoted(store, 1, tiny_model)
    assert raised.value.code == "HUB_UNREACHABLE"
    assert store.find("1") == store.head()


def test_a_hub_that_stays_busy_ends_the_step_and_moves_nothing(hub, store, name, tiny_model, monkeypatch):
    monkeypatch.setattr(moving, "PAUSE", 0.001)
    hub.script.add(Fault(status=409, times=99))
    with pytest.raises(TransientError) as raised:
        move(store, 1, tiny_model)
    assert raised.value.code == "PROMOTION_OPEN"
    assert ids(hub.model(name)) == []


def test_what_the_hub_asks_to_wait_is_waited_and_a_long_wait_ends_the_step(hub, store, monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr(hf_client.time, "sleep", waited.append)
    hub.script.add(Fault("GET .*", 429, headers={"RateLimit": '"api";r=0;t=7'}))
    assert store.head() is None
    hub.script.add(Fault("GET .*", 429, headers={"Retry-After": "3600"}))
    with pytest.raises(TransientError, match="3600 s"):
        store.head()
    assert waited == [7.0]


@pytest.mark.parametrize("reads", [1, 3, 8, 20])
def test_reads_that_lag_behind_a_write_promote_nothing_twice(hub, store, name, tiny_model, other, monkeypatch, reads):
    monkeypatch.setattr(moving, "PAUSE", 0.01)
    one = promoted(store, 1, tiny_model)
    plan, stale = planned(2, other, one), iter(range(reads))
    hub.script.lags = lambda: "2)" in ids(hub.model(name)) and next(stale, None) is not None
    done = moving.move(store, plan, lambda head: head == one, lambda it: store.promote(it, other))
    assert done.outcome == "PROMOTED"
    assert ids(hub.model(name)) == ["1)", "2)"]
    assert store.head() == done.promotion


def test_a_tree_is_never_mixed_where_the_upload_sees_an_older_one(hub, store, tiny_model, other, tmp_path):
    """The library leaves out what the branch has; it must not go by a branch that is not the commit's parent."""
    one = promoted(store, 1, tiny_model)
    two = promoted(store, 2, other, one)
    hub.script.lags = lambda: "preupload" in hub.asked[-1]
    three = promoted(store, 3, tiny_model, two)
    assert fetched(store, three.revision, tmp_path / "out") == files(tiny_model)


def test_files_of_the_former_tree_go_and_a_gitignore_keeps_nothing_out(hub, store, name, tiny_model):
    hub.create(name)
    hub.put(name, {".gitignore": b"*.safetensors\n*.json\n", "pytorch_model.bin": b"old", "a/b.py": b"x"}, "Mine")
    made = promoted(store, 1, tiny_model)
    assert hub.model(name).commits[made.revision].tree.keys() == {".gitattributes", RECORD, *files(tiny_model)}


def test_an_edit_of_the_card_is_survived(hub, store, name, tiny_model, other):
    one = promoted(store, 1, tiny_model)
    for number in range(60):
        edited = hub.put(name, {"README.md": b"# Edit %d\n" % number, "picture.png": b"\x89"}, "Update README.md")
    head = store.head()
    assert head == replace(one, revision=edited)
    assert (list(store.history()), store.find("1")) == ([head], one)
    two = promoted(store, 2, other, head)
    assert list(store.history()) == [two, one], "a page holds fifty commits"


@pytest.mark.parametrize(
    "change",
    [
        {WEIGHTS: b"other weights"},
        {"config.json": b"{}"},
        {"config.json": None},
        {"adapter_config.json": b"{}"},
        {"more.safetensors": b"x"},
        {RECORD: None},
        {RECORD: b"{"},
        {RECORD: b'{"id": "1", "files": {}}'},
        {RECORD: b"[]"},
    ],
    ids=lambda change: "-".join(f"{name} {body!r:.9}" for name, body in change.items()),
)
def test_a_head_that_is_not_what_was_promoted_is_unreadable_and_never_absent(
    hub, store, name, tiny_model, other, change
):
    one = promoted(store, 1, tiny_model)
    damaged = hub.put(name, change, "Upload files")
    for use in (store.head, lambda: pin(store.address), lambda: move(store, 2, other)):
        with pytest.raises(UserError) as raised:
            use()
        assert raised.value.code == "MODEL_UNREADABLE"
    assert hub.model(name).branches["main"][-1] == damaged
    assert store.find("1") == one


def test_a_history_that_was_squashed_is_told(hub, store, name, tiny_model, other):
    one = promoted(store, 1, tiny_model)
    promoted(store, 2, other, one)
    repository = hub.model(name)
    tree = repository.commits[repository.branches["main"][-1]].tree
    repository.branches["main"] = []
    repository.add("main", tree, "Super-squash branch 'main' using huggingface_hub")
    assert store.head().id == "2"
    with pytest.raises(UserError, match="main has lost the promotion 1"):
        list(store.history())


def test_tags_follow_from_the_history(hub, store, name, tiny_model, other):
    one = promoted(store, 1, tiny_model)
    two = promoted(store, 2, other, one)
    assert hub.model(name).tags == {}
    store.repair()
    right = {"v1": one.revision, "v2": two.revision, "production": two.revision}
    assert hub.model(name).tags == right
    hub.model(name).tags |= {"v1": two.revision, "production": one.revision, "mine": one.revision}
    store.repair()
    assert hub.model(name).tags == right | {"mine": one.revision}
    asked = len(hub.asked)
    store.repair()
    assert not [one for one in hub.asked[asked:] if not one.startswith("GET")], "what agrees is left alone"


@pytest.mark.parametrize(
    ("body", "found"), [(b"x", "has another digest"), (None, "has another digest")], ids=["large", "small"]
)
def test_a_file_is_checked_against_its_commit(hub, store, tiny_model, tmp_path, monkeypatch, body, found):
    one = promoted(store, 1, tiny_model)
    tree = hub.model(store.repository.name).commits[one.revision].tree
    if body:
        sha256 = tree[WEIGHTS].sha256
        monkeypatch.setitem(hub.large, sha256, hub.large[sha256][:-1] + b"\xff")
    else:
        monkeypatch.setattr(type(tree["config.json"]), "blob", "b" * 40)
    with pytest.raises(UserError, match=found) as raised:
        fetched(store, one.revision, tmp_path / "out")
    assert raised.value.code == "MODEL_UNREADABLE"


REFUSED: list[tuple[str, dict[str, str | None], Callable[[GitHub, str], object], str]] = [
    ("no token", {"HF_TOKEN": None}, lambda hub, name: None, "NO_TOKEN"),
    ("a wrong token", {"HF_TOKEN": "hf_wrong"}, lambda hub, name: None, "BAD_TOKEN"),
    ("a token that reads", {"HF_TOKEN": READER}, lambda hub, name: hub.create(name), "HUB_FORBIDDEN"),
    ("a token that cannot make it", {"HF_TOKEN": READER}, lambda hub, name: None, "HUB_FORBIDDEN"),
    ("a token that does not see it", {"HF_TOKEN": STRANGER}, lambda hub, name: hub.create(name), "NO_SUCH_REPOSITORY"),
    ("a token for some repositories", {"HF_TOKEN": NARROW}, lambda hub, name: None, "NO_SUCH_REPOSITORY"),
    ("a data set", {}, lambda hub, name: hub.create(name, "dataset"), "NO_SUCH_REPOSITORY"),
    ("a space", {}, lambda hub, name: hub.create(name, "space"), "NO_SUCH_REPOSITORY"),
    ("too much", {}, lambda hub, name: hub.script.add(Fault(status=413)), "HUB_TOO_LARGE"),
    ("no room", {}, lambda hub, name: hub.script.add(Fault("PUT .*", 403), Fault(".*/batch", 403)), "HUB_FORBIDDEN"),
    ("forbidden", {}, lambda hub, name: hub.script.add(Fault(status=403)), "HUB_FORBIDDEN"),
    ("unauthorized", {}, lambda hub, name: hub.script.add(Fault(status=401)), "BAD_TOKEN"),
    ("gone meanwhile", {}, lambda hub, name: hub.script.add(Fault(status=404)), "NO_SUCH_REPOSITORY"),
    ("a bad request", {}, lambda hub, name: hub.script.add(Fault(status=400)), "HUB_REFUSED"),
    ("no https", {"HF_ENDPOINT": "http://hub.example"}, lambda hub, name: None, "HUB_INSECURE"),
    ("no address", {"HF_ENDPOINT": "hub.example"}, lambda hub, name: None, "HUB_INSECURE"),
    ("offline", {"HF_HUB_OFFLINE": "1"}, lambda hub, name: None, "HUB_OFFLINE"),
]


@pytest.mark.parametrize(("environs", "prepare", "code"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_what_cannot_be_is_one_clear_mistake(hub, name, tiny_model, monkeypatch, tmp_path, environs, prepare, code):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    prepare(hub, name)
    for key, value in environs.items():
        monkeypatch.delenv(key) if value is None else monkeypatch.setenv(key, value)
    with pytest.raises(UserError) as raised:
        move(HubModels(f"hf://{name}"), 1, tiny_model)
    assert (raised.value.code, raised.value.exit_code) == (code, 2)
    assert not any(token in str(raised.value) for token in (OWNER, READER, STRANGER, "hf_wrong"))
    known = hub.repositories.get(f"models/{name}")
    assert known is None or ids(known) == []


def test_a_private_repository_that_the_token_does_not_see_is_not_taken_for_an_empty_one(
    store, name, tiny_model, monkeypatch
):
    promoted(store, 1, tiny_model)
    for token in (STRANGER, "", "hf_wrong"):
        monkeypatch.setenv("HF_TOKEN", token)
        for use in (store.head, lambda: store.find("1"), lambda: list(store.history()), lambda: pin(store.address)):
            with pytest.raises(UserError):
                use()


@pytest.mark.parametrize(
    "address", ["hf://", "hf://one", "hf://a/b/c", "hf://datasets/a/b", "hf://a/b@main", "hf://a/ü"]
)
def test_an_address_that_names_no_model_is_refused(address):
    with pytest.raises(UserError) as raised:
        open_models(address)
    assert raised.value.code == "BAD_ADDRESS"


@pytest.mark.parametrize("revision", ["main", "v1", "f" * 39, "../" + "f" * 37])
def test_only_a_commit_is_fetched(store, tiny_model, tmp_path, revision):
    promoted(store, 1, tiny_model)
    with pytest.raises(UserError, match="no commit of 40 hex digits"):
        store.fetch(revision, tmp_path)


@pytest.fixture
def foreign(hub: GitHub, name: str, tiny_model: Path) -> str:
    """Somebody's public model with much that we never load; its address."""
    address = f"them/{name.partition('/')[2]}"
    hub.create(address, private=False)
    junk = {"pytorch_model.bin": b"\x80", "onnx/model.onnx": b"x", "train.py": b"import os", "rust_model.ot": b"x"}
    hub.put(address, {**files(tiny_model), **junk, "openvino/openvino_model.xml": b"<x/>"}, "Add the model")
    return f"hf://{address}"


@pytest.mark.parametrize("token", [OWNER, STRANGER, None])
def test_a_base_of_others_is_pinned_by_its_commit_and_only_what_we_load_is_taken(
    hub, foreign, tiny_model, tmp_path, monkeypatch, token
):
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN") if token is None else monkeypatch.setenv("HF_TOKEN", token)
    main = hub.model(foreign.removeprefix("hf://")).branches["main"][-1]
    assert (pin(foreign, base=True), pin(foreign)) == (f"{foreign}@{main}", ""), "nobody promoted it: no champion"
    with pytest.raises(UserError, match="names no revision"):
        pin(foreign, base=True, floating=False)
    asked = len(hub.asked)
    pull(f"{foreign}@{main}", tmp_path / "base", optional=False)
    assert files(Model.open(tmp_path / "base").path).items() >= files(tiny_model).items()
    taken = " ".join(hub.asked[asked:])
    assert not [name for name in (".bin", ".onnx", ".py", ".ot", ".xml") if name in taken]


@pytest.mark.parametrize("name_in", ["../escaped.json", "a/../../escaped.json"])
def test_a_tree_cannot_name_a_path_outside_the_folder(hub, foreign, tmp_path, name_in):
    revision = hub.put(foreign.removeprefix("hf://"), {name_in: b"{}"}, "Climb")
    with pytest.raises(UserError, match="a path outside the folder"):
        pull(f"{foreign}@{revision}", tmp_path / "work/base", optional=False)
    assert not list(tmp_path.rglob("escaped.json"))


def test_a_base_that_names_code_is_refused(hub, foreign, tmp_path):
    revision = hub.put(foreign.removeprefix("hf://"), {"config.json": b'{"auto_map": {"AutoModel": "x.X"}}'}, "Code")
    with pytest.raises(UserError) as raised:
        pull(f"{foreign}@{revision}", tmp_path / "base", optional=False)
    assert raised.value.code == "UNSAFE_MODEL"
    assert not (tmp_path / "base").exists()


def test_a_step_asks_the_hub_here_and_nowhere_else(hub, store, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hf_client, "_usual", True)
    for key, value in environment().items():
        monkeypatch.setenv(key, value)
    assert (os.environ["HF_HUB_OFFLINE"], store.head()) == ("1", None)
    with pytest.raises(OfflineModeIsEnabled):
        huggingface_hub.HfApi(endpoint=hub.address).whoami()
    monkeypatch.delenv(OFFLINE)
    with pytest.raises(UserError) as raised:  # the person who runs it had said so
        store.head()
    assert raised.value.code == "HUB_OFFLINE"
    assert environment()[OFFLINE] == "1"


def test_a_promotion_names_its_files(store, tiny_model):
    with pytest.raises(TouchstoneError) as raised:
        store.promote(Promotion(**planned(1, tiny_model).as_json() | {"fingerprint": "f" * 64}), tiny_model)
    assert raised.value.code == "NOT_PROMOTABLE"
