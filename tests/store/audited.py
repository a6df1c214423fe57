"""Looks at folders as the intake does and tells what the interpreter did meanwhile: `python -m tests.store.audited`.

Audit events are the interpreter's own (PEP 578), so nothing that Python code does can keep out of them. The safetensors
library opens its one file outside of Python.
"""

import json
import os
import pickle
import sys
from pathlib import Path

from components.store.errors import TouchstoneError
from components.store.intake import inspect

RUNS = ("exec", "compile", "import", "socket.", "subprocess.", "os.system", "os.posix_spawn", "os.exec", "os.fork")
RUNS += ("pickle.", "marshal.", "ctypes.", "os.rename", "os.remove", "shutil.")
LIBRARIES = {"torch", "transformers", "sentence_transformers", "tokenizers"}
watched: list[Path] = []
found: list[str] = []


def hook(event: str, arguments: tuple[object, ...]) -> None:
    """Note what a mere look at a folder has no need of."""
    if not watched:
        return
    if event.startswith(RUNS):
        found.append(event)
    elif event == "open" and isinstance(arguments[0], str):
        path, flags = os.path.realpath(arguments[0]), arguments[2]
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or not Path(path).is_relative_to(watched[0]):
            found.append(f"open {path}")


def look(folder: Path) -> dict[str, object]:
    """What the intake says of a folder, and what happened while it looked."""
    found.clear()
    watched.append(folder.resolve())
    try:
        if folder.name == "control":
            pickle.loads((folder / "pytorch_model.bin").read_bytes())  # what must not happen, to see that it is seen
        inspect(folder)
        code, told = "", ""
    except TouchstoneError as error:
        code, told = error.code, str(error)
    except Exception as error:
        code, told = type(error).__name__, str(error)
    finally:
        watched.clear()
    return {"code": code, "told": told, "events": list(found), "libraries": sorted(LIBRARIES & set(sys.modules))}


if __name__ == "__main__":
    first, *others = map(Path, sys.argv[1:])
    inspect(first)  # an honest model: what is imported once is imported now
    sys.addaudithook(hook)
    sys.stdout.write(json.dumps({folder.name: look(folder) for folder in others}))
