"""Faults of the disk that no retry cures: a study that meets one stops and keeps its state."""

from __future__ import annotations

import errno
import os

_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_WORDS = (*(os.strerror(number).lower() for number in _ERRNOS), "disk is full", "readonly database")


class StudyHaltedError(RuntimeError):
    """The study cannot go on now, and can later: the message says why."""


def storage_fault(error: BaseException | None) -> str | None:
    """What is wrong with the disk, when that is why `error` was raised: one line; None: it is something else.

    Libraries wrap the system's error in their own, across processes as text; causes and texts are searched.
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, OSError) and error.errno in _ERRNOS:
            place = f": {error.filename}" if error.filename else ""
            return f"{os.strerror(error.errno)}{place}"
        for line in str(error).splitlines():
            if any(words in line.lower() for words in _WORDS):
                return line.strip()[:300]
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None
