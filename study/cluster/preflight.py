"""Before the first trial on a cluster: whether every node can take one, said in one sentence per node.

Each node runs `probe`, which travels by value: a node without this package must be able to say so.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import InputError

PACKAGES = ("torch", "ray", "numpy", "scipy", "pandas", "pyarrow", "pillow", "numba", "astropy", "photutils")
"""What training and measuring on a node need, in the versions that the driver has."""
CODE = ("gan", "eval", "study", "common")
PATIENCE_S = 180.0


@dataclass(frozen=True)
class Expected:
    """What every node must have.

    Attributes
    ----------
    folder : str
        Shared folder of all results; empty: they are in an object store.
    token : str
        Name and content of a file that the driver wrote there; empty without a folder.
    files : mapping of str to str
        Further files that the node must see, with their SHA-256.
    packages : mapping of str to str
        Versions by package, `python` among them.
    code : str or None
        `code_digest` of the driver; None: the code travels with the job.
    """

    folder: str
    token: str
    files: Mapping[str, str]
    packages: Mapping[str, str]
    code: str | None


def check_cluster(address: str, results: Path | None, *, files: Iterable[Path] = (), gpus: bool = False) -> None:
    """Ask every node of the joined cluster whether it can take a trial.

    Parameters
    ----------
    address : str
        As the user gave it, for the message.
    results : Path or None
        Folder of all studies; all nodes must see it and write to it. None: results are in an object store.
    files : iterable of Path
        Further files that all nodes must see with the same content, such as the manifest of the galaxy set.
    gpus : bool
        Whether trials use GPUs: then each node's PyTorch must see as many as the node offers to Ray.

    Raises
    ------
    InputError
        With a sentence for each node that cannot.
    """
    import ray

    contents = {str(path): content for path in files if (content := digest(path)) is not None}
    nodes = [node for node in ray.nodes() if node["Alive"]]
    with _token(results) as (folder, token):
        expected = Expected(folder, token, contents, package_versions(), None if code_travels() else code_digest())
        found = _ask(nodes, expected, gpus)
        faults = [
            f"node {name_of(node)} {sentence}"
            for node in nodes
            if (sentence := problem(found[node["NodeID"]], expected, _replied(expected, node), _gpus(node, gpus)))
        ]
    if faults:
        listed = "\n  ".join(faults)
        raise InputError(f"--address {address}: {len(faults)} of {len(nodes)} node(s) cannot take trials\n  {listed}")


@contextlib.contextmanager
def _token(results: Path | None) -> Iterator[tuple[str, str]]:
    """Name of the results folder and of a file there that holds its own name; nothing is left behind."""
    if results is None:
        yield "", ""
        return
    made = [path for path in (results, *results.parents) if not path.exists()]
    results.mkdir(parents=True, exist_ok=True)
    token = f".preflight-{uuid.uuid4().hex}"
    try:
        (results / token).write_text(token)
        yield str(results), token
    finally:
        for path in results.glob(f"{token}*"):
            path.unlink(missing_ok=True)
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()


def problem(found: Mapping[str, Any] | str, expected: Expected, reply: bool, gpus: int) -> str | None:
    """What keeps a node from taking a trial, as the rest of a sentence that begins with its name; None: nothing.

    Parameters
    ----------
    found : mapping or str
        What `probe` returned there, or why it returned nothing.
    expected : Expected
        What it should have returned.
    reply : bool
        Whether the driver sees the file that the node wrote beside the token.
    gpus : int
        GPUs that the node's PyTorch must see.
    """
    if isinstance(found, str):
        return f"cannot be asked: {found}"
    faults = []
    if found["token"] != expected.token or not (reply or found["unwritable"]):
        faults.append(f"does not see this machine's {expected.folder} (give --results a folder that all nodes share)")
    elif found["unwritable"]:
        faults.append(f"cannot write to {expected.folder} ({found['unwritable']})")
    for path, content in expected.files.items():
        if found["files"][path] != content:
            faults.append(f"{'does not see' if found['files'][path] is None else 'has another'} {path}")
    for name, version in expected.packages.items():
        there = found["packages"].get(name)
        if there != version:
            faults.append(f"lacks {name} {version}" if there is None else f"has {name} {there} instead of {version}")
    if expected.code is not None and found["code"] != expected.code:
        faults.append("lacks this program" if found["code"] is None else "has another version of this program")
    if gpus and found["gpus"] < gpus and "torch" in found["packages"]:
        faults.append(f"offers {gpus} GPU(s) to Ray, but its PyTorch sees {found['gpus']}")
    return ", ".join(faults) or None


def probe(expected: Expected, reply: str, count_gpus: bool) -> dict[str, Any]:
    """What this node has, to be compared by `problem`; runs as a Ray task."""
    folder, token, unwritable = Path(expected.folder), "", None
    if expected.folder:
        try:
            token = (folder / expected.token).read_text()
            (folder / reply).touch()
        except OSError as error:
            unwritable = error.strerror or str(error)
    gpus = 0
    if count_gpus:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # Ray hides all from a task that asks for none
        try:
            import torch

            gpus = torch.cuda.device_count()
        except ImportError:
            pass
    return {
        "token": token,
        "unwritable": unwritable,
        "files": {path: digest(Path(path)) for path in expected.files},
        "packages": package_versions(tuple(expected.packages)),
        "code": code_digest(),
        "gpus": gpus,
    }


def digest(path: Path) -> str | None:
    """SHA-256 of a file; None when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def package_versions(names: tuple[str, ...] = ("python", *PACKAGES)) -> dict[str, str]:
    """Versions of the named packages that are installed here, without what tells builds apart (`+cpu`, `+cu130`)."""
    from importlib import metadata

    found = {}
    for name in names:
        try:
            version = metadata.version(name) if name != "python" else "{}.{}".format(*platform.python_version_tuple())
            found[name] = version.partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return found


