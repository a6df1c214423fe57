"""A Hugging Face Hub on loopback that commits: model repositories with a git-like history, kept in memory.

It answers what huggingface_hub 2.4 asks (its source, and the Hub's API, huggingface.co/docs/hub/api); passing it is not
having run on the Hub. What is copied, and from where:

    commit      ndjson of a header and operations, applied as one (huggingface_hub#1085); `parentCommit` that is not the
                head is 412 "A commit has happened since. Please refresh and try again." (dataset-viewer#2159, funes#69)
    large files .safetensors, .parquet, .bin and what is over 10 MB go through git LFS (the Hub's first .gitattributes;
                git-lfs docs/api/batch.md, basic transfer); a commit that names an unknown one is 400; what the branch's
                .gitignore matches is left out, unless the client sends another (huggingface_hub `_fetch_upload_modes`)
    tree        pages of 1,000 with a Link header (huggingface_hub `list_repo_tree`), commits in pages of 50
    hidden      what is not there, and what is private and not the token's, is the same: 401 without a token, 404 with
                one, both X-Error-Code: RepoNotFound (huggingface_hub `hf_raise_for_status`); a wrong token is 401
                "Invalid credentials in Authorization header"; no right to write is 403
    misdeeds    see `Fault`: tests/servers/git_hub_faults.py

`python -m tests.servers.git_hub` prints its address and answers until it is ended; POST /_faults adds some.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.git_hub_faults import Fault, Script

Answer = tuple[int, dict[str, str], bytes]
LARGE = (".safetensors", ".parquet", ".bin", ".onnx", ".h5")
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
OWNER, READER, STRANGER, NARROW = "hf_owner", "hf_reader", "hf_stranger", "hf_narrow"
TOKENS = {
    OWNER: {"name": "owner", "orgs": ["org"], "role": "write"},
    READER: {"name": "owner", "orgs": ["org"], "role": "read"},
    STRANGER: {"name": "stranger", "orgs": [], "role": "write"},
    NARROW: {"name": "owner", "orgs": ["org"], "role": "fineGrained"},
}


class Refused(Exception):
    """An answer that is not success."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        self.status, self.message, self.code = status, message, code


@dataclass(frozen=True)
class File:
    """A file of a tree: its bytes, or the sha256 and size that a git LFS pointer holds."""

    body: bytes
    sha256: str = ""
    size: int = 0

    @property
    def blob(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.body) + self.body).hexdigest()

    @classmethod
    def large(cls, sha256: str, size: int) -> File:
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return cls(text.encode(), sha256, size)


@dataclass(frozen=True)
class Commit:
    """A tree and where it came from."""

    id: str
    parent: str
    tree: dict[str, File]
    title: str
    message: str = ""
    author: str = "owner"


@dataclass
class Repository:
    """One repository: commits by id, branches and tags by name."""

    kind: str
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, list[str]] = field(default_factory=dict)
    """Branch -> every head it had, oldest first; a reader that lags sees an earlier one."""
    tags: dict[str, str] = field(default_factory=dict)

    def add(self, branch: str, tree: dict[str, File], title: str, message: str = "") -> str:
        """One more commit at the end of a branch."""
        heads = self.branches.setdefault(branch, [])
        parent = heads[-1] if heads else ""
        told = [parent, title, message, len(self.commits), sorted((name, one.blob) for name, one in tree.items())]
        made = hashlib.sha1(json.dumps(told).encode()).hexdigest()
        self.commits[made] = Commit(made, parent, tree, title, message)
        heads.append(made)
        return made


