"""Where MLflow keeps its runs: the embedded SQLite file, a server, a database; checked before a study needs it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
from pathlib import Path
from urllib.parse import urlparse

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# The tracker's thread repeats what failed, and looks first what had arrived; the client itself would create runs twice.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from study.config.errors import InputError
from study.tracking.credentials import without_password


def default_uri(results: Path) -> str:
    """The embedded store beside the results: an absolute SQLite URI."""
    return f"sqlite:///{(results / 'mlflow.db').resolve()}"


def check_reachable(uri: str) -> None:
    """Raise `InputError` when a tracking store cannot be used; nothing is created."""
    parts = urlparse(uri)
    if parts.scheme in ("http", "https"):
        import requests

        try:
            answer = requests.get(f"{uri.rstrip('/')}/health", timeout=10)
        except (requests.RequestException, ValueError) as error:
            reason = type(error).__name__
            message = (
                f"--tracking-uri {without_password(uri)}: no MLflow server answers there ({reason}); start one with"
            )
            raise InputError(
                f"{message} `mlflow server --host 127.0.0.1 --port 5000`, or leave the option out"
            ) from None
        if answer.status_code >= 500:
            raise InputError(f"--tracking-uri {without_password(uri)}: the server answers {answer.status_code}")
    elif parts.scheme not in ("sqlite", "postgresql", "mysql", "mssql") and not parts.scheme.startswith("postgresql+"):
        accepted = "expected http://HOST:PORT, https://..., sqlite:////ABSOLUTE/PATH.db or postgresql://..."
        raise InputError(f"--tracking-uri {without_password(uri)}: not a tracking store; {accepted}")
    elif parts.scheme == "sqlite" and not Path(parts.path[1:] or "/").parent.is_dir():
        raise InputError(f"--tracking-uri {uri}: the folder {Path(parts.path[1:]).parent} does not exist")


def create_store(uri: str) -> None:
    """Create a SQLite store whole or not at all: MLflow cannot use one whose making was cut short."""
    path = Path(urlparse(uri).path[1:])
    if urlparse(uri).scheme != "sqlite" or path.exists():
        return
    import mlflow

    with open(path.with_name(f".{path.name}.lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        partial = path.with_name(f".{path.name}.partial")
        partial.unlink(missing_ok=True)
        mlflow.MlflowClient(f"sqlite:///{partial}").search_experiments(max_results=1)
        with contextlib.closing(sqlite3.connect(partial)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        os.replace(partial, path)


def quiet_logs() -> None:
    """Keep what MLflow logs off the screen: the tracker says in one line what its failures mean."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
