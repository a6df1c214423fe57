"""What is published about families of embedding models: what stands before a text, and how they were trained.

A folder often does not say it: the prompts stand in the card's prose, the temperature in a paper. A model that is
asked without the prompts it was trained with is a worse base than it could be, and trains from a worse place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.store.addresses import split_reference


@dataclass(frozen=True)
class Family:
    """Models that were trained alike.

    Attributes:
        name: What people call them.
        owner: Who publishes them, as the Hub spells it in lower case.
        models: A pattern of the models' whole names, without the owner, in lower case.
        source: Where it is published (model card, paper, training code).
        query: What stands before a query.
        document: What stands before a passage.
        temperature: What the cosines were divided by in the last contrastive stage; None if it is not published, or
            if the loss was another one.
    """

    name: str
    owner: str
    models: str
    source: str
    query: str = ""
    document: str = ""
    temperature: float | None = None


SEARCHING = "Represent this sentence for searching relevant passages: "
HUB = "https://huggingface.co"
CONTRASTORS = "https://github.com/nomic-ai/contrastors/tree/main/src/contrastors/configs/train"

FAMILIES = (
    Family(
        name="E5",
        owner="intfloat",
        models=r"e5-(small|base|large)(-v2)?|multilingual-e5-(small|base|large)",
        source=f"{HUB}/intfloat/e5-base-v2 (FAQ 1 and 3), arXiv:2212.03533, arXiv:2402.05672",
        query="query: ",
        document="passage: ",
        temperature=0.01,
    ),
    Family(
        name="BGE",
        owner="baai",
        models=r"bge-(small|base|large)-en(-v1\.5)?",
        source=f"{HUB}/BAAI/bge-base-en-v1.5 (usage; FAQ 2), arXiv:2309.07597",
        query=SEARCHING,
        temperature=0.01,
    ),
    Family(
        name="BGE-M3",
        owner="baai",
        models=r"bge-m3",
        source=f"{HUB}/BAAI/bge-m3 (FAQ: no instruction before queries), arXiv:2402.03216",
    ),
    Family(
        name="GTE",
        owner="alibaba-nlp",
        models=r"gte-(small|base|large)|gte-modernbert-base",
        source=f"{HUB}/thenlper/gte-base, {HUB}/Alibaba-NLP/gte-modernbert-base (usage), arXiv:2308.03281",
    ),
    Family(
        name="Nomic Embed",
        owner="nomic-ai",
        models=r"nomic-embed-text-v1(\.5)?",
        source=f"{HUB}/nomic-ai/nomic-embed-text-v1.5 (usage), {CONTRASTORS}/contrastive_finetune.yaml (scale 50)",
        query="search_query: ",
        document="search_document: ",
        temperature=0.02,
    ),
    Family(
        name="ModernBERT Embed",
        owner="nomic-ai",
        models=r"modernbert-embed-base",
        source=f"{HUB}/nomic-ai/modernbert-embed-base, {CONTRASTORS}/contrastive_finetune_modernnomic.yaml (scale 50)",
        query="search_query: ",
        document="search_document: ",
        temperature=0.02,
    ),
    Family(
        name="Arctic Embed",
        owner="snowflake",
        models=r"snowflake-arctic-embed-(xs|s|m|l|m-long|m-v1\.5)",
        source="https://github.com/Snowflake-Labs/arctic-embed/blob/main/src/mteb_retrieval.py, arXiv:2405.05374",
        query=SEARCHING,
    ),
    Family(
        name="Arctic Embed 2",
        owner="snowflake",
        models=r"snowflake-arctic-embed-[ml]-v2\.0",
        source=f"{HUB}/Snowflake/snowflake-arctic-embed-l-v2.0 (usage), arXiv:2412.04506",
        query="query: ",
    ),
    Family(  # trained with AnglE's loss, which has no such temperature
        name="mxbai-embed",
        owner="mixedbread-ai",
        models=r"mxbai-embed-large-v1",
        source="https://mixedbread.ai/docs/embeddings/mxbai-embed-large-v1 (using a prompt)",
        query=SEARCHING,
    ),
    Family(
        name="SBERT",
        owner="sentence-transformers",
        models=r"all-(minilm-l6|minilm-l12|mpnet-base|distilroberta|roberta-large)-v[12]"
        r"|multi-qa-(minilm-l6|mpnet-base|distilbert)-cos-v1"
        r"|paraphrase-(minilm-l3|minilm-l6|minilm-l12|mpnet-base|albert-small|distilroberta-base)-v[12]",
        source=f"{HUB}/sentence-transformers/all-MiniLM-L6-v2 (train_script.py: --scale 20), "
        f"{HUB}/sentence-transformers/multi-qa-mpnet-base-cos-v1 (a scale of 20), "
        "https://github.com/UKPLab/sentence-transformers/blob/master/examples/training/paraphrases/training.py",
        temperature=0.05,
    ),
)


def family(reference: str, config: dict[str, Any]) -> Family | None:
    """The family that a model belongs to, by its name.

    The whole name must be the family's: somebody's model tuned from one of them may have been trained without its
    prompts, and usually has a name of its own.

    Args:
        reference: Where the model comes from: `s3://.../name@revision`, a folder, `hf://owner/name@revision`.
        config: The model's `config.json`; its `_name_or_path` counts where the reference says nothing.

    Returns:
        The family, or None if nothing is known of the model.
    """
    for text in (reference, config.get("_name_or_path")):
        for name in _names(text) if isinstance(text, str) else ():
            found = next((one for one in FAMILIES if _is_of(name, one)), None)
            if found:
                return found
    return None


def of_folder(folder: Path) -> Family | None:
    """The family of the model in `folder`; an artifact's manifest tells where the model comes from."""
    facts = _settings(folder / "manifest.json").get("facts")
    reference = facts.get("reference") if isinstance(facts, dict) else None
    return family(str(reference or folder), _settings(folder / "config.json"))


def _names(reference: str) -> Iterator[str]:
    """The last part of an address; for a path in the Hub's cache, the repository's name in it."""
    parts = split_reference(reference)[0].lower().replace("\\", "/").rstrip("/").split("/")
    yield parts[-1]
    yield from (part.rpartition("--")[2] for part in parts if part.startswith("models--"))


def _is_of(name: str, one: Family) -> bool:
    """Whether a name is one of the family's, alone or as old caches write it, with the owner before it."""
    return re.fullmatch(rf"({re.escape(one.owner)}_)?({one.models})", name) is not None


def _settings(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
