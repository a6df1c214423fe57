"""Sixty small documents about the tools of a workshop, in a real object store, and what judges them.

The documents lie under a fixed address: ids, and so the sides, are the same in every run of the tests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from components.corpus import documents, snapshot
from components.corpus.config import Source
from components.corpus.document import Document
from components.pairs import mine
from components.pairs.config import PairsConfig
from components.pairs.mine import Mined, Outputs
from components.store.artifact import Artifact
from components.store.s3 import Folder

PLACE = "s3://tests/mine"
SOURCES = [f"{PLACE}/docs/", f"{PLACE}/notes"]
PLACES = {"documents": [Source(uri=uri) for uri in SOURCES], "judged": [Source(uri=f"{PLACE}/judged")]}
SHARES = {"train": 0.4, "dev": 0.25, "sealed": 0.2, "reserve": 0.15}
COLOURS = ("red", "blue", "green", "grey", "black")
NAMES = ("saw", "drill", "lamp", "pump", "hoist", "vice", "jack", "winch", "lathe", "anvil", "press")
TOOLS = [f"{colour} {name}" for colour, name in product(COLOURS, NAMES)]
KINDS = ("passages", "pairs", "judged", "leakage")


def label(tool: str) -> str:
    """A long word that stands on this tool's page alone: what the test's language model asks about."""
    return f"{tool.replace(' ', '')}workshopinventory"


def page(tool: str) -> str:
    return f"""# About the {tool}
Every workshop that owns a {tool} should also own this page about the {tool}.
## Cleaning the {tool}
Wipe the {tool} with a dry cloth. Then oil the {tool} where the {tool} turns. Its label says {label(tool)}.
## Price
Ask for it.
## See also
Other pages of this shelf stand beside this page about the {tool}.
"""


def asked(tool: str) -> str:
    """A question about the tool that stands in no document."""
    return f"who may borrow our {tool} on weekends"


def write_documents() -> None:
    """A page for each tool, a near-duplicate and an exact one, and five records in one object."""
    docs, notes = Folder(f"{PLACE}/docs"), Folder(f"{PLACE}/notes")
    for tool in TOOLS:
        docs.write(f"{tool.replace(' ', '-')}.md", page(tool).encode())
    long = [f"Step {n} of the yearly check of the gate looks at bolt {n * n}." for n in range(40)]
    docs.write("gate-1.md", "\n\n".join(["# Yearly check", *long]).encode())
    docs.write("gate-2.md", "\n\n".join(["# Yearly check", *long[:-1]]).encode())
    docs.write("zz-copy-of-red-saw.md", page("red saw").encode())
    records = [
        {"id": f"note-{n}", "title": f"Note {n}", "text": f"Room {n} is locked after {n} in the night."}
        for n in range(5)
    ]
    notes.write("shelf.jsonl", "\n".join(map(json.dumps, records)).encode())


def write_judged() -> None:
    """For each tool a question, and one with another tool's heading as its text; and one for each way to name one."""
    texts = {f"q{n:02}": asked(tool) for n, tool in enumerate(TOOLS)}
    texts |= {f"same{n:02}": f"cleaning THE {TOOLS[n - 1]}?" for n in range(len(TOOLS))}
    texts |= {"uri": "how is the gate checked", "record": "when is room 3 locked", "copy": "where is the saw"}
    qrels = [(f"{kind}{n:02}", f"{t.replace(' ', '-')}.md", 1) for n, t in enumerate(TOOLS) for kind in ("q", "same")]
    qrels += [("uri", f"{PLACE}/docs/gate-1.md", 2), ("record", "note-3", 1), ("copy", "zz-copy-of-red-saw.md", 1)]
    lines = [json.dumps({"_id": name, "text": text}) for name, text in texts.items()]
    table = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in qrels)]
    Folder(f"{PLACE}/judged").write("queries.jsonl", "\n".join(lines).encode())
    Folder(f"{PLACE}/judged").write("qrels/test.tsv", "\n".join(table).encode())


@dataclass(frozen=True)
class Setting:
    """What `mine` starts from."""

    documents: Path
    base: Path

    def run(
        self, state: str, out: Path, places: dict[str, str] | None = None, **config: object
    ) -> tuple[Mined, Outputs]:
        """Mine into folders below `out`; `places` are further roles of the snapshot and their addresses."""
        known = {"judged": f"{PLACE}/judged", "shares": SHARES, "min_pairs": 20} | config
        outputs = Outputs(*(out / kind for kind in KINDS))
        checked = PairsConfig.parse({name: value for name, value in known.items() if value}, where="pairs")
        more = {role: [Source(uri=uri)] for role, uri in (places or {}).items()}
        digest = snapshot.take(state, PLACES | more).digest
        return mine.mine(state, digest, self.documents, self.base, SOURCES, (128, 0), checked, outputs), outputs

    def read(self) -> list[Document]:
        """The documents."""
        return list(documents.read(Artifact.open(self.documents, "documents")))
