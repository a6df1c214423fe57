"""`touchstone mirror`: NanoBEIR's benchmarks as guards, each a folder in BEIR layout, where the Hub can be reached.

Source: `NanoBEIREvaluator` of sentence-transformers 6.2, which reads the same repository: `corpus`, `queries` and
`qrels`, each with a split for each benchmark (`NanoNFCorpus`).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from components.store import hf
from components.store.errors import TouchstoneError, UserError

REPOSITORY = "sentence-transformers/NanoBEIR-en"
NAMES = (
    *("ArguAna", "ClimateFEVER", "DBPedia", "FEVER", "FiQA2018", "HotpotQA", "MSMARCO", "NFCorpus", "NQ"),
    *("QuoraRetrieval", "SCIDOCS", "SciFact", "Touche2020"),
)


def mirror(names: Sequence[str], folder: Path, revision: str | None = None) -> Iterator[Path]:
    """Make a folder for each benchmark, whole or not at all; those that are there stay as they are.

    Args:
        names: As `NAMES` spells them, in any case.
        folder: Where the folders go.
        revision: A commit of the repository; its newest where none is given. `SOURCE.json` tells which it was.

    Raises:
        UserError: NO_SUCH_BENCHMARK, and as `hf.DataSet.at`.
        TouchstoneError: NOT_A_BENCHMARK when the repository has another shape, and as `hf.DataSet.download`.
    """
    known = {name.lower(): name for name in NAMES}
    wrong = [name for name in names if name.lower() not in known]
    if wrong:
        raise UserError("NO_SUCH_BENCHMARK", f"NanoBEIR has no {', '.join(wrong)}", expected=", ".join(NAMES))
    wanted = [known[name.lower()] for name in names]
    missing = [name for name in wanted if not (folder / name).exists()]
    source = hf.DataSet.at(REPOSITORY, revision) if missing else None
    folder.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        if source and name in missing:
            with tempfile.TemporaryDirectory(dir=folder) as work:
                _make(source, name, Path(work))
                os.replace(Path(work) / name, folder / name)
        yield folder / name


def _make(source: hf.DataSet, name: str, work: Path) -> None:
    """One benchmark as `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv` and `SOURCE.json`."""
    out = work / name
    (out / "qrels").mkdir(parents=True)
    for kind in ("corpus", "queries"):
        rows = _rows(source, kind, name, work)
        lines = (json.dumps({"_id": row["_id"], "title": "", "text": row["text"]}) for row in rows if row["text"])
        (out / f"{kind}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rows = _rows(source, "qrels", name, work)
    judged = [f"{row['query-id']}\t{row['corpus-id']}\t{row.get('score', 1)}\n" for row in rows]
    (out / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged), encoding="utf-8")
    told = {"repository": source.repository, "revision": source.revision, "licence": source.licence or "not told"}
    (out / "SOURCE.json").write_text(json.dumps(told, indent=2) + "\n")


def _rows(source: hf.DataSet, kind: str, name: str, work: Path) -> list[dict[str, Any]]:
    """The rows of one table; `qrels` may hold a list of documents for each query."""
    columns = {"_id", "text"} if kind != "qrels" else {"query-id", "corpus-id"}
    tables = [pq.read_table(path) for path in source.download(f"{kind}/Nano{name}-*.parquet", work / "downloaded")]
    if not tables or any(not columns <= set(table.column_names) for table in tables):
        expected = f"{kind}/Nano{name}-*.parquet with the columns {', '.join(sorted(columns))}"
        raise TouchstoneError("NOT_A_BENCHMARK", f"{source.repository} has another shape", expected=expected)
    rows: list[dict[str, Any]] = [row for table in tables for row in table.to_pylist()]
    several = [row for row in rows if isinstance(row.get("corpus-id"), list)]
    return [row | {"corpus-id": one} for row in several for one in row["corpus-id"]] if several else rows
