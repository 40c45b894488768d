"""One compiled copy of the kernels per machine, so that every process measures to the last bit alike.

A process that has just compiled a kernel does not run the code that it leaves in Numba's cache: its
linker takes the small functions from the libraries that they were compiled in, a process that reads
the cache takes the copies inside their callers, and the two round differently. A fit amplifies a last
bit to 1e-3 degrees. So a child process compiles, and all others read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import llvmlite.binding
import numba

COMPILING_TIMEOUT = 900.0
"""Seconds after which a child that compiles is given up, and this process compiles itself."""


@contextlib.contextmanager
def current(modules: Sequence[ModuleType], loader: str) -> Iterator[None]:
    """Within it, kernels of `modules` come from a cache that is complete and of their present sources.

    Parameters
    ----------
    modules : sequence of module
        Their sources are what the cache must agree with: Numba compares a kernel with the file that
        it is in, not with the files of those that it calls in turn.
    loader : str
        Name of a module whose `load_kernels()` calls every kernel.
    """
    with _machine_lock():
        folder = Path(str(_a_kernel(modules).stats.cache_path))
        sources = hashlib.sha256(b"".join(Path(str(module.__file__)).read_bytes() for module in modules)).hexdigest()
        processor = f"{llvmlite.binding.get_host_cpu_name()} {llvmlite.binding.get_host_cpu_features().flatten()}"
        machine = hashlib.sha256(f"{processor} {numba.__version__} {sys.version}".encode()).hexdigest()[:16]
        stamp = folder / f"kernels-{machine}.sources"
        if _text(stamp) != sources:
            if not any(_text(other) == sources for other in folder.glob("kernels-*.sources")):
                _discard(folder, modules)
            if _compiled_by_a_child(loader):
                with contextlib.suppress(OSError):
                    stamp.write_text(sources)
        yield


def _a_kernel(modules: Sequence[ModuleType]) -> numba.core.dispatcher.Dispatcher:
    kinds = numba.core.dispatcher.Dispatcher
    return next(value for module in modules for value in vars(module).values() if isinstance(value, kinds))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _discard(folder: Path, modules: Sequence[ModuleType]) -> None:
    names = [module.__name__.rpartition(".")[2] for module in modules]
    for file in (file for name in names for file in folder.glob(f"{name}.*.nb[ic]")):
        with contextlib.suppress(OSError):
            file.unlink()


def _compiled_by_a_child(loader: str) -> bool:
    code = f"import importlib; importlib.import_module({loader!r}).load_kernels()"
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command, environment = [sys.executable, "-c", code], os.environ | {"PYTHONPATH": path}
    try:
        child = subprocess.run(command, env=environment, capture_output=True, timeout=COMPILING_TIMEOUT)
    except (OSError, subprocess.SubprocessError):
        return False
    return child.returncode == 0


@contextlib.contextmanager
def _machine_lock() -> Iterator[None]:
    """Hold a lock that processes of one user on one machine share; none where there is no `fcntl`."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    user = os.getuid()
    path = Path(tempfile.gettempdir()) / f"galaxy-measurement-{user}.lock"
    try:
        file = open(path, "a")  # noqa: SIM115 (closed below; failing to open is no reason to fail)
    except OSError:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
