"""Renders the overlays of manifests/: `python -m pipelines.manifests [OVERLAY...]` writes build/manifests/OVERLAY.yaml.

kustomize does it, the one inside kubectl; without a name every overlay is rendered, and the base.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from components.store.errors import TouchstoneError, UserError

MANIFESTS = Path(__file__).parents[1] / "manifests"
OUT = Path("build/manifests")


def overlays() -> dict[str, Path]:
    """Name -> folder, the base among them."""
    found = {path.parent.name: path.parent for path in (MANIFESTS / "overlays").glob("*/kustomization.yaml")}
    return {"base": MANIFESTS / "base"} | dict(sorted(found.items()))


def render(overlay: str) -> str:
    """The YAML that `kubectl apply` gets.

    Raises:
        UserError: UNKNOWN_OVERLAY or NO_KUBECTL.
        TouchstoneError: RENDERING_FAILED.
    """
    known = overlays()
    if overlay not in known:
        fix = f"Take one of those, or make one: manifests/overlays/{overlay}/kustomization.yaml"
        raise UserError(
            "UNKNOWN_OVERLAY", "there is no such overlay", found=overlay, expected=", ".join(known), fix=fix
        )
    beside = str(Path(sys.executable).parent)
    kubectl = shutil.which("kubectl", path=beside) or shutil.which("kubectl")
    if not kubectl:
        raise UserError("NO_KUBECTL", "kubectl renders the manifests and is not here", fix="make setup installs it.")
    done = subprocess.run([kubectl, "kustomize", str(known[overlay])], capture_output=True, text=True)
    if done.returncode:
        raise TouchstoneError("RENDERING_FAILED", f"{overlay} does not render", found=done.stderr.strip()[-400:])
    return done.stdout


def main(names: list[str]) -> int:
    """Render what is asked for, or everything."""
    try:
        rendered = {name: render(name) for name in names or overlays()}
    except TouchstoneError as error:
        sys.stderr.write(f"\n{error}\n")
        return error.exit_code
    OUT.mkdir(parents=True, exist_ok=True)
    for name, text in rendered.items():
        (OUT / f"{name}.yaml").write_text(text)
        sys.stdout.write(f"{name} is rendered to {OUT / name}.yaml\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
