"""Does a model's folder still make the vectors of its `parity.json`? A script that imports nothing of ours.

    python -I reproduce.py FOLDER

It uses the folder as any user of the library does (`encode_query`, `encode_document`), in fp32 on the processor, and
prints one line of JSON: the largest difference of a number, and which text it is of.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer


def reproduce(folder: Path) -> dict[str, Any]:
    """Encode the texts of `folder/parity.json` anew.

    Returns:
        `difference`, the largest of one number of a vector; `kind` and `number` of its text, counted from 1;
        `dimension`, how many numbers the vectors have. Of vectors of another dimension no difference is told.
    """
    parity = json.loads((folder / "parity.json").read_bytes())
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True, trust_remote_code=False).float()
    encode = {"queries": model.encode_query, "documents": model.encode_document}
    worst: dict[str, Any] = {"difference": -1.0}
    for kind, texts in encode.items():
        known = np.array([one["vector"] for one in parity[kind]], dtype=np.float32)
        # A model that makes unit vectors must make them by itself; else they are made so, as the evaluation did.
        given = [one["text"] for one in parity[kind]]
        found = texts(given, normalize_embeddings=not parity["normalized"], show_progress_bar=False)
        if found.shape != known.shape:
            return {"dimension": int(found.shape[1])}
        apart = np.nan_to_num(np.abs(found - known), nan=np.inf).max(axis=1)
        number = int(apart.argmax())
        if apart[number] > worst["difference"]:
            worst = {"difference": float(apart[number]), "kind": kind, "number": number + 1}
    return worst | {"dimension": int(parity["dimension"])}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(reproduce(Path(sys.argv[1]))) + "\n")
