"""The vectors that `parity.json` holds, made as the evaluation makes them, but exactly: in fp32 on the processor."""

from __future__ import annotations

from pathlib import Path

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from components.evaluation.parity import DOCUMENTS, QUERIES, TOLERANCE, Parity, Text, Vectors
from components.retrieval.encoder import Encoder
from components.retrieval.loading import load


def measure(folder: Path, fingerprint: str) -> Parity:
    """What a model makes of the parity texts.

    Args:
        folder: Its folder, which passed intake.
        fingerprint: What it computes with.

    Raises:
        UserError: what `retrieval.loading.load` raises.
    """
    model = load(folder).to("cpu").float()  # saved in 16 bits, it would be loaded so
    encoder = Encoder(model)
    encoder.precision = "fp32"
    prompts = encoder.prompts
    return Parity(
        fingerprint=fingerprint,
        tolerance=TOLERANCE,
        prompts={"query": prompts["query"], "document": prompts["document"]},
        pooling=_pooling(model),
        dimension=encoder.dimension,
        max_length=_limit(model),
        normalized=isinstance(list(model)[-1], Normalize),
        queries=_texts(model, QUERIES, prompts["query"], encoder.queries(QUERIES)),
        documents=_texts(model, DOCUMENTS, prompts["document"], encoder.passages(DOCUMENTS, "parity texts")),
    )


def _pooling(model: SentenceTransformer) -> str:
    modes = next((module.pooling_mode for module in model.modules() if isinstance(module, Pooling)), "")
    return modes if isinstance(modes, str) else "+".join(modes)


def _texts(model: SentenceTransformer, texts: tuple[str, ...], prompt: str, vectors: Vectors) -> list[Text]:
    """Seven digits are kept: what the rounding changes is a thousandth of the tolerance."""
    rows = vectors.astype(float).round(7).tolist()
    return [Text(text=text, vector=row, cut=_cut(model, prompt + text)) for text, row in zip(texts, rows, strict=True)]


def _cut(model: SentenceTransformer, text: str) -> bool:
    limit = _limit(model)
    return limit is not None and len(model.tokenizer(text, truncation=True, max_length=limit + 1)["input_ids"]) > limit


def _limit(model: SentenceTransformer) -> int | None:
    """Tokens; a model of static vectors tells an endless number."""
    limit = model.max_seq_length
    return limit if isinstance(limit, int) and limit > 0 else None
