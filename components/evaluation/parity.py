"""Parity: what a model makes of a fixed public list of texts, so that whoever serves it can tell if it still does.

The texts are ours, of no customer and no benchmark: languages and scripts, code, numbers, signs, one token, and more
than any encoder of 512 tokens takes. `reference.measure` makes the vectors on the evaluation's own path; `parity.json`
ships with the model. No text begins or ends with a space, as servers differ in whether they cut those off.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from components.store.artifact import Artifact, ArtifactWriter
from components.store.config import Config
from components.store.digests import canonical
from components.store.errors import TouchstoneError, UserError

FILE = "parity.json"
TOLERANCE = 1e-4
"""The largest difference of one number of a unit vector in fp32: ten times what batches and padding change."""
KINDS: tuple[Literal["queries", "documents"], ...] = ("queries", "documents")

QUERIES = (
    "how do I restart a pump that has tripped",
    "reset password",
    "?",
    "What is the difference between HTTP 429 and 503, and which one carries Retry-After?",
    "torch.nn.functional.normalize(x, dim=1)",
    "error 0x80070005 E_ACCESSDENIED",
    "price of 1,299.00 EUR in JPY on 2026-02-28",
    "Wie kündige ich den Wartungsvertrag für die Lüftungsanlage?",
    "quelle est la durée de conservation des journaux d'accès",
    "¿cómo se calibra el sensor de presión?",
    "как восстановить резервную копию базы данных",
    "如何更换打印机的墨盒",
    "請求書の支払期限を教えてください",
    "كيف أغير لغة الواجهة؟",
    "प्रमाणपत्र का नवीनीकरण कैसे करें",
    "is it ok to ship on fridays 🚢🔥👩🏽‍💻",
    "SELECT count(*) FROM orders WHERE state <> 'paid';",
    "query: a question that begins like a prompt",
)
_PARAGRAPH = (
    "The pump starts when the tank falls below the lower mark and stops at the upper one. Before any work on it, open "
    "the main switch, lock it, and wait until the pressure gauge reads zero. "
)
DOCUMENTS = (
    "The pump starts when the tank falls below the lower mark and stops at the upper one.",
    "a",
    "…",
    "0",
    "-273.15 °C is 0 K; 6.02214076×10²³ mol⁻¹; π ≈ 3.14159; 50 % of 1/3 is 1/6.",
    "def area(radius: float) -> float:\n    return math.pi * radius**2\n",
    '{"id": 7, "tags": ["a", "b"], "nested": {"empty": null}}',
    "# Installation\n\n1. Unpack the archive.\n2. Run `make setup`.\n\n| key | value |\n|---|---|\n| port | 8080 |",
    "<p>Tags &amp; entities are text to a model.</p>",
    "GET /v1/objects/{id}?limit=100&cursor=eyJpZCI6N30= HTTP/1.1",
    "antidisestablishmentarianism Donaudampfschifffahrtsgesellschaftskapitän 5f4dcc3b5aa765d61d8327deb882cf99",
    "THIS IS WRITTEN IN CAPITALS, this is not, AnD tHiS iS bOtH.",
    "Die Steuerung meldet eine Störung, sobald der Durchfluss länger als 30 s unter 2 l/min liegt.",
    "Les sauvegardes sont chiffrées puis copiées chaque nuit vers un second site.",
    "Ο αισθητήρας πρέπει να βαθμονομείται κάθε έξι μήνες.",
    "请在更换滤芯之前关闭电源,并等待五分钟。",
    "保証期間は購入日から二年間です。",
    "백업은 매일 밤 두 번째 데이터 센터로 복사됩니다.",
    "يجب فصل التيار الكهربائي قبل فتح الغطاء.",
    "กรุณาปิดเครื่องก่อนทำความสะอาด",
    "🙂🙃 👍🏽 🇪🇺 ✅ done ❌ failed ⚠️ careful",
    "naïve café ﬁne ① Ⅳ ½ ﷺ İ ß",
    "The same word " + "again " * 40 + "and again.",
    (_PARAGRAPH * 6).rstrip(),
    (_PARAGRAPH * 40).rstrip(),
)

Vectors = npt.NDArray[np.float32]


class Text(Config):
    """One text and its unit vector."""

    text: str = Field(min_length=1)
    vector: list[float] = Field(min_length=1)
    cut: bool
    """Longer than the model takes: its end does not count."""


class Parity(Config):
    """What ships with a model as `parity.json`."""

    version: Literal[1] = 1
    fingerprint: str
    """What the model computes with: `store.intake.fingerprint`."""
    tolerance: float = Field(gt=0, lt=1)
    prompts: dict[Literal["query", "document"], str]
    """What stands before each text; the texts themselves are listed without."""
    pooling: str
    """Of the library's `Pooling`; several joined by +, "" for a model that has none."""
    dimension: int = Field(ge=1)
    max_length: int | None
    """Tokens that the model takes of a text, its prompt and special tokens with it; None for no end."""
    normalized: bool
    """Whether the model itself makes unit vectors; otherwise whoever compares makes them so, as the evaluation did."""
    queries: list[Text] = Field(min_length=1)
    documents: list[Text] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Parity:
        sizes = {len(one.vector) for one in (*self.queries, *self.documents)}
        if sizes != {self.dimension} or self.prompts.keys() != {"query", "document"}:
            raise ValueError("vectors of the dimension that is named, and both prompts")
        return self

    def of(self, kind: Literal["queries", "documents"]) -> list[Text]:
        """The texts of one kind."""
        return self.queries if kind == "queries" else self.documents

    def prompt(self, kind: Literal["queries", "documents"]) -> str:
        """What stands before the texts of one kind."""
        return self.prompts["query" if kind == "queries" else "document"]

    def vectors(self, kind: Literal["queries", "documents"]) -> Vectors:
        """Of the texts of one kind (n x dimension)."""
        return np.array([one.vector for one in self.of(kind)], dtype=np.float32)

    def as_bytes(self) -> bytes:
        """The file's content."""
        return canonical(self.model_dump(mode="json"))


def write(parity: Parity, path: Path, inputs: dict[str, str]) -> None:
    """Write the artifact `parity` at `path`: the file as it will ship.

    Args:
        parity: What was measured.
        path: Where the folder appears.
        inputs: Digests of what it was made of.
    """
    with ArtifactWriter(path, "parity", inputs) as out:
        out.file(FILE).write_bytes(parity.as_bytes())
        out.facts |= {"fingerprint": parity.fingerprint}


def read(path: Path) -> Parity:
    """The content of an artifact `parity`."""
    return load(Artifact.open(path, "parity").path / FILE)


def load(file: Path) -> Parity:
    """A `parity.json`, wherever it lies.

    Raises:
        UserError: NO_PARITY when it is not there or is none.
    """
    try:
        values: Any = json.loads(file.read_bytes())
        return Parity.model_validate(values)
    except (OSError, ValueError, RecursionError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else "a file of another content"
        fix = "Name the parity.json in a published model's folder, or that folder."
        raise UserError("NO_PARITY", f"{file.name} cannot be used", found=found, fix=fix) from None


def not_as_tested(what: str, found: str, expected: str = "") -> TouchstoneError:
    """A model that does not compute what the evaluation saw."""
    fix = (
        "Nothing was published. Compare the prompts in config_sentence_transformers.json with those in parity.json, "
        "and the library versions of the steps evaluate and publish."
    )
    return TouchstoneError("NOT_SERVED_AS_TESTED", what, found=found, expected=expected, fix=fix)
