"""Tokens of a text, counted word by word: to encode everything would take longer than the rest of the corpus step.

The tokenizer counts a word once, then the count is remembered. Where a tokenizer looks at each word alone, the sum
over a text's words is never less than the text's tokens; where it does not (`Tokens.sums` is false) the sum is an
estimate, and a text must be encoded before it is known to fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from components.store.errors import UserError

Integers = npt.NDArray[np.int64]

WORD = 64
"""Characters. Longer words are not remembered; beyond ASCII they are sentences of a script without spaces."""
RUN = 4096
"""Characters of one word that are encoded at once at most: bounds memory."""
KNOWN = 1 << 18
"""Words remembered at most (some 50 MB); then all are forgotten."""
UNCOUNTED = 1 << 30
"""Stands for the count of a word that is cut before it is counted."""
PROMPTS = ("document", "passage", "corpus")
"""Names under which a model folder may keep what it puts before a passage; the first that says something counts."""
WIDE_STOPS = "。！？"
"""What ends a sentence without a space after it."""

_BATCH = 256
_STOP = re.compile(f"[{WIDE_STOPS}]")
_PLAIN = re.compile("[!-~]+")
_RUNS = re.compile("[A-Za-z0-9]+")
_MARK = re.compile(r"\W.*\W")
_SPLITS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_LOCAL = {"BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "Precompiled", "Strip"}


class Tokens:
    """Counts with the tokenizer of a model folder (no torch needed).

    Attributes:
        special: Tokens that the model adds to every text.
        alike: A word counts the same at the start of a text, after a space and after a line break.
        sums: The sum over the words of a line below another is never less than the tokens that the line adds.
    """

    def __init__(self, model: Path) -> None:
        """Load `tokenizer.json` of the folder.

        Raises:
            UserError: NOT_A_MODEL when the folder has no fast tokenizer.
        """
        try:
            self._tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        except Exception as error:  # the library raises bare Exception
            raise UserError("NOT_A_MODEL", f"{model.name} has no readable tokenizer.json", found=str(error)) from None
        self._model = model
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        made = json.loads(self._tokenizer.to_str())  # every setting spelt out, also those that the file leaves out
        self.special: int = self._tokenizer.num_special_tokens_to_add(False)
        self.sums = _word_by_word(made) and self._breaks_lines(made)
        self.alike = self.sums and _alike(made)
        self._wordpiece = _wordpiece(made, self._tokenizer.model)
        self._one = self.encoded("a")
        self._nothing = self._blanks()
        self._known = dict(self._nothing)

    def _blanks(self) -> dict[str, int]:
        """The words that are nothing: a second space, an empty line."""
        spaces = int(any(self.encoded("a" + " " * n + "a") > self.encoded("a a") for n in range(2, 33)))
        return {"": spaces, "\n": max(spaces, self.encoded("a\n") - self._one)}

    def encoded(self, text: str, special: bool = False) -> int:
        """The tokens that the tokenizer makes of a text; with `special` also those that the model adds."""
        return len(self._tokenizer.encode(text, add_special_tokens=special))

    def words(self, text: str) -> list[str]:
        """What stands between single spaces and line breaks, in order; it begins with the line break before it.

        Where a tokenizer sees the same word after a space and after a line break, the line breaks are left out.
        """
        return text.replace("\n", " " if self.alike else " \n").split(" ")

    def count(self, line: str) -> int:
        """The sum over the words of a line below another."""
        words = self.words(line) if self.alike else self.words(f"\n{line}")[1:]
        try:
            return sum(map(self._known.__getitem__, words))
        except KeyError:
            return int(self.costs(words).sum())

    def more(self, word: str) -> int:
        """What a word counts more at the beginning of a line than after a space."""
        if self.alike:
            return 0
        below, beside = self.costs([f"\n{word}", word]).tolist()
        return int(below - beside)

    def costs(self, words: Sequence[str]) -> Integers:
        """The tokens of each word where it stands; UNCOUNTED for a run of characters too long for that."""
        found = np.fromiter(map(self._known.get, words, repeat(-1)), np.int64, len(words))
        unseen = np.flatnonzero(found < 0).tolist()
        if unseen:
            new = self._learn({words[i] for i in unseen})
            found[unseen] = [new[words[i]] for i in unseen]
        return found

    def clip(self, text: str, most: int) -> str:
        """As much of the beginning of a text as counts at most `most` tokens on a line of its own."""
        if self.count(text) <= most:
            return text
        ends = [end for _, end in self._offsets(text[:RUN])]
        shorter = (text[: ends[keep - 1]].rstrip() for keep in range(min(most, len(ends)), 0, -1))
        return next((short for short in shorter if self.count(short) <= most), "")

    def parted(
        self, words: list[str], starts: Integers, costs: Integers, long: Integers, step: int
    ) -> tuple[Integers, Integers]:
        """`starts` and `costs` of words, with the words numbered `long` in parts of about `step` tokens."""
        found = [self._cut(words[i].removeprefix("\n"), step) for i in long.tolist()]
        places = [begin + starts[i] for i, (begin, _) in zip(long.tolist(), found, strict=True)]
        starts = np.concatenate([np.delete(starts, long), *places])
        costs = np.concatenate([np.delete(costs, long), *(part for _, part in found)])
        order = np.argsort(starts, kind="stable")
        return starts[order], costs[order]

    def check(self, limit: int, unsaid: str = "") -> None:
        """See that a passage of `limit` tokens reaches the model whole.

        Args:
            limit: The longest passage, in tokens.
            unsaid: What is put before a passage if the folder names no prompt.

        Raises:
            UserError: PASSAGE_TOO_LONG when sentence-transformers would cut it off behind the model's prompt.
        """
        most, before = longest(self._model), self.encoded(prompt(self._model) or unsaid)
        if most is not None and limit + before > most:
            takes = f"{most} tokens, {before} of them its prompt" if before else f"{most} tokens"
            raise UserError(
                "PASSAGE_TOO_LONG",
                f"the model {self._model.name} would cut passages off",
                found=f"corpus.passage_tokens {limit}",
                expected=f"at most {most - before}, since the model takes {takes}",
                fix="Lower corpus.passage_tokens, or take another base model.",
            )

    def _cut(self, word: str, step: int) -> tuple[Integers, Integers]:
        """Where the parts of a long word begin (characters), and their tokens, about.

        A part begins where a token does, and after each full stop of a script without spaces.
        """
        starts, costs = [], []
        for begin in range(0, len(word), RUN):
            run = word[begin : begin + RUN]
            places = np.maximum.accumulate(np.array([start for start, _ in self._offsets(run)] or [0]))
            stops = np.searchsorted(places, [match.end() for match in _STOP.finditer(run)])
            chosen = np.union1d(np.arange(0, len(places), step), stops[stops < len(places)])
            chosen = np.unique(np.searchsorted(places, places[chosen]))  # the first token of its character
            starts.append(begin + np.where(chosen == 0, 0, places[chosen]))
            costs.append(np.diff(chosen, append=len(places)))
        return np.concatenate(starts), np.concatenate(costs)

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        return self._tokenizer.encode(text, add_special_tokens=False).offsets

    def _learn(self, words: Collection[str]) -> dict[str, int]:
        """Count words that are not known; remember the short ones."""
        counts = {word: UNCOUNTED for word in words if len(word) - word.count("\n") > (RUN if word.isascii() else WORD)}
        other = [word for word in words if word not in counts]
        if self._wordpiece:
            counts.update((word, self._wordpiece(word)) for word in other if _PLAIN.fullmatch(word))
            other = [word for word in other if word not in counts]
        counts.update(self._counted(other))
        short = {word: count for word, count in counts.items() if len(word) <= WORD}
        if len(self._known) + len(short) > KNOWN:
            self._known = dict(self._nothing)
        self._known.update(islice(short.items(), KNOWN))
        return counts

    def _counted(self, words: list[str]) -> Iterator[tuple[str, int]]:
        """Each word with its tokens behind another word, and with those of the line break between them."""
        one = 0 if self.alike else self._one
        for start in range(0, len(words), _BATCH):
            batch = words[start : start + _BATCH]
            texts = batch if self.alike else ["a" + (word if word[:1] == "\n" else f" {word}") for word in batch]
            found = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            yield from zip(batch, (max(0, len(made) - one) for made in found), strict=True)

    def _breaks_lines(self, made: dict[str, Any]) -> bool:
        """Whether a line break parts words as a space does: Metaspace knows spaces alone."""
        if not any(part["type"] == "Metaspace" for part in _parts(made["pre_tokenizer"])[:1]):
            return True
        normalizer = self._tokenizer.normalizer
        return normalizer is not None and bool(normalizer.normalize_str("a\nb") == normalizer.normalize_str("a b"))


def longest(model: Path) -> int | None:
    """The tokens of a text that sentence-transformers lets through with this folder; None if it says nothing.

    Source: `Transformer.__init__` of sentence-transformers 6: `max_seq_length` of the module's configuration, else the
    smaller of the tokenizer's and the model's own.
    """
    wanted = _number(model / "sentence_bert_config.json", "max_seq_length")
    if wanted:
        return wanted
    tokenizer = _number(model / "tokenizer_config.json", "model_max_length")
    positions = _number(model / "config.json", "max_position_embeddings")
    return min((known for known in (tokenizer, positions) if known), default=None)


def prompt(model: Path) -> str:
    """What the folder's model puts before every passage."""
    prompts = _settings(model / "config_sentence_transformers.json").get("prompts") or {}
    return next((str(prompts[name]) for name in PROMPTS if prompts.get(name)), "")


