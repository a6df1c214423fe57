"""A batch of rows as tensors: all its texts in one block, the longest first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from components.training.texts import Texts

PREFIX = "texts_"
"""Marks one group of features for the trainer."""


class Collator:
    """Looks up the tokens of rows; what sentence-transformers' own does by tokenizing them again.

    Attributes:
        valid_label_columns: Empty: a ranking needs no labels.
    """

    valid_label_columns: Sequence[str] = ()

    def __init__(self, texts: Texts, padding: int) -> None:
        """Use these tokens; `padding` is the token that fills short texts up."""
        self.texts, self.padding = texts, padding

    def __call__(self, rows: Sequence[dict[str, int]]) -> dict[str, Tensor]:
        """One batch of rows: numbers of texts, by column.

        Returns:
            input_ids and attention_mask (texts x longest), sorted by length; `numbers`, which texts they are, and
            `order`, where each text of the batch stands among them, column by column (texts).
        """
        numbers = np.array([list(row.values()) for row in rows], np.int64).T.reshape(-1)
        lengths = self.texts.starts[numbers + 1] - self.texts.starts[numbers]
        sorting = np.argsort(-lengths, kind="stable")
        ids, mask = pad([self.texts.text(number) for number in numbers[sorting].tolist()], self.padding)
        found = {"input_ids": ids, "attention_mask": mask, "numbers": torch.from_numpy(numbers)}
        found["order"] = torch.from_numpy(np.argsort(sorting, kind="stable"))
        return {PREFIX + name: value for name, value in found.items()}


def pad(texts: Sequence[np.ndarray], padding: int) -> tuple[Tensor, Tensor]:
    """Texts as one block and its attention mask (texts x the longest one's tokens)."""
    width = max(len(tokens) for tokens in texts)
    ids, mask = np.full((len(texts), width), padding, np.int64), np.zeros((len(texts), width), np.int64)
    for row, tokens in enumerate(texts):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)