class GitHub:
    """All repositories, large files and tokens; one lock makes every request atomic."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.script = Script()
        self.asked: list[str] = []
        self.address = ""

    def create(self, name: str, kind: str = "model", *, private: bool = True) -> Repository:
        """A repository with the Hub's first commit."""
        made = self.repositories[f"{kind}s/{name}"] = Repository(kind, private)
        made.add(
            "main", {".gitattributes": File(b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n")}, "initial commit"
        )
        return made

    def model(self, name: str) -> Repository:
        """What a test looks at."""
        return self.repositories[f"models/{name}"]

    def put(self, name: str, files: dict[str, bytes | None], title: str, branch: str = "main") -> str:
        """A commit that somebody else makes; None takes a file away."""
        with self.lock:
            repository = self.model(name)
            tree = dict(repository.commits[repository.branches[branch][-1]].tree)
            for path, body in files.items():
                tree.pop(path, None)
                if body is not None:
                    tree[path] = self.keep(path, body)
            return repository.add(branch, tree, title)

    def keep(self, path: str, body: bytes) -> File:
        """The bytes as a tree holds them."""
        if not path.endswith(LARGE):
            return File(body, "", len(body))
        sha256 = hashlib.sha256(body).hexdigest()
        self.large[sha256] = body
        return File.large(sha256, len(body))

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        """Status, headers and body of one request."""
        parts = urlsplit(path)
        with self.lock:
            try:
                return Request(self, method, parts.path, parse_qs(parts.query), headers, body).answer()
            except Refused as refused:
                told = {"X-Error-Message": refused.message} | ({"X-Error-Code": refused.code} if refused.code else {})
                return refused.status, told, json.dumps({"error": refused.message}).encode()


@dataclass
class Request:
    """One request, with the repository that it is about."""

    hub: GitHub
    method: str
    path: str
    query: dict[str, list[str]]
    headers: Any
    body: bytes

    def answer(self) -> Answer:
        self.who = self._who()
        for methods, pattern, act in ROUTES:
            found = re.fullmatch(pattern, self.path)
            if found and self.method in methods.split():
                return act(self, *[unquote(part) for part in found.groups()])
        raise Refused(404, f"no such route: {self.method} {self.path}")

    def whoami(self) -> Answer:
        if not self.who:
            raise Refused(401, "Invalid username or password.")
        orgs = [{"name": name} for name in self.who["orgs"]]
        return _json({"name": self.who["name"], "orgs": orgs, "auth": {"accessToken": {"role": self.who["role"]}}})

    def create(self) -> Answer:
        told = json.loads(self.body)
        owner = told.get("organization") or (self.who or {}).get("name")
        name, kind = f"{owner}/{told['name']}", told.get("type", "model")
        self._may_write(owner)
        if f"{kind}s/{name}" in self.hub.repositories:
            raise Refused(409, "You already created this model repo")
        self.hub.create(name, kind, private=told.get("visibility") == "private")
        return _json({"url": f"{self.hub.address}/{name}", "name": name})

    def info(self, kind: str, name: str, revision: str = "main") -> Answer:
        repository = self._repository(kind, name)
        commit = self._commit(repository, revision)
        return _json({"id": name, "sha": commit.id, "private": repository.private, "siblings": []})

    def tree(self, name: str, revision: str) -> Answer:
        files = self._commit(self._repository("models", name), revision).tree
        listed = [_entry(path, one) for path, one in sorted(files.items())]
        return self._page(listed, 1000)

    def commits(self, name: str, revision: str) -> Answer:
        repository, told = self._repository("models", name), []
        commit: Commit | None = self._commit(repository, revision)
        while commit:
            known = {"id": commit.id, "title": commit.title, "message": commit.message}
            told.append(known | {"authors": [{"user": commit.author}], "date": "2026-05-01T00:00:00.000Z"})
            commit = repository.commits.get(commit.parent)
        return self._page(told, 50)

    def refs(self, name: str) -> Answer:
        repository = self._repository("models", name)
        branches = [_ref("heads", one, heads[-1]) for one, heads in repository.branches.items()]
        tags = [_ref("tags", one, target) for one, target in repository.tags.items()]
        return _json({"branches": branches, "converts": [], "tags": tags})

    def yaml(self) -> Answer:
        return _json({"errors": [], "warnings": []})

    def preupload(self, name: str, revision: str) -> Answer:
        repository = self._repository("models", name, write=True)
        tree = self._commit(repository, revision).tree
        told, asked = [], json.loads(self.body)
        own = tree[".gitignore"].body.decode() if ".gitignore" in tree else ""
        ignored = asked.get("gitIgnore", own).split()
        for one in asked["files"]:
            path, large = one["path"], one["path"].endswith(LARGE) or one["size"] > 10_000_000
            known = tree.get(path)
            oid = (known.sha256 or known.blob) if known else None
            told.append({"path": path, "uploadMode": "lfs" if large else "regular", "oid": oid})
            told[-1]["shouldIgnore"] = any(fnmatch(path, pattern) for pattern in ignored)
        return _json({"files": told})

    def batch(self, name: str) -> Answer:
        self._repository("models", name, write=True)
        told = []
        for one in json.loads(self.body)["objects"]:
            upload = {"href": f"{self.hub.address}/_large/{one['oid']}", "header": {}}
            known = one["oid"] in self.hub.large
            told.append(one if known else one | {"actions": {"upload": upload}})
        return _json({"transfer": "basic", "objects": told}, "application/vnd.git-lfs+json")

    def upload(self, sha256: str) -> Answer:
        if hashlib.sha256(self.body).hexdigest() != sha256:
            raise Refused(400, "not what its name says")
        self.hub.large[sha256] = self.body
        return 200, {}, b""

    def commit(self, name: str, branch: str) -> Answer:
        repository = self._repository("models", name, write=True)
        head = self._commit(repository, branch, lagging=False)
        if branch not in repository.branches:
            raise Refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit", head.id) != head.id:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        tree = dict(head.tree)
        for line in lines[1:]:
            self._apply(tree, line["key"], line["value"])
        made = repository.add(branch, tree, header["summary"], header.get("description", ""))
        return _json({"success": True, "commitOid": made, "commitUrl": f"{self.hub.address}/{name}/commit/{made}"})

    def branch(self, name: str, branch: str) -> Answer:
        repository = self._repository("models", name, write=True)
        if branch in repository.branches:
            raise Refused(409, f"Reference already exists: {branch}")
        start = json.loads(self.body or b"{}").get("startingPoint", "main")
        repository.branches[branch] = [self._commit(repository, start, lagging=False).id]
        return _json({})

    def tag(self, name: str, revision: str) -> Answer:
        repository, tag = self._repository("models", name, write=True), json.loads(self.body)["tag"]
        if tag in repository.tags:
            raise Refused(409, f"Tag reference exists already: {tag}")
        repository.tags[tag] = self._commit(repository, revision, lagging=False).id
        return _json({})

    def untag(self, name: str, tag: str) -> Answer:
        if self._repository("models", name, write=True).tags.pop(tag, None) is None:
            raise Refused(404, f"no tag {tag}", "RevisionNotFound")
        return _json({})

    def resolve(self, name: str, revision: str, path: str) -> Answer:
        commit = self._commit(self._repository("models", name), revision)
        told = {"X-Repo-Commit": commit.id}
        if path not in commit.tree:
            raise Refused(404, "Entry not found", "EntryNotFound")
        one = commit.tree[path]
        if not one.sha256:
            return 200, told | {"ETag": f'"{one.blob}"'}, one.body
        return 200, told | {"ETag": f'"{one.sha256}"', "X-Linked-Etag": f'"{one.sha256}"'}, self.hub.large[one.sha256]

    def faults(self) -> Answer:
        self.hub.script.add(*[Fault(**one) for one in json.loads(self.body)])
        return _json({})

    def _apply(self, tree: dict[str, File], key: str, value: dict[str, Any]) -> None:
        path = value["path"]
        if key == "file":
            body = base64.b64decode(value["content"])
            tree[path] = File(body, "", len(body))
        elif key == "lfsFile":
            if value["oid"] not in self.hub.large:
                raise Refused(400, f"LFS pointer pointed to a file that does not exist: {path}")
            tree[path] = File.large(value["oid"], len(self.hub.large[value["oid"]]))
        elif key == "deletedFile" and path in tree:
            del tree[path]
        else:
            raise Refused(404, "A file with this name doesn't exist", "EntryNotFound")

    def _who(self) -> dict[str, Any] | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in TOKENS:
            raise Refused(401, "Invalid credentials in Authorization header")
        return TOKENS.get(token)

    def _repository(self, kind: str, name: str, *, write: bool = False) -> Repository:
        found, owner = self.hub.repositories.get(f"{kind}/{name}"), name.partition("/")[0]
        mine = self.who is not None and owner in (self.who["name"], *self.who["orgs"])
        if found is None or (found.private and not mine):
            raise Refused(404 if self.who else 401, "Repository not found", "RepoNotFound")
        if write:
            self._may_write(owner)
        return found

    def _may_write(self, owner: str) -> None:
        if self.who is None:
            raise Refused(401, "Invalid username or password.")
        if self.who["role"] == "read" or owner not in (self.who["name"], *self.who["orgs"]):
            raise Refused(403, "Forbidden: you must use a write token to upload to a repository.")

    def _commit(self, repository: Repository, revision: str, *, lagging: bool = True) -> Commit:
        """The commit of a branch, tag or id; a reader that lags does not see the newest of a branch."""
        known = repository.tags.get(revision, revision)
        for branch, heads in repository.branches.items():
            if revision in (branch, heads[-1]):
                behind = lagging and len(heads) > 1 and self.hub.script.lags()
                known = "" if behind and revision != branch else heads[-2 if behind else -1]
        if known not in repository.commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return repository.commits[known]

    def _page(self, rows: list[dict[str, Any]], size: int) -> Answer:
        start = int(self.query.get("cursor", ["0"])[0])
        status, told, body = _json(rows[start : start + size])
        if start + size < len(rows):
            told |= {"Link": f'<{self.hub.address}{self.path}?recursive=true&cursor={start + size}>; rel="next"'}
        return status, told, body


def _json(value: Any, kind: str = "application/json") -> Answer:
    return 200, {"Content-Type": kind}, json.dumps(value).encode()


def _entry(path: str, one: File) -> dict[str, Any]:
    told = {"type": "file", "path": path, "oid": one.blob, "size": one.size}
    return told | ({"lfs": {"oid": one.sha256, "size": one.size, "pointerSize": len(one.body)}} if one.sha256 else {})


def _ref(kind: str, name: str, target: str) -> dict[str, str]:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": target}


NAME, PART = r"([^/]+/[^/]+)", r"([^/]+)"
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", r"/api/whoami-v2", Request.whoami),
    ("POST", r"/api/repos/create", Request.create),
    ("POST", r"/api/validate-yaml", Request.yaml),
    ("GET", rf"/api/(models|datasets|spaces)/{NAME}", Request.info),
    ("GET", rf"/api/(models|datasets|spaces)/{NAME}/revision/{PART}", Request.info),
    ("GET", rf"/api/models/{NAME}/tree/{PART}", Request.tree),
    ("GET", rf"/api/models/{NAME}/commits/{PART}", Request.commits),
    ("GET", rf"/api/models/{NAME}/refs", Request.refs),
    ("POST", rf"/api/models/{NAME}/preupload/{PART}", Request.preupload),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/batch", Request.batch),
    ("PUT", rf"/_large/{PART}", Request.upload),
    ("POST", rf"/api/models/{NAME}/commit/{PART}", Request.commit),
    ("POST", rf"/api/models/{NAME}/branch/{PART}", Request.branch),
    ("POST", rf"/api/models/{NAME}/tag/{PART}", Request.tag),
    ("DELETE", rf"/api/models/{NAME}/tag/{PART}", Request.untag),
    ("GET HEAD", rf"/{NAME}/resolve/{PART}/(.+)", Request.resolve),
    ("POST", r"/_faults", Request.faults),
]

if __name__ == "__main__":
    import sys

    from tests.servers.git_hub_faults import serving

    with serving(GitHub()) as running:
        sys.stdout.write(f"{running.address}\n")
        sys.stdout.flush()
        threading.Event().wait()
