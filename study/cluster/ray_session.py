"""Starting or joining Ray, and what its nodes offer."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import InputError, first_line
from study.cluster.placement import Node, Placement, local_node, place
from study.storage.disk_errors import StudyHaltedError

if TYPE_CHECKING:
    from study.config.study import Study

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
SPARE_CPUS_PER_TRIAL = 1
STARTS = 3
CAPACITY_S = 5.0
SOCKET_PATH = 107
"""Characters that a Unix socket's path may have on Linux."""
LONGEST_FOLDER = SOCKET_PATH - len("/ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store.99")
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
OPEN = "this cluster asks for no token: whoever reaches its ports can run code as you (docs/security.md)"

_at_end = contextlib.ExitStack()
"""What `stop` undoes."""


def quiet_environment() -> None:
    """Settings of Ray and MLflow that must be in the environment before they are imported; the user's own win."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def start(address: str | None, placement: Placement | None) -> tuple[Node, ...]:
    """Start Ray on this machine, or join the cluster at `address`.

    Parameters
    ----------
    address : str or None
        As `ray.init` takes it; None starts a private Ray that ends with this process.
    placement : Placement or None
        For a private Ray: how many CPUs the trials take.

    Returns
    -------
    tuple of Node
        The nodes of the cluster.
    """
    quiet_environment()
    authenticate(address)
    import ray

    if address is None:
        node = local_node()
        # Ray Data's tasks wait for ever unless whole logical CPUs are left beside those that the trials hold.
        spare = (placement.concurrent if placement else 1) * SPARE_CPUS_PER_TRIAL
        _start_private(int(node.cpus) + spare, int(node.gpus))
        return (node,)
    _check_answers(address)
    with _native_messages() as said:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = first_line(error)
            if "Unauthenticated" in said():
                refused = "it refuses this token" if protected() else "it asks for a token"
                reason = f"{refused} (RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token)"
            raise InputError(f"--address {address}: no Ray cluster can be joined there: {reason}") from None
    return nodes()


@contextlib.contextmanager
def _native_messages() -> Iterator[Callable[[], str]]:
    """Keep what compiled code writes to standard error off the screen; gives a function that returns it so far."""
    with tempfile.TemporaryFile() as kept:
        before = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield lambda: os.pread(kept.fileno(), 1 << 20, 0).decode(errors="replace")
        finally:
            os.dup2(before, 2)
            os.close(before)


def _start_private(cpus: int, gpus: int) -> None:
    """Start a Ray of this process; again when it is not up in the half minute that Ray gives it on a busy machine."""
    import ray

    _at_end.enter_context(session_folder())
    for left in reversed(range(STARTS)):
        try:
            ray.init(
                address="local",
                num_cpus=cpus,
                num_gpus=gpus,
                include_dashboard=True,
                dashboard_host="127.0.0.1",
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=True,
            )
            return
        except Exception as error:
            ray.shutdown()
            if not left:
                raise StudyHaltedError(
                    f"Ray did not start on this machine, tried {STARTS} times: {first_line(error)}"
                ) from error


def nodes() -> tuple[Node, ...]:
    """What the nodes that are alive now offer to Ray."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return tuple(Node(offer.get("CPU", 0.0), offer.get("GPU", 0.0)) for offer in alive)


class Capacity:
    """How many trials of a study the joined cluster has room for now: nodes may leave, and others join.

    Parameters
    ----------
    study : Study
        What its trials need.
    say : callable
        Told, in one line, when the room changes.
    """

    def __init__(self, study: Study, say: Callable[[str], None]):
        self.study, self.say = study, say
        self._asked = -math.inf
        self._room = 0

    def __call__(self) -> int:
        """The number of trials; the cluster is asked every few seconds at most."""
        if time.monotonic() - self._asked > CAPACITY_S:
            there = nodes()
            try:
                room = place(self.study, there).concurrent
            except InputError:
                room = 0
            if room != self._room and self._asked > -math.inf:
                waits = "" if room else "; waiting for a node to join"
                self.say(f"the cluster has {len(there)} node(s) now, with room for {room} trial(s) at once{waits}")
            self._room, self._asked = room, time.monotonic()
        return self._room


def authenticate(address: str | None) -> None:
    """Decide how Ray's processes know each other; whatever the user has set in `RAY_AUTH_MODE` wins.

    Ray's processes listen on every interface, and whoever may talk to them can run code. A private Ray, which asks for
    a token unless told otherwise, therefore gets one of its own: it lives in the environment of this process and of
    those that Ray starts, and in no file. A cluster is joined with the user's token where there is one.
    """
    if "RAY_AUTH_MODE" in os.environ:
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    there = bool({"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ))
    if address is None and not there:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    elif address is not None and (there or (Path.home() / ".ray" / "auth_token").exists()):
        os.environ["RAY_AUTH_MODE"] = "token"


def protected() -> bool:
    """Whether this process shows Ray a token."""
    return os.environ.get("RAY_AUTH_MODE", "disabled").lower() == "token"


def _check_answers(address: str) -> None:
    """Raise `InputError` when nothing listens at HOST:PORT; Ray itself would try for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        if address not in ("auto", "local"):
            raise InputError(f"--address {address}: expected HOST:PORT, ray://HOST:PORT or auto")
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"--address {address}: no Ray cluster answers there: {reason}") from None


@contextlib.contextmanager
def session_folder() -> Iterator[None]:
    """Let Ray's session have a folder of its own where the usual one cannot be written, or is too long for a socket.

    Ray takes `RAY_TMPDIR`, else `TMPDIR`, else `/tmp`. A folder that is made here stands in `RAY_TMPDIR`; it is removed
    at the end.

    Raises
    ------
    InputError
        No short folder can be written.
    """
    usual = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp")
    there = usual / "ray" if (usual / "ray").exists() else usual
    if len(os.fsencode(usual)) <= LONGEST_FOLDER and os.access(there, os.W_OK):
        yield
        return
    place = next((place for place in SHORT_FOLDERS if os.access(place, os.W_OK)), None)
    if place is None:
        raise InputError(f"RAY_TMPDIR: Ray needs a folder of at most {LONGEST_FOLDER} characters that it can write to")
    before = os.environ.get("RAY_TMPDIR")
    with tempfile.TemporaryDirectory(prefix="ray-", dir=place, ignore_cleanup_errors=True) as own:
        os.environ["RAY_TMPDIR"] = own
        try:
            yield
        finally:
            del os.environ["RAY_TMPDIR"]
            if before is not None:
                os.environ["RAY_TMPDIR"] = before


def stop() -> None:
    """Leave Ray; a private one ends, and a folder that was made for it is removed."""
    import ray

    with contextlib.suppress(Exception):
        ray.shutdown()
    _at_end.close()


def silence() -> Any:
    """Quiet the libraries' loggers in this process: the study says itself what failed and where it is written."""
    for name in ("ray", "ray.train", "ray.data", "optuna", "mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
