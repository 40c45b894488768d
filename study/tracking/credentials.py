"""Passwords and tokens in addresses: kept out of what is shown, written, and seen in lists of processes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlparse

from study.config.errors import InputError

HIDDEN = "***"
VARIABLE = "MLFLOW_TRACKING_URI"
_SECRET = re.compile(r"(?i)([?&;](?:[a-z_]*(?:password|passwd|pwd|token|secret|key))=)[^&;#\s]+")


def without_password(uri: str) -> str:
    """The URI as it may be shown: user and password, and secrets in its query, hidden."""
    try:
        netloc = urlparse(uri).netloc
    except ValueError:
        netloc = ""
    user, at, _ = netloc.rpartition("@")
    if at and (":" in user or uri.startswith("http")):
        uri = uri.replace(f"{user}@", f"{HIDDEN}@")
    return _SECRET.sub(rf"\1{HIDDEN}", uri)


def scrubbed(text: str, uri: str) -> str:
    """A message of a library without the credentials of `uri`."""
    try:
        parts = urlparse(uri)
        alone = parts.username if parts.scheme.startswith("http") and not parts.password else None  # a token
        secrets = [part for part in (parts.password, unquote(parts.password or ""), alone, *_values(uri)) if part]
    except ValueError:
        secrets = []
    text = text.replace(uri, without_password(uri))
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _SECRET.sub(rf"\1{HIDDEN}", text)


def _values(uri: str) -> list[str]:
    return [match[0].partition("=")[2] for match in _SECRET.finditer(uri)]


def tracking_uri(
    option: str | None, saved: str | None, default: str, environment: Mapping[str, str] = os.environ
) -> str:
    """The MLflow store of a study: as asked for, else that which the study began with, else the environment's.

    Parameters
    ----------
    option : str or None
        `--tracking-uri`.
    saved : str or None
        From the study's folder, where it stands without its password.
    default : str
        When nothing else is said.
    environment : mapping
        `MLFLOW_TRACKING_URI` may hold a URI with its password, which nothing shows and nothing writes down.

    Raises
    ------
    InputError
        The option holds a password, which every user of the machine could read in its list of processes; or the
        store of a study that goes on needs one that is not given.
    """
    given = environment.get(VARIABLE) or None
    if option is not None and without_password(option) != option:
        raise InputError(
            f"--tracking-uri {without_password(option)}: a password on the command line can be read by everybody on "
            f"this machine; put the URI into the environment variable {VARIABLE} instead and leave the option out"
        )
    chosen = option or saved or given or default
    if HIDDEN not in chosen:
        return chosen
    if given is None or without_password(given) != chosen:
        raise InputError(f"the study's MLflow store {chosen} needs its password: put its URI into {VARIABLE}")
    return given