def _number(path: Path, name: str) -> int | None:
    value = _settings(path).get(name)
    return value if isinstance(value, int) and value > 0 else None


def _settings(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _word_by_word(made: dict[str, Any]) -> bool:
    """Whether a `tokenizer.json` parts words at spaces before all else, and nothing in it looks across a space."""
    first = next(iter(_parts(made["pre_tokenizer"])), {"type": ""})
    whole = first.get("use_regex") and not first.get("add_prefix_space")  # that space also follows an added token
    parts = {"ByteLevel": whole, "Metaspace": first.get("split")}
    spaced = [token for token in made["added_tokens"] if re.search(r"\s", token["content"].strip(" "))]
    local = all(part["type"] in _LOCAL or _within_words(part) for part in _parts(made["normalizer"]))
    return local and not spaced and (first["type"] in _SPLITS or bool(parts.get(first["type"])))


def _within_words(normalizer: dict[str, Any]) -> bool:
    """Whether a normalizer is a replacement that leaves single spaces alone."""
    pattern = normalizer.get("pattern", {})
    word = pattern.get("String", " ")
    return bool(normalizer["type"] == "Replace" and (word.split() == [word] or pattern.get("Regex") == " {2,}"))


def _alike(made: dict[str, Any]) -> bool:
    """Whether a word is the same at the start of a text, after a space and after a line break."""
    parts = _parts(made["pre_tokenizer"])
    return any(part.get("prepend_scheme") == "always" for part in parts) or {part["type"] for part in parts} <= _SPLITS


def _wordpiece(made: dict[str, Any], model: Any) -> Callable[[str], int] | None:
    """The tokens of a word of printable ASCII without the whole pipeline, where it is BERT's: four times as fast.

    BERT takes letters in lower case, makes a token of every punctuation mark, and cuts up what is in between.
    """
    normalizers, splits = _parts(made["normalizer"]), _parts(made["pre_tokenizer"])
    kinds = [part["type"] for part in (*normalizers, *splits)]
    marks = all(_MARK.fullmatch(token["content"]) for token in made["added_tokens"])  # none is found inside a run
    if kinds != ["BertNormalizer", "BertPreTokenizer"] or made["model"]["type"] != "WordPiece" or not marks:
        return None
    lower = bool(normalizers[0]["lowercase"])

    @lru_cache(KNOWN // 4)
    def more(run: str) -> int:
        return len(model.tokenize(run)) - len(run)

    def count(word: str) -> int:
        return len(word) + sum(map(more, _RUNS.findall(word.lower() if lower else word)))

    return count


def _parts(made: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The normalizers or pre-tokenizers in one; a sequence holds several."""
    if made is None:
        return []
    inner = made.get("normalizers") or made.get("pretokenizers") or []
    return [part for one in inner for part in _parts(one)] if made["type"] == "Sequence" else [made]
