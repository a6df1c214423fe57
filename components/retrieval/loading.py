"""The one way in which a model's folder becomes a model: from local files, without code, with its family's prompts.

Source: sentence-transformers 6.2 (`Transformer`, `Pooling`), transformers 5.23 (embeddings of RoBERTa and MPNet).
"""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from components.corpus.tokens import PROMPTS
from components.retrieval.families import Family, of_folder
from components.retrieval.precision import device
from components.store.errors import UserError


def load(folder: Path) -> SentenceTransformer:
    """Load a folder that passed intake: a sentence-transformers model, or a plain encoder.

    A plain encoder gets mean pooling and normalization. Prompts that the folder does not name are its family's.

    Args:
        folder: A model artifact or any folder of a model; an artifact's manifest tells where the model comes from.

    Returns:
        The model, on this process's GPU or on the processor.

    Raises:
        UserError: NOT_A_MODEL when it does not load, PROMPT_POOLING, TOO_FEW_POSITIONS.
    """
    model = _read(folder)
    _refuse_prompt_pooling(folder, model)
    _refuse_too_few_positions(folder, model)
    known = of_folder(folder)
    if known:
        _complete(model, known)
    return model


def _read(folder: Path) -> SentenceTransformer:
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # what a plain encoder lacks (BERT's pooler) is the same each time
            model = SentenceTransformer(str(folder), device=device(), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # each of the libraries below raises its own
        found = type(error).__name__
        raise UserError("NOT_A_MODEL", f"{folder.name} does not load as an embedding model", found=found) from None
    if not (folder / "modules.json").is_file():
        model.append(Normalize())  # the library has put mean pooling on the encoder
    return model


def _refuse_prompt_pooling(folder: Path, model: SentenceTransformer) -> None:
    """Training packs a prompt's tokens into the text's, so it cannot leave them out of the mean."""
    if any(isinstance(module, Pooling) and not module.include_prompt for module in model.modules()):
        raise UserError(
            "PROMPT_POOLING",
            f"the model {folder.name} leaves its prompts out of the pooling",
            found="include_prompt: false in its pooling's config.json",
            expected="a model that pools over its prompts too",
            fix="Take another base model: INSTRUCTOR and its like cannot be trained here.",
        )


def _refuse_too_few_positions(folder: Path, model: SentenceTransformer) -> None:
    """A text longer than the table of positions would end a run in the middle, on the first such text."""
    most, limit = _positions(model), model.max_seq_length
    if most is not None and (limit is None or limit > most):
        raise UserError(
            "TOO_FEW_POSITIONS",
            f"the tokenizer of {folder.name} lets through more tokens than the model has positions for",
            found=f"{limit:,} tokens" if limit else "no limit",
            expected=f"at most {most:,}",
            fix=f"Set model_max_length in tokenizer_config.json to {most}, and max_seq_length in "
            "sentence_bert_config.json too if it is there.",
        )


def _positions(model: SentenceTransformer) -> int | None:
    """Tokens that the table of positions holds; None where positions are computed, which has no end.

    RoBERTa, XLM-R and MPNet count positions from the padding's index + 1: two rows of theirs are never used.
    """
    for module in model.modules():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, torch.nn.Embedding):
            padding = getattr(module, "padding_idx", None)
            return int(table.num_embeddings) - (padding + 1 if isinstance(padding, int) else 0)
    return None


def _complete(model: SentenceTransformer, known: Family) -> None:
    """Add the family's prompts where the model has none of its own."""
    for names, prompt in ((("query",), known.query), (PROMPTS, known.document)):
        if prompt and not any(model.prompts.get(name) for name in names):
            model.prompts[names[0]] = prompt
