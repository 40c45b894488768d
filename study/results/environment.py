"""What a result was made with: the commit, Python, the packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """Git commit of the code, package versions, Python: what an artifact of the parent run holds."""
    import platform
    import subprocess
    from importlib import metadata

    names = ("torch", "ray", "optuna", "mlflow", "numpy", "astropy", "photutils", "numba", "pandas", "pillow")
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    root = Path(__file__).resolve().parent.parent
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10).stdout.strip()
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        commit, dirty = "", ""
    return {
        "git_commit": commit or "unknown",
        "git_changes": bool(dirty.strip()),
        "python": platform.python_version(),
        "packages": versions,
    }


def environment_json() -> str:
    """`environment` as text."""
    return json.dumps(environment(), indent=1)