def code_digest(packages: tuple[str, ...] = CODE) -> str | None:
    """SHA-256 of this program's modules as they would be imported here; None when one of its packages is absent."""
    from importlib.util import find_spec

    content = hashlib.sha256()
    for package in packages:
        try:
            spec = find_spec(package)
        except (ImportError, ValueError):
            spec = None
        places = list(spec.submodule_search_locations or []) if spec else []
        if not places:
            return None
        for path in sorted(Path(places[0]).rglob("*.py")):
            content.update(f"{package}/{path.relative_to(places[0]).as_posix()}".encode())
            content.update(path.read_bytes())
    return content.hexdigest()


def code_travels() -> bool:
    """Whether this is a job that was submitted with a working directory: Ray brings its code to every node."""
    import ray

    return "working_dir" in ray.get_runtime_context().runtime_env


def name_of(node: Mapping[str, Any]) -> str:
    """Host name and address of a node from `ray.nodes`."""
    host, address = node.get("NodeManagerHostname"), node.get("NodeManagerAddress")
    return f"{host} ({address})" if host and host != address else str(address)


def _ask(nodes: list[dict[str, Any]], expected: Expected, gpus: bool) -> dict[str, Any]:
    import ray
    from ray import cloudpickle
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    this = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(this)
    try:
        task = ray.remote(num_cpus=0, max_calls=1, max_retries=0)(probe)
        answers = {}
        for node in nodes:
            there = task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
            reply = f"{expected.token}-{node['NodeID']}"
            answers[node["NodeID"]] = there.remote(expected, reply, bool(gpus and _gpus(node, gpus)))
        ray.wait(list(answers.values()), num_returns=len(answers), timeout=PATIENCE_S)
        return {identity: _answer(answer) for identity, answer in answers.items()}
    finally:
        cloudpickle.unregister_pickle_by_value(this)


def _answer(answer: Any) -> Any:
    import ray

    try:
        return ray.get(answer, timeout=0.1)
    except ray.exceptions.GetTimeoutError:
        return f"no answer within {PATIENCE_S:.0f} s"
    except ray.exceptions.RayError as error:
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        return lines[-1].strip()[:200]


def _replied(expected: Expected, node: Mapping[str, Any]) -> bool:
    return not expected.folder or Path(expected.folder, f"{expected.token}-{node['NodeID']}").exists()


def _gpus(node: Mapping[str, Any], asked: bool) -> int:
    return int(node["Resources"].get("GPU", 0)) if asked else 0
