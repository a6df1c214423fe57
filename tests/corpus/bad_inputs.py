"""Bad inputs for the corpus step: hundreds of files, each of a class, with the ways in which it may end.

The same seed gives the same files. They are made of plain words and small headers here; no real virus, bomb or
document of anybody is among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.corpus import bad_archives, bad_docx, bad_json, bad_markup, bad_parquet, bad_pdf, bad_text, bad_types
from tests.corpus.bad_file import BadFile, Maker

CLASSES: dict[str, Maker] = {
    **bad_text.CLASSES,
    **bad_types.CLASSES,
    **bad_json.CLASSES,
    **bad_parquet.CLASSES,
    **bad_markup.CLASSES,
    **bad_archives.CLASSES,
    **bad_pdf.CLASSES,
    **bad_docx.CLASSES,
}


def bad_files(
    folder: Path, seed: int, *, heavy: bool = False, classes: tuple[str, ...] = tuple(CLASSES)
) -> Iterator[BadFile]:
    """Make the files in `folder`, one whenever the next is asked for.

    Args:
        folder: Where they go, under numbers: keys are hostile.
        seed: What the words and the noise in them are drawn from.
        heavy: Also those of up to a gigabyte; whoever asks removes each when it is done.
        classes: Only these.
    """
    for name in classes:
        for number, bad in enumerate(CLASSES[name](Random(f"{seed} {name}"))):
            if heavy or not bad.heavy:
                yield BadFile.made(name, bad, folder / f"{name.replace(' ', '-')}-{number:03}")
