"""Bases worth trying first, and what they were made for; published ids, the same for every recipe."""

from __future__ import annotations

SHORTLIST = {
    "sentence-transformers/all-MiniLM-L6-v2": "general",
    "BAAI/bge-base-en-v1.5": "general",
    "intfloat/e5-base-v2": "general",
    "nomic-ai/modernbert-embed-base": "general",
    "Alibaba-NLP/gte-modernbert-base": "general, code",
    "ibm-granite/granite-embedding-english-r2": "general, code",
    "NeuML/pubmedbert-base-embeddings": "biomedical",
    "freelawproject/modernbert-embed-base_finetune_512": "legal",
    "intfloat/multilingual-e5-base": "multilingual",
    "Snowflake/snowflake-arctic-embed-l-v2.0": "multilingual",
}
"""Hub id -> domain. None needs code of its own; who publishes them and under what licence is in their cards."""


def domain(name: str) -> str:
    """What a model of that name was made for; nothing if it is not on the list.

    Args:
        name: A Hub id, or the last part of one.
    """
    known = {id.rpartition("/")[2].lower(): made_for for id, made_for in SHORTLIST.items()}
    return known.get(name.rpartition("/")[2].lower(), "")
